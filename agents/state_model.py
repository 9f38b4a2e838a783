"""A model of worlds whose states are a few numbers: what comes next, what it earns, whether it ends.

A perceptron predicts the residual to the next state, in units of the residuals' own deviation: most of a state stays,
and what does not is small. Several of them, begun from different weights, are an ensemble: where they disagree, none of
them knows (Lakshminarayanan et al. 2017; Chua et al. 2018, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class StateSteps:
    """N steps: states and next_states (N, d), actions (N,) int64, rewards (N,); ends (N,), 1 where the game ended."""

    states: torch.Tensor
    actions: torch.Tensor
    next_states: torch.Tensor
    rewards: torch.Tensor
    ends: torch.Tensor


class StateModel(nn.Module):
    """s', r and the end from s and a, deterministic (two layers of `units`)."""

    center: torch.Tensor
    spread: torch.Tensor
    residual_center: torch.Tensor
    residual_spread: torch.Tensor

    def __init__(self, state_size: int, num_actions: int, units: int = 256):
        super().__init__()
        self.num_actions = num_actions
        self.layers = nn.Sequential(
            nn.Linear(state_size + num_actions, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU()
        )
        self.residual = nn.Linear(units, state_size)
        self.outcome = nn.Linear(units, 2)
        for name in ("center", "residual_center"):
            self.register_buffer(name, torch.zeros(state_size))
        for name in ("spread", "residual_spread"):
            self.register_buffer(name, torch.ones(state_size))

    def calibrate(self, steps: StateSteps) -> None:
        """Learn in which units states and their residuals are best told."""
        residuals = steps.next_states - steps.states
        for name, values in (("", steps.states), ("residual_", residuals)):
            getattr(self, f"{name}center").copy_(values.mean(0))
            getattr(self, f"{name}spread").copy_(values.std(0).clamp(min=SMALLEST_SPREAD))

    def _outputs(self, states: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Residuals (B, d) in their own units, rewards (B,), logits (B,) that the game ends."""
        inputs = [(states - self.center) / self.spread, F.one_hot(actions, self.num_actions).to(states.dtype)]
        features = self.layers(torch.cat(inputs, -1))
        rewards, ends = self.outcome(features).unbind(-1)
        return self.residual(features), rewards, ends

    def forward(self, states: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Next states (B, d), rewards (B,), and the probability (B,) of the end, of states (B, d) and actions (B,)."""
        residuals, rewards, ends = self._outputs(states, actions)
        return states + residuals * self.residual_spread + self.residual_center, rewards, ends.sigmoid()

    def loss(self, steps: StateSteps) -> torch.Tensor:
        residuals, rewards, ends = self._outputs(steps.states, steps.actions)
        wanted = (steps.next_states - steps.states - self.residual_center) / self.residual_spread
        of_ends = F.binary_cross_entropy_with_logits(ends, steps.ends)
        return F.mse_loss(residuals, wanted) + F.mse_loss(rewards, steps.rewards) + of_ends


class StateEnsemble:
    """Models of one world that know the same and began differently."""

    def __init__(self, members: list[StateModel]):
        self.members = members

    @torch.no_grad()
    def step(self, states: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The members' mean next states (B, d), and their spread (B,): the root of the mean squared deviation of the
        members from it, in units of the states' own deviation.
        """
        each = torch.stack([member(states, actions)[0] for member in self.members])  # (M, B, d)
        mean, unit = each.mean(0), self.members[0].spread
        return mean, (((each - mean) / unit) ** 2).mean((0, 2)).sqrt()


def fit(
    model: StateModel, steps: StateSteps, updates: int, random: np.random.Generator, batch_size: int = 256
) -> Iterator[float]:
    """Train a model on steps, with Adam; gives the loss of each update."""
    model.calibrate(steps)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    for update in range(updates):
        rows = torch.from_numpy(random.integers(0, len(steps.actions), batch_size))
        loss = model.loss(StateSteps(*(column[rows] for column in vars(steps).values())))
        adam.zero_grad()
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = 1e-3 * (1 - update / updates)
        adam.step()
        yield loss.item()


@torch.no_grad()
def unrolled(ensemble: StateEnsemble, start: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What an ensemble makes of actions (B, K), each step from the mean of the one before.

    start (B, d). Gives states (B, K, d) and spreads (B, K).
    """
    states, found, spreads = start, [], []
    for k in range(actions.shape[1]):
        states, spread = ensemble.step(states, actions[:, k])
        found.append(states)
        spreads.append(spread)
    return torch.stack(found, 1), torch.stack(spreads, 1)


def power_law(errors: np.ndarray) -> tuple[float, float]:
    """a and b of the a·kᵇ that is nearest to errors (K,) after k = 1 … K steps, in logarithms.

    A random walk of independent errors grows with b = ½; errors that feed on themselves grow faster.
    """
    steps = np.arange(1, len(errors) + 1)
    exponent, scale = np.polyfit(np.log(steps), np.log(errors), 1)
    return float(np.exp(scale)), float(exponent)
