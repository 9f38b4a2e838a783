"""What stands still changes hands, what moves keeps its place and its surroundings."""

import numpy as np

from agents.replay.sequences import Sequences
from agents.replay.still import MARGIN, WIDTH, exchange_still

SIDE = 32


def windows(*frames: np.ndarray) -> Sequences:
    """Each (T, h, w)."""
    pictures = np.stack(frames, 1)[..., None]
    none = np.zeros(pictures.shape[:2])
    return Sequences(pictures, *[none] * 5)


def still(grey: int) -> np.ndarray:
    return np.full((3, SIDE, SIDE), grey, np.uint8)


def exchanged(*frames: np.ndarray, seed: int = 0) -> np.ndarray:
    """(T, B, h, w)."""
    return exchange_still(windows(*frames), np.random.default_rng(seed)).frames[..., 0]


def test_two_pictures_exchange_whole_columns() -> None:
    for seed in range(5):
        one, other = exchanged(still(1), still(2), seed=seed).swapaxes(0, 1)
        assert (one + other == 3).all()
        assert (one == one[:, :1]).all()  # all lines alike, and all times
        assert (one == one[:1]).all()
        columns = one[0, 0].reshape(-1, WIDTH)
        assert (columns == columns[:, :1]).all()
    many = np.stack([exchanged(still(1), still(2), seed=seed)[0, 0, 0, ::WIDTH] for seed in range(400)])
    assert 0.2 < (many == 2).mean(0).min() < (many == 2).mean(0).max() < 0.6  # any column may change hands
    assert 0.2 < (many[:, 1:] != many[:, :-1]).mean() < 0.4


def test_what_moves_keeps_its_place_and_what_is_around_it() -> None:
    moving = still(1)
    moving[1, 20, 16] = 9
    taken = np.zeros((SIDE, SIDE), bool)
    for seed in range(60):
        one, other = exchanged(moving, still(2), seed=seed).swapaxes(0, 1)
        assert (one[1, 20, 16], other[1, 20, 16]) == (9, 2)
        assert (one == 9).sum() == 1
        taken |= one[0] == 2
    # Its own column and those beside it are taken from down to some lines above it, the others as a whole.
    assert not taken[20 - MARGIN :, 16 - WIDTH : 16 + 2 * WIDTH].any()
    assert taken[: 20 - MARGIN].all()
    assert taken[:, : 16 - WIDTH].all()
    assert taken[:, 16 + 2 * WIDTH :].all()


def test_what_moves_in_either_of_a_pair_counts() -> None:
    moving = still(1)
    moving[2, 0] = 9
    one, other = exchanged(moving, still(2)).swapaxes(0, 1)
    assert (one == moving).all()
    assert (other == 2).all()


def test_nothing_else_changes_and_nothing_is_written_over() -> None:
    given = windows(still(1), still(2), still(3))
    before = given.frames.copy()
    made = exchange_still(given, np.random.default_rng(1))
    np.testing.assert_array_equal(given.frames, before)
    for name in ("actions", "rewards", "first", "alive", "playing"):
        assert getattr(made, name) is getattr(given, name)
    # Of three windows one has no other to exchange with.
    assert sum((made.frames[:, k] == given.frames[:, k]).all() for k in range(3)) in (1, 3)
