"""The recurrent state-space model (Hafner et al. 2019, section 3; discrete latents: Hafner et al. 2021, section 2).

h_t = GRU(h_{t-1}, z_{t-1}, a_{t-1})      the deterministic path remembers
prior      p(z_t | h_t)                   what the model expects
posterior  q(z_t | h_t, x_t)              what it believes once it has seen x_t
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from agents.dreamer.latents import Latents

Choice = Callable[[torch.Tensor], torch.Tensor]
"""Latents (..., variables, width) from what is believed of them: a sample, the most likely, or the mean."""


@dataclass(frozen=True)
class State:
    """What the model holds of B games at one time (time axes may stand in front).

    memory: (..., deter) float, h. latent: (..., variables, width), z.
    """

    memory: torch.Tensor
    latent: torch.Tensor

    @property
    def features(self) -> torch.Tensor:
        """(..., deter + variables·width): what every head reads."""
        return torch.cat([self.memory, self.latent.flatten(-2)], -1)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> State:
        """The same change of both parts."""
        return State(change(self.memory), change(self.latent))


class GRUCell(nn.Module):
    """A gated recurrent unit with layer normalisation and an update gate that begins mostly shut.

    As DreamerV2's code has it: one matrix for all gates, reset applied after the product, a bias of −1.
    """

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.gates = nn.Linear(inputs + units, 3 * units, bias=False)
        self.norm = nn.LayerNorm(3 * units)

    def forward(self, inputs: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """(B, inputs) and (B, units) give the new memory (B, units)."""
        reset, candidate, update = self.norm(self.gates(torch.cat([inputs, memory], -1))).float().chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        return torch.lerp(memory, candidate, torch.sigmoid(update - 1))


class RSSM(nn.Module):
    """Steps states forward, with what was seen and without."""

    def __init__(self, num_actions: int, embedding: int, deter: int, hidden: int, latents: Latents):
        super().__init__()
        self.num_actions, self.deter, self.latents = num_actions, deter, latents
        outputs = latents.variables * latents.outputs
        self.step_in = nn.Linear(latents.variables * latents.width + num_actions, hidden)
        self.step_norm = nn.LayerNorm(hidden)
        self.gru = GRUCell(hidden, deter)
        self.prior_hidden = nn.Linear(deter, hidden)
        self.prior_norm = nn.LayerNorm(hidden)
        self.prior_out = nn.Linear(hidden, outputs)
        self.seen = nn.Linear(embedding, hidden)
        self.posterior_hidden = nn.Linear(deter, hidden, bias=False)
        self.posterior_norm = nn.LayerNorm(hidden)
        self.posterior_out = nn.Linear(hidden, outputs)
        for layer in (self.prior_out, self.posterior_out):
            layer.weight.data *= latents.gain

    def initial(self, rows: int) -> State:
        """The state of a game of which nothing is known."""
        weight = self.prior_out.weight
        return State(
            torch.zeros(rows, self.deter, device=weight.device),
            torch.zeros(rows, self.latents.variables, self.latents.width, device=weight.device),
        )

    def remember(self, state: State, actions: torch.Tensor) -> torch.Tensor:
        """h after `actions` (B, A) one-hot were taken in `state`: (B, deter)."""
        x = torch.cat([state.latent.flatten(-2), actions], -1)
        x = F.silu(self.step_norm(self.step_in(x)))
        return self.gru(x, state.memory)

    def prior(self, memory: torch.Tensor) -> torch.Tensor:
        """p(z | h): a belief (..., variables, k)."""
        x = F.silu(self.prior_norm(self.prior_hidden(memory)))
        return self._belief(self.prior_out(x))

    def posterior(self, memory: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """q(z | h, x) for `seen` = self.seen(embedding of x): a belief (..., variables, k)."""
        x = F.silu(self.posterior_norm(self.posterior_hidden(memory) + seen))
        return self._belief(self.posterior_out(x))

    def _belief(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.latents.belief(numbers.unflatten(-1, (self.latents.variables, self.latents.outputs)))

    def observe(
        self,
        embeddings: torch.Tensor,
        actions: torch.Tensor,
        first: torch.Tensor,
        state: State,
        choose: Choice | None = None,
    ) -> tuple[State, torch.Tensor]:
        """Follow sequences: embeddings (T, B, e), actions (T, B, A) one-hot that led there, first (T, B) bool.

        state: of the time before. Rows in which a game begins start from nothing.
        choose: how a latent comes from its posterior; None stands for a sample.
        Gives the states (T, B, …) and the posteriors (T, B, variables, k).
        """
        choose = choose or self.latents.sample
        seen = self.seen(embeddings)
        goes_on = (~first).float()[..., None]  # (T, B, 1)
        memories, latents, posteriors = [], [], []
        for t in range(len(actions)):
            memory, latent = state.memory * goes_on[t], state.latent * goes_on[t][..., None]
            memory = self.remember(State(memory, latent), actions[t] * goes_on[t])
            posterior = self.posterior(memory, seen[t])
            state = State(memory, choose(posterior))
            memories.append(memory)
            latents.append(state.latent)
            posteriors.append(posterior)
        return State(torch.stack(memories), torch.stack(latents)), torch.stack(posteriors)

    def imagine(self, state: State, actions: torch.Tensor, choose: Choice | None = None) -> tuple[State, torch.Tensor]:
        """One step without seeing: the next state under `actions` (B, A), and the prior that it was drawn from."""
        memory = self.remember(state, actions)
        prior = self.prior(memory)
        return State(memory, (choose or self.latents.sample)(prior)), prior

    def follow(self, state: State, actions: torch.Tensor) -> torch.Tensor:
        """The features (H, B, f) of the states that `actions` (H, B, A) lead to, without seeing: a dream in means."""
        features = []
        for steps, vectors in zip(torch.arange(1, len(actions) + 1, device=actions.device), actions, strict=True):
            state, _ = self.imagine(state, vectors, functools.partial(self.latents.mean, steps=steps))
            features.append(state.features)
        return torch.stack(features)
