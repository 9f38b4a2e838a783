"""Pictures of dreams: laid out so that a person can compare, and made of what really follows."""

import numpy as np
import torch

from agents.dreamer.config import DreamerConfig
from agents.dreamer.strips import GAP, dream_on, strip
from agents.dreamer.world_model import WorldModel
from agents.replay.sequences import Sequences


def test_rows_are_real_dreamt_and_difference_and_time_runs_to_the_right() -> None:
    steps, sequences, side = 3, 2, 4
    real = np.arange(steps * sequences, dtype=np.uint8).reshape(steps, sequences, 1, 1, 1) * np.ones(
        (1, 1, side, side, 3), np.uint8
    )
    dreamt = (real + 100).astype(np.uint8)
    picture = strip(real, dreamt)
    assert picture.shape == (sequences * 3 * (side + GAP), steps * (side + GAP), 3)
    tiles = picture[:: side + GAP, :: side + GAP, 0]
    assert tiles.tolist() == [[0, 2, 4], [100, 102, 104], [100] * 3, [1, 3, 5], [101, 103, 105], [100] * 3]


def test_what_is_dreamt_depends_on_what_was_seen_and_done_but_not_on_what_came_later() -> None:
    torch.manual_seed(0)
    model = WorldModel(DreamerConfig(), 4, (48, 48, 3))
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (6, 2, 48, 48, 3), dtype=np.uint8)
    nothing = np.zeros((6, 2))
    actions = torch.eye(4)[torch.randint(4, (6, 2))]

    def dream(frames: np.ndarray, actions: torch.Tensor) -> np.ndarray:
        sequences = Sequences(frames, nothing.astype(np.int64), nothing, nothing > 0, nothing + 1, nothing + 1)
        return dream_on(model, sequences, actions, 3)

    dreamt = dream(frames, actions)
    assert dreamt.shape == (3, 2, 48, 48, 3)
    later, earlier, other = frames.copy(), frames.copy(), actions.clone()
    later[3:] = 0
    earlier[2] = 0
    other[4] = other[4].roll(1, -1)
    np.testing.assert_array_equal(dream(later, actions), dreamt)
    assert (dream(earlier, actions) != dreamt).any()
    np.testing.assert_array_equal(dream(frames, other)[0], dreamt[0])
    assert (dream(frames, other)[1] != dreamt[1]).any()
