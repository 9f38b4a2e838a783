"""Games that one agent plays and another one watches, each through its own eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.interfaces import Agent, GameSteps, act_in_games

EXPLORATION = (0.01, 0.01, 0.02, 0.05, 0.05, 0.1, 0.2, 0.5)
"""ε of the games, in turns: good play shows late boards, bad play shows what follows a mistake."""


def shared(
    num_games: int, guides: int, epsilons: tuple[float, ...] = EXPLORATION
) -> list[tuple[int, tuple[float, ...]]]:
    """Of each of so many guides how many of the games are its own, as evenly as can be, and their ε in turns.

    ε goes round over all games: few games of each would else all be played well.
    """
    shares, before = [], 0
    for guide in range(guides):
        count, turn = (num_games + guides - 1 - guide) // guides, before % len(epsilons)
        shares.append((count, epsilons[turn:] + epsilons[:turn]))
        before += count
    return shares


class Guided(Protocol):
    """Games that others play."""

    @property
    def screens(self) -> np.ndarray:
        """What a person sees of the games now, (N, h, w, 3) uint8."""
        ...

    def reset(self, seed: int) -> np.ndarray:
        """Begin all games; what the watching agent sees, (N, stack, *frame)."""
        ...

    def step(self, random: np.random.Generator) -> GameSteps:
        """One decision in every game, as the watching agent sees it."""
        ...


class GuidedGames:
    """`num_games` games of an agent at several ε, with the observations of the one that watches.

    guide:    the agent that plays. guide_settings: how it sees a game.
    settings: how the games are played, and how the watching agent sees them.
    epsilons: of the games, in turns. With 1 in all of them, the guide is not asked: it may then be None.
    """

    def __init__(
        self,
        guide: Agent | None,
        guide_settings: AtariSettings,
        game: str,
        num_games: int,
        settings: AtariSettings,
        epsilons: tuple[float, ...] = EXPLORATION,
    ):
        view = {name: getattr(guide_settings, name) for name in AtariSettings.VIEW}
        self._guide = guide
        self._games = [AtariGame(game, replace(settings, **view), seed) for seed in range(num_games)]
        self._eyes = [game.watch(settings) for game in self._games]
        self.num_games = num_games
        self._epsilon = np.resize(np.array(epsilons), num_games)
        self._fire = self._games[0].fire_action if settings.fire else None

    def reset(self, seed: int) -> np.ndarray:
        """Begin all games, game i from seed + i; what the watching agent sees, (N, stack, *frame)."""
        for number, game in enumerate(self._games):
            game.reset(seed + number)
        count = len(self._games)
        self._memory, self._taken = self._guide.begin(count) if self._guide else None, np.zeros(count, np.int64)
        self._began = np.ones(count, bool)
        return self._seen()

    @property
    def screens(self) -> np.ndarray:
        """What a person sees of the games now, (N, h, w, 3) uint8."""
        return np.stack([game.screen for game in self._games])

    def _seen(self) -> np.ndarray:
        return np.stack([eye.stack for eye in self._eyes])

    def step(self, random: np.random.Generator) -> GameSteps:
        """One decision of the guide in every game, as the watching agent sees it."""
        count = len(self._games)
        actions = self._guided(count)
        explores = random.random(count) < self._epsilon
        self._taken = np.where(explores, random.integers(0, len(self._games[0].action_names), count), actions)
        rewards, flags = np.zeros(count, np.float32), np.zeros((4, count), bool)
        for number, game in enumerate(self._games):
            if game.over:
                game.reset()
                flags[3, number] = True
                continue
            if game.needs_fire and self._fire is not None:
                self._taken[number] = self._fire
            step = game.step(int(self._taken[number]))
            rewards[number] = step.reward
            flags[:3, number] = step.terminated, step.truncated, step.life_lost
        terminated, truncated, life_lost, self._began = flags
        return GameSteps(self._seen(), self._taken, rewards, terminated, truncated, life_lost, self._began)

    def _guided(self, count: int) -> np.ndarray:
        """What the guide would do in each game, (N,) int64."""
        if self._guide is None:
            return np.zeros(count, np.int64)
        observations = np.stack([game.observation for game in self._games])
        self._memory = self._guide.observe(self._memory, observations, self._taken, self._began)
        games = self._games
        choices = act_in_games(self._guide, observations, self._memory, lambda: [game.snapshot() for game in games])
        return choices.argmax(-1)


class SideBySide:
    """Games of several guides as those of one (implements `Guided`): the first one's, then the second one's, …"""

    def __init__(self, guided: Sequence[GuidedGames]):
        self._guided = guided

    @property
    def screens(self) -> np.ndarray:
        return np.concatenate([guided.screens for guided in self._guided])

    def reset(self, seed: int) -> np.ndarray:
        """As `GuidedGames.reset`, of all of them with seeds of their own."""
        first = np.cumsum([0, *(guided.num_games for guided in self._guided)])
        return np.concatenate([guided.reset(seed + int(k)) for guided, k in zip(self._guided, first, strict=False)])

    def step(self, random: np.random.Generator) -> GameSteps:
        columns = zip(*(vars(guided.step(random)).values() for guided in self._guided), strict=True)
        return GameSteps(*(np.concatenate(column) for column in columns))
