"""Frames to half-block cells: a cell of the terminal shows two pixels, one above the other, in full colour."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import ceil, sqrt

import cv2
import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

COLOUR_BITS = 6
"""Bits kept of each colour channel: unseen by the eye, and noise makes fewer styles and longer runs."""


def fit(frame_height: int, frame_width: int, columns: int, rows: int, pixel_aspect: float) -> tuple[int, int]:
    """The largest (columns, rows) of cells within the room that keep the aspect; (0, 0) where there is no room.

    pixel_aspect: width of one pixel of the frame divided by its height. Half a cell counts as square.
    """
    if columns < 1 or rows < 1:
        return 0, 0
    aspect = frame_width * pixel_aspect / frame_height
    wide = round(2 * rows * aspect)
    if wide <= columns:
        return max(1, wide), rows
    return columns, min(rows, max(1, round(columns / aspect / 2)))


def resize(frame: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """frame (h, w, 3) uint8 to (2 * rows, columns, 3) uint8, small bright things kept visible.

    Averaging alone leaves a third of the brightness of Breakout's ball (2×4 pixels) in 40 rows of cells, and
    nothing of it in a thumbnail. So things brighter than what surrounds them and smaller than a fortieth of the
    frame (a top-hat filter finds them) are not averaged but drawn by the brightest pixel of their cell, the more
    so the more is lost by averaging.
    """
    height, width, _ = frame.shape
    shrink_y, shrink_x = height / (2 * rows), width / columns
    kept = 1 - 1 / sqrt(max(1, shrink_y) * max(1, shrink_x))
    if not kept:
        return _average(frame, columns, rows)
    side = 2 * round(height / 84) + 1  # 5 for Atari's 210 lines
    large = cv2.morphologyEx(frame, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    small = cv2.addWeighted(frame, kept, large, -kept, 0)
    rest = cv2.addWeighted(frame, 1 - kept, large, kept, 0)
    cell = np.ones((ceil(shrink_y), ceil(shrink_x)), np.uint8)

    def brightest(image: np.ndarray) -> np.ndarray:
        return cv2.resize(cv2.dilate(image, cell, anchor=(0, 0)), (columns, 2 * rows), interpolation=cv2.INTER_NEAREST)

    # No cell becomes brighter than its brightest pixel, where small and large things meet in it.
    return cv2.min(cv2.add(_average(rest, columns, rows), brightest(small)), brightest(frame))


def _average(frame: np.ndarray, columns: int, rows: int) -> np.ndarray:
    height, width, _ = frame.shape
    taller, wider = ceil(2 * rows / height), ceil(columns / width)
    if taller > 1 or wider > 1:
        # Enlarged by whole numbers first, only the pixels on an edge are blended: sharp, and all equally wide.
        frame = cv2.resize(frame, (width * wider, height * taller), interpolation=cv2.INTER_NEAREST)
    elif height >= 16 * rows and width >= 8 * columns and not height % 2 and not width % 2:
        # A thumbnail: halved first, it takes a third of the time and comes out the same but for some hundredths.
        frame = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(frame, (columns, 2 * rows), interpolation=cv2.INTER_AREA)


def to_strips(pixels: np.ndarray) -> list[Strip]:
    """pixels (2r, c, 3) uint8 to r strips of c cells, equal neighbours in one segment."""
    return [Strip(line, pixels.shape[1]) for line in to_lines(pixels)]


def to_lines(pixels: np.ndarray) -> list[list[Segment]]:
    """The same as segments, to be put beside others: a strip takes as long to make as some segments."""
    kept = np.uint8(256 - (1 << 8 - COLOUR_BITS))
    coarse = np.zeros((*pixels.shape[:2], 4), np.uint8)
    coarse[..., :3] = pixels & kept | pixels >> COLOUR_BITS  # black and white stay what they are
    colours = coarse.view("<u4")[..., 0]  # (2r, c) r | g << 8 | b << 16
    upper, lower = colours[0::2], colours[1::2]  # (r, c)
    begins = np.ones(upper.shape, bool)
    begins[:, 1:] = (upper[:, 1:] != upper[:, :-1]) | (lower[:, 1:] != lower[:, :-1])
    starts = np.flatnonzero(begins)  # of the runs of equal cells, row after row
    lengths = np.diff(starts, append=begins.size)
    segments = list(map(_segment, upper[begins].tolist(), lower[begins].tolist(), lengths.tolist()))
    ends = begins.sum(1).cumsum().tolist()
    return [segments[start:end] for start, end in pairwise([0, *ends])]


@lru_cache(maxsize=32768)
def _segment(upper: int, lower: int, length: int) -> Segment:
    return Segment((" " if upper == lower else "▀") * length, _style(upper, lower))


@lru_cache(maxsize=16384)
def _style(upper: int, lower: int) -> Style:
    return Style.from_color(None if upper == lower else _colour(upper), _colour(lower))


@lru_cache(maxsize=4096)
def _colour(packed: int) -> Color:
    return Color.from_rgb(packed & 255, packed >> 8 & 255, packed >> 16)
