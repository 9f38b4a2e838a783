"""Pendulum: what it shows, what its actions stand for, and how its games end."""

import gymnasium
import numpy as np

from agents.envs.pendulum import PendulumGames
from agents.evaluate import wander
from agents.interfaces import is_continuous


def test_a_game_is_gymnasiums_own_with_torques_from_minus_two_to_two() -> None:
    games, env = PendulumGames(2), gymnasium.make("Pendulum-v1")
    assert is_continuous(games)
    observations = games.reset(seed=7)
    expected, _ = env.reset(seed=8)
    assert observations.shape == (2, 1, 3)
    np.testing.assert_array_equal(observations[1, 0], expected)
    for action in (0.5, -1.0, 0.25):
        steps = games.step(np.array([[0.0], [action]], np.float32))
        expected, reward, *_ = env.step(np.array([2 * action], np.float32))
        np.testing.assert_allclose(steps.observations[1, 0], expected, rtol=1e-6)
        np.testing.assert_allclose(steps.rewards[1], reward, rtol=1e-6)
        assert steps.actions.tolist() == [[0.0], [action]]


def test_a_game_is_cut_off_after_200_steps_and_begins_anew() -> None:
    games = PendulumGames(1)
    games.reset(seed=0)
    ends = []
    for number in range(1, 403):
        steps = games.step(np.zeros((1, 1), np.float32))
        assert not steps.terminated[0]
        if steps.truncated[0]:
            ends.append(number)
        if steps.began[0]:
            assert (number, steps.rewards[0]) == (201, 0) or number == 402
    assert ends == [200, 401]


def test_wandering_replaces_a_share_of_the_actions() -> None:
    actions = np.full((20_000, 1), 0.5, np.float32)
    wandered = wander(actions, 0.3, np.random.default_rng(0))
    assert abs(np.mean(wandered == 0.5) - 0.7) < 0.02
    assert np.abs(wandered).max() <= 1
    np.testing.assert_array_equal(wander(actions, 0.0, np.random.default_rng(0)), actions)
