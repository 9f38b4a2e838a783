"""What agents offer to those who look into them, beyond what every agent must: the protocols of `agents.interfaces`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_contract import KINDS

from agents.catalogue import ALGORITHMS
from agents.dreamer import latents
from agents.dreamer.agent import DreamState
from agents.dreamer.rssm import State
from agents.envs.atari import AtariGame
from agents.interfaces import ImaginativeAgent, PerceivingAgent, SalientAgent
from agents.records import Moment

ACTIONS = (2, 2, 3, 0, 3, 3)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def remembered(agent, game: AtariGame, actions=ACTIONS) -> Moment:
    """The moment after some actions, with the agent's memory of all of them."""
    memory = agent.observe(agent.begin(1), game.observation[None], np.zeros(1, np.int64), np.ones(1, bool))
    for action in actions:
        game.step(action)
        memory = agent.observe(memory, game.observation[None], np.array([action]), np.zeros(1, bool))
    return game.moment(memory)


def game_of(kind: str) -> AtariGame:
    return AtariGame("breakout", ALGORITHMS[kind].settings_for("breakout"), seed=2)


def test_stepping_the_model_gives_what_imagining_does(kind: str) -> None:
    agent = KINDS[kind]()
    assert isinstance(agent, ImaginativeAgent)
    moment, actions = remembered(agent, game_of(kind)), np.array([[2, 3, 3, 0]])
    model = agent.world_model()
    state, frames, rewards = model.start(moment, 1), [], []
    for action in actions[0]:
        state = model.step(state, np.array([action]))
        told = model.read([state])
        frames.append(told.frames[0, 0])
        rewards.append(told.rewards[0, 0])
    rollout = agent.imagine(moment, 4, actions)
    # Drawn one by one or all at once, the sums round differently.
    assert np.abs(np.stack(frames).astype(int) - rollout.frames[0, 1:]).max() <= 1
    np.testing.assert_allclose(rewards, rollout.rewards[0], atol=1e-4)
    chosen, values = agent.policy(state)
    assert chosen.shape == values.shape == (1,)
    np.testing.assert_allclose(values, rollout.values[0, -1:], atol=1e-4)


def test_single_futures_of_a_batch_begin_anew(kind: str) -> None:
    agent, game = KINDS[kind](), game_of(kind)
    model = agent.world_model()
    early, late = remembered(agent, game), remembered(agent, game, (2,) * 8)
    old = model.step(model.start(early, 3), np.array([2, 3, 0]))
    mixed = model.mix(old, model.start(late, 3), np.array([False, True, False]))
    actions = np.array([3, 3, 3])
    after, kept, fresh = (
        model.read([model.step(state, actions)]) for state in (mixed, old, model.start(late, 3))
    )  # fmt: skip
    for row, expected in enumerate((kept, fresh, kept)):
        assert np.abs(after.frames[row].astype(int) - expected.frames[row]).max() <= 1
        np.testing.assert_allclose(after.rewards[row], expected.rewards[row], atol=1e-4)


def test_each_dream_grows_surer_with_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WARM", 1), ("COOLING", 1e-3), ("COLDEST", 1e-3)):
        monkeypatch.setattr(latents, name, value)
    agent, actions = KINDS["dreamer"](), np.array([2, 3])
    model, moment = agent.world_model(), remembered(agent, game_of("dreamer"))

    def sure(state: DreamState) -> list[bool]:
        """Whether its latents are the likeliest classes alone, but for ties."""
        return (state.state.latent.amax(-1).mean(-1) > 0.9).tolist()

    begun = model.start(moment, 2)
    first = model.step(begun, actions)
    second = model.step(first, actions)
    assert (sure(first), sure(second)) == ([False, False], [True, True])
    mixed = model.mix(second, begun, np.array([False, True]))
    assert sure(model.step(mixed, actions)) == [True, False]
    assert sure(model.step(model.row(first, 1), actions[1:])) == [True]
    # What a look at reality is compared with is what that dream expects.
    for played in (actions[:1], actions):
        expected = agent.perceive(moment, played, moment).expected_frame
        dreamt = agent.imagine(moment, len(played), played[None]).frames[0, -1]
        assert np.abs(expected.astype(int) - dreamt).max() <= 1


@pytest.mark.parametrize("kind", ["dqn", "pqn", "a2c", "dreamer"])
def test_saliency_is_where_a_change_changes_the_decision(kind: str) -> None:
    agent, game = KINDS[kind](), game_of(kind)
    assert isinstance(agent, SalientAgent)
    moment, settings = remembered(agent, game), game.settings
    weight = agent.saliency(moment)
    assert weight.shape == moment.screen.shape[:2]
    assert weight.dtype == np.float32
    assert weight.min() >= 0
    assert weight.max() == 1
    seen = slice(settings.crop_top - 8 if settings.crop_top else 0, 210 - max(0, settings.crop_bottom - 8))
    assert weight[seen].sum() == pytest.approx(weight.sum(), rel=1e-3)
    np.testing.assert_array_equal(weight, agent.saliency(moment))


