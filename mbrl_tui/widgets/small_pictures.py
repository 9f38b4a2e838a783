"""Frames of imagined futures in cells, small, some of them toned down."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import cv2
import numpy as np
from rich.segment import Segment
from textual.cache import LRUCache

from agents.records import Rollout
from mbrl_tui.terminal import cells


@dataclass(frozen=True)
class Tone:
    """grey: without colours. left: of the brightness, the rest is that of `background` (r, g, b)."""

    grey: bool = False
    left: float = 1.0
    background: tuple[int, int, int] = (0, 0, 0)

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (h, w, 3) uint8 so toned."""
        if self.grey:
            pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.left == 1.0:
            return pixels
        background = np.array(self.background, np.float32)
        return (background + self.left * (pixels - background)).astype(np.uint8)


class SmallPictures:
    """Paints frames, and remembers those that it painted last: a future that moves on to another strip, or that has
    again the size that it had, is not painted anew."""

    MOST = 512
    """Pictures that are remembered, each of some kilobytes: those of ten futures in two sizes."""

    def __init__(self) -> None:
        # With whose picture it is: another rollout may come to have the same id.
        self._painted: LRUCache[tuple, tuple[weakref.ref[Rollout], list[list[Segment]]]] = LRUCache(self.MOST)

    def of(self, rollout: Rollout, row: int, frame: int, columns: int, rows: int, tone: Tone) -> list[list[Segment]]:
        """The frame (row, frame) of a rollout, whose arrays never change, in `rows` lines of `columns` cells."""
        key = id(rollout), row, frame, columns, rows, tone
        known = self._painted.get(key)
        if known is not None and known[0]() is rollout:
            return known[1]
        pixels = tone.of(cells.resize(rollout.frames[row, frame], columns, rows))
        lines = cells.to_lines(pixels)
        self._painted[key] = weakref.ref(rollout), lines
        return lines
