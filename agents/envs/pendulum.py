"""Pendulum from its three numbers, many at a time (implements `Games`, with actions that are numbers)."""

from __future__ import annotations

import gymnasium
import numpy as np

from agents.interfaces import GameSteps

TORQUE = 2.0
"""What an action of 1 stands for."""


class PendulumGames:
    """Gymnasium's Pendulum-v1: swing it up and hold it; 200 steps, a reward of −16.3 (hanging, fast) to 0 each."""

    continuous = True
    action_names: tuple[str, ...] = ("TORQUE",)
    frame_shape: tuple[int, ...] = (3,)
    frame_dtype, stack = np.dtype(np.float32), 1

    def __init__(self, num_games: int):
        self.num_games = num_games
        self._envs = [gymnasium.make("Pendulum-v1") for _ in range(num_games)]

    def reset(self, seed: int) -> np.ndarray:
        """Begin all games, game i from seed + i: (N, 1, 3) float32, cos and sin of the angle, angular velocity."""
        self._over = np.zeros(self.num_games, bool)
        return np.stack([env.reset(seed=seed + game)[0] for game, env in enumerate(self._envs)])[:, None]

    def step(self, actions: np.ndarray) -> GameSteps:
        """actions (N, 1) float32 from −1 to 1."""
        began, none = self._over.copy(), np.zeros(self.num_games, bool)
        observations = np.zeros((self.num_games, 1, 3), np.float32)
        rewards = np.zeros(self.num_games, np.float32)
        for game, env in enumerate(self._envs):
            if began[game]:
                observations[game, 0] = env.reset()[0]
                self._over[game] = False
            else:
                observations[game, 0], reward, _, self._over[game], _ = env.step(TORQUE * actions[game])
                rewards[game] = float(reward)
        return GameSteps(observations, actions.astype(np.float32), rewards, none, self._over.copy(), none, began)

    def close(self) -> None:
        for env in self._envs:
            env.close()
