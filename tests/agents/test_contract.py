"""What every agent must keep, whatever its kind."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from agents.a2c.agent import A2CAgent
from agents.a2c.network import build_network as build_actor_critic
from agents.catalogue import ALGORITHMS
from agents.dqn.agent import DQNAgent, epsilon_greedy
from agents.dqn.network import build_network
from agents.dreamer.agent import DreamerAgent
from agents.dreamer.behaviour import Behaviour
from agents.dreamer.config import DreamerConfig
from agents.dreamer.world_model import WorldModel
from agents.envs.atari import AtariGame, action_names
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.evaluate import Evaluation, draw, play_whole_games
from agents.i2a.agent import I2AAgent
from agents.i2a.config import I2AConfig
from agents.i2a.network import I2AParts
from agents.interfaces import Agent
from agents.pqn.network import build_network as build_normalised
from agents.records import Moment


def dqn(epsilon: float = 0.0) -> DQNAgent:
    torch.manual_seed(0)
    settings = ALGORITHMS["dqn"].settings_for("breakout")
    emulator = EmulatorModel("breakout", settings)
    return DQNAgent(build_network(4, 4, settings.frame_shape), emulator.action_names, emulator, epsilon)


def pqn() -> DQNAgent:
    torch.manual_seed(0)
    settings = ALGORITHMS["pqn"].settings_for("breakout")
    emulator = EmulatorModel("breakout", settings)
    return DQNAgent(build_normalised(4, 4, settings.frame_shape), emulator.action_names, emulator)


def a2c() -> A2CAgent:
    torch.manual_seed(0)
    settings = ALGORITHMS["a2c"].settings_for("breakout")
    emulator, network = EmulatorModel("breakout", settings), build_actor_critic(4, 4, settings.frame_shape)
    torch.nn.init.normal_(network.heads.policy.weight, std=0.3)  # nearly zero at first: it would have no opinion
    return A2CAgent(network, emulator.action_names, emulator)


def dreamer() -> DreamerAgent:
    torch.manual_seed(0)
    config, settings = DreamerConfig(), ALGORITHMS["dreamer"].settings_for("breakout")
    model, behaviour = WorldModel(config, 4, settings.frame_shape), Behaviour(config, 4)
    torch.nn.init.normal_(behaviour.actor.last.weight)  # zero at first: it would have no opinion
    return DreamerAgent(model, behaviour, action_names("breakout"), settings)


def i2a() -> I2AAgent:
    torch.manual_seed(0)
    config, settings = I2AConfig(model_width=8, horizon=2), ALGORITHMS["i2a"].settings_for("breakout")
    parts = I2AParts(config, 4, 4, settings.frame_shape)
    torch.nn.init.normal_(parts.agent.heads.policy.weight, std=0.3)
    return I2AAgent(parts, config, EmulatorModel("breakout", settings), settings)


KINDS: dict[str, Callable[[], Agent]] = {"dqn": dqn, "pqn": pqn, "a2c": a2c, "i2a": i2a, "dreamer": dreamer}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def agent(kind: str) -> Agent:
    return KINDS[kind]()


@pytest.fixture
def settings(kind: str) -> AtariSettings:
    return ALGORITHMS[kind].settings_for("breakout")


@pytest.fixture
def game(settings: AtariSettings) -> AtariGame:
    game = AtariGame("breakout", settings, seed=2)
    for action in (2, 2, 3, 0, 3, 3):
        game.step(action)
    return game


def test_a_decision_is_a_policy_and_a_choice_from_it(agent: Agent, game: AtariGame) -> None:
    decision = agent.act(game.moment())
    assert decision.probabilities.shape == (len(agent.action_names),)
    assert decision.probabilities.sum() == pytest.approx(1)
    assert decision.probabilities[decision.action] > 0
    assert np.isfinite(decision.value)
    if decision.action_values is not None:
        assert decision.value == pytest.approx(decision.action_values.max())


def test_deciding_changes_nothing(agent: Agent, game: AtariGame) -> None:
    moment = game.moment()
    before = moment.observation.copy()
    first, second = agent.act(moment), agent.act(moment)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(moment.observation, before)


def test_many_games_at_a_time_are_decided_as_one_is(agent: Agent, game: AtariGame) -> None:
    observations = []
    for _ in range(3):
        game.step(2)
        observations.append(game.observation)
    together = np.stack(observations)
    actions, began = np.array([1, 2, 3]), np.array([True, False, False])
    memory = agent.observe(agent.begin(3), together, actions, began)
    probabilities = agent.act_batch(together, memory)
    for row, observation in enumerate(observations):
        memory = agent.observe(agent.begin(1), observation[None], actions[row : row + 1], began[row : row + 1])
        alone = agent.act_batch(observation[None], memory)
        np.testing.assert_allclose(probabilities[row], alone[0], atol=1e-5)


@pytest.mark.parametrize(("given", "samples", "rows"), [(None, 1, 1), ([[0], [1], [2], [3]], 1, 4), ([[2, 2]], 3, 3)])
def test_a_rollout_has_the_promised_shapes(agent: Agent, game: AtariGame, given, samples: int, rows: int) -> None:
    moment, horizon = game.moment(), 5
    actions = None if given is None else np.array(given)
    rollout = agent.imagine(moment, horizon, actions, samples)
    height, width = moment.screen.shape[:2]
    assert rollout.frames.shape == (rows, horizon + 1, height, width, 3)
    assert rollout.frames.dtype == np.uint8
    assert rollout.actions.shape == (rows, horizon)
    assert rollout.actions.dtype == np.int64
    for field in (rollout.rewards, rollout.continues, rollout.uncertainty):
        assert field.shape == (rows, horizon)
        assert field.dtype == np.float32
    assert rollout.values.shape == (rows, horizon + 1)
    assert ((rollout.continues >= 0) & (rollout.continues <= 1)).all()
    assert (rollout.uncertainty >= 0).all()
    assert rollout.model
    np.testing.assert_array_equal(rollout.frames[:, 0], np.repeat(moment.screen[None], rows, 0))
    if actions is not None:
        np.testing.assert_array_equal(rollout.actions[:, : actions.shape[1]], np.repeat(actions, samples, 0))


def test_imagining_twice_from_one_moment_gives_the_same(agent: Agent, game: AtariGame) -> None:
    moment = game.moment()
    first, second = agent.imagine(moment, 6), agent.imagine(moment, 6)
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.values, second.values)


def test_a_future_that_leaves_a_known_one_is_imagined_from_there_on_and_as_from_nothing(
    kind: str, game: AtariGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, horizon = KINDS[kind](), 8
    memory = agent.observe(agent.begin(1), game.observation[None], np.array([0]), np.array([True]))
    moment = replace(game.moment(), memory=memory)
    known = agent.imagine(moment, horizon, np.arange(4)[:, None])
    judged: list[Any] = []
    policy = agent.policy
    monkeypatch.setattr(agent, "policy", lambda state: judged.append(state) or policy(state))
    # What leaves at the first step is another action's future, whose first step is known.
    for row, leaves, shared in ((2, 5, 0), (0, 6, 0), (0, 0, 1)):
        given = known.actions[row : row + 1, : leaves + 1].copy()
        given[0, leaves] = (given[0, leaves] + 1) % 4
        judged.clear()
        grown, alone = agent.imagine(moment, horizon, given), KINDS[kind]().imagine(moment, horizon, given)
        assert len(judged) == 1 + horizon - max(leaves, shared)
        np.testing.assert_array_equal(grown.actions, alone.actions)
        np.testing.assert_allclose(grown.frames.astype(int), alone.frames.astype(int), atol=1)
        for name in ("rewards", "continues", "values", "uncertainty"):
            np.testing.assert_allclose(getattr(grown, name), getattr(alone, name), rtol=1e-3, atol=1e-3)
        known = grown
    longer = agent.imagine(moment, horizon + 2, known.actions)
    alone = KINDS[kind]().imagine(moment, horizon + 2, known.actions)
    np.testing.assert_array_equal(longer.actions, alone.actions)
    np.testing.assert_allclose(longer.frames.astype(int), alone.frames.astype(int), atol=1)
    game.step(2)
    elsewhere = replace(game.moment(), memory=memory)
    np.testing.assert_array_equal(agent.imagine(elsewhere, 2, known.actions[:, :1]).frames[0, 0], game.screen)


def test_the_first_imagined_action_is_the_one_that_would_be_taken(agent: Agent, game: AtariGame) -> None:
    moment = game.moment()
    assert agent.imagine(moment, 1).actions[0, 0] == agent.act(moment).action


def test_whole_games_are_scored_the_same_twice(agent: Agent, settings: AtariSettings) -> None:
    settings = replace(settings, frame_cap=1_200)
    first, _ = play_whole_games(agent, "breakout", 3, settings, epsilon=0.3, seed=5)
    again, _ = play_whole_games(agent, "breakout", 3, settings, epsilon=0.3, seed=5)
    other, _ = play_whole_games(agent, "breakout", 3, settings, epsilon=0.3, seed=50)
    assert first == again
    assert len(first) == 3
    assert first != other


def test_dqn_presses_fire_in_its_imagination_when_the_game_waits_for_it() -> None:
    settings = replace(ALGORITHMS["dqn"].settings_for("breakout"), fire=False, noop_max=0)
    waiting = AtariGame("breakout", settings)
    assert dqn().imagine(waiting.moment(), 2).actions[0, 0] == 1


def test_dqn_without_an_emulator_says_that_it_cannot_look_ahead() -> None:
    agent = DQNAgent(build_network(2, 1, (4,)), ("LEFT", "RIGHT"))
    moment = Moment(np.zeros((1, 4), np.float32), np.zeros((8, 8, 3), np.uint8))
    assert agent.act(moment).action in (0, 1)
    with pytest.raises(UserError, match="no emulator"):
        agent.imagine(moment, 3)


def test_epsilon_greedy_by_hand() -> None:
    probabilities = epsilon_greedy(np.array([[1.0, 3.0, 2.0, 0.0]]), 0.2)
    assert probabilities[0].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05])


def test_an_exploring_agent_draws_from_its_own_policy() -> None:
    agent, moment = dqn(epsilon=0.4), AtariGame("breakout").moment()
    decisions = [agent.act(moment) for _ in range(300)]
    greedy = int(decisions[0].action_values.argmax())
    share = np.mean([decision.action == greedy for decision in decisions])
    assert share == pytest.approx(0.7, abs=0.09)


def test_drawing_follows_the_probabilities() -> None:
    probabilities = np.repeat(np.array([[0.1, 0.0, 0.6, 0.3]], np.float32), 20_000, 0)
    shares = np.bincount(draw(probabilities, 0.0, np.random.default_rng(0)), minlength=4) / 20_000
    assert shares.tolist() == pytest.approx([0.1, 0.0, 0.6, 0.3], abs=0.02)
    mixed = np.bincount(draw(probabilities, 0.4, np.random.default_rng(0)), minlength=4) / 20_000
    assert mixed.tolist() == pytest.approx([0.16, 0.1, 0.46, 0.28], abs=0.02)


def test_scores_as_json_by_hand() -> None:
    scores = Evaluation("breakout", "dqn", "x", (1.0, 2.0, 6.0), AtariSettings(sticky=0.25), 0.01, 9, 100.0).as_json()
    assert (scores["mean"], scores["median"], scores["min"], scores["max"]) == (3.0, 2.0, 1.0, 6.0)
    assert scores["std"] == pytest.approx((14 / 3) ** 0.5)
    assert scores["protocol"] == {
        "sticky": 0.25, "frameskip": 4, "noop_max": 30, "epsilon": 0.01, "frame_cap": 108_000,
        "episode": "full game", "fire": True,
    }  # fmt: skip
    assert scores["episodes"] == 3


@pytest.mark.parametrize(("episodes", "epsilon"), [(0, 0.0), (3, 1.5), (3, float("nan"))])
def test_impossible_evaluations_are_refused(agent: Agent, episodes: int, epsilon: float) -> None:
    with pytest.raises(UserError, match="must be a number"):
        play_whole_games(agent, "breakout", episodes, AtariSettings(), epsilon)
