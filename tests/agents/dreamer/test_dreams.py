"""Where indices shift in a dream that an actor learns from, where dreams begin, and what they forget."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from agents.dreamer import latents
from agents.dreamer import lessons as lessons_module
from agents.dreamer.actions import Discrete
from agents.dreamer.behaviour import Behaviour, Dream, dream
from agents.dreamer.config import DreamerConfig
from agents.dreamer.latents import Categorical
from agents.dreamer.learners import judge
from agents.dreamer.lessons import Lessons
from agents.dreamer.networks import from_blocks, to_blocks
from agents.dreamer.rssm import RSSM, State
from agents.dreamer.world_model import Batch, WeightedSquares, WorldModel, changed, symexp, symlog
from agents.returns import lambda_returns

TINY = DreamerConfig(model_size="tiny", variables=3, classes=4)


class Counter:
    """A world of one number: action a adds a to it. Rewards and the share of lives kept tell which state is asked."""

    class rssm:
        latents = Categorical(1, 1)

        @staticmethod
        def imagine(state: State, actions: torch.Tensor, choose: object) -> tuple[State, None]:
            return State(state.memory + actions @ torch.arange(3.0)[:, None], state.latent), None

    @staticmethod
    def rewards(features: torch.Tensor) -> torch.Tensor:
        return features[..., 0] / 100

    @staticmethod
    def goes_on(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 1 - features[..., 0] / 1_000, torch.ones(features.shape[:-1])


def parity(features: torch.Tensor) -> torch.Tensor:
    """Surely action 2 where the number is even, 1 where it is odd: logits (..., 3)."""
    even = (features[..., 0] % 2 == 0)[..., None]
    return torch.where(even, torch.tensor([-99.0, -99.0, 99.0]), torch.tensor([-99.0, 99.0, -99.0]))


def test_each_reward_belongs_to_the_state_that_its_action_led_to() -> None:
    """From 4: +2 is 6, +2 is 8. From 3: +1 is 4, +2 is 6."""
    behaviour: Any = SimpleNamespace(actions=Discrete(3), actor=parity, config=DreamerConfig())
    model: Any = Counter()
    start = State(torch.tensor([[4.0], [3.0]]), torch.zeros(2, 1, 1))
    dreamt = dream(model, behaviour, start, horizon=2, discount=0.5)
    assert dreamt.features[..., 0].tolist() == [[4, 3], [6, 4], [8, 6]]
    assert dreamt.actions.argmax(-1).tolist() == [[2, 1], [2, 2]]
    torch.testing.assert_close(dreamt.rewards, torch.tensor([[0.06, 0.04], [0.08, 0.06]]).tanh())
    torch.testing.assert_close(dreamt.discounts, 0.5 * torch.tensor([[0.994, 0.996], [0.992, 0.994]]))
    torch.testing.assert_close(dreamt.weights, torch.tensor([[1, 1], [0.497, 0.498]]))
    assert dreamt.log_policy.abs().max() < 1e-6


@pytest.mark.parametrize("likely", [True, False])
def test_a_dream_goes_on_with_what_is_likeliest_or_with_what_is_drawn(likely: bool) -> None:
    torch.manual_seed(0)
    config = replace(TINY, dream_temperature=0.0 if likely else 1.0)
    model, behaviour = WorldModel(config, 2, (36, 36, 3)), Behaviour(config, 2)
    dreamt = dream(model, behaviour, model.rssm.initial(50), 4, 0.9, torch.Generator().manual_seed(1))
    memory, latent = dreamt.features[1:].split([128, 12], -1)
    likeliest = model.rssm.latents.most_likely(model.rssm.prior(memory)).flatten(-2)
    assert torch.equal(latent, likeliest) == likely


@pytest.mark.parametrize("likely", [True, False])
def test_what_is_dreamt_follows_from_the_actor_s_choices_through_the_latents(likely: bool) -> None:
    torch.manual_seed(0)
    config = replace(TINY, dream_temperature=0.0 if likely else 1.0)
    model, behaviour = WorldModel(config, 2, (36, 36, 3)), Behaviour(config, 2)
    torch.nn.init.normal_(behaviour.actor.last.weight)
    dreamt = dream(model, behaviour, model.rssm.initial(9), 2, 0.9, torch.Generator().manual_seed(1), True)
    weighed = dreamt.features[1:, :, 128:] * torch.randn(12)
    (gradient,) = torch.autograd.grad(weighed.sum(), behaviour.actor.last.weight)
    assert gradient.abs().max() > 0


def test_a_return_of_a_dream_by_hand() -> None:
    """G_1 = r_2 + γ_2 v_2, G_0 = r_1 + γ_1 ((1 − λ) v_1 + λ G_1), with λ = 0.75."""
    rewards, discounts = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.5], [0.25]])
    features = torch.tensor([[[10.0]], [[20.0]], [[40.0]]])  # worth what they say
    one = torch.ones(2, 1)
    dreamt = Dream(features, torch.zeros(2, 1, 1), torch.zeros(2, 1), rewards, discounts, one)
    lesson = judge(lambda seen: seen, dreamt, 0.75)
    second = 2 + 0.25 * 40
    first = 1 + 0.5 * (0.25 * 20 + 0.75 * second)
    assert lesson.returns.flatten().tolist() == [first, second]
    assert lesson.advantages.flatten().tolist() == [first - 10, second - 20]
    assert lambda_returns(rewards, discounts, features.squeeze(-1), 0.75).flatten().tolist() == [first, second]


def test_no_dream_begins_where_a_game_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[torch.Tensor] = []

    def watch(model: object, behaviour: object, start: State, *rest: object) -> Dream:
        begun.append(start.memory[:, 0])
        none = torch.zeros(1, len(start.memory))
        return Dream(torch.zeros(2, len(start.memory), 1), none[..., None], none, none, none, none)

    monkeypatch.setattr(lessons_module, "dream", watch)
    behaviour = Behaviour(TINY, 2)
    own = Lessons(TINY, behaviour)
    monkeypatch.setattr(own, "target_critic", lambda features: features)
    states = State(torch.arange(6.0).view(3, 2, 1), torch.zeros(3, 2, 1, 1))
    playing = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    model: Any = None
    own.dream(model, states, playing, 200, torch.Generator().manual_seed(0))
    assert set(begun[0].tolist()) == {0.0, 3.0, 4.0}


def test_where_a_game_begins_nothing_is_remembered() -> None:
    torch.manual_seed(0)
    rssm = RSSM(2, 5, deter=8, hidden=8, latents=Categorical(3, 4))
    embeddings, actions = torch.randn(1, 2, 5), torch.eye(2)[None]
    before = State(torch.randn(2, 8), torch.randn(2, 3, 4))
    choose = rssm.latents.most_likely

    def after(first: list[bool], state: State) -> torch.Tensor:
        states, _ = rssm.observe(embeddings, actions, torch.tensor([first]), state, choose)
        return states.features[0]

    fresh, mixed, going = (
        after([True, True], rssm.initial(2)),
        after([True, False], before),
        after([False, False], before),
    )
    torch.testing.assert_close(mixed[0], fresh[0])
    torch.testing.assert_close(mixed[1], going[1])
    assert not torch.allclose(going, fresh)


# -- the losses of the world model ----------------------------------------------------------------------------


def sure_of(life: float, game: float) -> WorldModel:
    """A world model that believes so (±) that a life is kept, and that the game goes on, whatever it sees."""
    model = WorldModel(TINY, 3, (36, 36, 3))
    nn.init.zeros_(model.continue_head.last.weight)
    model.continue_head.last.bias.data = torch.tensor([life, game])
    return model


@pytest.mark.parametrize(("alive", "playing", "cost"), [(1, 1, 20), (0, 1, 30), (1, 0, 0), (0, 0, 10)])
def test_lives_and_games_are_told_apart(alive: float, playing: float, cost: float) -> None:
    """Sure by e^10 that the life is kept, and by e^20 that the game is over."""
    model = sure_of(10.0, -20.0)
    life, game = model.goes_on(torch.zeros(1, model.continue_head.hidden[0].in_features))
    assert life > 0.99
    assert game < 0.01
    seen = to_blocks(np.zeros((2, 36, 36, 3), np.uint8))
    ones = torch.ones(1, 2)
    batch = Batch(seen, torch.zeros(1, 2, 3), ones, ones.bool(), alive * ones, playing * ones)
    _, _, parts = model.loss(batch)
    assert parts["continue"].item() == pytest.approx(cost, abs=1e-3)


def test_each_loss_counts_as_much_as_it_is_told() -> None:
    seen = to_blocks(np.zeros((2, 36, 36, 3), np.uint8))
    ones = torch.ones(1, 2)
    batch = Batch(seen, torch.zeros(1, 2, 3), 3 * ones, ones.bool(), 0 * ones, ones)
    scales = {"image": 1.0, "reward": 7.0, "continue": 5.0}
    model = sure_of(10.0, 20.0)
    model.config = replace(TINY, reward_weight=7.0, continue_weight=5.0, kl_scale=0.0)
    loss, _, parts = model.loss(batch)
    assert parts["reward"] > 0.1
    assert loss.item() == pytest.approx(sum(scales[name] * parts[name].item() for name in scales), rel=1e-5)


def moving(times: int, rows: int, first: Sequence[tuple[int, int]] = ()) -> Batch:
    """Sequences of pictures by chance; `first`: at which times which games begin."""
    random = np.random.default_rng(3)
    blocks = to_blocks(random.integers(0, 256, (times * rows, 36, 36, 3), np.uint8))
    actions = torch.eye(3)[torch.from_numpy(random.integers(0, 3, (times, rows)))]
    began = torch.zeros(times, rows, dtype=torch.bool)
    for place in first:
        began[place] = True
    ones = torch.ones(times, rows)
    return Batch(blocks, actions, torch.from_numpy(random.random((times, rows), np.float32)), began, ones, ones)


def test_overshooting_judges_a_dream_by_what_came_under_the_actions_that_were_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two steps from time 1, of five: the dream's states are told step by step here, its pictures drawn one by one."""
    monkeypatch.setattr(latents, "WARM", 1)  # the second step is colder than the first
    monkeypatch.setattr(latents, "COOLING", 0.3)
    torch.manual_seed(0)
    model, batch = WorldModel(replace(TINY, overshoot=2), 3, (36, 36, 3)), moving(5, 2)
    surely, mean = model.rssm.latents.most_likely, model.rssm.latents.mean
    loss, states, parts = model.loss(batch, surely, begin=1)
    weights = 1 + TINY.pixel_weight * changed(batch.blocks, batch.first)
    state, costs = states.map(lambda part: part[1]), []
    for time in (2, 3):
        dreamily = functools.partial(mean, steps=torch.tensor(time - 1))
        state, _ = model.rssm.imagine(state, batch.actions[time], dreamily)
        now = slice(2 * time, 2 * time + 2)
        image = squares(model.decoder(state.features), batch.blocks[now], weights[now])
        reward = 0.5 * (model.reward_head(state.features)[:, 0] - symlog(batch.rewards[time])).square()
        ends = -nn.functional.logsigmoid(model.continue_head(state.features)).sum(-1)
        costs.append(image + TINY.reward_weight * reward + TINY.continue_weight * ends)
    torch.testing.assert_close(parts["dreamt"], torch.stack(costs).mean())
    model.config = TINY
    without, _, _ = model.loss(batch, surely)
    torch.testing.assert_close(loss - without, parts["dreamt"], rtol=1e-3, atol=1e-3)


