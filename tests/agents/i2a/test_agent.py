"""The agent: what it shows is what it decided by."""

import dataclasses

import numpy as np
import pytest
import torch

from agents.catalogue import ALGORITHMS
from agents.envs.atari import AtariGame, AtariGames
from agents.envs.emulator import EmulatorModel
from agents.envs.guided import GuidedGames
from agents.envs.separate import SeparateGames
from agents.errors import UserError
from agents.evaluate import play_whole_games
from agents.fidelity.starts import Player, play
from agents.i2a.agent import I2AAgent
from agents.i2a.cells import from_cells
from agents.i2a.colours import ColourCount
from agents.i2a.config import I2AConfig
from agents.i2a.network import I2AParts
from agents.imagination import unroll
from agents.interfaces import DeliberatingAgent, GameSteps, ImaginativeAgent
from agents.layers import HalfLinear
from agents.records import Moment

SETTINGS = ALGORITHMS["i2a"].settings_for("breakout")


def built(**changes) -> I2AAgent:
    torch.manual_seed(0)
    config = dataclasses.replace(I2AConfig(model_width=8, rollout_units=16, horizon=3), **changes)
    parts = I2AParts(config, 4, 4, SETTINGS.frame_shape)
    for heads in (parts.agent.heads, parts.rollout_policy.heads):
        torch.nn.init.normal_(heads.policy.weight, std=0.3)  # nearly zero at first: it would have no opinion
    return I2AAgent(parts, config, EmulatorModel("breakout", SETTINGS), SETTINGS)


def moment() -> Moment:
    game = AtariGame("breakout", SETTINGS, seed=2)
    for action in (2, 2, 3, 0, 3, 3):
        game.step(action)
    return game.moment()


@pytest.mark.parametrize("model", ["learnt", "emulator"])
def test_what_it_shows_is_what_it_decided_by(model: str) -> None:
    agent, now = built(model=model), moment()
    decided_by = []
    judge = agent._judge
    agent._judge = lambda observations, rollouts: decided_by.append(rollouts) or judge(observations, rollouts)  # type: ignore[method-assign]
    agent.act(now)
    shown = agent.imagine(now, 3, np.arange(4)[:, None])
    np.testing.assert_array_equal(shown.actions, decided_by[0].actions[0])
    np.testing.assert_allclose(shown.rewards, decided_by[0].rewards[0].detach().numpy(), atol=1e-6)
    states, state = [], agent._model.repeat(agent._model.begin(now.observation[None], [now.snapshot]), 4)
    for k in range(3):
        state = agent._model.step(state, shown.actions[:, k])
        states.append(from_cells(agent._model.newest(state)))
    assert torch.equal(torch.stack(states, 1), from_cells(decided_by[0].frames[0]))
    # The first value is the critic's of this very moment, by these very rollouts.
    assert shown.values[0, 0] == pytest.approx(agent.act(now).value, abs=1e-5)


