"""Rollouts: the axes of game, action and time never mix, and the policy chooses all actions but the first."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from agents.a2c.network import build_network
from agents.catalogue import ALGORITHMS
from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.i2a.cells import to_cells
from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import EnvironmentModel
from agents.i2a.models import LearntModel, PerfectModel, distinct
from agents.i2a.network import I2ANetwork, I2AParts, RolloutEncoder
from agents.i2a.rollouts import Imagination, RolloutPolicy, copies

CPU = torch.device("cpu")
SETTINGS = ALGORITHMS["i2a"].settings_for("breakout")


@dataclass
class Marked:
    """A model whose states are the numbers of their games, with every action that was taken written behind."""

    def begin(self, observations: np.ndarray, snapshots: Any = None) -> np.ndarray:
        return observations[:, 0, 0, 0].astype(np.int64)

    def repeat(self, state: np.ndarray, each: int) -> np.ndarray:
        return state.repeat(each)

    def step(self, state: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return state * 10 + actions

    def newest(self, state: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(state)[:, None, None, None]

    def rewards(self, state: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(state % 10).float()

    def life_lost(self, before: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Surely by action 3 that follows action 2, perhaps by action 2 that follows action 1."""
        return np.where(before >= 10, (state % 100 == 23) + 0.25 * (state % 100 == 12), 0).astype(np.float32)

    def over(self, state: np.ndarray) -> np.ndarray:
        return np.zeros(len(state), bool)