def test_overshooting_alone_teaches_the_prior() -> None:
    torch.manual_seed(0)
    model = WorldModel(replace(TINY, overshoot=3, kl_scale=0.0), 3, (36, 36, 3))
    loss, _, _ = model.loss(moving(6, 2), begin=2)
    (gradient,) = torch.autograd.grad(loss, model.rssm.prior_out.weight)
    assert gradient.abs().max() > 0


def test_what_comes_after_another_game_has_begun_is_not_dreamt() -> None:
    torch.manual_seed(0)
    model = WorldModel(replace(TINY, overshoot=3), 3, (36, 36, 3))
    surely = model.rssm.latents.most_likely

    def dreamt(batch: Batch) -> float:
        return model.loss(batch, surely, begin=1)[2]["dreamt"].item()

    begun, same = moving(5, 2, [(3, 0)]), moving(5, 2, [(3, 0)])
    same.rewards[3:, 0] = 99.0  # of the game that has begun
    assert dreamt(same) == pytest.approx(dreamt(begun))
    same.rewards[3, 1] = 99.0
    assert dreamt(same) > dreamt(begun)


@pytest.mark.parametrize("begin", [2, 4])
def test_a_dream_longer_than_what_came_is_refused(begin: int) -> None:
    model = WorldModel(replace(TINY, overshoot=3), 3, (36, 36, 3))
    with pytest.raises(ValueError, match="3 steps cannot be dreamt"):
        model.loss(moving(5, 2), begin=begin)


