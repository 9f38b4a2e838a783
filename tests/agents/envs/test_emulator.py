"""The emulator as a world model: perfect, and without a trace in the real game."""

import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.imagination import unroll
from agents.records import Moment


def played(steps: int, settings: AtariSettings | None = None, seed: int = 7) -> AtariGame:
    game = AtariGame("breakout", settings, seed=seed)
    random = np.random.default_rng(seed)
    for _ in range(steps):
        game.step(int(random.integers(4)))
    return game


def always(action: int):
    def policy(state):
        rows = len(state.snapshots)
        return np.full(rows, action), np.zeros(rows, np.float32)

    return policy


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_what_is_imagined_is_what_then_happens(sticky: float) -> None:
    settings = AtariSettings(sticky=sticky)
    game = played(30, settings)
    actions = np.random.default_rng(0).integers(0, 4, (1, 60))
    rollout = unroll(EmulatorModel("breakout", settings), game.moment(), 60, always(0), actions)
    np.testing.assert_array_equal(rollout.frames[0, 0], game.screen)
    for k, action in enumerate(actions[0]):
        if game.over:
            break
        step = game.step(int(action))
        np.testing.assert_array_equal(rollout.frames[0, k + 1], game.screen)
        assert rollout.rewards[0, k] == step.reward
        assert rollout.continues[0, k] == (not step.terminated)
    assert k > 20


def test_looking_ahead_leaves_the_real_game_untouched() -> None:
    watched, alone = played(20), played(20)
    model = EmulatorModel("breakout")
    random = np.random.default_rng(1)
    for _ in range(60):
        before = watched.snapshot()
        unroll(model, watched.moment(), 8, always(3), random.integers(0, 4, (4, 3)))
        assert watched.snapshot().state.equals(before.state)
        action = int(random.integers(4))
        ours, theirs = watched.step(action), alone.step(action)
        np.testing.assert_array_equal(ours.observation, theirs.observation)
        np.testing.assert_array_equal(watched.screen, alone.screen)
        assert watched.score == alone.score


def test_rows_do_not_mix() -> None:
    moment = played(15).moment()
    model = EmulatorModel("breakout")
    together = unroll(model, moment, 12, always(0), np.array([[2] * 12, [3] * 12, [0] * 12]))
    for row, action in enumerate((2, 3, 0)):
        alone = unroll(model, moment, 12, always(0), np.full((1, 12), action))
        np.testing.assert_array_equal(together.frames[row], alone.frames[0])
        np.testing.assert_array_equal(together.actions[row], np.full(12, action))


def test_given_actions_come_first_and_the_policy_goes_on() -> None:
    rollout = unroll(EmulatorModel("breakout"), played(5).moment(), 4, always(3), np.array([[2, 2], [0, 1]]), samples=2)
    assert rollout.actions.tolist() == [[2, 2, 3, 3], [2, 2, 3, 3], [0, 1, 3, 3], [0, 1, 3, 3]]


def test_past_the_end_of_the_game_nothing_happens() -> None:
    game = AtariGame("breakout", AtariSettings(frame_cap=12))
    rollout = unroll(EmulatorModel("breakout", AtariSettings(frame_cap=12)), game.moment(), 6, always(0))
    assert rollout.continues[0].tolist() == [1, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(rollout.frames[0, 3], rollout.frames[0, 6])
    assert rollout.rewards[0, 3:].sum() == 0


def test_states_stay_usable_after_a_step() -> None:
    model = EmulatorModel("breakout")
    state = model.start(played(9).moment(), 1)
    right = model.step(state, np.array([2]))
    left, again = (model.read([model.step(state, np.array([3]))]) for _ in range(2))
    np.testing.assert_array_equal(left.frames, again.frames)
    model.step(right, np.array([2]))


@pytest.mark.parametrize(("horizon", "actions"), [(0, None), (3, np.zeros((1, 4), int)), (3, np.zeros(3, int))])
def test_impossible_requests_are_refused(horizon: int, actions: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match=r"horizon|actions"):
        unroll(EmulatorModel("breakout"), played(1).moment(), horizon, always(0), actions)


def test_a_moment_without_an_emulator_state_is_told_plainly() -> None:
    blank = Moment(np.zeros((1, 4), np.float32), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match="no emulator state"):
        EmulatorModel("breakout").start(blank, 1)
