"""A game of 16×16: a dot goes four pixels left or right as it is told, and earns 1 where it meets the right edge."""

from __future__ import annotations

import numpy as np
import torch

from agents.i2a.environment_model import EnvironmentModel

SIZE, GREY = 16, 110


def play(random: np.random.Generator, steps: int, batch: int) -> list[torch.Tensor]:
    """What `EnvironmentModel.loss` takes: (T, B, …)."""
    place, row = 4 * random.integers(0, 4, batch) + 1, 4 * random.integers(0, 4, batch) + 2
    frames = np.zeros((steps, batch, SIZE, SIZE), np.uint8)
    actions = random.integers(0, 2, (steps, batch))
    rewards = np.zeros((steps, batch), np.float32)
    for t in range(steps):
        if t:
            moved = place + np.where(actions[t] == 1, 4, -4)
            rewards[t] = moved > SIZE
            place = np.clip(moved, 1, SIZE - 3)
        for game in range(batch):
            frames[t, game, row[game] : row[game] + 2, place[game] : place[game] + 2] = GREY
    ones = np.ones((steps, batch), np.float32)
    columns = [frames, actions, rewards, np.zeros((steps, batch), bool), ones, ones]
    return [torch.from_numpy(column) for column in columns]


def trained(kind: str, width: int, updates: int, batch: int = 32) -> EnvironmentModel:
    """A model of the dot's game."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = EnvironmentModel(kind, width, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    model.calibrate(play(random, 3, 256)[0])
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for update in range(updates):
        for group in adam.param_groups:
            group["lr"] = 3e-3 * (1 - update / updates)
        loss, _, _ = model.loss(*play(random, 4 if update > updates // 2 else 3, batch))
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model
