"""Games that go as they are told, and a network of two numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from agents.interfaces import GameSteps


class Tape:
    """One game of two actions. events: by step, (reward, what happened: "", "life", "over", "cut" or "began").

    Observations count the steps; from the end of the tape on, it begins again. forced: steps in which the game takes
    action 1 whatever was chosen.
    """

    num_games, stack, frame_shape, frame_dtype = 1, 1, (1,), np.dtype(np.float32)
    action_names = ("a", "b")

    def __init__(self, events: list[tuple[float, str]], forced: tuple[int, ...] = ()):
        self.events, self.forced, self.time = events, forced, 0

    def _seen(self) -> np.ndarray:
        return np.full((1, 1, 1), self.time, np.float32)

    def reset(self, seed: int) -> np.ndarray:
        self.time = 0
        return self._seen()

    def step(self, actions: np.ndarray) -> GameSteps:
        reward, event = self.events[self.time % len(self.events)]
        taken = np.array([1]) if self.time in self.forced else actions
        self.time += 1
        flags = [np.array([event == name]) for name in ("over", "cut", "life", "began")]
        return GameSteps(self._seen(), taken, np.array([reward], np.float32), *flags)

    def close(self) -> None: ...


class TwoArms:
    """Eight games of one decision each: action 1 earns 1, action 0 nothing."""

    num_games, stack, frame_shape, frame_dtype = 8, 1, (1,), np.dtype(np.float32)
    action_names = ("nothing", "earn")

    def reset(self, seed: int) -> np.ndarray:
        self.over = np.zeros(8, bool)
        return np.ones((8, 1, 1), np.float32)

    def step(self, actions: np.ndarray) -> GameSteps:
        none, began = np.zeros(8, bool), self.over
        rewards = np.where(began, 0, actions == 1).astype(np.float32)
        self.over = ~began
        return GameSteps(np.ones((8, 1, 1), np.float32), actions, rewards, self.over.copy(), none, none, began)

    def close(self) -> None: ...


class Counting(nn.Module):
    """Values an observation at a tenth of its number, and chooses between two actions with one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = observations.flatten(1)[:, 0]
        return self.logits + 0 * numbers[:, None], self.scale * numbers
