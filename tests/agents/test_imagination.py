"""What looking ahead remembers: a world of one number, in which every step that is computed is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from agents.imagination import Recall, unroll
from agents.interfaces import Prediction
from agents.records import Moment

HERE = Moment(np.zeros((1, 4, 4), np.uint8), np.zeros((2, 2, 3), np.uint8), None)


class Sums:
    """Implements `WorldModel`: action a adds a, times ten at each step; a state is the numbers (B,) so far."""

    name = "sums"

    def __init__(self) -> None:
        self.steps = 0

    def start(self, moment: Moment, rows: int) -> np.ndarray:
        return np.zeros(rows)

    def step(self, state: np.ndarray, actions: np.ndarray) -> np.ndarray:
        self.steps += 1
        return (10 * state + actions) % 1_000_003

    def read(self, states: Sequence[np.ndarray]) -> Prediction:
        numbers = np.stack(states, 1)
        frames = np.broadcast_to((numbers % 256)[..., None, None, None], (*numbers.shape, 2, 2, 3)).astype(np.uint8)
        return Prediction(frames, numbers.astype(np.float32), np.ones(numbers.shape, np.float32), 0 * numbers)

    def row(self, state: np.ndarray, place: int) -> np.ndarray:
        return state[place : place + 1]


def always_one(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(len(state), np.int64), state.astype(np.float32)


class Looking:
    """Looks ahead with one model and one memory; `computed` is how many steps the newest look took."""

    def __init__(self) -> None:
        self.model, self.recall, self.computed = Sums(), Recall(), 0

    def look(self, actions: Sequence[Sequence[int]], horizon: int = 6, moment: Moment = HERE, samples: int = 1):
        before = self.model.steps
        found = unroll(self.model, moment, horizon, always_one, np.array(actions), samples, self.recall)
        self.computed = self.model.steps - before
        alone = unroll(Sums(), moment, horizon, always_one, np.array(actions), samples)
        for name in ("frames", "actions", "rewards", "continues", "values", "uncertainty"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
            assert getattr(found, name).dtype == getattr(alone, name).dtype
        return found


@pytest.mark.parametrize(
    ("actions", "computed"), [([2, 1, 1, 3], 3), ([2, 3], 5), ([3], 5), ([4], 6), ([2, 1, 1, 1, 1, 3], 1), ([2], 5)]
)
def test_only_what_is_not_known_is_computed(actions: list[int], computed: int) -> None:
    looking = Looking()
    looking.look([[2], [3]])
    looking.look([actions])
    assert looking.computed == computed


def test_a_branch_of_a_branch_of_a_branch() -> None:
    looking = Looking()
    looking.look([[2], [3]])
    for actions, computed in (([2, 1, 4], 4), ([2, 1, 4, 1, 5], 2), ([2, 5], 5), ([2, 1, 4, 7], 3)):
        looking.look([actions])
        assert looking.computed == computed


def test_the_horizon_grows_and_shrinks() -> None:
    looking = Looking()
    looking.look([[2, 1, 1, 1, 1, 1]])
    looking.look([[2, 1, 1, 1, 1, 1, 1, 1]], horizon=8)
    assert looking.computed == 2
    looking.look([[2, 1, 1]], horizon=3)
    assert looking.computed == 1


def test_another_moment_is_another_future_and_none_is_forgotten_for_it() -> None:
    looking, there = Looking(), replace(HERE)
    looking.look([[2, 1, 1, 1, 1, 1]])
    looking.look([[2, 1, 1, 1, 1, 1]], moment=there)
    assert looking.computed == 6
    looking.look([[2, 1, 1, 1, 1, 3]])
    assert looking.computed == 1


def test_draws_neither_ask_nor_are_remembered() -> None:
    looking = Looking()
    looking.look([[2, 1, 1]], samples=3)
    looking.look([[2, 1, 1]])
    assert looking.computed == 6
    looking.look([[2, 1, 1]], samples=2)
    assert looking.computed == 6


def test_no_more_is_remembered_than_it_says_and_the_oldest_goes_first() -> None:
    looking = Looking()
    looking.look([[9]], horizon=50)
    for first in range(Recall.MOST // 50):
        looking.look([[first]], horizon=50)
        assert sum(known.rollout.horizon for known in looking.recall._known) <= Recall.MOST
    looking.look([[9, 1, 1, 2]], horizon=50)
    assert looking.computed == 50
    looking.look([[7, 1, 1, 2]], horizon=50)
    assert looking.computed == 47


def test_what_is_known_twice_is_remembered_once() -> None:
    looking = Looking()
    for horizon in range(2, 40):
        looking.look([[2], [3]], horizon)
    assert sum(known.rollout.horizon for known in looking.recall._known) == 2 * 39


def test_nobody_can_write_into_what_is_remembered() -> None:
    found = Looking().look([[2], [3]])
    with pytest.raises(ValueError, match="read-only"):
        found.values[:] = 7