@pytest.mark.parametrize("life_cost", [0.0, 10.0])
def test_every_future_is_where_it_belongs(life_cost: float) -> None:
    observations = np.array([1, 2, 3], np.uint8)[:, None, None, None]
    # After action a at k = 0, the policy takes (last action + 1) modulo 4.
    imagination = Imagination(
        Marked(),
        lambda model, state: ((state + 1) % 10 % 4, 100.0 * (state // 10 % 10)),
        *(4, 3, 0.5, life_cost),
    )
    rollouts = imagination.roll_out(observations)
    assert rollouts.frames.shape == (3, 4, 3, 1, 1, 1)
    for game in (1, 2, 3):
        for action in range(4):
            second, third = (action + 1) % 4, (action + 2) % 4
            expected = [game * 10 + action, game * 100 + action * 10 + second]
            expected.append(expected[-1] * 10 + third)
            assert rollouts.frames[game - 1, action].flatten().tolist() == expected
            assert rollouts.actions[game - 1, action].tolist() == [action, second, third]
            assert rollouts.rewards[game - 1, action].tolist() == [action, second, third]
    # Rewards are clipped to 1; the end is worth 100 times the action before the last; γ is 1/2. By hand:
    promised = [
        0 + 1 / 2 + (1 - life_cost / 4) / 4 + 3 / 4 * 100 / 8,  # 0, 1, 2: perhaps lost with the last
        1 + (1 - life_cost / 4) / 2 + 3 / 4 * (1 - life_cost) / 4,  # 1, 2, 3: perhaps, then surely
        1 + (1 - life_cost) / 2,  # 2, 3: surely
        1 + 0 + 1 / 4 + 0,  # 3, 0, 1
    ]
    assert rollouts.returns.tolist() == [promised] * 3


def test_the_encoder_keeps_games_and_actions_apart_and_knows_the_order_of_time() -> None:
    torch.manual_seed(0)
    encoder = RolloutEncoder(8, 16, (4, 4))
    frames = torch.randint(0, 256, (2, 3, 4, 4, 4, 16), dtype=torch.uint8)
    rewards, present = torch.rand(2, 3, 4), torch.randint(0, 256, (2, 4, 4, 16), dtype=torch.uint8)
    with torch.no_grad():
        before = encoder(frames, rewards, present)
        assert before.shape == (2, 3, 16)
        for change in ("frames", "rewards", "order"):
            others, earned = frames.clone(), rewards.clone()
            if change == "frames":
                others[1, 2, 3] = 255 - others[1, 2, 3]
            elif change == "rewards":
                earned[1, 2, 0] += 1
            else:
                others[1, 2] = others[1, 2].flip(0)
            after = encoder(others, earned, present)
            differs = (after - before).abs().amax(-1) > 1e-5
            assert differs.tolist() == [[False] * 3, [False, False, True]]


def test_the_encoder_reads_each_frame_and_what_has_changed_in_it_since_the_present(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    encoder, read = RolloutEncoder(8, 16, (4, 4)), []
    frames = torch.randint(0, 256, (2, 3, 5, 4, 4, 16), dtype=torch.uint8)
    present = torch.randint(0, 256, (2, 4, 4, 16), dtype=torch.uint8)
    monkeypatch.setattr(encoder.shrink, "forward", lambda x: read.append(x) or torch.zeros(len(x), 8, 1, 1))
    with torch.no_grad():
        encoder(frames, torch.zeros(2, 3, 5), present)
        (read,) = read
        for game, action, step in ((0, 0, 0), (0, 2, 4), (1, 1, 3)):
            frame, now = frames[game, action, step] / 255, present[game] / 255
            both = torch.cat([frame, frame - now], -1).permute(2, 0, 1)
            wanted = torch.relu(encoder.read(both[None])[0])
            torch.testing.assert_close(read[(step * 2 + game) * 3 + action], wanted, atol=1e-5, rtol=1e-4)


def test_every_action_has_its_own_place_among_the_features() -> None:
    torch.manual_seed(0)
    network = I2ANetwork(I2AConfig(rollout_units=4), 4, 4, (80, 80))
    observations = np.random.default_rng(0).integers(0, 256, (2, 4, 80, 80), np.uint8)
    rollouts = copies(observations, 4, 5, CPU)
    blocks, present = torch.rand(2, 64, 20, 20), to_cells(torch.from_numpy(observations[:, -1]))
    rewards = rollouts.rewards.clone()
    rewards[0, 1, 0] = 1.0
    with torch.no_grad():
        one = network.rollouts(rollouts.frames, rollouts.rewards, present)
        two = network.rollouts(rollouts.frames, rewards, present)
        logits, values = network(blocks, present, rollouts.frames, rewards, rollouts.returns)
        others, _ = network(blocks, present, rollouts.frames, rewards, rollouts.returns + torch.tensor([[7.0], [0.0]]))
        torch.testing.assert_close(others, logits)  # what all actions promise alike is no reason for any
        others, _ = network(blocks, present, rollouts.frames, rewards, rollouts.returns + torch.eye(4)[:2])
        assert (others != logits).all()
    assert ((one - two).abs().amax(-1) > 0).tolist() == [[False, True, False, False], [False] * 4]
    assert logits.shape == (2, 4)
    assert values.shape == (2,)


def played(steps: int, seed: int = 3) -> AtariGame:
    game, random = AtariGame("breakout", SETTINGS, seed), np.random.default_rng(seed)
    for _ in range(steps):
        game.step(int(random.integers(4)))
    return game


def test_the_emulator_as_a_model_is_the_real_game_for_200_steps() -> None:
    game, random = played(7), np.random.default_rng(0)
    model = PerfectModel(EmulatorModel("breakout", SETTINGS), CPU)
    state = model.begin(game.observation[None], [game.snapshot()])
    lost = 0
    for _ in range(200):
        if game.over:
            break
        action = 1 if game.needs_fire else int(random.integers(4))
        step = game.step(action)
        before, state = state, model.step(state, np.array([action]))
        assert model.life_lost(before, state).tolist() == [step.life_lost or game.over]
        np.testing.assert_array_equal(model.observations(state)[0], step.observation)
        assert torch.equal(model.newest(state)[0], to_cells(torch.from_numpy(step.observation[-1])))
        assert model.rewards(state).item() == step.reward
        assert model.waits(state)[0] == game.needs_fire
        lost += step.life_lost
    assert lost > 0


def test_a_learnt_model_says_how_likely_a_life_is_lost() -> None:
    model = LearntModel(EnvironmentModel("local", 4, 4, 4, (80, 80)), SETTINGS)
    state = replace(
        model.begin(np.zeros((3, 4, 80, 80), np.uint8)),
        alive=torch.tensor([2.0, -1.0, 2.0]),
        missed=torch.tensor([0.0, 0.0, 0.25]),
    )
    lost = model.life_lost(state, state)
    assert lost.dtype == np.float32
    kept = 1 / (1 + math.exp(-2))
    assert lost.tolist() == pytest.approx([1 - kept, 1 / (1 + math.exp(-1)), 1 - 0.75 * kept])


def test_who_will_miss_is_told_from_the_frames_before_the_step() -> None:
    learnt = EnvironmentModel("local", 4, 4, 4, (80, 80))
    asked = []

    class Asked(torch.nn.Module):
        def forward(self, stacks: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
            asked.append((stacks, actions))
            return actions / 8

    learnt.misses = Asked()
    model = LearntModel(learnt, SETTINGS)
    # Two rows of three are alike: they are imagined once.
    before = model.repeat(model.begin(np.random.default_rng(0).integers(0, 256, (1, 4, 80, 80), np.uint8)), 3)
    after = model.step(before, np.array([2, 1, 2]))
    assert torch.equal(asked[0][0], before.stacks[:2])
    assert asked[0][1].tolist() == [2, 1]
    assert after.missed.tolist() == [0.25, 0.125, 0.25]
    assert model.row(after, 1).missed.tolist() == [0.125]


def test_rollouts_of_the_emulator_are_games_played_on() -> None:
    games = [played(steps) for steps in (5, 11)]
    torch.manual_seed(1)
    network = build_network(4, 4, (80, 80))
    torch.nn.init.normal_(network.heads.policy.weight)
    model = PerfectModel(EmulatorModel("breakout", SETTINGS), CPU)
    imagination = Imagination(model, RolloutPolicy(network, fire_action=1), 4, 4, 0.99)
    observations = np.stack([game.observation for game in games])
    rollouts = imagination.roll_out(observations, [game.snapshot() for game in games])
    for number, game in enumerate(games):
        start = game.snapshot()
        for action in range(4):
            game.restore(start)
            for k in range(4):
                taken = int(rollouts.actions[number, action, k])
                assert k or taken == action
                step = game.step(taken)
                frame = to_cells(torch.from_numpy(step.observation[-1]))
                assert torch.equal(rollouts.frames[number, action, k], frame)
                assert rollouts.rewards[number, action, k] == step.reward


def test_the_policy_presses_fire_where_the_model_waits_for_it() -> None:
    class Waiting(Marked):
        def seen(self, state: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
            return torch.zeros(len(state), 64, 20, 20)

        def waits(self, state: np.ndarray) -> np.ndarray:
            return state == 1

    network = build_network(4, 4, (80, 80))
    with torch.no_grad():
        network.heads.policy.bias[3] = 5.0
    assert RolloutPolicy(network, 1)(Waiting(), np.array([0, 1, 2]))[0].tolist() == [3, 1, 3]
    assert RolloutPolicy(network, None)(Waiting(), np.array([0, 1, 2]))[0].tolist() == [3, 3, 3]


def test_futures_can_begin_anew_one_by_one() -> None:
    torch.manual_seed(0)
    learnt = I2AParts(I2AConfig(model_kind="convlstm", model_width=4), 4, 4, (80, 80)).environment_model
    model = LearntModel(learnt, SETTINGS)
    one, two = (model.start(played(steps).moment(), 3) for steps in (4, 9))
    on = model.step(one, np.array([0, 2, 3]))
    mixed = model.mix(on, two, np.array([False, True, False]))
    read, of_one, of_two = (model.read([state]) for state in (mixed, on, two))
    np.testing.assert_array_equal(read.frames[[0, 2]], of_one.frames[[0, 2]])
    np.testing.assert_array_equal(read.frames[1], of_two.frames[1])
    after = model.step(mixed, np.array([1, 1, 1]))
    expected = model.step(two, np.array([1, 1, 1]))
    torch.testing.assert_close(after.change[1], expected.change[1])


def test_the_present_is_shown_as_it_is_and_what_changes_in_the_game_s_own_colours() -> None:
    learnt = I2AParts(I2AConfig(), 4, 4, (80, 80)).environment_model
    learnt.colours[:] = torch.tensor([1, 2, 3], dtype=torch.uint8)
    model, game = LearntModel(learnt, SETTINGS), played(6)
    state = model.start(game.moment(), 1)
    np.testing.assert_array_equal(model.read([state]).frames[0, 0], game.screen)
    state.stacks[0, 10, 5, -1, 4 * 2 + 1] ^= 255  # line 42, column 21 of the frame
    shown = model.read([state]).frames[0, 0]
    changed = (shown != game.screen).any(-1)
    assert {tuple(place) for place in np.argwhere(changed)} == {(33 + 84 + i, 42 + j) for i in (0, 1) for j in (0, 1)}
    assert (shown[changed] == [1, 2, 3]).all()


def test_one_who_has_no_model_imagines_the_present() -> None:
    observations = np.random.default_rng(0).integers(0, 256, (2, 4, 16, 16), np.uint8)
    rollouts = copies(observations, 3, 5, CPU)
    assert rollouts.frames.shape == (2, 3, 5, 4, 4, 16)
    assert torch.equal(rollouts.frames[1, 2, 4], to_cells(torch.from_numpy(observations[1, -1])))
    assert not rollouts.rewards.any()


def test_futures_that_are_one_are_imagined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    learnt = I2AParts(I2AConfig(model_width=4), 4, 4, (80, 80)).environment_model
    rows, step = [], learnt.step
    monkeypatch.setattr(learnt, "step", lambda stacks, *rest: rows.append(len(stacks)) or step(stacks, *rest))
    model = LearntModel(learnt, SETTINGS)
    state = model.begin(np.stack([played(steps).observation for steps in (4, 9, 4, 9, 4)]))
    after = model.step(state, np.array([2, 2, 2, 3, 2]))
    apart = model.step(model.begin(np.stack([played(steps).observation for steps in (9, 4, 9)])), np.array([3, 2, 2]))
    assert rows == [3, 3]
    for name in ("stacks", "change", "rewards", "alive", "playing"):
        torch.testing.assert_close(getattr(after, name), getattr(apart, name)[[1, 2, 1, 0, 1]])


def test_rows_that_differ_in_one_grey_or_in_their_action_are_two() -> None:
    places = 2 * 2 * 4 * 16
    stacks = torch.zeros(places + 3, 2, 2, 4, 16, dtype=torch.uint8)
    stacks.flatten(1)[:places] = 128 * torch.eye(places, dtype=torch.uint8)
    actions = torch.zeros(places + 3, dtype=torch.int64)
    actions[places + 1] = 1
    alone, of = distinct(stacks, actions)
    assert alone.tolist() == list(range(places + 2))
    assert of.tolist() == [*range(places + 2), places]
    assert distinct(stacks[:-1], actions[:-1]) == (None, None)


@pytest.mark.parametrize("kind", ["local", "convolutional", "convlstm"])
def test_looking_ahead_in_the_model_leaves_states_usable(kind: str) -> None:
    torch.manual_seed(0)
    learnt = I2AParts(I2AConfig(model_kind=kind, model_width=4), 4, 4, (80, 80)).environment_model
    model = LearntModel(learnt, SETTINGS)
    state = model.start(played(4).moment(), 2)
    one, _, again = (model.step(state, np.array(actions)) for actions in ([0, 1], [2, 3], [0, 1]))
    assert torch.equal(one.stacks, again.stacks)
    assert torch.equal(one.rewards, again.rewards)


def test_a_future_s_uncertainty_is_the_doubt_where_things_go_and_of_pixels() -> None:
    parts = I2AParts(I2AConfig(model_width=8), 4, SETTINGS.stack, SETTINGS.frame_shape)
    assert parts.environment_model is not None
    model, game = LearntModel(parts.environment_model, SETTINGS), AtariGame("breakout", SETTINGS)
    game.reset(0)
    state = replace(model.start(game.moment(), 2), doubt=torch.tensor([1.0, 2.0]))
    assert model.read([state]).uncertainty[:, 0].tolist() == pytest.approx([1, 2], abs=1e-3)
    assert model.read([model.row(state, 1)]).uncertainty.tolist() == [pytest.approx([2], abs=1e-3)]
    other = replace(state, doubt=torch.tensor([5.0, 6.0]))
    mixed = model.mix(state, other, np.array([False, True]))
    assert model.read([mixed]).uncertainty[:, 0].tolist() == pytest.approx([1, 6], abs=1e-3)
    undecided = replace(state, change=torch.zeros_like(state.change))
    pixels = state.change[0].numel()
    assert model.read([undecided]).uncertainty[:, 0].tolist() == pytest.approx(
        [1 + pixels * np.log(2), 2 + pixels * np.log(2)], rel=1e-4
    )
