"""How the agent's value went: the last few hundred points as a line of braille dots."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from math import ceil, isfinite, nan
from typing import Any, ClassVar

import einops
import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from mbrl_tui.widgets.writing import brief, exactly

LABEL = 7  # columns at either side: the scale at the left, the newest values at the right
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)  # of a braille sign (4, 2)


class ValueChart(Widget):
    """A line for each of one or two series over the last `points` points, scaled to what is in view.

    Points share a column of dots where there are more points than columns; then the line is as thick as they
    spread. Left of it stand the largest and the smallest value in view, right of it the newest ones.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"value-chart--first", "value-chart--second", "value-chart--scale"}
    DEFAULT_CSS = """
    ValueChart {
        width: 1fr;
        height: 6;
    }
    ValueChart > .value-chart--first {
        color: $primary;
    }
    ValueChart > .value-chart--second {
        color: $text-warning;
    }
    ValueChart > .value-chart--scale {
        color: $text-muted;
    }
    """

    def __init__(self, points: int = 240, **kwargs: Any):
        super().__init__(**kwargs)
        self._series: tuple[deque[float], deque[float]] = (deque(maxlen=points), deque(maxlen=points))
        self._count = 0  # points added since the beginning
        self._lines: list[Strip] | None = None

    def add(self, value: float, other: float | None = None) -> None:
        """Add a point, with `other` to both series; what is not finite leaves a gap."""
        for series, point in zip(self._series, (value, nan if other is None else other), strict=True):
            series.append(float(point))
        self._count += 1
        self._redraw()

    def clear(self) -> None:
        for series in self._series:
            series.clear()
        self._count = 0
        self._redraw()

    def on_resize(self) -> None:
        self._redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lines = None

    def _redraw(self) -> None:
        self._lines = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._lines is None:
            self._lines = self._draw()
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width, self._style("scale"))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"value-chart--{name}")

    def _draw(self) -> list[Strip]:
        width, height = self.size
        room = width - 2 * LABEL
        finite = [point for series in self._series for point in series if isfinite(point)]
        if not height:
            return []
        if not finite or room < 1:
            return [Strip([Segment(exactly("no values yet", width, centre=True), self._style("scale"))], width)]
        low, high = min(finite), max(finite)
        spreads = [columns(series, self._count, 2 * room) for series in self._series]
        first, second = (braille(spread, low, high, height) for spread in spreads)
        left = {0: brief(high, 4)} | ({height - 1: brief(low, 4)} if low < high else {})
        right = self._newest(low, high, height)
        lines = []
        for y in range(height):
            label, name = right.get(y, ("", "scale"))
            lines.append(
                Strip(
                    [
                        Segment(exactly(left.get(y, ""), LABEL - 1, right=True) + " ", self._style("scale")),
                        *self._line(first[y], second[y]),
                        Segment(exactly(" " + label, LABEL), self._style(name)),
                    ],
                    width,
                )
            )
        return lines

    def _line(self, first: np.ndarray, second: np.ndarray) -> list[Segment]:
        """Braille signs (w,) of both series as one line; where they meet, the dots of both in the first's colour."""
        text = (0x2800 + (first | second).astype(np.uint32)).tobytes().decode("utf-32-le")
        of_second = (first == 0) & (second != 0)
        cuts = [0, *(np.flatnonzero(np.diff(of_second)) + 1).tolist(), len(text)]
        return [
            Segment(text[begin:end], self._style("second" if of_second[begin] else "first"))
            for begin, end in pairwise(cuts)
        ]

    def _newest(self, low: float, high: float, height: int) -> dict[int, tuple[str, str]]:
        """The line on which the newest value of each series is written, beside the end of its own line."""
        labels: dict[int, tuple[str, str]] = {}
        for series, name in zip(self._series, ("first", "second"), strict=True):
            if series and isfinite(series[-1]):
                y = height - 1 - int(level(series[-1], low, high, height) // 4)
                if y in labels:
                    y += 1 if y + 1 < height else -1
                labels[y] = (brief(series[-1], 4), name)
        return labels


def level(values: np.ndarray | float, low: float, high: float, height: int) -> np.ndarray:
    """The row of dots of a value, counted from below, in a chart of `height` lines; a flat line runs midway."""
    span = high - low
    fraction = (np.asarray(values, np.float64) - low) / span if span > 0 else np.full(np.shape(values), 0.5)
    return np.rint(fraction * (4 * height - 1))


def columns(series: Sequence[float], count: int, width: int) -> np.ndarray:
    """(2, width) smallest and largest point in each column of dots, NaN where there is none.

    count: points added so far, of which `series` holds the last. Where points share a column, which ones do
    depends on their number alone, so the line does not shimmer as it moves.
    """
    points = np.array(series, np.float64)
    limit = series.maxlen if isinstance(series, deque) and series.maxlen else len(points)
    share = max(1, ceil(limit / width))
    column = np.arange(count - len(points), count) // share
    column -= max(0, (count - 1) // share - width + 1)
    spread = np.full((2, width), nan)
    inside = column >= 0
    # The newest point before each one joins its column, so that neighbouring columns touch.
    joined = np.concatenate([[nan], points[:-1]]) if len(points) else points
    for values in (points, joined):
        np.fmin.at(spread[0], column[inside], values[inside])
        np.fmax.at(spread[1], column[inside], values[inside])
    return spread


def braille(spread: np.ndarray, low: float, high: float, height: int) -> np.ndarray:
    """Columns of dots from `spread` (2, 2w) as the low bytes of braille signs (h, w) uint8."""
    seen = np.isfinite(spread[0])
    bottom, top = level(np.where(seen, spread, low), low, high, height)
    row = np.arange(4 * height - 1, -1, -1)[:, None]  # (4h, 1) counted from below, the topmost first
    dots = (row >= bottom) & (row <= top) & seen  # (4h, 2w)
    return einops.einsum(
        einops.rearrange(dots, "(h dy) (w dx) -> h w dy dx", dy=4, dx=2).astype(np.uint8),
        DOTS,
        "h w dy dx, dy dx -> h w",
    )
