"""Games of which each can be copied at any instant: slower than ALE's vector environment, which cannot."""

from __future__ import annotations

import numpy as np

from agents.envs.atari import AtariGame, Snapshot
from agents.envs.settings import AtariSettings
from agents.interfaces import GameSteps


class SeparateGames:
    """`num_games` copies of one Atari game (implements `Games`), with a snapshot of each."""

    def __init__(self, game: str, num_games: int, settings: AtariSettings | None = None):
        settings = settings or AtariSettings()
        self._games = [AtariGame(game, settings, seed) for seed in range(num_games)]
        self._fire = self._games[0].fire_action if settings.fire else None
        self.num_games, self.stack = num_games, settings.stack
        self.action_names = self._games[0].action_names
        self.frame_shape: tuple[int, ...] = settings.frame_shape
        self.frame_dtype = np.dtype(np.uint8)
        self._life_lost = np.zeros(num_games, bool)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Of every game, as it is now."""
        return tuple(game.snapshot() for game in self._games)

    def reset(self, seed: int) -> np.ndarray:
        self._life_lost[:] = False
        return np.stack([game.reset(seed + number) for number, game in enumerate(self._games)])

    def step(self, actions: np.ndarray) -> GameSteps:
        taken = actions.astype(np.int64)
        rewards, flags = np.zeros(self.num_games, np.float32), np.zeros((4, self.num_games), bool)
        for number, game in enumerate(self._games):
            if game.over:
                game.reset()
                flags[3, number] = True
                continue
            # A game in which FIRE was held when a life was lost waits no more; the vector environment presses it again.
            if (game.needs_fire or self._life_lost[number]) and self._fire is not None:
                taken[number] = self._fire
            step = game.step(int(taken[number]))
            rewards[number] = step.reward
            flags[:3, number] = step.terminated, step.truncated, step.life_lost
        self._life_lost = flags[2].copy()
        observations = np.stack([game.observation for game in self._games])
        return GameSteps(observations, taken, rewards, *flags)

    def close(self) -> None: ...
