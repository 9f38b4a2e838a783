"""A replay that stores each frame once (Mnih et al. 2015, Methods, "Training algorithm").

A stack of four frames shares three with its neighbour, so a transition costs one frame, not eight: a million
Atari transitions take 7.07 GB. One column for each game; time runs down the rows, round and round.

    row t       x_t  a_t  r_{t+1}  end_{t+1}     x_t: the newest frame of o_t
    row t+1     x_{t+1} …

A game that ends with end_{t+1} leaves its last frame in row t+1, whose action and reward mean nothing: the
step in which the vector environment begins a new game is no transition (`SKIP`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.interfaces import GameSteps
from agents.records import Transitions
from agents.replay.ring import Ring

GOES_ON, TERMINAL, TRUNCATED, SKIP = 0, 1, 2, 3


@dataclass(frozen=True)
class Draw:
    """B transitions of a replay, chosen to learn from.

    rows, games:   (B,) int64, where they lie (`FrameReplay.transitions`).
    probabilities: (B,) float64, how likely each was to be chosen, up to a common factor.
    """

    rows: np.ndarray
    games: np.ndarray
    probabilities: np.ndarray


class FrameReplay(Ring):
    """Ring of single frames for `num_games` games, read as n-step transitions.

    capacity: transitions in all, rounded down to whole rows.
    clip_rewards: keep only the sign of a reward, as Nature's DQN does.
    """

    def __init__(
        self,
        capacity: int,
        num_games: int,
        frame_shape: tuple[int, ...] = (84, 84),
        frame_dtype: np.dtype | type = np.uint8,
        stack: int = 4,
        clip_rewards: bool = True,
    ):
        if capacity // num_games < 2 * stack:
            raise ValueError(f"a replay of {capacity} for {num_games} games holds less than two observations")
        columns: dict[str, tuple[tuple[int, ...], np.dtype | type]] = {
            "frames": (frame_shape, frame_dtype),
            "actions": ((), np.uint8),
            "rewards": ((), np.float32),
            "ends": ((), np.uint8),
            "ages": ((), np.uint8),  # frames before this one in its game, up to stack-1
        }
        super().__init__(capacity // num_games, num_games, columns)
        self.stack, self.clip_rewards = stack, clip_rewards
        names = ("frames", "actions", "rewards", "ends", "ages")
        self.frames, self.actions, self.rewards, self.ends, self.ages = (self.columns[name] for name in names)

    def add_steps(self, observations: np.ndarray, steps: GameSteps) -> None:
        """Add o_t (N, stack, *frame) and the step that was taken from it."""
        previous = (self.added - 1) % self.rows
        ends = np.where(steps.truncated, TRUNCATED, GOES_ON)
        ends = np.where(steps.terminated | steps.life_lost, TERMINAL, ends)
        # The observation after a SKIP row is the first of a new game.
        older = np.minimum(self.ages[previous] + 1, self.stack - 1)
        first = (self.added == 0) | (self.ends[previous] == SKIP)
        self.add(
            frames=observations[:, -1],
            actions=steps.actions,
            rewards=np.sign(steps.rewards) if self.clip_rewards else steps.rewards,
            ends=np.where(steps.began, SKIP, ends),
            ages=np.where(first, 0, older),
        )

    def break_off(self) -> None:
        """The games were thrown away (training was resumed): what comes next does not follow the last row.

        Of that row only the frame still counts; what its action led to was never stored.
        """
        if self.added:
            self.ends[(self.added - 1) % self.rows] = SKIP

    def transitions(self, draw: Draw, n_step: int, discount: float) -> Transitions:
        """What was drawn, as n-step transitions."""
        row, game = draw.rows, draw.games
        returns = np.zeros(len(row), np.float32)
        discounts = np.ones(len(row), np.float32)
        running = np.ones(len(row), bool)
        after = row.copy()
        for k in range(n_step):
            at = (row + k) % self.rows
            end = self.ends[at, game]
            running &= end != SKIP  # a game that was broken off: bootstrap from its last frame
            returns += np.where(running, discount**k * self.rewards[at, game], 0).astype(np.float32)
            discounts = np.where(running, discount ** (k + 1), discounts).astype(np.float32)
            after = np.where(running, row + k + 1, after)
            discounts = np.where(running & (end == TERMINAL), 0, discounts).astype(np.float32)
            running &= end == GOES_ON
        return Transitions(
            observations=self.observations(row, game),
            actions=self.actions[row % self.rows, game].astype(np.int64),
            returns=returns,
            discounts=discounts,
            next_observations=self.observations(after, game),
        )

    def complete(self, n_step: int) -> tuple[int, int]:
        """The first row whose stack is whole, and the row after the last whose n-step return is.

        Between them lies all that can be drawn, but for rows that are no transitions (`is_transition`).
        """
        oldest = self.oldest
        oldest += self.stack - 1 if oldest else 0  # the frames before these are overwritten
        return oldest, max(oldest, self.added - n_step)  # o_{t+n} must be in

    def is_transition(self, row: np.ndarray, game: np.ndarray) -> np.ndarray:
        """Whether these rows of these games are more than the beginning of a new game."""
        return self.ends[row % self.rows, game] != SKIP

    def observations(self, row: np.ndarray, game: np.ndarray) -> np.ndarray:
        """(B, stack, *frame), the oldest frame first; zeros where the game had not yet begun."""
        back = np.arange(self.stack - 1, -1, -1)
        stacked = self.frames[(row[:, None] - back) % self.rows, game[:, None]]
        age = self.ages[row % self.rows, game]
        for short in np.flatnonzero(age < self.stack - 1):
            stacked[short, : self.stack - 1 - age[short]] = 0
        return stacked


class UniformSampler:
    """Draws every transition whose n-step return is complete with the same probability (Mnih et al. 2015)."""

    def __init__(self, replay: FrameReplay, n_step: int):
        self.replay, self.n_step = replay, n_step

    def ready(self) -> bool:
        """Whether there are transitions to draw, and more than a few tries would find them."""
        oldest, newest = self.replay.complete(self.n_step)
        recent = np.arange(max(oldest, newest - 64), newest)[:, None]
        return bool(self.replay.is_transition(recent, np.arange(self.replay.num_games)).any())

    def draw(self, batch_size: int, random: np.random.Generator) -> Draw:
        """With replacement. Raises ValueError where nothing can be drawn."""
        if not self.ready():
            raise ValueError("the replay holds too few steps to draw from")
        oldest, newest = self.replay.complete(self.n_step)
        rows, games = np.zeros(0, np.int64), np.zeros(0, np.int64)
        while len(rows) < batch_size:
            row = random.integers(oldest, newest, batch_size)
            game = random.integers(0, self.replay.num_games, batch_size)
            keep = self.replay.is_transition(row, game)
            rows, games = np.append(rows, row[keep]), np.append(games, game[keep])
        return Draw(rows[:batch_size], games[:batch_size], np.ones(batch_size))

    def update(self, draw: Draw, errors: np.ndarray) -> None:
        """Every transition stays as likely as it was."""

    def state(self) -> dict[str, np.ndarray]:
        """Nothing: all that it needs is in the replay."""
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None: ...
