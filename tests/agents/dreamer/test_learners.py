"""Three ways to learn from a dream, on numbers worked by hand, and from the first game to a good one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dots import TINY, trainer_for

from agents.dreamer.behaviour import Behaviour, Dream, reached
from agents.dreamer.config import ACTOR_LEARNERS, DreamerConfig
from agents.dreamer.learners import LEARNERS, PPO, Lesson, Reinforce, ThroughDynamics, behaviour_losses, judge
from agents.dreamer.lessons import Lessons
from agents.errors import UserError

HALF = float(np.log(0.5))


def lesson(advantages: list[float], log_policy: float = HALF) -> Lesson:
    """One dream, whose choices had the probability ½."""
    advantage = torch.tensor(advantages)[:, None]
    dreamt = Dream(
        features=torch.zeros(len(advantages) + 1, 1, 3),
        actions=torch.tensor([1.0, 0.0]).expand(len(advantages), 1, 2),
        log_policy=torch.full((len(advantages), 1), log_policy),
        rewards=torch.zeros(len(advantages), 1),
        discounts=torch.ones(len(advantages), 1),
        weights=torch.ones(len(advantages), 1),
    )
    return Lesson(dreamt, advantage + 10, advantage)


def test_reinforce_by_hand() -> None:
    log_policy = torch.tensor([[-1.0], [-2.0]])
    assert Reinforce().loss(lesson([3.0, -1.0]), log_policy).flatten().tolist() == [3.0, -2.0]


@pytest.mark.parametrize(
    ("probability", "advantage", "cost", "learns"),
    [
        (0.5, 2.0, -2.0, True),  # as when it was dreamt: a ratio of 1
        (0.55, 2.0, -2.2, True),  # 1.1, within the clip
        (0.7, 2.0, -2.4, False),  # 1.4 counts as 1.2, and it gains nothing more
        (0.3, 2.0, -1.2, True),  # 0.6: a good choice that has become rarer is still mended
        (0.3, -2.0, 1.6, False),  # 0.6 counts as 0.8: a bad choice has become rare enough
        (0.7, -2.0, 2.8, True),  # 1.4: a bad choice that has become likelier is mended in full
    ],
)
def test_ppo_by_hand(probability: float, advantage: float, cost: float, learns: bool) -> None:
    log_policy = torch.tensor([[np.log(probability)]], dtype=torch.float32, requires_grad=True)
    loss = PPO(clip=0.2, passes=4).loss(lesson([advantage]), log_policy)
    assert loss.item() == pytest.approx(cost, rel=1e-5)
    loss.sum().backward()
    assert (log_policy.grad.item() != 0) == learns


def numbered(dreams: range) -> Lesson:
    """Dreams of two steps that can be told apart by their returns and rewards."""
    numbers, count = torch.tensor([*dreams], dtype=torch.float32), len(dreams)
    dreamt = Dream(**{name: torch.cat([part] * count, 1) for name, part in vars(lesson([3.0, -1.0]).dream).items()})
    returns = numbers.expand(2, count)
    return Lesson(replace(dreamt, rewards=returns), returns, 10 * returns)


def test_dreams_are_divided_into_lessons_and_none_is_left_out() -> None:
    five = numbered(range(5))
    parts = list(five.split(3, torch.Generator().manual_seed(0)))
    assert [part.returns.shape for part in parts] == [(2, 2), (2, 2), (2, 1)]
    assert sorted(torch.cat([part.returns[0] for part in parts]).tolist()) == [0, 1, 2, 3, 4]
    for part in parts:
        assert torch.equal(part.advantages, 10 * part.returns)
        assert torch.equal(part.dream.rewards, part.returns)
        assert part.dream.features.shape == (3, part.returns.shape[1], 3)
    assert list(five.split(1)) == [five]


def test_all_workers_learn_from_their_own_dreams_at_the_same_time() -> None:
    lessons = Lessons(replace(TINY, actor_learner="ppo", ppo_passes=2, ppo_batches=2), Behaviour(TINY, 2))
    told = [numbered(range(5)), numbered(range(10, 15))]
    parts = list(lessons.divide(told, torch.Generator().manual_seed(0)))
    assert [len(part) for part in parts] == [2, 2, 2, 2]
    for worker, first in enumerate((0, 10)):
        for once in (parts[:2], parts[2:]):
            dreams = torch.cat([part[worker].returns[0] for part in once])
            assert sorted(dreams.tolist()) == list(range(first, first + 5))


def test_gradients_through_the_dynamics_are_those_of_the_return() -> None:
    made = lesson([1.0, 2.0])
    assert ThroughDynamics().loss(made, torch.zeros(2, 1)).flatten().tolist() == [-11.0, -12.0]


def test_the_advantage_is_the_generalised_one() -> None:
    """Σ (γλ)^l δ_{t+l}, written out for three steps, against the λ-return less the value."""
    rewards, values = torch.tensor([[1.0], [0.0], [2.0]]), torch.tensor([[0.5], [1.0], [-1.0], [3.0]])
    discounts = torch.tensor([[0.9], [0.5], [0.9]])
    dreamt = replace(lesson([0.0] * 3).dream, features=values[..., None], rewards=rewards, discounts=discounts)
    made = judge(lambda features: features, dreamt, lambda_=0.8)
    delta = [1 + 0.9 * 1 - 0.5, 0 + 0.5 * -1 - 1, 2 + 0.9 * 3 + 1]
    last = delta[2]
    middle = delta[1] + 0.5 * 0.8 * last
    first = delta[0] + 0.9 * 0.8 * middle
    assert made.advantages.flatten().tolist() == pytest.approx([first, middle, last])


def test_a_state_counts_as_much_as_it_is_likely_to_be_reached() -> None:
    discounts = torch.tensor([[0.9], [0.0], [0.5]])
    assert reached(discounts).flatten().tolist() == pytest.approx([1.0, 0.9, 0.0])


def test_losses_of_actor_and_critic_by_hand() -> None:
    """A fresh actor is undecided between two choices, a fresh critic says 0; both are known without a network."""
    config = replace(TINY, entropy_scale=0.5)
    behaviour = Behaviour(config, 2)
    made = lesson([3.0, -1.0])
    dreamt = replace(made.dream, features=torch.randn(3, 1, 128 + 64), weights=torch.tensor([[1.0], [0.5]]))
    actor, critic, _ = behaviour_losses(behaviour, Reinforce(), replace(made, dream=dreamt))
    cost = [-HALF * 3.0 + 0.5 * HALF, -HALF * -1.0 + 0.5 * HALF]
    assert actor.item() == pytest.approx((cost[0] + 0.5 * cost[1]) / 2)
    assert critic.item() == pytest.approx((0.5 * 13.0**2 + 0.5 * 0.5 * 9.0**2) / 2)


def test_every_learner_has_a_name_in_the_config() -> None:
    assert tuple(LEARNERS) == ACTOR_LEARNERS
    with pytest.raises(UserError, match="actor_learner must be reinforce or ppo or dynamics"):
        DreamerConfig(actor_learner="a2c")


def test_ppo_learns_several_times_from_the_same_dreams() -> None:
    config = replace(TINY, actor_learner="ppo", ppo_passes=3, ppo_batches=2, pretrain=0, num_games=16)
    trainer = trainer_for(config)
    list(trainer.train(TINY.learning_starts + 16))
    steps = {name: int(optimizer.state_dict()["state"][0]["step"]) for name, optimizer in trainer.optimizers.items()}
    assert trainer.updates > 0
    assert steps == {"model": trainer.updates, "actor": 6 * trainer.updates, "critic": 6 * trainer.updates}


KINDS = {
    "reinforce": TINY,
    "ppo": replace(TINY, actor_learner="ppo"),
    "dreamer-v1": replace(
        TINY, actor_learner="dynamics", latents="gaussian", kl_scale=0.5, kl_balance=0.5, free_nats=0.0
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_to_go_where_it_is_paid(kind: str) -> None:
    """Chance makes 2 of a game of 16 steps; who goes straight to the last cell and stays makes about 13."""
    trainer = trainer_for(KINDS[kind])
    scores = [score for update in trainer.train(3_200) for score in update.scores]
    assert np.mean(scores[:48]) < 4
    assert np.mean(scores[-24:]) > 9
