"""Where everything is: the pictures as large as fits, the rest beside or below them."""

from __future__ import annotations

from dataclasses import dataclass

from textual.geometry import Region

from mbrl_tui.terminal.cells import fit

SMALLEST = (60, 20)
"""Columns and rows of a terminal below which nothing sensible fits."""
NARROW = 100
"""Columns below which the panels are as slim as they can be."""
SCREEN = (210, 160)
"""Height and width of most games' pictures; a taller one is fitted into the same room."""
BORDER = 2
FACTS_WIDE = 24
FACTS_HIGH = 8 + BORDER
"""Columns and rows that the facts of a game take; with two boards there is one row more."""
LEAST_CHART = 3 + BORDER
"""Rows below which a chart shows nothing."""
WIDEST_SIDE = 76
VIEWS_SHARE = 0.43
"""Share of the rows that the inspector's pictures take, above its strips."""
LEAST_VIEWS, LEAST_STRIPS = 8, 10
"""Rows below which its pictures and its strips are of no use."""
NUMBERS_WIDE, NUMBERS_NARROW, NUMBERS_HIGH = 24, 20, 13
"""Columns and rows of its numbers."""


NOWHERE = Region()


@dataclass(frozen=True)
class Arrangement:
    """The room of each part, borders included; an empty region hides it."""

    boards: tuple[Region, ...]
    facts: Region = NOWHERE
    bars: Region = NOWHERE
    chart: Region = NOWHERE


def arrange(columns: int, rows: int, aspect: float, boards: int, actions: int) -> Arrangement:
    """Divide a room of so many cells.

    aspect:  width of a pixel of the game's picture divided by its height.
    boards:  pictures to show, 1 or 2.
    actions: lines of bars.
    """
    bars = actions + 1 + BORDER
    if boards > 1:
        return _side_by_side(columns, rows, aspect, boards, bars)
    return _alone(columns, rows, aspect, bars)


def _alone(columns: int, rows: int, aspect: float, bars: int) -> Arrangement:
    """One board, with a column of panels beside it."""
    least = 26 if columns < NARROW else 40
    wide, _ = fit(*SCREEN, columns - least - BORDER, rows - BORDER, aspect)
    side = min(columns - wide - BORDER, WIDEST_SIDE)
    left = columns - side
    bars = min(bars, rows // 2)
    chart = rows - FACTS_HIGH - bars
    if chart < LEAST_CHART:
        chart = 0
    facts = rows - bars - chart if not chart else FACTS_HIGH
    return Arrangement(
        boards=(Region(0, 0, left, rows),),
        facts=Region(left, 0, side, facts),
        bars=Region(left, facts, side, bars),
        chart=Region(left, facts + bars, side, chart),
    )


def _side_by_side(columns: int, rows: int, aspect: float, boards: int, bars: int) -> Arrangement:
    """All boards in a row, with a row of panels below; where rows are few, the boards' borders tell the score."""
    below = max(FACTS_HIGH + 1, min(bars, rows // 4))
    if rows - below < below:
        below = 0
    wide = columns // boards
    _, high = fit(*SCREEN, wide - BORDER, rows - BORDER - below, aspect)
    high = high + BORDER if below else rows
    pictures = tuple(Region(board * wide, 0, wide, high) for board in range(boards))
    if not below:
        return Arrangement(pictures)
    below, half = rows - high, (columns - FACTS_WIDE) // 2
    return Arrangement(
        boards=pictures,
        facts=Region(0, high, FACTS_WIDE, below),
        bars=Region(FACTS_WIDE, high, half, below),
        chart=Region(FACTS_WIDE + half, high, columns - FACTS_WIDE - half, below),
    )


@dataclass(frozen=True)
class InspectorArrangement:
    """Lines and columns in the inspector: `height` of the pictures, `view` columns of each, `bars` lines or 0."""

    height: int
    view: int
    bars: int


def arrange_inspection(columns: int, rows: int, aspect: float, actions: int) -> InspectorArrangement:
    """Three pictures and a column of numbers above; below is what remains, for the strips.

    aspect, actions: as `arrange` takes them.
    """
    least = NUMBERS_WIDE if columns >= NARROW else NUMBERS_NARROW
    high = max(LEAST_VIEWS, min(round(rows * VIEWS_SHARE), rows - LEAST_STRIPS))
    wide, _ = fit(*SCREEN, (columns - least) // 3 - BORDER, high - BORDER, aspect)
    _, high_needed = fit(*SCREEN, wide, high - BORDER, aspect)
    high = max(LEAST_VIEWS, high_needed + BORDER)
    bars = actions + 1 + BORDER
    return InspectorArrangement(high, wide + BORDER, bars if high - bars >= NUMBERS_HIGH else 0)
