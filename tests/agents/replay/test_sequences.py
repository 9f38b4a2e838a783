"""Windows of the past: what arrived, what led there, and where games begin and end."""

import numpy as np
import pytest

from agents.interfaces import GameSteps
from agents.replay.sequences import SequenceReplay, sample_together

GAMES = 3


def frame(step: int) -> np.ndarray:
    """(N, 1, 2, 2) pictures that say which step of which game they are of."""
    values = 10 * step + np.arange(GAMES)
    return np.broadcast_to(values.astype(np.uint8)[:, None, None, None], (GAMES, 1, 2, 2))


def steps(step: int, terminated: int = -1, life: int = -1, began: int = -1, truncated: int = -1) -> GameSteps:
    flags = [np.arange(GAMES) == game for game in (terminated, truncated, life, began)]
    actions = np.full(GAMES, step % 4)
    rewards = np.full(GAMES, step, np.float32)
    return GameSteps(frame(step), actions, rewards, *flags)


def filled(rows: int, **ends: dict[str, int]) -> SequenceReplay:
    replay = SequenceReplay(GAMES * 8, GAMES, (2, 2), np.uint8)
    replay.add_first(frame(0))
    for step in range(1, rows):
        replay.add_steps(steps(step, **ends.get(f"at{step}", {})))
    return replay


def test_a_row_holds_what_arrived_and_what_led_there() -> None:
    batch = filled(8).sample(50, 4, np.random.default_rng(0))
    assert batch.frames.shape == (4, 50, 2, 2)
    step, game = batch.frames[..., 0, 0] // 10, batch.frames[..., 0, 0] % 10
    np.testing.assert_array_equal(step[1:], step[:-1] + 1)
    assert (game == game[0]).all()
    later = ~batch.first
    np.testing.assert_array_equal(batch.actions[later], step[later] % 4)
    np.testing.assert_array_equal(batch.rewards[later], step[later])
    np.testing.assert_array_equal(batch.first, step == 0)


def test_ends_of_lives_and_games() -> None:
    replay = filled(8, at2={"life": 1}, at4={"terminated": 0}, at5={"began": 0}, at6={"truncated": 2})
    batch = replay.sample(200, 8, np.random.default_rng(0))
    for column in range(200):
        game = batch.frames[0, column, 0, 0]
        assert np.flatnonzero(batch.alive[:, column] == 0).tolist() == {0: [4], 1: [2], 2: []}[game]
        assert np.flatnonzero(batch.playing[:, column] == 0).tolist() == {0: [4], 1: [], 2: []}[game]
        assert np.flatnonzero(batch.first[:, column]).tolist() == ([0, 5] if game == 0 else [0])
        if game == 0:
            assert batch.actions[5, column] == batch.rewards[5, column] == 0


def test_windows_never_cross_the_newest_row() -> None:
    replay = filled(21)  # rows 13 to 20 are held, the ring has gone round twice
    step = replay.sample(300, 5, np.random.default_rng(0)).frames[..., 0, 0] // 10
    np.testing.assert_array_equal(step[1:], step[:-1] + 1)
    assert set(step[0].tolist()) == {13, 14, 15, 16}


def test_too_few_rows() -> None:
    replay = filled(3)
    assert not replay.ready(4)
    with pytest.raises(ValueError, match="no 4 rows"):
        replay.sample(1, 4, np.random.default_rng(0))


@pytest.mark.parametrize("rows", [3, 8, 21])
def test_saved_and_loaded_it_samples_the_same(tmp_path, rows: int) -> None:
    replay, other = filled(rows, at2={"life": 1}), filled(1)
    names = replay.save_frames(tmp_path)
    assert replay.save_frames(tmp_path) == names
    other.load(tmp_path, names, replay.state(), replay.added)
    for first, second in zip(
        vars(replay.sample(9, 3, np.random.default_rng(1))).values(),
        vars(other.sample(9, 3, np.random.default_rng(1))).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)


def test_a_saved_replay_that_is_damaged_or_of_another_shape_is_refused(tmp_path) -> None:
    replay = filled(8)
    names = replay.save_frames(tmp_path)
    with pytest.raises(ValueError, match="do not cover"):
        filled(1).load(tmp_path, names[1:], replay.state(), replay.added)
    smaller = SequenceReplay(GAMES * 6, GAMES, (2, 2), np.uint8)
    with pytest.raises(ValueError, match="are"):
        smaller.load(tmp_path, names, replay.state(), replay.added)
    (tmp_path / names[0]).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="damaged"):
        filled(1).load(tmp_path, names, replay.state(), replay.added)


