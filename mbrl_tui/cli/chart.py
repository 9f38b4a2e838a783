"""A line chart of dots in plain text, for a terminal or a file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import fmean

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character, by row and column of its 2×4 dots."""


def braille_line(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    """`points` (x, y) as a line in `height` rows of `width` characters, the largest y in the first row."""
    columns, rows = 2 * width, 4 * height
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    dots = [(_place(x, left, right, columns), _place(y, low, high, rows)) for x, y in points]
    cells = [[0] * width for _ in range(height)]
    for column, row in _joined(dots):
        down = rows - 1 - row
        cells[down // 4][column // 2] |= DOTS[down % 4][column % 2]
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def averaged(points: Sequence[tuple[float, float]], count: int) -> list[tuple[float, float]]:
    """At most `count` points: x is cut into so many equal pieces, each with the means of its points."""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    pieces: dict[int, list[tuple[float, float]]] = {}
    for x, y in points:
        pieces.setdefault(_place(x, left, right, count), []).append((x, y))
    return [(fmean(x for x, _ in piece), fmean(y for _, y in piece)) for _, piece in sorted(pieces.items())]


def _place(value: float, low: float, high: float, count: int) -> int:
    """Which of `count` places between `low` and `high`, both of them included."""
    return round((value - low) / (high - low) * (count - 1)) if high > low else 0


def _joined(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Every dot (column, row) of the straight pieces from point to point, columns rising."""
    dots = [points[0]]
    for (column, row), (next_column, next_row) in itertools.pairwise(points):
        steps = max(next_column - column, abs(next_row - row))
        for step in range(1, steps + 1):
            part = step / steps
            dots.append((column + round(part * (next_column - column)), row + round(part * (next_row - row))))
    return dots
