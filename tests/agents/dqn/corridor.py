"""A task whose values are known, a training of seconds, and all that is saved of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agents.dqn.config import DQNConfig
from agents.dqn.train import DQNTrainer
from agents.interfaces import GameSteps
from agents.records import Update

TINY = DQNConfig(num_games=2, batch_size=8, learning_starts=40, replay_capacity=400, target_period=3, epsilon_steps=100)


class Corridor:
    """Two games of one state and two actions; action 1 earns 1, then the game ends. Q(0) = 0, Q(1) = 1."""

    num_games, stack, frame_shape, frame_dtype = 2, 1, (1,), np.dtype(np.float32)
    action_names = ("wait", "earn")

    def reset(self, seed: int) -> np.ndarray:
        self.over = np.zeros(2, bool)
        return np.ones((2, 1, 1), np.float32)

    def step(self, actions: np.ndarray) -> GameSteps:
        none, began = np.zeros(2, bool), self.over
        rewards = np.where(began, 0, actions == 1).astype(np.float32)
        self.over = ~began
        ended = self.over.copy()
        return GameSteps(np.ones((2, 1, 1), np.float32), actions, rewards, ended, none, none, began)

    def close(self) -> None: ...


def run(trainer: DQNTrainer, steps: int) -> list[Update]:
    return list(trainer.train(steps))


def saved(trainer: DQNTrainer, folder: Path) -> tuple:
    """All that is saved of a trainer, as copies."""
    weights = {name: tensor.clone() for name, tensor in trainer.weights().items()}
    tensors = {name: tensor.clone() for name, tensor in trainer.training_tensors().items()}
    return weights, tensors, trainer.training_counters(), folder, trainer.save_replay(folder)