def test_blocks_are_frames_in_another_order() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), np.uint8)
    blocks = to_blocks(frames)
    assert blocks.shape == (2, 48, 2, 3)
    assert blocks[1, :, 1, 2].tolist() == frames[1, 4:8, 8:12].flatten().tolist()
    assert (from_blocks(blocks, 3).numpy() == frames).all()


def test_a_pixel_has_changed_where_it_differs_from_the_frame_before_of_the_same_game() -> None:
    frames = np.zeros((3, 2, 4, 4, 1), np.uint8)  # three times, two games
    frames[1, 0, 0, 0] = 9
    frames[2, 1, 3, 3] = 7
    blocks = to_blocks(frames.reshape(6, 4, 4, 1))
    first = torch.zeros(3, 2, dtype=torch.bool)
    moved = from_blocks(changed(blocks, first), 1).view(3, 2, 4, 4)
    assert moved.nonzero().tolist() == [[1, 0, 0, 0], [2, 0, 0, 0], [2, 1, 3, 3]]
    first[2, 0] = True
    assert from_blocks(changed(blocks, first), 1).view(3, 2, 4, 4).nonzero().tolist() == [[1, 0, 0, 0], [2, 1, 3, 3]]


def squares(drawn: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return 0.5 * (weights * (drawn + 0.5 - wanted.float() / 255).square()).sum((1, 2, 3))


def test_weighted_squares_are_what_they_say_and_leave_their_input_alone() -> None:
    torch.manual_seed(0)
    drawn = torch.randn(2, 3, 4, 5, requires_grad=True)
    before, wanted, weights = drawn.detach().clone(), torch.randint(0, 256, (2, 3, 4, 5)), torch.rand(2, 3, 4, 5)
    plain = squares(drawn, wanted, weights)
    fused: torch.Tensor = WeightedSquares.apply(drawn, wanted, weights.clone())
    torch.testing.assert_close(fused, plain)
    assert drawn.equal(before)
    share = torch.tensor([1.0, 3.0])
    gradients = [torch.autograd.grad((loss * share).sum(), drawn)[0] for loss in (fused, plain)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("function", "x", "y"), [(symlog, math.e - 1, 1.0), (symlog, -3.0, -math.log(4)), (symexp, 1.0, math.e - 1)]
)
def test_rewards_of_any_size_on_one_scale(function: Callable[[torch.Tensor], torch.Tensor], x: float, y: float) -> None:
    assert function(torch.tensor(x)).item() == pytest.approx(y)
    numbers = torch.linspace(-50, 50, 11)
    torch.testing.assert_close(symexp(symlog(numbers)), numbers)
