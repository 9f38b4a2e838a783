"""Rows of games, round and round, with their frames saved piece by piece.

A frame never changes once added, so saved frames are files of consecutive rows, and saving again writes only what
is new. Successive frames differ in few pixels: their exclusive-or compresses to about 1 %. The other columns are
small and saved whole each time.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from agents.files import write_atomically

SEGMENT_BYTES = 128 * 2**20
"""Frames in one file of a saved ring, before compression."""


class Ring:
    """Columns of the same length for `num_games` games, the oldest row overwritten by the newest.

    columns: (rows, num_games, *shape) each; one of them is called `frames`.
    added:   rows ever added; row t lives in slot t % rows.
    """

    def __init__(self, rows: int, num_games: int, columns: dict[str, tuple[tuple[int, ...], np.dtype | type]]):
        self.rows, self.num_games = rows, num_games
        self.columns = {name: np.zeros((rows, num_games, *shape), kind) for name, (shape, kind) in columns.items()}
        self.added = 0

    def __len__(self) -> int:
        """Entries held, of all games together."""
        return min(self.added, self.rows) * self.num_games

    @property
    def oldest(self) -> int:
        """The first row still held."""
        return max(0, self.added - self.rows)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def slots_of(self, rows: np.ndarray, games: np.ndarray) -> np.ndarray:
        """Numbers, from 0 on, of the entries (K,) that these rows of these games have, the same for row t + `rows`."""
        return rows % self.rows * self.num_games + games

    def places_of(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (K,) and games (K,) of the entries that are held under these numbers (K,)."""
        return self.oldest + (slots // self.num_games - self.oldest) % self.rows, slots % self.num_games

    def add(self, **row: np.ndarray) -> None:
        """Add one row, an array (num_games, *shape) for each column."""
        slot = self.added % self.rows
        for name, column in self.columns.items():
            column[slot] = row[name]
        self.added += 1

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the frames, in the order of slots."""
        return {name: column for name, column in self.columns.items() if name != "frames"}

    def _segments(self) -> list[tuple[int, int]]:
        """Consecutive ranges of rows that cover what the ring holds; all but the last are of full length."""
        frames = self.columns["frames"]
        length = max(1, min(self.rows // 4, SEGMENT_BYTES // frames[0].nbytes))
        first = self.oldest - self.oldest % length
        return [(start, min(start + length, self.added)) for start in range(first, self.added, length)]

    def _files(self, prefix: str) -> list[str]:
        """The names of the files of `_segments`."""
        return [f"{prefix}-{start:010d}-{stop:010d}.z" for start, stop in self._segments()]

    def save_frames(self, folder: Path, prefix: str = "frames") -> list[str]:
        """Write the frames that `folder` does not hold yet; give the names of all files of this ring.

        A name stands for its content: files are written elsewhere first and renamed, and never changed. Rings that
        share a folder have a prefix each.
        """
        names = self._files(prefix)
        for name, (start, stop) in zip(names, self._segments(), strict=True):
            if not (folder / name).exists():
                write_atomically(folder / name, _pack(self.columns["frames"][np.arange(start, stop) % self.rows]))
        return names

    def load(
        self, folder: Path, names: list[str], state: dict[str, np.ndarray], added: int, prefix: str = "frames"
    ) -> None:
        """Become the ring that was saved. Raises ValueError where it is of another shape or damaged."""
        for name, column in self.state().items():
            if state[name].shape != column.shape or state[name].dtype != column.dtype:
                raise ValueError(f"the saved replay's {name} are {state[name].shape}, not {column.shape}")
            column[:] = state[name]
        self.added = added
        if names != self._files(prefix):
            raise ValueError("the saved replay's files do not cover what it held")
        frames = self.columns["frames"]
        for name, (start, stop) in zip(names, self._segments(), strict=True):
            piece = _unpack((folder / name).read_bytes(), (stop - start, *frames.shape[1:]), frames.dtype)
            held = np.arange(start, stop) >= self.oldest
            frames[np.arange(start, stop)[held] % self.rows] = piece[held]


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
