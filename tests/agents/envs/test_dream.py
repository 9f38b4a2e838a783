"""Dreams as environments of Gymnasium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from agents.catalogue import ALGORITHMS
from agents.dqn.agent import DQNAgent
from agents.dqn.network import build_network
from agents.dreamer.agent import DreamerAgent
from agents.dreamer.behaviour import Behaviour
from agents.dreamer.config import DreamerConfig
from agents.dreamer.world_model import WorldModel
from agents.envs.atari import AtariGame, action_names
from agents.envs.dream import DreamAgent, DreamEnv, DreamVectorEnv
from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.interfaces import Prediction


@pytest.fixture(scope="module")
def learnt() -> DreamAgent:
    """An agent with a learnt model, as it is before it has learnt."""
    torch.manual_seed(0)
    config, settings = DreamerConfig(), ALGORITHMS["dreamer"].settings_for("breakout")
    model, behaviour = WorldModel(config, 4, settings.frame_shape), Behaviour(config, 4)
    return DreamAgent(DreamerAgent(model, behaviour, action_names("breakout"), settings), "breakout", settings)


@pytest.fixture(scope="module")
def perfect() -> DreamAgent:
    """An agent whose model is the emulator."""
    torch.manual_seed(0)
    emulator = EmulatorModel("breakout")
    agent = DQNAgent(build_network(4, 4, (84, 84)), emulator.action_names, emulator)
    return DreamAgent(agent, "breakout", AtariSettings())


@pytest.mark.parametrize("stochastic", [True, False])
def test_gymnasiums_own_check(learnt: DreamAgent, stochastic: bool) -> None:
    env = gymnasium.make("mbrl/Dream-v0", agent=learnt, horizon=4, stochastic=stochastic, render_mode="rgb_array")
    check_env(env.unwrapped, skip_render_check=True)


def test_the_same_seed_gives_the_same_dream_and_another_one_another(learnt: DreamAgent) -> None:
    def dream(seed: int) -> list[np.ndarray]:
        env = DreamEnv(learnt, horizon=5)
        return [env.reset(seed=seed)[0], *(env.step(np.int64(action))[0] for action in (2, 3, 2, 2))]

    first, again, other = dream(3), dream(3), dream(4)
    assert all(np.array_equal(one, same) for one, same in zip(first, again, strict=True))
    assert not all(np.array_equal(one, same) for one, same in zip(first, other, strict=True))


def test_a_dream_in_the_emulator_is_the_game_itself(perfect: DreamAgent) -> None:
    env = DreamEnv(perfect, start="beginning", render_mode="rgb_array")
    env.reset(seed=0)
    game = AtariGame("breakout", perfect.settings)
    game.restore(env._dreams._reals._game.snapshot())
    for action in (2, 2, 2, 3, 3):
        _, reward, ended, truncated, info = env.step(np.int64(action))
        step = game.step(action)
        assert np.array_equal(env.render(), game.screen)
        assert (reward, ended, truncated) == (step.reward, step.terminated, False)
        assert info == {"continue": 1.0, "uncertainty": 0.0}


def test_a_dream_is_truncated_at_its_horizon_and_ends_with_its_game(perfect: DreamAgent) -> None:
    env = DreamEnv(perfect, horizon=3)
    env.reset(seed=0)
    assert [env.step(np.int64(2))[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    env = DreamEnv(perfect, start="beginning", horizon=1_000)
    env.reset(seed=0)
    for _ in range(1_000):  # nobody presses FIRE again: it is pressed here, and the paddle stays where it is
        _, _, ended, truncated, _ = env.step(np.int64(1))
        if ended:
            break
    assert ended
    assert not truncated


def test_dreams_begin_further_on_in_a_real_game(perfect: DreamAgent) -> None:
    env = DreamEnv(perfect)
    env.reset(seed=0)
    frames = []
    for _ in range(4):
        env.reset()
        frames.append(env._dreams._reals._game.frame)
    assert all(np.diff(frames) > 0) or min(frames) < frames[0]  # unless that game was over


def test_many_dreams_are_one_batch_and_begin_anew_each_by_itself(perfect: DreamAgent) -> None:
    env = gymnasium.make_vec(
        "mbrl/Dream-v0", num_envs=3, vectorization_mode="vector_entry_point", agent=perfect, horizon=4
    )
    assert isinstance(env.unwrapped, DreamVectorEnv)
    seen, _ = env.reset(seed=1)
    assert seen.shape == (3, 84, 84, 1)
    assert len({seen[row].tobytes() for row in range(3)}) == 3
    dreams = env.unwrapped._dreams
    dreams.steps[1] = 2  # row 1 is two steps ahead of the others
    over = []
    for _ in range(6):
        seen, rewards, _, truncated, info = env.step(np.array([2, 3, 0]))
        over.append(truncated.tolist())
        assert seen.shape == (3, 84, 84, 1)
        assert rewards.dtype == np.float32
        assert info["continue"].shape == (3,)
    no, one, others = [False] * 3, [False, True, False], [True, False, True]
    assert over == [no, one, no, others, no, no]
    assert dreams.steps.tolist() == [1, 3, 1]


def test_a_vector_of_one_dreams_what_the_single_environment_dreams(perfect: DreamAgent) -> None:
    single, vector = DreamEnv(perfect, horizon=6), DreamVectorEnv(perfect, num_envs=1, horizon=6)
    one, many = single.reset(seed=5)[0], vector.reset(seed=5)[0]
    assert np.array_equal(one, many[0])
    for action in (2, 3, 1, 0):
        one, many = single.step(np.int64(action)), vector.step(np.array([action]))
        assert np.array_equal(one[0], many[0][0])
        assert one[1] == pytest.approx(float(many[1][0]))


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model gives every step a chance of 0.8 that the game goes on, and a doubt of 3 nats."""
    read = EmulatorModel.read

    def doubt(self: EmulatorModel, states: Sequence[EmulatorState]) -> Prediction:
        told = read(self, states)
        return replace(told, continues=told.continues * np.float32(0.8), uncertainty=told.uncertainty + 3)

    monkeypatch.setattr(EmulatorModel, "read", doubt)


