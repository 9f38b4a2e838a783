"""What actions are to the networks: vectors of numbers, drawn from what the actor gives."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from agents.dreamer.latents import most_likely, straight_through
from agents.interfaces import Games, is_continuous

NODES = 16
"""Of the quadrature by which an entropy is found."""


class Actions(Protocol):
    """One kind of action. `size`: numbers of a vector; `outputs`: numbers that the actor gives for one choice."""

    size: int
    outputs: int

    def encode(self, actions: np.ndarray) -> torch.Tensor:
        """Actions as games take them, (…) int64 or (…, size) float32, as vectors (…, size) float32."""
        ...

    def decode(self, vectors: torch.Tensor) -> np.ndarray:
        """The way back."""
        ...

    def sample(self, outputs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """A choice for each row of the actor's outputs: (…, outputs) give (…, size), with a gradient."""
        ...

    def best(self, outputs: torch.Tensor) -> torch.Tensor:
        """The choice of an actor that no longer explores: (…, outputs) give (…, size)."""
        ...

    def log_probability(self, outputs: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """ln π of choices (…, size): gives (…)."""
        ...

    def entropy(self, outputs: torch.Tensor) -> torch.Tensor:
        """How undecided the actor is, in nats: gives (…)."""
        ...

    def policy(self, outputs: torch.Tensor) -> torch.Tensor:
        """The probabilities of all actions, (…, size); where actions are numbers, the best."""
        ...

    def surely(self, actions: np.ndarray) -> np.ndarray:
        """The policy of one who takes these actions for games, (N, size) float32."""
        ...

    def none(self, rows: int) -> np.ndarray:
        """What stands where no action was taken yet: zeros, (rows,) or (rows, size)."""
        ...

    def any(self, rows: int, random: np.random.Generator) -> np.ndarray:
        """Actions for games, drawn uniformly: (rows,) or (rows, size)."""
        ...


class Discrete:
    """One of `count` actions, as a one-hot vector (implements `Actions`). The actor gives logits."""

    def __init__(self, count: int):
        self.size = self.outputs = count

    def encode(self, actions: np.ndarray) -> torch.Tensor:
        return F.one_hot(torch.from_numpy(actions), self.size).float()

    def decode(self, vectors: torch.Tensor) -> np.ndarray:
        return vectors.argmax(-1).cpu().numpy()

    def sample(self, outputs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return straight_through(F.softmax(outputs, -1), generator)

    def best(self, outputs: torch.Tensor) -> torch.Tensor:
        return most_likely(outputs)

    def log_probability(self, outputs: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        return (F.log_softmax(outputs, -1) * vectors).sum(-1)

    def entropy(self, outputs: torch.Tensor) -> torch.Tensor:
        log_policy = F.log_softmax(outputs, -1)
        return -(log_policy.exp() * log_policy).sum(-1)

    def policy(self, outputs: torch.Tensor) -> torch.Tensor:
        return F.softmax(outputs, -1)

    def surely(self, actions: np.ndarray) -> np.ndarray:
        return np.eye(self.size, dtype=np.float32)[actions]

    def none(self, rows: int) -> np.ndarray:
        return np.zeros(rows, np.int64)

    def any(self, rows: int, random: np.random.Generator) -> np.ndarray:
        return random.integers(0, self.size, rows)


class Continuous:
    """`count` numbers from −1 to 1 (implements `Actions`): the tanh of a normal variable each.

    The actor gives, for each, the mean of that variable and a number that decides its deviation.
    """

    LEAST, USUAL = 0.1, 1.0  # deviations: the smallest, and that of an actor that gives 0

    def __init__(self, count: int):
        self.size, self.outputs = count, 2 * count

    def _normal(self, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, raw = outputs.float().chunk(2, -1)
        at_zero = math.log(math.expm1(self.USUAL - self.LEAST))
        # Far outside, tanh is flat and nothing would be learnt any more (the bound is that of the paper's code).
        return 5 * torch.tanh(mean / 5), F.softplus(raw + at_zero) + self.LEAST

    def encode(self, actions: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(actions).float()

    def decode(self, vectors: torch.Tensor) -> np.ndarray:
        return vectors.detach().float().cpu().numpy()

    def sample(self, outputs: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        mean, deviation = self._normal(outputs)
        return torch.tanh(mean + deviation * torch.empty_like(mean).normal_(generator=generator))

    def best(self, outputs: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self._normal(outputs)[0])

    def log_probability(self, outputs: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """ln N(u) − ln |da/du| with a = tanh u, summed over the numbers of an action."""
        mean, deviation = self._normal(outputs)
        u = torch.atanh(vectors.clamp(-1 + 1e-6, 1 - 1e-6))
        normal = -0.5 * ((u - mean) / deviation).square() - deviation.log() - 0.5 * math.log(2 * math.pi)
        return (normal - _log_slope(u)).sum(-1)

    def entropy(self, outputs: torch.Tensor) -> torch.Tensor:
        """That of the normal variable, and the mean of ln |da/du|, which has no closed form: by quadrature."""
        mean, deviation = self._normal(outputs)
        nodes, weights = (torch.from_numpy(part).to(mean) for part in np.polynomial.hermite_e.hermegauss(NODES))
        slopes = _log_slope(mean[..., None] + deviation[..., None] * nodes) @ (weights / weights.sum())
        return (0.5 * math.log(2 * math.pi * math.e) + deviation.log() + slopes).sum(-1)

    def policy(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.best(outputs)

    def surely(self, actions: np.ndarray) -> np.ndarray:
        return actions

    def none(self, rows: int) -> np.ndarray:
        return np.zeros((rows, self.size), np.float32)

    def any(self, rows: int, random: np.random.Generator) -> np.ndarray:
        return random.uniform(-1, 1, (rows, self.size)).astype(np.float32)


def _log_slope(u: torch.Tensor) -> torch.Tensor:
    """ln (1 − tanh² u), which stays finite however large u is."""
    return 2 * (math.log(2) - u - F.softplus(-2 * u))


def actions_of(games: Games) -> Actions:
    """The kind of actions that these games take."""
    return (Continuous if is_continuous(games) else Discrete)(len(games.action_names))