@pytest.mark.parametrize("horizon", [1, 3, 6])
@pytest.mark.parametrize(("model", "fire"), [("learnt", True), ("emulator", True), ("emulator", False)])
def test_every_action_is_gone_on_with_from_where_the_decision_left_it(
    model: str, fire: bool, horizon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, now, every = built(model=model), moment(), np.arange(4)[:, None]
    if not fire:  # the game waits for it
        waiting = AtariGame("breakout", dataclasses.replace(SETTINGS, fire=False, noop_max=0))
        now = waiting.moment()
    anew = unroll(agent.world_model(), now, horizon, agent.policy, every)
    agent.act(now)
    stepped, step = [], agent.world_model().step
    monkeypatch.setattr(agent.world_model(), "step", lambda *given: stepped.append(1) or step(*given))
    shown = agent.imagine(now, horizon, every)
    assert len(stepped) == max(0, horizon - 3)
    for name in ("frames", "actions", "rewards", "continues", "uncertainty"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(anew, name))
    np.testing.assert_array_equal(shown.values[:, 1:], anew.values[:, 1:])
    assert shown.values[:, 0].tolist() == [agent.act(now).value] * 4
    # Several draws, some of the actions, or longer beginnings are other futures.
    assert agent.imagine(now, horizon, every, samples=2).frames.shape[0] == 8
    some = agent.imagine(now, horizon, every[1:])
    np.testing.assert_array_equal(some.frames, anew.frames[1:])


def test_each_moment_is_decided_for_itself() -> None:
    agent, one = built(), moment()
    other = dataclasses.replace(one, observation=np.flip(one.observation, -1).copy())
    first, second, again = agent.act(one), agent.act(other), agent.act(one)
    assert not np.array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    np.testing.assert_array_equal(second.probabilities, built().act(other).probabilities)


@pytest.mark.parametrize("faster", [torch.bfloat16, torch.float32])
def test_it_plays_with_half_of_what_may_be_halved(faster: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.layers.faster_precision", lambda device, work: faster)
    torch.manual_seed(0)
    config = I2AConfig(model_width=8, horizon=1)
    parts = I2AParts(config, 4, 4, SETTINGS.frame_shape)
    agent = I2AAgent(parts, config, EmulatorModel("breakout", SETTINGS), SETTINGS)
    assert not any(isinstance(part, HalfLinear) for part in parts.modules())  # these belong to a training
    halved = {name for name, part in agent.parts.named_modules() if isinstance(part, HalfLinear)}
    whole = {name for name, part in agent.parts.named_modules() if isinstance(part, torch.nn.Linear)}
    model, movers = "environment_model", "environment_model.trunk.movers"
    wanted = {f"{model}.trunk.read", f"{movers}.mix", f"{movers}.settle", "rollout_policy.encoder.dense"}
    wanted |= {f"{movers}.deepen.{place}" for place in (0, 2)}
    assert halved >= wanted if faster is torch.bfloat16 else not halved
    last = {
        f"{model}.trunk.draw",
        f"{model}.heads",
        *(f"{movers}.{name}" for name in ("expect", "quarter", "draw", "look")),
    }
    assert whole >= last | {"rollout_policy.heads.policy", "rollout_policy.heads.value", "agent.heads.policy"}
    agent.act(moment())


def test_it_deliberates_over_every_action() -> None:
    agent, now = built(), moment()
    assert isinstance(agent, DeliberatingAgent)
    assert isinstance(agent, ImaginativeAgent)
    rollout, without = agent.deliberate(now)
    assert rollout.actions[:, 0].tolist() == [0, 1, 2, 3]
    assert rollout.horizon == 3
    assert without.probabilities.tolist() != agent.act(now).probabilities.tolist()


def test_without_a_model_it_looks_ahead_through_the_emulator() -> None:
    agent, now = built(model="none"), moment()
    assert agent.imagine(now, 2).model == "emulator"
    assert agent.imagine(now, 2).actions[0, 0] == agent.act(now).action


def test_many_games_are_asked_with_their_snapshots_of_one_who_needs_the_emulator() -> None:
    agent, now = built(model="emulator"), moment()
    with pytest.raises(UserError, match="emulator"):
        agent.act_batch(now.observation[None], None)
    assert agent.needs_snapshots
    assert not any(built(model=model).needs_snapshots for model in ("learnt", "none"))
    begun = AtariGame("breakout", SETTINGS, seed=5).moment()
    both = agent.act_snapshots(np.stack([now.observation, begun.observation]), [now.snapshot, begun.snapshot])
    assert both.argmax(1).tolist() == [agent.act(now).action, agent.act(begun).action]


def test_whole_games_of_one_who_needs_the_emulator_are_the_games_it_plays_alone() -> None:
    agent, settings = built(model="emulator", horizon=1), dataclasses.replace(SETTINGS, frame_cap=160)
    returns, _ = play_whole_games(agent, "breakout", 2, settings)
    for seed, score in enumerate(returns):
        game = AtariGame("breakout", settings, seed)
        while not game.over:
            game.step(1 if game.needs_fire else agent.act(game.moment()).action)
        assert game.score == score
    assert any(returns)


@pytest.mark.parametrize(
    ("model", "ask", "games"), [("emulator", "act_snapshots", SeparateGames), ("learnt", "act_batch", AtariGames)]
)
def test_one_who_imagines_is_not_asked_about_games_that_are_over(
    model: str, ask: str, games: type[SeparateGames | AtariGames], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, asked = built(model=model, horizon=1), []
    act = getattr(agent, ask)
    monkeypatch.setattr(agent, ask, lambda seen, *rest: asked.append(len(seen)) or act(seen, *rest))
    ends = iter(range(100))
    step = games.step

    def ending(self: SeparateGames | AtariGames, actions: np.ndarray) -> GameSteps:
        steps = step(self, actions)
        steps.terminated[min(2, next(ends))] = True  # one game after another
        return steps

    monkeypatch.setattr(games, "step", ending)
    play_whole_games(agent, "breakout", 3, SETTINGS)
    assert asked == [3, 2, 1]


@pytest.mark.parametrize("frame", [0, 3])
def test_one_who_imagines_decides_each_observation_once(frame: int, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, asked, taken = built(horizon=1), [], []
    act, reset, step = agent.act_batch, AtariGames.reset, AtariGames.step
    monkeypatch.setattr(agent, "act_batch", lambda seen, memory: asked.append(seen.copy()) or act(seen, memory))

    def different(self: AtariGames, seed: int) -> np.ndarray:
        """Of the two games, the frames differ in one place of the stack."""
        observations = reset(self, seed)
        observations[1] = observations[0]
        observations[1, frame, 60:, ::3] = 200
        return observations

    def turning(self: AtariGames, actions: np.ndarray) -> GameSteps:
        """They change places for ever, but once both show what has not been seen before."""
        taken.append(actions)
        steps = step(self, actions)
        steps.observations[:] = asked[0][:: -1 if len(taken) % 2 else 1]
        if len(taken) == 3:
            steps.observations[:] = 255 - asked[0][0]
        steps.terminated[:] = len(taken) == 6
        return steps

    monkeypatch.setattr(AtariGames, "step", turning)
    monkeypatch.setattr(AtariGames, "reset", different)
    play_whole_games(agent, "breakout", 2, SETTINGS)
    first, third = asked
    assert (len(first), len(third)) == (2, 1)
    one, other = act(first, None).argmax(1)
    (both,) = act(third, None).argmax(1)
    assert one != other
    expected = [(one, other), (other, one), (one, other), (both, both), (one, other), (other, one)]
    np.testing.assert_array_equal(taken, expected)


def test_games_of_one_who_needs_the_emulator_can_be_looked_on_at() -> None:
    guide = built(model="emulator", horizon=1)
    games = GuidedGames(guide, SETTINGS, "breakout", 2, SETTINGS, (0.0,))
    games.reset(3)
    taken = [games.step(np.random.default_rng(0)).actions for _ in range(6)]
    assert np.stack(taken).any()
    short = AtariGame("breakout", dataclasses.replace(SETTINGS, frame_cap=60))
    assert len(play(short, Player("one", guide), 4).actions)


def test_colours_are_counted_line_by_line() -> None:
    count = ColourCount(SETTINGS)
    frames, screens = np.zeros((2, 80, 80), np.uint8), np.zeros((2, 210, 160, 3), np.uint8)
    frames[:, 3], screens[:, 33 + 6 : 33 + 8] = 90, (200, 100, 0)
    frames[1, 3, 0], screens[1, 33 + 6 : 33 + 8, :2] = 50, (10, 20, 30)
    count.add(frames, screens)
    table = count.table()
    assert table.shape == (80, 256, 3)
    assert table[3, 90].tolist() == [200, 100, 0]
    assert table[3, 50].tolist() == [10, 20, 30]
    assert table[3, 71].tolist() == [200, 100, 0]  # nearer to 90
    assert table[4, 90].tolist() == [0, 0, 0]  # never seen on that line: the colour of the only grey that was
