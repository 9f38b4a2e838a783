"""CartPole: many games at a time, from numbers and from the picture."""

from __future__ import annotations

import gymnasium
import numpy as np

from agents.envs.cartpole import CartPoleGames


def test_a_game_is_gymnasium_s_own() -> None:
    games, env = CartPoleGames(2), gymnasium.make("CartPole-v1")
    observations, (state, _) = games.reset(7), env.reset(seed=8)
    for action in (0, 1, 1, 0, 1):
        np.testing.assert_array_equal(observations[1, 0], state)
        steps = games.step(np.array([1, action]))
        state, reward, *_ = env.step(action)
        observations = steps.observations
        assert steps.rewards[1] == reward == 1
    np.testing.assert_array_equal(observations[1, 0], state)


def test_a_game_begins_anew_after_its_end() -> None:
    games = CartPoleGames(1)
    games.reset(0)
    steps = [games.step(np.array([0])) for _ in range(30)]
    ends = [k for k, step in enumerate(steps) if step.terminated[0]]
    assert ends
    assert all(steps[k + 1].began[0] and steps[k + 1].rewards[0] == 0 for k in ends if k + 1 < len(steps))


def test_a_game_is_cut_off_after_500_steps() -> None:
    """It would go on: what is cut off is no terminal state."""
    games = CartPoleGames(1)
    state = games.reset(0)[0, 0]
    for number in range(1, 501):  # by hand: push to where the pole falls, and a little to the middle
        falls = state[2] + 0.5 * state[3] + 0.02 * state[0] + 0.04 * state[1]
        steps = games.step(np.array([int(falls > 0)]))
        state = steps.observations[0, 0]
        assert not steps.terminated[0], number
        assert steps.truncated[0] == (number == 500)


def test_pixels_are_a_stack_of_changing_pictures_bright_on_black() -> None:
    games = CartPoleGames(2, pixels=True)
    first = games.reset(0)
    assert first.shape == (2, 8, 84, 84)
    assert first.dtype == np.uint8
    assert first[:, :-1].max() == 0
    assert (first[:, -1] == 0).mean() > 0.9
    assert (first[:, -1].max(axis=(1, 2)) > 200).all()  # the cart, black on white as it is drawn
    later = games.step(np.array([0, 1])).observations
    np.testing.assert_array_equal(later[:, -2], first[:, -1])
    # Pushed apart: the left one's cart is further left.
    for _ in range(8):
        later = games.step(np.array([0, 1])).observations
    assert (later[0, -1] != later[0, -2]).any()
    columns = (later[:, -1].max(axis=1) > 200).argmax(axis=1)
    assert columns[0] < columns[1]


def test_no_display_is_needed(capfd) -> None:
    CartPoleGames(1, pixels=True).reset(0)
    assert capfd.readouterr().err == ""
