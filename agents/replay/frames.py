"""A replay that stores each frame once (Mnih et al. 2015, Methods, "Training algorithm").

A stack of four frames shares three with its neighbour, so a transition costs one frame, not eight: a million
Atari transitions take 7.07 GB. One column for each game; time runs down the rows, round and round.

    row t       x_t  a_t  r_{t+1}  end_{t+1}     x_t: the newest frame of o_t
    row t+1     x_{t+1} …

A game that ends with end_{t+1} leaves its last frame in row t+1, whose action and reward mean nothing: the
step in which the vector environment begins a new game is no transition (`SKIP`).
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from agents.files import write_atomically
from agents.interfaces import GameSteps
from agents.records import Transitions

GOES_ON, TERMINAL, TRUNCATED, SKIP = 0, 1, 2, 3

SEGMENT_BYTES = 128 * 2**20
"""Frames in one file of a saved replay, before compression."""


class FrameReplay:
    """Ring of single frames for `num_games` games, sampled uniformly as n-step transitions.

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
        self.rows = capacity // num_games
        if self.rows < 2 * stack:
            raise ValueError(f"a replay of {capacity} for {num_games} games holds less than two observations")
        self.num_games, self.stack, self.clip_rewards = num_games, stack, clip_rewards
        self.frames = np.zeros((self.rows, num_games, *frame_shape), frame_dtype)
        self.actions = np.zeros((self.rows, num_games), np.uint8)
        self.rewards = np.zeros((self.rows, num_games), np.float32)
        self.ends = np.zeros((self.rows, num_games), np.uint8)
        self.ages = np.zeros((self.rows, num_games), np.uint8)  # frames before this one in its game, up to stack-1
        self.added = 0  # rows ever added; row t lives in slot t % rows

    def __len__(self) -> int:
        """Transitions held."""
        return min(self.added, self.rows) * self.num_games

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._columns.values())

    @property
    def _columns(self) -> dict[str, np.ndarray]:
        names = ("frames", "actions", "rewards", "ends", "ages")
        return {name: getattr(self, name) for name in names}

    def add(self, observations: np.ndarray, steps: GameSteps) -> None:
        """Add o_t (N, stack, *frame) and the step that was taken from it."""
        slot, previous = self.added % self.rows, (self.added - 1) % self.rows
        self.frames[slot] = observations[:, -1]
        self.actions[slot] = steps.actions
        self.rewards[slot] = np.sign(steps.rewards) if self.clip_rewards else steps.rewards
        ends = np.where(steps.truncated, TRUNCATED, GOES_ON)
        ends = np.where(steps.terminated | steps.life_lost, TERMINAL, ends)
        self.ends[slot] = np.where(steps.began, SKIP, ends)
        if self.added == 0:
            self.ages[slot] = 0
        else:
            # The observation after a SKIP row is the first of a new game.
            older = np.minimum(self.ages[previous] + 1, self.stack - 1)
            self.ages[slot] = np.where(self.ends[previous] == SKIP, 0, older)
        self.added += 1

    def break_off(self) -> None:
        """The games were thrown away (training was resumed): what comes next does not follow the last row.

        Of that row only the frame still counts; what its action led to was never stored.
        """
        if self.added:
            self.ends[(self.added - 1) % self.rows] = SKIP

    def sample(self, batch_size: int, n_step: int, discount: float, random: np.random.Generator) -> Transitions:
        """Draw transitions uniformly, with replacement, among those whose n-step return is complete."""
        row, game = self._draw(batch_size, n_step, random)
        slot = row % self.rows
        returns = np.zeros(batch_size, np.float32)
        discounts = np.ones(batch_size, np.float32)
        running = np.ones(batch_size, bool)
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
            actions=self.actions[slot, game].astype(np.int64),
            returns=returns,
            discounts=discounts,
            next_observations=self.observations(after, game),
        )

    def ready(self, n_step: int) -> bool:
        """Whether there are n-step transitions to sample, and more than a few draws would find them."""
        oldest, newest = self._complete(n_step)
        recent = np.arange(max(oldest, newest - 64), newest) % self.rows
        return bool((self.ends[recent] != SKIP).any())

    def _complete(self, n_step: int) -> tuple[int, int]:
        """The first row whose stack is whole, and the row after the last whose n-step return is."""
        oldest = max(0, self.added - self.rows)
        oldest += self.stack - 1 if oldest else 0  # the frames before these are overwritten
        return oldest, max(oldest, self.added - n_step)  # o_{t+n} must be in

    def _draw(self, batch_size: int, n_step: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        oldest, newest = self._complete(n_step)
        if not self.ready(n_step):
            raise ValueError("the replay holds too few steps to sample from")
        rows, games = np.zeros(0, np.int64), np.zeros(0, np.int64)
        while len(rows) < batch_size:
            row = random.integers(oldest, newest, batch_size)
            game = random.integers(0, self.num_games, batch_size)
            keep = self.ends[row % self.rows, game] != SKIP
            rows, games = np.append(rows, row[keep]), np.append(games, game[keep])
        return rows[:batch_size], games[:batch_size]

    def observations(self, row: np.ndarray, game: np.ndarray) -> np.ndarray:
        """(B, stack, *frame), the oldest frame first; zeros where the game had not yet begun."""
        back = np.arange(self.stack - 1, -1, -1)
        stacked = self.frames[(row[:, None] - back) % self.rows, game[:, None]]
        age = self.ages[row % self.rows, game]
        for short in np.flatnonzero(age < self.stack - 1):
            stacked[short, : self.stack - 1 - age[short]] = 0
        return stacked

    # -- saving -------------------------------------------------------------------------------------------
    #
    # A frame never changes once added, so saved frames are files of consecutive rows, and saving again writes
    # only what is new. Successive frames differ in few pixels: their exclusive-or compresses to about 1 %.
    # The small columns are saved whole each time.

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the frames, in the order of slots."""
        return {name: column for name, column in self._columns.items() if name != "frames"}

    def _segments(self) -> list[tuple[int, int]]:
        """Consecutive ranges of rows that cover what the ring holds; all but the last are of full length."""
        length = max(1, min(self.rows // 4, SEGMENT_BYTES // self.frames[0].nbytes))
        oldest = max(0, self.added - self.rows)
        first = oldest - oldest % length
        return [(start, min(start + length, self.added)) for start in range(first, self.added, length)]

    def save_frames(self, folder: Path) -> list[str]:
        """Write the frames that `folder` does not hold yet; give the names of all files of this replay.

        A name stands for its content: files are written elsewhere first and renamed, and never changed.
        """
        names = []
        for start, stop in self._segments():
            name = f"frames-{start:010d}-{stop:010d}.z"
            names.append(name)
            if not (folder / name).exists():
                write_atomically(folder / name, _pack(self.frames[np.arange(start, stop) % self.rows]))
        return names

    def load(self, folder: Path, names: list[str], state: dict[str, np.ndarray], added: int) -> None:
        """Become the replay that was saved. Raises ValueError where it is of another shape or damaged."""
        for name, column in self.state().items():
            if state[name].shape != column.shape or state[name].dtype != column.dtype:
                raise ValueError(f"the saved replay's {name} are {state[name].shape}, not {column.shape}")
            column[:] = state[name]
        self.added = added
        if names != [f"frames-{start:010d}-{stop:010d}.z" for start, stop in self._segments()]:
            raise ValueError("the saved replay's files do not cover what it held")
        for name, (start, stop) in zip(names, self._segments(), strict=True):
            frames = _unpack((folder / name).read_bytes(), (stop - start, *self.frames.shape[1:]), self.frames.dtype)
            held = np.arange(start, stop) >= added - self.rows
            self.frames[np.arange(start, stop)[held] % self.rows] = frames[held]


def _pack(frames: np.ndarray) -> bytes:
    """Rows of frames, each but the first as its difference (exclusive-or) from the one before, compressed."""
    rows = np.ascontiguousarray(frames).view(np.uint8).reshape(len(frames), -1)
    return zlib.compress(np.concatenate([rows[:1], rows[1:] ^ rows[:-1]]).tobytes(), level=1)


def _unpack(packed: bytes, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    try:
        rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape[0], -1)
        return np.bitwise_xor.accumulate(rows, axis=0).view(dtype).reshape(shape)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"a file of the saved replay is damaged: {error}") from error