@pytest.mark.usefixtures("doubtful")
def test_a_dream_is_over_once_its_game_probably_is(perfect: DreamAgent) -> None:
    """As in the app: 0.8³ > ½ > 0.8⁴."""
    env = DreamEnv(perfect)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(np.int64(2))[2] for _ in range(4)] == [False, False, False, True]


@pytest.mark.usefixtures("doubtful")
def test_a_dream_that_begins_anew_says_nothing_of_the_one_before(perfect: DreamAgent) -> None:
    env = DreamVectorEnv(perfect, num_envs=2)
    env.reset(seed=0)
    env._dreams.steps[1] = 48  # it is over before the other one
    told = [env.step(np.array([2, 3])) for _ in range(5)]
    assert [(ended | truncated).tolist() for _, _, ended, truncated, _ in told] == [
        [False, False], [False, True], [False, False], [True, False], [False, False]
    ]  # fmt: skip
    continues = [info["continue"].tolist() for *_, info in told]
    doubts = [info["uncertainty"].tolist() for *_, info in told]
    np.testing.assert_allclose(continues, [[0.8, 0.8], [0.8, 0.8], [0.8, 1], [0.8, 0.8], [1, 0.8]])
    assert doubts == [[3, 3], [3, 3], [3, 0], [3, 3], [0, 3]]


@pytest.mark.parametrize(
    ("named", "told"),
    [({"horizon": 0}, "horizon must be"), ({"start": "nowhere"}, "cannot start at 'nowhere'"), ({}, "no agent, run")],
)
def test_mistakes_are_told_plainly(perfect: DreamAgent, named: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        DreamEnv(perfect if named else "breakout-nobody", **named)


def test_a_shipped_agent_is_dreamt_with_by_its_name() -> None:
    env = gymnasium.make("agents.envs.dream:mbrl/Dream-v0", agent="breakout-dqn", horizon=2)
    seen, _ = env.reset(seed=0)
    assert env.observation_space.contains(seen)
    assert env.action_space.n == 4


def test_stable_baselines_can_train_in_a_dream(perfect: DreamAgent) -> None:
    baselines = pytest.importorskip("stable_baselines3")
    env = gymnasium.make("mbrl/Dream-v0", agent=perfect, horizon=8)
    model = baselines.A2C("CnnPolicy", env, n_steps=4).learn(12)
    assert model.num_timesteps >= 12
