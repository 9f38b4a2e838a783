"""The scores of games as they are played, and by which a game is known to be solved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from agents.interfaces import GameSteps

RECENT_GAMES = 100
"""Games by whose mean score it is known that a game is solved."""


class Scores:
    """Counts what `num_games` games earn. solved_at: the mean of the recent ones with which it is solved; 0: never."""

    def __init__(self, num_games: int, solved_at: float = 0.0):
        self.solved_at = solved_at
        self.recent: deque[float] = deque(maxlen=RECENT_GAMES)
        self._running = np.zeros(num_games)

    def begin(self, recent: Iterable[float] | None = None) -> None:
        """All games begin anew. recent: the scores of a training that is resumed; None keeps those there are."""
        if recent is not None:
            self.recent = deque(recent, maxlen=RECENT_GAMES)
        self._running[:] = 0

    def add(self, steps: GameSteps) -> tuple[float, ...]:
        """The scores of the games that have come to their end with these steps."""
        self._running += steps.rewards
        over = steps.terminated | steps.truncated
        ended = tuple(self._running[over].tolist())
        self._running[over] = 0
        self.recent.extend(ended)
        return ended

    @property
    def solved(self) -> bool:
        enough = len(self.recent) == RECENT_GAMES
        return self.solved_at > 0 and enough and sum(self.recent) / RECENT_GAMES >= self.solved_at