def test_a_dqns_saliency_by_small_changes() -> None:
    """The weight is the slope: nudging the pixels that weigh most moves the best value most."""
    agent, game = KINDS["dqn"](), game_of("dqn")
    moment = remembered(agent, game)
    weight = agent.saliency(moment)[::2, ::2][:84, :80]
    hot = np.unravel_index(weight.argmax(), weight.shape)
    cold = np.unravel_index(weight.argmin(), weight.shape)

    def moved(at: tuple[int, int]) -> float:
        changed = moment.observation.copy()
        y, x = int(at[0] * 84 / 105), at[1]
        patch = changed[:, max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]
        patch[:] = np.where(patch < 128, patch + 100, patch - 100)
        q, before = agent.q_values(changed[None])[0], agent.q_values(moment.observation[None])[0]
        best = before.argmax()
        return abs((q[best] - q.mean()) - (before[best] - before.mean()))

    assert moved(hot) > moved(cold)


def test_a_look_at_the_present_believes_what_is_remembered() -> None:
    agent, game = KINDS["dreamer"](), game_of("dreamer")
    assert isinstance(agent, PerceivingAgent)
    moment = remembered(agent, game)
    told = agent.perceive(moment, np.zeros(0, np.int64), moment)
    assert told.expected.shape == told.believed.shape == (32, 32)
    np.testing.assert_allclose(told.believed.sum(-1), 1, atol=1e-5)
    assert torch.equal(told.memory.latent, moment.memory.latent)
    assert told.surprise >= 0
    assert told.believed_frame.shape == moment.screen.shape
    top, bottom = game.settings.crop_top, game.settings.crop_bottom
    np.testing.assert_array_equal(told.expected_frame[:top], moment.screen[:top])
    np.testing.assert_array_equal(told.expected_frame[-bottom:], moment.screen[-bottom:])


def test_a_look_ahead_goes_on_from_the_dream_and_corrects_it() -> None:
    """After k dreamt steps one look is what `observe` makes of the dreamt memory before it."""
    agent, game = KINDS["dreamer"](), game_of("dreamer")
    moment, actions = remembered(agent, game), np.array([2, 3, 3])
    model = agent.world_model()
    state = model.start(moment, 1)
    for action in actions[:-1]:
        state = model.step(state, np.array([action]))
    for action in actions:
        game.step(int(action))
    told = agent.perceive(moment, actions, game.moment())
    seen = agent.observe(state.state, game.observation[None], actions[-1:], np.zeros(1, bool))
    assert isinstance(seen, State)
    torch.testing.assert_close(told.memory.memory, seen.memory)
    assert torch.equal(told.memory.latent, seen.latent)
    dreamt = agent.imagine(moment, 3, actions[None])
    assert np.abs(told.expected_frame.astype(int) - dreamt.frames[0, 3]).max() <= 1


def test_the_memory_is_what_a_replay_of_the_whole_game_gives() -> None:
    """Imagining from here equals imagining from the game played again up to here, and leaves the memory as it was."""
    agent = KINDS["dreamer"]()
    moment = remembered(agent, game_of("dreamer"), ACTIONS * 4)
    before = moment.memory.map(lambda part: part.clone())
    first = agent.imagine(moment, 10)
    agent.imagine(moment, 5, np.array([[3]]), samples=4)
    agent.perceive(moment, np.array([2, 2]), moment)
    agent.saliency(moment)
    assert torch.equal(before.memory, moment.memory.memory)
    assert torch.equal(before.latent, moment.memory.latent)
    again = agent.imagine(remembered(agent, game_of("dreamer"), ACTIONS * 4), 10)
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.values, again.values)
    forgetful = agent.imagine(replace(moment, memory=None), 10)
    assert not np.array_equal(first.uncertainty, forgetful.uncertainty)


@pytest.mark.parametrize("presses", [True, False])
@pytest.mark.parametrize("kind", ["dqn", "pqn", "a2c"])
def test_fire_is_pressed_in_imagination_where_the_games_settings_say_so(kind: str, presses: bool) -> None:
    agent, game = KINDS[kind](), game_of(kind)
    moment = remembered(agent, game)
    own = agent.act(moment).action
    agent.emulator.fire_action = (own + 1) % len(agent.action_names)  # another one, whatever it would do
    waiting = replace(moment, snapshot=replace(moment.snapshot, needs_fire=True))
    agent.emulator.settings = replace(agent.emulator.settings, fire=presses)
    chosen, _ = agent.policy(agent.world_model().start(waiting, 1))
    assert chosen[0] == (agent.emulator.fire_action if presses else own)
