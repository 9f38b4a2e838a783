"""No actor: the best of many imagined plans, found by the cross-entropy method (Hafner et al. 2019, algorithm 2).

A belief about good plans is sampled, the samples are played in the world model, and the belief is fitted to the best
of them, several times over. Of the plan only the first action is taken; the next step plans anew.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from agents.dreamer.actions import Actions, Continuous
from agents.dreamer.behaviour import reached
from agents.dreamer.config import DreamerConfig
from agents.dreamer.latents import most_likely
from agents.dreamer.rssm import State
from agents.dreamer.world_model import WorldModel


class Plans(Protocol):
    """What is believed of good plans, a tensor (N, H, k): for each of N states and each of H steps on its own."""

    def unknown(self, rows: int, steps: int) -> torch.Tensor:
        """The belief of one who knows nothing."""
        ...

    def draw(self, belief: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
        """`count` plans for each state, (J, N, H, A). All states share the same chance: no row depends on another."""
        ...

    def fit(self, elites: torch.Tensor) -> torch.Tensor:
        """The belief under which the plans (K, N, H, A) are likeliest."""
        ...

    def first(self, belief: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The first action of the best plan as vectors (N, A), and the policy it stands for, (N, A)."""
        ...


class CategoricalPlans:
    """A probability for each action at each step, (N, H, A) (implements `Plans`)."""

    def __init__(self, actions: Actions):
        self.count = actions.size

    def unknown(self, rows: int, steps: int) -> torch.Tensor:
        return torch.full((rows, steps, self.count), 1 / self.count)

    def draw(self, belief: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
        noise = belief.new_empty(count, 1, *belief.shape[1:]).exponential_(generator=generator)
        return F.one_hot((belief / noise).argmax(-1), self.count).float()

    def fit(self, elites: torch.Tensor) -> torch.Tensor:
        return elites.mean(0)

    def first(self, belief: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return most_likely(belief[:, 0]), belief[:, 0]


class GaussianPlans:
    """Mean and deviation of each number of an action at each step, (N, H, 2·A) (implements `Plans`)."""

    def __init__(self, actions: Actions):
        self.count = actions.size

    def unknown(self, rows: int, steps: int) -> torch.Tensor:
        return torch.cat([torch.zeros(rows, steps, self.count), torch.ones(rows, steps, self.count)], -1)

    def draw(self, belief: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
        mean, deviation = belief.chunk(2, -1)
        noise = belief.new_empty(count, 1, *mean.shape[1:]).normal_(generator=generator)
        return (mean + deviation * noise).clamp(-1, 1)

    def fit(self, elites: torch.Tensor) -> torch.Tensor:
        return torch.cat([elites.mean(0), elites.std(0, correction=0)], -1)

    def first(self, belief: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = belief[:, 0, : self.count]
        return mean, mean


class Planner(nn.Module):
    """Decides by planning in the world model; it has no weights of its own (implements `Mind`)."""

    def __init__(self, config: DreamerConfig, actions: Actions):
        super().__init__()
        self.config, self.actions = config, actions
        self.plans: Plans = GaussianPlans(actions) if isinstance(actions, Continuous) else CategoricalPlans(actions)

    @torch.no_grad()
    def plan(self, model: WorldModel, state: State) -> tuple[torch.Tensor, torch.Tensor]:
        """The belief (N, H, k) about good plans from `state` (N, …), and what the last elites are worth, (N,).

        The same state gives the same plan, in whatever company.
        """
        c, device = self.config, state.memory.device
        generator = torch.Generator(device).manual_seed(0)
        belief = self.plans.unknown(len(state.memory), c.plan_horizon).to(device)
        for _ in range(c.plan_iterations):
            plans = self.plans.draw(belief, c.plan_candidates, generator)  # (J, N, H, A)
            worth, best = worths(model, state, plans).topk(c.plan_elites, dim=0)  # (K, N)
            belief = self.plans.fit(plans.take_along_dim(best[..., None, None], 0))
        return belief, worth.mean(0)

    def explore(self, model: WorldModel, state: State, generator: torch.Generator) -> torch.Tensor:
        """Vectors (N, A): the plan's first action, now and then a random one."""
        vectors, _ = self.plans.first(self.plan(model, state)[0])
        device = vectors.device
        random = torch.rand(len(vectors), 1, generator=generator, device=device) < self.config.plan_exploration
        undecided = torch.zeros(len(vectors), self.actions.outputs, device=device)
        return torch.where(random, self.actions.sample(undecided, generator), vectors)

    def judge(self, model: WorldModel, state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `Mind.judge`; the value is what the best plans found bring within their horizon."""
        belief, worth = self.plan(model, state)
        vectors, probabilities = self.plans.first(belief)
        return self.actions.decode(vectors), probabilities.cpu().numpy(), worth.cpu().numpy()


def worths(model: WorldModel, state: State, plans: torch.Tensor) -> torch.Tensor:
    """The rewards that plans (J, N, H, A) bring from `state` (N, …), each with the chance to live to see it: (J, N)."""
    count = len(plans)
    start = state.map(lambda part: part.expand(count, *part.shape).flatten(0, 1))
    actions = plans.flatten(0, 1).transpose(0, 1)  # (H, J·N, A)
    features = model.rssm.follow(start, actions)  # (H, J·N, f)
    alive, _ = model.goes_on(features)
    return (model.rewards(features) * reached(alive)).sum(0).unflatten(0, (count, -1))
