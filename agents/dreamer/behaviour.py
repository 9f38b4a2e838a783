"""Actor and critic, and the dreams in which they learn (Hafner et al. 2021, section 2, "Behavior learning")."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from agents.dreamer.actions import Actions, Discrete
from agents.dreamer.config import SIZES, DreamerConfig
from agents.dreamer.latents import LATENTS, tempered
from agents.dreamer.networks import MLP
from agents.dreamer.rssm import State
from agents.dreamer.world_model import WorldModel


@dataclass(frozen=True)
class Dream:
    """N dreams of H steps.

        state 0 ─a_0─▶ state 1 ─a_1─▶ … ▶ state H
                 r_1              r_2

    features (H+1, N, f) of the states; actions (H, N, A) as vectors, actions[k] chosen at state k;
    log_policy (H, N): ln π of these choices when they were made;
    rewards, discounts (H, N) float32: row k is earned, or ends the return, on arriving at state k+1.
    weights (H, N): the probability, with γ, that state k is reached at all.
    """

    features: torch.Tensor
    actions: torch.Tensor
    log_policy: torch.Tensor
    rewards: torch.Tensor
    discounts: torch.Tensor
    weights: torch.Tensor


class Mind(Protocol):
    """What decides in the states of a world model: an actor that has learnt to, or a planner."""

    actions: Actions

    def explore(self, model: WorldModel, state: State, generator: torch.Generator) -> torch.Tensor:
        """Vectors (N, A) of what it does in these states (N, …) while it learns."""
        ...

    def judge(self, model: WorldModel, state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Its choices for games, the policy (N, A) they come from, and the values of the states (N,) float32."""
        ...


class Behaviour(nn.Module):
    """The policy π(a | state) and the value of states (implements `Mind`).

    actions: how many there are to choose among, or their kind, where it is another.
    """

    def __init__(self, config: DreamerConfig, actions: int | Actions):
        super().__init__()
        size, latents = SIZES[config.model_size], LATENTS[config.latents](config.variables, config.classes)
        features = size.deter + latents.variables * latents.width
        self.config, self.actions = config, Discrete(actions) if isinstance(actions, int) else actions
        self.actor = MLP(features, size.units, size.layers, self.actions.outputs, zero=True)
        self.critic = MLP(features, size.units, size.layers, 1, zero=True)

    def value(self, features: torch.Tensor) -> torch.Tensor:
        """(..., f) give (...)."""
        return self.critic(features).squeeze(-1)

    def explore(self, model: WorldModel, state: State, generator: torch.Generator) -> torch.Tensor:
        """As `Mind.explore`: a draw from the policy."""
        return self.actions.sample(self.actor(state.features), generator)

    def judge(self, model: WorldModel, state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `Mind.judge`."""
        outputs, values = self.actor(state.features), self.value(state.features)
        chosen = self.actions.decode(self.actions.best(outputs))
        return chosen, self.actions.policy(outputs).cpu().numpy(), values.float().cpu().numpy()


def dream(
    model: WorldModel,
    behaviour: Behaviour,
    start: State,
    horizon: int,
    discount: float,
    generator: torch.Generator | None = None,
    differentiable: bool = False,
) -> Dream:
    """Imagine from `start` (N, …) under the actor's own choices.

    differentiable: rewards and features then know how they follow from the actor's choices, through the dynamics.
    """
    actions, chosen, log_policy = behaviour.actions, [], []
    temperature = behaviour.config.dream_temperature
    choose = functools.partial(tempered, model.rssm.latents, temperature=temperature, generator=generator)
    with torch.set_grad_enabled(differentiable):
        state, features = start, [start.features]
        for _ in range(horizon):
            # What the actor sees is given; its choices alone are to blame for what follows (as in the papers' code).
            outputs = behaviour.actor(features[-1].detach())
            vectors = actions.sample(outputs, generator)
            state, _ = model.rssm.imagine(state, vectors, choose)
            features.append(state.features)
            chosen.append(vectors)
            log_policy.append(actions.log_probability(outputs.detach(), vectors.detach()))
        visited = torch.stack(features)
        rewards = torch.tanh(behaviour.config.reward_scale * model.rewards(visited[1:]))
        alive, _ = model.goes_on(visited[1:])
        discounts = discount * alive
    weights = reached(discounts.detach())
    return Dream(visited, torch.stack(chosen), torch.stack(log_policy), rewards, discounts, weights)


def reached(discounts: torch.Tensor) -> torch.Tensor:
    """The probability, with γ, that state k of a dream is reached: discounts (H, …), as in `Dream`, give (H, …).

    State 0 is real and certain; each later one is reached only if none before it was the last.
    """
    return torch.cat([torch.ones_like(discounts[:1]), discounts[:-1]]).cumprod(0)
