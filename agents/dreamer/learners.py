"""How actor and critic learn from a dream: three ways to say what a choice was worth, one critic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch

from agents.dreamer.behaviour import Behaviour, Dream
from agents.dreamer.config import DreamerConfig
from agents.returns import lambda_returns


@dataclass(frozen=True)
class Lesson:
    """A dream, and what came of it. returns (H, N): λ-returns. advantages (H, N): by how much they beat the critic.

    The advantage is the generalised one (Schulman et al. 2016): Σ (γλ)^l δ_{t+l} = G^λ_t − v(s_t).
    """

    dream: Dream
    returns: torch.Tensor
    advantages: torch.Tensor

    def split(self, batches: int, generator: torch.Generator | None = None) -> Iterator[Lesson]:
        """Its dreams, shuffled, in so many lessons of as many each; itself where it is one."""
        if batches == 1:
            yield self
            return
        count = self.returns.shape[1]
        order = torch.randperm(count, generator=generator, device=self.returns.device)
        for rows in order.tensor_split(min(batches, count)):
            dream = Dream(**{name: part[:, rows] for name, part in vars(self.dream).items()})
            yield Lesson(dream, self.returns[:, rows], self.advantages[:, rows])


def judge(critic: Callable[[torch.Tensor], torch.Tensor], dreamt: Dream, lambda_: float) -> Lesson:
    """What the states of a dream are worth, to a critic that stays as it is."""
    values = critic(dreamt.features).squeeze(-1)  # (H+1, N)
    returns = lambda_returns(dreamt.rewards, dreamt.discounts, values, lambda_)
    return Lesson(dreamt, returns, (returns - values[:-1]).detach())


class Learner(Protocol):
    """One way for the actor to learn.

    differentiable: whether it needs dreams through which gradients run.
    passes:         how often actor and critic learn from the same dreams.
    batches:        into which these are divided each time, with an update for each.
    """

    differentiable: bool
    passes: int
    batches: int

    def loss(self, lesson: Lesson, log_policy: torch.Tensor) -> torch.Tensor:
        """What each choice costs, (H, N); log_policy (H, N): ln π of the choices, as the actor is now."""
        ...


class Reinforce:
    """REINFORCE with the critic as baseline (Hafner et al. 2021, eq. 6 with ρ = 1).

    An action becomes likelier by as much as the return that followed it exceeds the value that was expected.
    """

    differentiable, passes, batches = False, 1, 1

    def loss(self, lesson: Lesson, log_policy: torch.Tensor) -> torch.Tensor:
        return -log_policy * lesson.advantages


class PPO:
    """Proximal policy optimisation (Schulman et al. 2017, eq. 7): several passes, none of which goes far.

    clip: ε, by which share an action may become likelier, or less likely, than when it was dreamt.
    """

    differentiable = False

    def __init__(self, clip: float, passes: int, batches: int = 1):
        self.clip, self.passes, self.batches = clip, passes, batches

    def loss(self, lesson: Lesson, log_policy: torch.Tensor) -> torch.Tensor:
        ratio = (log_policy - lesson.dream.log_policy).exp()
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        return -torch.minimum(ratio * lesson.advantages, clipped * lesson.advantages)


class ThroughDynamics:
    """Gradients of the return, straight through the learnt dynamics (Hafner et al. 2020, eq. 7)."""

    differentiable, passes, batches = True, 1, 1

    def loss(self, lesson: Lesson, log_policy: torch.Tensor) -> torch.Tensor:
        return -lesson.returns


LEARNERS: dict[str, Callable[[DreamerConfig], Learner]] = {
    "reinforce": lambda config: Reinforce(),
    "ppo": lambda config: PPO(config.ppo_clip, config.ppo_passes, config.ppo_batches),
    "dynamics": lambda config: ThroughDynamics(),
}


def behaviour_losses(
    behaviour: Behaviour, learner: Learner, lesson: Lesson
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Losses of actor and critic, and their parts (Hafner et al. 2021, eq. 5 and 6).

    The critic regresses on the λ-return. The actor learns as `learner` says, and is paid to stay undecided.
    """
    dreamt, returns = lesson.dream, lesson.returns.detach()
    features = dreamt.features[:-1].detach()
    outputs = behaviour.actor(features)
    log_policy = behaviour.actions.log_probability(outputs, dreamt.actions.detach())
    entropy = behaviour.actions.entropy(outputs)
    costs = learner.loss(lesson, log_policy) - behaviour.config.entropy_scale * entropy
    actor_loss = (costs * dreamt.weights).mean()
    critic_loss = (0.5 * (behaviour.value(features) - returns).square() * dreamt.weights).mean()
    parts = {
        "dream_reward": dreamt.rewards.detach().sum(0).mean(),
        "return": returns.mean(),
        "value_error": lesson.advantages.abs().mean(),
        "actor_entropy": entropy.detach().mean(),
    }
    return actor_loss, critic_loss, parts
