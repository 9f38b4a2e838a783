"""A trainer that learns nothing, quickly, and knows at all times what its replay must hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.interfaces import GameSteps
from agents.records import Update
from agents.replay.frames import FrameReplay

GAMES, FRAME, ROWS = 2, (6, 6), 60


def frames_of(row: int, salt: int) -> np.ndarray:
    """(GAMES, *FRAME) uint8: what is played at this row in the stretch of training that `salt` stands for."""
    return np.random.default_rng((row, salt)).integers(0, 256, (GAMES, *FRAME), dtype=np.uint8)


class TapeTrainer:
    """Implements `Trainer`. No stretch of training plays like another, so that frames of a lost one would show.

    stretches: (first row, salt) of each stretch that lives on in the replay.
    """

    def __init__(self) -> None:
        self.step = self.updates = 0
        self.stretches: list[tuple[int, int]] = []
        self.replay = FrameReplay(ROWS * GAMES, GAMES, FRAME)

    def train(self, total_steps: int) -> Iterator[Update]:
        self.stretches.append((self.replay.added, int.from_bytes(os.urandom(4), "big")))
        nothing, none = np.zeros(GAMES), np.zeros(GAMES, bool)
        while self.step < total_steps:
            frames = frames_of(self.replay.added, self.stretches[-1][1])
            steps = GameSteps(frames[:, None], nothing.astype(np.int64), nothing, none, none, none, none)
            self.replay.add_steps(frames[:, None], steps)
            self.step += GAMES
            yield Update(self.step, self.step, {"loss": 1 / self.step}, (float(self.step),))

    def assert_whole(self) -> None:
        """The replay holds what was played, row by row."""
        assert self.replay.added * GAMES == self.step
        for row in range(max(0, self.replay.added - ROWS), self.replay.added):
            salt = next(salt for first, salt in reversed(self.stretches) if first <= row)
            np.testing.assert_array_equal(self.replay.frames[row % ROWS], frames_of(row, salt))

    def weights(self) -> dict[str, torch.Tensor]:
        return {"step": torch.tensor([self.step])}

    def training_tensors(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(column) for name, column in self.replay.state().items()}

    def training_counters(self) -> dict[str, Any]:
        return {"step": self.step, "added": self.replay.added, "stretches": self.stretches}

    def save_replay(self, folder: Path) -> list[str]:
        return self.replay.save_frames(folder)

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        self.step = step

    def restore(
        self,
        weights: dict[str, torch.Tensor],
        tensors: dict[str, torch.Tensor],
        counters: dict[str, Any],
        replay_folder: Path,
        replay_files: list[str],
    ) -> None:
        columns = {name: tensor.numpy() for name, tensor in tensors.items()}
        self.replay.load(replay_folder, replay_files, columns, counters["added"])
        self.step = int(weights["step"])
        self.stretches = [(first, salt) for first, salt in counters["stretches"]]
        if self.step != counters["step"]:
            raise ValueError("weights and counters are of two checkpoints")
