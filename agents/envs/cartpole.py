"""CartPole from its four numbers, and from pixels, many at a time (implements `Games`)."""

from __future__ import annotations

import os

import cv2
import gymnasium
import numpy as np

from agents.interfaces import GameSteps


class CartPoleGames:
    """Gymnasium's CartPole-v1: 500 steps at most, a reward of 1 for each.

    pixels: observe the rendered scene, grey, 84×84 by area averaging, a stack of 8; else the state, a stack of 1.
    It is drawn on whole pixels: how fast something moves shows over several frames only.
    What is drawn is bright on black: on white, half precision would spend its digits on the background.
    """

    def __init__(self, num_games: int, pixels: bool = False):
        self.num_games, self.pixels = num_games, pixels
        self.action_names: tuple[str, ...] = ("LEFT", "RIGHT")
        self.stack = 8 if pixels else 1
        self.frame_shape: tuple[int, ...] = (84, 84) if pixels else (4,)
        self.frame_dtype = np.dtype(np.uint8 if pixels else np.float32)
        render_mode = "rgb_array" if pixels else None
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # nothing is shown: no display is needed, nor looked for
        self._envs = [gymnasium.make("CartPole-v1", render_mode=render_mode) for _ in range(num_games)]
        self._stack = np.zeros((num_games, self.stack, *self.frame_shape), self.frame_dtype)
        self._over = np.zeros(num_games, bool)

    def reset(self, seed: int) -> np.ndarray:
        for game, env in enumerate(self._envs):
            self._begin(game, env.reset(seed=seed + game)[0])
        self._over[:] = False
        return self._stack.copy()

    def step(self, actions: np.ndarray) -> GameSteps:
        began = self._over.copy()
        rewards = np.zeros(self.num_games, np.float32)
        terminated, truncated = np.zeros(self.num_games, bool), np.zeros(self.num_games, bool)
        for game, env in enumerate(self._envs):
            if began[game]:
                self._begin(game, env.reset()[0])
            else:
                state, reward, terminated[game], truncated[game], _ = env.step(int(actions[game]))
                rewards[game] = float(reward)
                self._stack[game, :-1] = self._stack[game, 1:]
                self._stack[game, -1] = self._frame(game, state)
        self._over = terminated | truncated
        lost = np.zeros(self.num_games, bool)
        taken = actions.astype(np.int64)
        return GameSteps(self._stack.copy(), taken, rewards, terminated, truncated, lost, began)

    def _begin(self, game: int, state: np.ndarray) -> None:
        self._stack[game] = 0
        self._stack[game, -1] = self._frame(game, state)

    def _frame(self, game: int, state: np.ndarray) -> np.ndarray:
        if not self.pixels:
            return state
        grey = cv2.cvtColor(np.asarray(self._envs[game].render()), cv2.COLOR_RGB2GRAY)
        return 255 - cv2.resize(grey, self.frame_shape, interpolation=cv2.INTER_AREA)

    def close(self) -> None:
        for env in self._envs:
            env.close()
