"""Whole games and their scores; when a game is solved."""

import numpy as np
import pytest

from agents.interfaces import GameSteps
from agents.scores import RECENT_GAMES, Scores


def steps(rewards: list[float], over: tuple[int, ...] = (), cut: tuple[int, ...] = ()) -> GameSteps:
    flags = [np.isin(np.arange(len(rewards)), games) for games in (over, cut)]
    none = np.zeros(len(rewards), bool)
    return GameSteps(np.zeros((len(rewards), 1, 1)), none.astype(np.int64), np.array(rewards), *flags, none, none)


def test_a_game_s_rewards_are_its_score_however_it_ends() -> None:
    scores = Scores(3, 0.0)
    assert scores.add(steps([1, 2, 0])) == ()
    assert scores.add(steps([1, 5, -1], over=(0,), cut=(2,))) == (2, -1)
    assert scores.add(steps([4, 1, 0], over=(0, 1))) == (4, 8)
    scores.begin()
    assert scores.add(steps([1, 1, 1], over=(0, 1, 2))) == (1, 1, 1)
    assert [*scores.recent] == [2, -1, 4, 8, 1, 1, 1]


@pytest.mark.parametrize(("score", "wanted", "solved"), [(5, 5, True), (4, 5, False), (5, 0, False)])
def test_it_is_solved_by_the_mean_of_a_hundred_games(score: float, wanted: float, solved: bool) -> None:
    scores = Scores(1, wanted)
    for _ in range(RECENT_GAMES - 1):
        scores.add(steps([score], over=(0,)))
    assert not scores.solved
    scores.add(steps([score], over=(0,)))
    assert scores.solved == solved
    resumed = Scores(1, wanted)
    resumed.begin(scores.recent)
    assert resumed.solved == solved
