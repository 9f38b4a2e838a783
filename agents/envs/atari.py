"""Atari games: one preprocessing, for many games at a time and for a single one.

The preprocessing is that of Mnih et al. 2015 (Methods, "Preprocessing"): grey, the maximum over the last two
emulator frames, 84×84 by area averaging, an action held for 4 frames, a stack of the last 4 such frames.
ALE's vector environment does it in C++ for training; `AtariGame` does the same to the bit for play, and can
be frozen and restored, which the vector environment cannot. World models that a person will look at see colours
instead, and only the part of the screen that matters (`AtariSettings.colour`, `crop_top`, `crop_bottom`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv

from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.interfaces import GameSteps
from agents.records import Moment


@lru_cache(maxsize=8)
def rom_path(game: str) -> Path:
    """Where ale-py keeps the ROM of a game given by its plain name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is said below, once
        path = roms.get_rom_path(game.replace("-", "_"))
    # ALE ends the whole process when it loads a ROM that it cannot play.
    if path is None or ale_py.ALEInterface.isSupportedROM(path) is None:
        raise UserError(f"There is no Atari game called '{game}'. Try breakout, pong or space-invaders.")
    return path


def new_emulator(game: str) -> ale_py.ALEInterface:
    """ALE with the game's ROM, without sticky actions."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    emulator = ale_py.ALEInterface()
    emulator.setFloat("repeat_action_probability", 0.0)
    emulator.loadROM(rom_path(game))
    return emulator


def action_names(game: str) -> tuple[str, ...]:
    """The game's own actions, in ALE's order: for Breakout NOOP, FIRE, RIGHT, LEFT."""
    return tuple(action.name for action in new_emulator(game).getMinimalActionSet())


class AtariGames:
    """Many games at a time, through ALE's vector environment (implements `Games`).

    Whole games are played. The vector environment's own `episodic_life` is left off, because it begins a new
    game at every lost life: an agent so trained never sees a second life. Lost lives are reported instead.
    """

    def __init__(self, game: str, num_games: int, settings: AtariSettings | None = None, threads: int = 0):
        self.settings = settings = settings or AtariSettings()
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        # What the vector environment cannot do is done here, on whole screens.
        self._whole = settings.colour or settings.crop_top > 0 or settings.crop_bottom > 0
        height, width = new_emulator(game).getScreenDims() if self._whole else (settings.size, settings.size)
        self._env = AtariVectorEnv(
            game.replace("-", "_"),
            num_games,
            num_threads=threads,
            max_num_frames_per_episode=settings.frame_cap,
            repeat_action_probability=settings.sticky,
            img_height=height,
            img_width=width,
            grayscale=not settings.colour,
            maxpool=settings.max_pool,
            stack_num=settings.stack,
            frameskip=settings.frameskip,
            noop_max=settings.noop_max,
            use_fire_reset=settings.fire,
            reward_clipping=False,
        )
        self.num_games = num_games
        self.action_names = action_names(game)
        self.frame_shape: tuple[int, ...] = settings.frame_shape
        self.frame_dtype = np.dtype(np.uint8)
        self.stack = settings.stack
        self._fire = self.action_names.index("FIRE") if "FIRE" in self.action_names else None
        # ALE itself presses FIRE for one emulator frame when it begins a game; with sticky actions that may be lost.
        self._fire_at_start = settings.fire and settings.sticky > 0
        self._needs_fire = np.zeros(num_games, bool)
        self._lives = np.zeros(num_games, np.int32)
        self._over = np.zeros(num_games, bool)
        self._fresh = np.ones(num_games, bool)  # whose frames are all new
        self._shrunk = np.zeros((num_games, settings.stack, *settings.frame_shape), np.uint8)

    def reset(self, seed: int) -> np.ndarray:
        observations, info = self._env.reset(seed=seed)
        self._lives = info["lives"].copy()
        self._needs_fire[:] = self._fire_at_start
        self._over[:], self._fresh[:] = False, True
        return self._seen(observations)

    def _seen(self, observations: np.ndarray) -> np.ndarray:
        """(N, stack, *frame) of what the vector environment gave."""
        if not self._whole:
            return observations
        # A frame that was the newest once has been shrunk already, but where a game has begun anew since.
        self._shrunk = np.roll(self._shrunk, -1, axis=1)
        for game in range(self.num_games):
            for place in range(self.stack) if self._fresh[game] else (self.stack - 1,):
                self._shrunk[game, place] = self.settings.shrink(observations[game, place])
        return self._shrunk.copy()

    def step(self, actions: np.ndarray) -> GameSteps:
        taken = actions.astype(np.int64)
        if self.settings.fire and self._fire is not None:
            taken = np.where(self._needs_fire, self._fire, taken)
        observations, rewards, terminated, truncated, info = self._env.step(taken)
        began = self._fresh = self._over
        life_lost = (info["lives"] < self._lives) & ~terminated & ~began
        self._needs_fire = life_lost | (began & self._fire_at_start)
        self._lives = info["lives"].copy()
        self._over = terminated | truncated
        return GameSteps(
            self._seen(observations),
            taken,
            rewards.astype(np.float32),
            terminated.copy(),
            truncated.copy(),
            life_lost,
            began,
        )

    def close(self) -> None:
        self._env.close()


@dataclass(frozen=True)
class Snapshot:
    """A frozen instant of one `AtariGame`: emulator, sticky action with its random generator, frames, counters."""

    state: ale_py.ALEState
    observation: np.ndarray
    raw: np.ndarray
    screen: np.ndarray
    frame: int
    lives: int
    score: float
    needs_fire: bool
    over: bool
    last_action: ale_py.Action
    luck: Any

    def moment(self, memory: Any = None) -> Moment:
        """This instant, as an agent needs it to decide and to look ahead."""
        return Moment(self.observation, self.screen, self.needs_fire, self, memory)


@dataclass(frozen=True)
class GameStep:
    """One step of one game; as a row of `GameSteps`."""

    observation: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    life_lost: bool


class Eye:
    """How one agent sees an emulator: the raw screens of its last two frames, and the preprocessed stack."""

    def __init__(self, emulator: ale_py.ALEInterface, settings: AtariSettings):
        self._emulator, self._settings = emulator, settings
        self.stack = np.zeros((settings.stack, *settings.frame_shape), np.uint8)
        channels = (3,) if settings.colour else ()
        self.raw = np.zeros((2, *emulator.getScreenDims(), *channels), np.uint8)

    def look(self, slot: int) -> None:
        """Keep the screen as it is now; slot 0 is the newest of a decision, slot 1 the one before it."""
        if self._settings.colour:
            self._emulator.getScreenRGB(self.raw[slot])
        else:
            self._emulator.getScreenGrayscale(self.raw[slot])

    def push(self) -> None:
        """What was looked at becomes the newest frame of the stack."""
        if self._settings.max_pool:
            # ALE keeps the maximum in its first buffer; when a game ends early the stale buffers show again.
            np.maximum(self.raw[0], self.raw[1], out=self.raw[0])
        self.stack[:-1] = self.stack[1:]
        self.stack[-1] = self._settings.shrink(self.raw[0])

    def begin(self) -> None:
        """Forget what was seen, and see the screen as it is now."""
        self.raw[1] = 0
        self.look(0)
        self.stack[:] = 0
        self.push()


class AtariGame:
    """One game, stepped by decisions (`step`) or by single emulator frames (`advance`), frozen and restored.

    From the same seed and actions it shows the same observations as a game in `AtariGames`, to the bit. Sticky
    actions are drawn here, as ALE draws them: ALE's own saved states forget which action was last taken.
    """

    def __init__(self, game: str, settings: AtariSettings | None = None, seed: int = 0):
        self.game = game
        self.settings = settings or AtariSettings()
        self._emulator = new_emulator(game)
        self._actions = self._emulator.getMinimalActionSet()
        self.action_names: tuple[str, ...] = tuple(action.name for action in self._actions)
        self.fire_action = self.action_names.index("FIRE") if "FIRE" in self.action_names else None
        self._eye = Eye(self._emulator, self.settings)
        self._eyes = [self._eye]
        self.score = 0.0
        self.lives = 0
        self.frame = 0
        self.needs_fire = False
        self.reset(seed)

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Begin a new game; with a seed, the very game that this seed stands for."""
        if seed is not None:
            self._noops = np.random.RandomState(seed)
            self._luck = np.random.RandomState(seed)
        emulator = self._emulator
        emulator.reset_game()
        self._last_action = ale_py.Action.NOOP
        pressed = self.settings.fire and self.fire_action is not None
        idle = self._draw_noops() - int(pressed)
        if pressed:
            self._act(ale_py.Action.FIRE)
        for _ in range(idle):
            self._act(ale_py.Action.NOOP)
            if emulator.game_over():
                emulator.reset_game()
        for eye in self._eyes:
            eye.begin()
        self.score, self.frame = 0.0, 0
        self.lives = emulator.lives()
        self.needs_fire = self.fire_action is not None and (not pressed or self.settings.sticky > 0)
        return self.observation

    def _draw_noops(self) -> int:
        """As ALE's vector environment draws it: C++'s uniform_int_distribution over one Mersenne Twister.

        libstdc++ maps a 32-bit draw to [0, n) by multiply and shift, rejecting the few that would bias it.
        """
        n = self.settings.noop_max
        if n <= 1:
            return 0
        while True:
            product = int(self._noops.randint(0, 2**32, dtype=np.uint64)) * n
            if product % 2**32 >= 2**32 % n:
                return product >> 32

    def _act(self, action: ale_py.Action) -> int:
        """One emulator frame; with probability `sticky` under the action of the frame before (Machado et al. 2018)."""
        if self.settings.sticky:
            # ALE draws for two players at each frame, from a Mersenne Twister of the game's seed.
            draw, _ = self._luck.randint(0, 2**32, 2, dtype=np.uint64)
            if draw >= self.settings.sticky * 2**32:
                self._last_action = action
            action = self._last_action
        return self._emulator.act(action)

    @property
    def observation(self) -> np.ndarray:
        """(stack, size, size) uint8, the oldest frame first: a copy."""
        return self._eye.stack.copy()

    def watch(self, settings: AtariSettings) -> Eye:
        """The same game as another agent would see it, from the next reset on; snapshots leave this view out."""
        self._eyes.append(Eye(self._emulator, settings))
        return self._eyes[-1]

    @property
    def screen(self) -> np.ndarray:
        """(h, w, 3) uint8, the colours that a person sees; 210×160 for most games."""
        return self._emulator.getScreenRGB()

    @property
    def terminated(self) -> bool:
        return self._emulator.game_over()

    @property
    def truncated(self) -> bool:
        return self.frame >= self.settings.frame_cap and not self.terminated

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated

    @property
    def at_decision(self) -> bool:
        """Whether the next emulator frame begins a new decision."""
        return self.frame % self.settings.frameskip == 0

    def advance(self, action: int) -> float:
        """One emulator frame under `action`; gives its reward. Every `frameskip` frames make an observation."""
        if self.over:
            raise RuntimeError("the game is over: reset it or restore a snapshot")
        reward = float(self._act(self._actions[action]))
        self.score += reward
        self.frame += 1
        left = -self.frame % self.settings.frameskip  # frames still to come under this decision
        if not self.over and left < 2:
            for eye in self._eyes:
                eye.look(left)
        lives = self._emulator.lives()
        if self.action_names[action] == "FIRE":
            self.needs_fire = False
        if lives < self.lives:
            self.needs_fire = self.fire_action is not None
        self.lives = lives
        if left == 0 or self.over:
            for eye in self._eyes:
                eye.push()
        return reward

    def step(self, action: int) -> GameStep:
        """One decision: `action` for `frameskip` emulator frames, or fewer where the game ends."""
        lives, reward = self.lives, 0.0
        while True:
            reward += self.advance(action)
            if self.over or self.at_decision:
                break
        terminated = self.terminated
        return GameStep(self.observation, reward, terminated, self.truncated, self.lives < lives and not terminated)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            state=self._emulator.cloneState(),
            observation=self.observation,
            raw=self._eye.raw.copy(),
            screen=self.screen,
            frame=self.frame,
            lives=self.lives,
            score=self.score,
            needs_fire=self.needs_fire,
            over=self.over,
            last_action=self._last_action,
            luck=self._luck.get_state() if self.settings.sticky else None,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to the instant of `snapshot`, taken from this game or another one of the same kind."""
        self._emulator.restoreState(snapshot.state)
        self._eye.stack[:] = snapshot.observation
        self._eye.raw[:] = snapshot.raw
        self.frame, self.lives, self.score = snapshot.frame, snapshot.lives, snapshot.score
        self.needs_fire = snapshot.needs_fire
        self._last_action = snapshot.last_action
        if snapshot.luck is not None:
            self._luck.set_state(snapshot.luck)

    def moment(self, memory: Any = None) -> Moment:
        """As `Snapshot.moment`."""
        return self.snapshot().moment(memory)
