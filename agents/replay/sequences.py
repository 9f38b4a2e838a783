"""A replay of sequences, for models that have a memory (Hafner et al. 2021, section 2 and appendix).

Row t holds what arrived at time t, and what led there:

    row t       x_t  a_{t-1}  r_t  first_t  end_t        r_t is earned on arriving at x_t
    row t+1     x_{t+1}  a_t …

The first row of a game has no action and no reward; the row in which a game ends holds its last frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.interfaces import GameSteps
from agents.replay.ring import Ring

GOES_ON, LIFE_LOST, GAME_OVER = 0, 1, 2


@dataclass(frozen=True)
class Sequences:
    """B windows of T consecutive rows, time first.

    frames    (T, B, *frame), as games give them
    actions   (T, B) int64, or (T, B, A) float32: actions[t] led to frames[t]; meaningless where `first`
    rewards   (T, B) float32: earned on arriving at frames[t], as the game gives them
    first     (T, B) bool: a game begins with this row
    alive     (T, B) float32: 0 where a life or the game ended on arriving, else 1
    playing   (T, B) float32: 0 where the game ended on arriving, else 1
    """

    frames: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    first: np.ndarray
    alive: np.ndarray
    playing: np.ndarray


class SequenceReplay(Ring):
    """Ring of arrivals in `num_games` games, read as windows of consecutive rows.

    capacity: arrivals in all, rounded down to whole rows.
    action_size: numbers of an action where actions are numbers; 0 where there are some to choose among.
    """

    def __init__(
        self,
        capacity: int,
        num_games: int,
        frame_shape: tuple[int, ...],
        frame_dtype: np.dtype | type,
        action_size: int = 0,
    ):
        self._action_kind: type = np.float32 if action_size else np.int64
        columns: dict[str, tuple[tuple[int, ...], np.dtype | type]] = {
            "frames": (frame_shape, frame_dtype),
            "actions": ((action_size,), np.float32) if action_size else ((), np.uint8),
            "rewards": ((), np.float32),
            "first": ((), np.bool_),
            "ends": ((), np.uint8),
        }
        super().__init__(capacity // num_games, num_games, columns)

    def add_first(self, observations: np.ndarray) -> None:
        """All games begin anew, with `observations` (N, stack, *frame)."""
        none = np.zeros(self.num_games)
        actions = np.zeros_like(self.columns["actions"][0])
        self.add(frames=observations[:, -1], actions=actions, rewards=none, first=none == 0, ends=none)

    def add_steps(self, steps: GameSteps) -> None:
        """One step of all games."""
        ends = np.where(steps.life_lost, LIFE_LOST, GOES_ON)
        # A game that was cut off went on, as far as anyone can learn from it.
        ends = np.where(steps.terminated, GAME_OVER, ends)
        self.add(
            frames=steps.observations[:, -1],
            actions=np.where(steps.began.reshape(-1, *[1] * (steps.actions.ndim - 1)), 0, steps.actions),
            rewards=np.where(steps.began, 0, steps.rewards),
            first=steps.began,
            ends=np.where(steps.began, GOES_ON, ends),
        )

    def ready(self, length: int) -> bool:
        """Whether a window of this length can be sampled."""
        return self.added - self.oldest >= length

    def sample(self, batch_size: int, length: int, random: np.random.Generator) -> Sequences:
        """Draw windows uniformly, with replacement. Raises ValueError where there are too few rows."""
        return self.windows(*self.draw(batch_size, length, random), length)

    def draw(self, batch_size: int, length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The first rows (B,) int64 of windows, and the games (B,) int64 that they are of, as `sample` does."""
        if not self.ready(length):
            raise ValueError(f"the replay holds no {length} rows yet")
        rows = random.integers(self.oldest, self.added - length + 1, batch_size)
        return rows, random.integers(0, self.num_games, batch_size)

    def draw_ends(self, batch_size: int, length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The same of windows in each of which a life or a game ends, drawn by their ends; any, as long as none has.

        The place of the end in its window is drawn too, as far as the replay's own ends allow.
        """
        slots = np.flatnonzero(self.columns["ends"][: self.added] != GOES_ON)
        if not (len(slots) and self.ready(length)):
            return self.draw(batch_size, length, random)
        ends, games = self.places_of(random.choice(slots, batch_size))
        rows = np.clip(ends - random.integers(0, length, batch_size), self.oldest, self.added - length)
        return rows, games

    @property
    def ends(self) -> int:
        """Lives and games that end in what is held."""
        return int(np.count_nonzero(self.columns["ends"][: self.added]))

    def windows(self, rows: np.ndarray, games: np.ndarray, length: int) -> Sequences:
        """The windows that begin with these rows (B,) of these games (B,)."""
        slots = (rows + np.arange(length)[:, None]) % self.rows  # (T, B)
        taken = {name: column[slots, games[None]] for name, column in self.columns.items()}
        ends = taken["ends"]
        return Sequences(
            frames=taken["frames"],
            actions=taken["actions"].astype(self._action_kind),
            rewards=taken["rewards"],
            first=taken["first"],
            alive=(ends == GOES_ON).astype(np.float32),
            playing=(ends != GAME_OVER).astype(np.float32),
        )


def sample_together(
    replays: Sequence[SequenceReplay],
    batch_size: int,
    length: int,
    random: np.random.Generator,
    ends_share: float = 0,
    weights: Sequence[float] | None = None,
) -> Sequences:
    """Draw windows from several replays as if they were one.

    ends_share: share of the windows that are drawn for the life, or the game, that ends in them, if any has ended.
    weights: of each replay, above 0, how often a row or an end of it is drawn beside those of the others; None: all
        alike.
    Raises ValueError where no replay has enough rows.
    """
    weighed = zip(replays, weights or [1.0] * len(replays), strict=True)
    able = [(replay, weight) for replay, weight in weighed if replay.ready(length)]
    if not able:
        raise ValueError(f"no replay holds {length} rows yet")
    rows = np.array([weight * len(replay) for replay, weight in able])
    ends = np.array([weight * replay.ends for replay, weight in able])
    for_end = round(ends_share * batch_size) if ends.any() else 0
    parts = []
    for chances, count, by_end in ((rows, batch_size - for_end, False), (ends, for_end, True)):
        if not count:
            continue
        for (replay, _), share in zip(able, random.multinomial(count, chances / chances.sum()), strict=True):
            draw = replay.draw_ends if by_end else replay.draw
            if share:
                parts.append(replay.windows(*draw(int(share), length, random), length))
    mixed = random.permutation(batch_size)
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Sequences(*(np.concatenate(column, 1)[:, mixed] for column in columns))
