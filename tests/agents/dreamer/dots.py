"""Small worlds of pictures whose rules are known, a training of seconds in them, and its score."""

from __future__ import annotations

import numpy as np
import torch

from agents.dreamer.config import DreamerConfig
from agents.dreamer.planning import Planner
from agents.dreamer.train import DreamerTrainer
from agents.interfaces import GameSteps

CELLS, CELL = 9, 4  # cells on a side, pixels on a side of a cell
LENGTH = 16  # steps of a game

TINY = DreamerConfig(
    model_size="tiny",
    variables=8,
    classes=8,
    num_games=16,
    batch_size=8,
    batch_length=8,
    replay_ratio=8,
    replay_capacity=20_000,
    learning_starts=1_024,
    pretrain=120,
    kl_warmup=50,
    pixel_weight=4.0,
    model_learning_rate=2e-3,
    actor_learning_rate=1e-3,
    critic_learning_rate=1e-3,
    horizon=6,
    dreams=64,
    discount=0.9,
    entropy_scale=1e-2,
    target_period=20,
)


class DotGames:
    """A dot on a row of cells, moved by the actions; each step on the last cell earns 1. Implements `Games`."""

    action_names: tuple[str, ...] = ("stay", "left", "right")
    frame_shape: tuple[int, ...] = (CELLS * CELL, CELLS * CELL, 3)
    frame_dtype, stack = np.dtype(np.uint8), 1

    def __init__(self, num_games: int = TINY.num_games):
        self.num_games = num_games

    def reset(self, seed: int) -> np.ndarray:
        self.random = np.random.default_rng(seed)
        self.cell = self._anywhere()
        # Games end at different times, as they do elsewhere.
        self.time = self.random.integers(0, LENGTH, self.num_games)
        self.over = np.zeros(self.num_games, bool)
        return self.seen()

    def _anywhere(self) -> np.ndarray:
        return self.random.integers(0, CELLS, self.num_games)

    def seen(self) -> np.ndarray:
        return np.stack([picture(cell) for cell in self.cell])[:, None]

    def step(self, actions: np.ndarray) -> GameSteps:
        began, none = self.over, np.zeros(self.num_games, bool)
        self.cell = np.where(began, self._anywhere(), moved(self.cell, actions))
        self.time = np.where(began, 0, self.time + 1)
        self.over = ~began & (self.time >= LENGTH)
        rewards = np.where(began, 0, self.cell == CELLS - 1).astype(np.float32)
        return GameSteps(self.seen(), actions.astype(np.int64), rewards, none, self.over, none, began)

    def close(self) -> None: ...


def moved(cell: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Where dots (N,) go under actions (N,)."""
    return np.clip(cell + np.array([0, -1, 1])[actions], 0, CELLS - 1)


def picture(cell: int) -> np.ndarray:
    """(36, 36, 3) uint8: the dot on the middle row, the cell that pays in blue."""
    frame = np.zeros(DotGames.frame_shape, np.uint8)
    middle = CELLS // 2 * CELL
    frame[middle : middle + CELL, -CELL:, 2] = 128
    frame[middle : middle + CELL, cell * CELL : (cell + 1) * CELL] = (255, 200, 40)
    return frame


def trainer_for(
    config: DreamerConfig, games: DotGames | None = None, seed: int = 0, planner: Planner | None = None
) -> DreamerTrainer:
    """A trainer that computes the same on every machine."""
    trainer = DreamerTrainer(config, games or DotGames(), seed, planner=planner)
    trainer.precision = torch.float32
    return trainer