def test_windows_drawn_for_their_ends_hold_one() -> None:
    replay = filled(8, at2={"life": 1}, at4={"terminated": 0}, at5={"began": 0}, at6={"truncated": 2})
    rows, games = replay.draw_ends(400, 3, np.random.default_rng(0))
    batch = replay.windows(rows, games, 3)
    assert ((batch.alive == 0).sum(0) == 1).all()
    assert abs((games == 1).sum() - 200) < 50  # a cut-off game has not ended
    for game, end in ((1, 2), (0, 4)):  # each place in a window, wherever one fits
        assert {end - row for row in rows[games == game].tolist()} == {0, 1, 2}


def test_ends_near_the_edge_of_the_replay() -> None:
    replay = filled(21, at13={"life": 1}, at20={"terminated": 2}, at5={"life": 0})  # rows 13 to 20 are held
    rows, games = replay.draw_ends(200, 4, np.random.default_rng(0))
    assert {(row, game) for row, game in zip(rows.tolist(), games.tolist(), strict=True)} == {(13, 1), (17, 2)}


def test_without_any_end_windows_are_drawn_anyhow() -> None:
    rows, _ = filled(8).draw_ends(50, 3, np.random.default_rng(0))
    assert set(rows.tolist()) == set(range(6))


def test_replays_drawn_from_together_count_by_what_they_hold() -> None:
    long, short, empty = filled(21), filled(6, at3={"life": 0}), SequenceReplay(GAMES, GAMES, (2, 2), np.uint8)
    batch = sample_together((long, short, empty), 1_400, 4, np.random.default_rng(0))
    step = batch.frames[..., 0, 0] // 10
    np.testing.assert_array_equal(step[1:], step[:-1] + 1)
    from_long = step[0] >= 13
    assert abs(from_long.sum() - 800) < 60  # 8 rows of 14
    assert set(step[0].tolist()) == {0, 1, 2, *range(13, 18)}
    assert not from_long[:700].all()
    assert from_long[:700].any()


def test_a_share_of_what_is_drawn_together_holds_an_end_each_end_as_often() -> None:
    many, few, none = (
        filled(8, at2={"life": 1}, at4={"life": 0}, at6={"life": 2}),
        filled(8, at2={"life": 0}),
        filled(8),
    )
    batch = sample_together((many, none, few), 800, 2, np.random.default_rng(0), ends_share=1.0)
    assert ((batch.alive == 0).sum(0) == 1).all()
    game, step = batch.frames[..., 0, 0] % 10, batch.frames[..., 0, 0] // 10
    of_few = ((batch.alive == 0) & (game == 0) & (step == 2)).sum()
    assert abs(of_few - 200) < 50  # one end of four
    batch = sample_together((many, none, few), 800, 2, np.random.default_rng(0), ends_share=0.25)
    assert abs((batch.alive == 0).any(0).sum() - 200 - 600 * 4 * 2 / (9 * 7)) < 50  # and some by chance
    assert sample_together((none, none), 9, 2, np.random.default_rng(0), ends_share=1.0).alive.all()


def test_a_replay_can_count_for_more() -> None:
    one, other = (filled(8, at4={"life": game}) for game in (0, 1))
    for share in (0.0, 1.0):
        random = np.random.default_rng(0)
        batch = sample_together((one, other), 800, 2, random, ends_share=share, weights=(1.0, 3.0))
        ended = (batch.alive == 0).any(0)
        of_other = (batch.frames[0, :, 0, 0] % 10 == 1) & ended
        assert abs(of_other.sum() / ended.sum() - 3 / 4) < 0.07


def test_nothing_is_drawn_together_where_no_replay_holds_enough() -> None:
    with pytest.raises(ValueError, match="no replay holds 4 rows"):
        sample_together((filled(3), filled(2)), 1, 4, np.random.default_rng(0))


def test_two_replays_share_a_folder(tmp_path) -> None:
    one, other = filled(8), filled(5, at2={"life": 1})
    names, others = one.save_frames(tmp_path), other.save_frames(tmp_path, "lent")
    assert not set(names) & set(others)
    loaded = filled(1)
    loaded.load(tmp_path, others, other.state(), other.added, "lent")
    np.testing.assert_array_equal(loaded.columns["frames"], other.columns["frames"])
    with pytest.raises(ValueError, match="do not cover"):
        loaded.load(tmp_path, names, one.state(), one.added, "lent")
