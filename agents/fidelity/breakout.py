"""Reading a Breakout screen, real or dreamt: the ball, the paddle, the bricks.

The emulator draws so (native pixels; y runs down, and a box is [from, to)):

    y  17 …  32   top wall                 x 0 … 8 and 152 … 160: side walls
    y  57 …  93   6 rows of 18 bricks, each brick 8 wide and 6 high
    y 189 … 193   paddle, 16 wide; 12 once the ball has been at the top wall
    2 × 4         the ball. It is drawn with the bricks: on each line it has the colour of that line's bricks (grey
                  above them, red below), so that in front of a standing brick there is no ball to be seen.

All is read from light alone: the sum of the three channels, 1 where a line is lit as the emulator lights it.
A dreamt frame is blurred and its colours are off; so nothing here asks for a colour or for a sharp edge. It has to be
enlarged to native size smoothly or by a whole factor: jagged bricks look as if balls lay beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import erf

import cv2
import numpy as np

SCREEN = (210, 160, 3)
LEFT, RIGHT = 8, 152
TOP = 32
BRICKS_TOP, BRICKS_BOTTOM = 57, 93
BRICK_ROWS, BRICK_COLUMNS = 6, 18
BRICK_HEIGHT, BRICK_WIDTH = 6, 8
PADDLE_TOP, PADDLE_BOTTOM = 189, 193
PADDLE_WIDTHS = (16, 12)
BALL_WIDTH, BALL_HEIGHT = 2, 4

MIN_BALL_CONTRAST = 0.2
"""A ball that has less of its light left than this, over its own 2×4 pixels, counts as lost."""
MIN_PADDLE_CONTRAST = 0.3
"""A paddle that has less of its light left than this, over eight pixels of its width, counts as lost."""
MIN_BRICK_LIGHT = 0.5
"""A brick that has less of its light left than this counts as gone."""

LIT_BRICK = 0.3
"""A place of the wall lit more than this shows a brick. A ball lights a sixth of it, a quarter where all is blurred."""
MARGIN = 4
"""Pixels around the bricks, above the paddle and into the side walls to which light bleeds over an edge."""
BLURS = (0.0, 0.7, 1.2, 1.8, 2.5)
"""Standard deviations, in native pixels, of the blurs that a screen's bricks are tried with."""

_LINES, _COLUMNS = slice(TOP - 3, PADDLE_BOTTOM), slice(LEFT - MARGIN, RIGHT + MARGIN)
"""The part of a screen that is read: an array `light` below is (164, 152) float32, 0 black, 1 lit."""


@dataclass(frozen=True)
class BreakoutScreen:
    """What is to be seen on one screen, in native pixels; the box [from, to) has its centre at (from + to) / 2.

    ball:     (x, y), the centre of what is to be seen of it above the paddle's lines; None where there is none.
    contrast: the light over the ball's own 2×4 pixels, as a share of what the emulator gives it; where there is no
              ball, that of the spot most like one.
    balls:    spots of a ball's size at least half as bright as the brightest: 1 where there is one ball, 0 where none.
    paddle:   x of its centre; None where there is none. Where the right wall hides its end, it is taken as 16 wide.
    bricks:   (6, 18) bool, which stand; the top row first.
    """

    ball: tuple[float, float] | None
    contrast: float
    balls: int
    paddle: float | None
    bricks: np.ndarray


def read_screen(frame: np.ndarray) -> BreakoutScreen:
    """Read a frame (210, 160, 3) uint8. Raises ValueError for another shape or type."""
    if frame.shape != SCREEN or frame.dtype != np.uint8:
        raise ValueError(f"a Breakout screen is {SCREEN} uint8, not {frame.shape} {frame.dtype}")
    # Each of these takes what it has read away from the light; what is left at the end is the ball.
    light = _light(frame)
    bricks = _take_bricks(light)
    paddle = _take_paddle(light)
    ball, contrast, balls = _find_ball(light)
    return BreakoutScreen(ball, contrast, balls, paddle, bricks)


def _light(frame: np.ndarray) -> np.ndarray:
    """The light of a screen without that of the walls."""
    light = cv2.transform(frame[_LINES, _COLUMNS].astype(np.float32), np.ones((1, 3), np.float32))
    # The walls are the same on every line and a ball is on few: the median is theirs, and what bleeds from them.
    free = slice(BRICKS_BOTTOM + MARGIN - _LINES.start, PADDLE_TOP - MARGIN - _LINES.start, 3)
    light -= _quantile(light[free], 0.5)
    above = slice(0, TOP + 12 - _LINES.start)
    light[above] -= _quantile(light[above, 2 * MARGIN : -2 * MARGIN].T, 0.5)[:, None]
    return light / _full_light()


@lru_cache(maxsize=1)
def _full_light() -> np.ndarray:
    """(lines read, 1) float32: the sum of the channels of what is lit, on each line."""
    bricks = [(200, 72, 72), (198, 108, 58), (180, 122, 48), (162, 162, 42), (72, 160, 72), (66, 72, 200)]
    wall_and_above, below = (142, 142, 142), (200, 72, 72)
    lines = [wall_and_above] * BRICKS_TOP + [colour for colour in bricks for _ in range(BRICK_HEIGHT)]
    lines += [below] * (SCREEN[0] - len(lines))
    return np.array(lines, np.float32).sum(1, keepdims=True)[_LINES]


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    """Along the first axis, without interpolation (NumPy's own takes three times as long)."""
    return np.sort(values, axis=0)[int(share * len(values))]


# -- bricks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outlines:
    """Brick rows, or columns, as one blur draws them across the pixels: `shape` (pixels, bricks) float32.

    inverse: (bricks, pixels), its least-squares inverse. span: (pixels, bricks), orthonormal with the same span.
    """

    shape: np.ndarray
    inverse: np.ndarray
    span: np.ndarray


@lru_cache(maxsize=2)
def _outlines(size: int, count: int) -> tuple[_Outlines, ...]:
    """`count` bricks of `size` pixels in a line, with `MARGIN` before and behind, under each of `BLURS`."""
    pixels = np.arange(-MARGIN, size * count + MARGIN) + 0.5
    found = []
    for blur in BLURS:
        distances = (pixels[:, None] - np.arange(count + 1) * size) / max(blur, 1e-6)
        behind_edge = np.vectorize(lambda d: (1 + erf(d / 2**0.5)) / 2)(distances)  # (pixels, bricks + 1)
        shape = (behind_edge[:, :-1] - behind_edge[:, 1:]).astype(np.float32)
        found.append(_Outlines(shape, np.linalg.pinv(shape), np.linalg.qr(shape)[0]))
    return tuple(found)


def _take_bricks(light: np.ndarray) -> np.ndarray:
    """(6, 18) bool, which stand; their light is taken away, and that of faded ones.

    However blurred, a wall is the product rows × bricks × columns: least squares give the light of each brick.
    """
    top, height = BRICKS_TOP - MARGIN - _LINES.start, BRICK_ROWS * BRICK_HEIGHT
    wall = light[top : top + height + 2 * MARGIN]
    rows = max(_outlines(BRICK_HEIGHT, BRICK_ROWS), key=lambda outlines: _energy(outlines.span.T @ wall))
    columns = max(_outlines(BRICK_WIDTH, BRICK_COLUMNS), key=lambda outlines: _energy(wall @ outlines.span))
    bricks = rows.inverse @ wall @ columns.inverse.T
    lit = bricks >= LIT_BRICK
    wall -= rows.shape @ (bricks * lit) @ columns.shape.T

    # What is lit more faintly is a fading brick if all of its place is, a ball if only a part is.
    places = wall[MARGIN:-MARGIN, MARGIN:-MARGIN].reshape(BRICK_ROWS, BRICK_HEIGHT, BRICK_COLUMNS, BRICK_WIDTH)
    faint = _quantile(places.transpose(1, 3, 0, 2).reshape(-1, BRICK_ROWS, BRICK_COLUMNS), 0.25).clip(0)
    wall -= rows.shape @ (faint * ~lit) @ columns.shape.T
    return bricks >= MIN_BRICK_LIGHT


def _energy(values: np.ndarray) -> float:
    return float(np.vdot(values, values))


# -- paddle -------------------------------------------------------------------------------------------------


def _take_paddle(light: np.ndarray) -> float | None:
    """x of the paddle's centre; its lines are blanked, and what bleeds from it upwards is taken away."""
    top = PADDLE_TOP - _LINES.start
    profile = light[top:, MARGIN:-MARGIN].mean(0)  # (144,), from the left wall to the right
    light[top:] = 0
    contrast = float(cv2.blur(profile[None], (8, 1), borderType=cv2.BORDER_ISOLATED).max())
    if contrast < MIN_PADDLE_CONTRAST:
        return None
    share = np.clip(profile / contrast, 0, 1)
    start, width = _widest_window(share)
    end = min(start + width, len(share))

    edge = min(1, (end - start - 1) // 2)  # where the wall hides nearly all of it, there is nothing but edges
    inside = slice(start + MARGIN + edge, end + MARGIN - edge)
    bleeding = _quantile(light[top - MARGIN : top, inside].T, 0.5).clip(0) / contrast
    light[top - MARGIN : top, MARGIN:-MARGIN] -= bleeding[:, None] * profile.clip(0)

    # An edge is as far from the middle as there is light between them, however blurred it is.
    middle = (start + end) // 2
    left = middle - share[max(0, start - MARGIN) : middle].sum()
    right = middle + share[middle : end + MARGIN].sum()
    reaches_wall = end > len(share) - 2
    return float(LEFT + (left + PADDLE_WIDTHS[0] / 2 if reaches_wall else (left + right) / 2))


def _widest_window(share: np.ndarray) -> tuple[int, int]:
    """Start and width of the paddle that best covers what is lit more than half; the right wall may hide its end."""
    total = np.concatenate([[0.0], np.cumsum(share - 0.5)])  # (145,)
    best = (-np.inf, 0, 0)
    for width in PADDLE_WIDTHS:
        ends = np.minimum(np.arange(len(share)) + width, len(share))
        scores = total[ends] - total[:-1]
        start = int(scores.argmax())
        best = max(best, (float(scores[start]), start, width))
    return best[1], best[2]


# -- ball ---------------------------------------------------------------------------------------------------


def _find_ball(light: np.ndarray) -> tuple[tuple[float, float] | None, float, int]:
    """Centre and contrast of the brightest spot of a ball's size, and how many spots are half as bright at least."""
    spots = cv2.boxFilter(light, -1, (BALL_WIDTH, BALL_HEIGHT), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    lowest = PADDLE_TOP - BALL_HEIGHT // 2 - _LINES.start
    spots = spots[: lowest + 1, MARGIN : -MARGIN - BALL_WIDTH + 1]
    _, contrast, _, (x, y) = cv2.minMaxLoc(spots)
    if contrast < MIN_BALL_CONTRAST:
        return None, contrast, 0
    balls = cv2.connectedComponents((spots >= 0.5 * contrast).astype(np.uint8))[0] - 1  # less what is between them
    x, y = x + MARGIN + BALL_WIDTH // 2, y + BALL_HEIGHT // 2
    first_line, first_column = max(0, y - 6), x - 5
    around = light[first_line : y + 6, first_column : x + 5]
    weight = np.maximum(around - 0.1 * around.max(), 0)
    lines, columns = weight.sum(1), weight.sum(0)
    # A pixel's centre is half a pixel behind its edge.
    centre_x = columns @ np.arange(len(columns)) / columns.sum() + first_column + _COLUMNS.start + 0.5
    centre_y = lines @ np.arange(len(lines)) / lines.sum() + first_line + _LINES.start + 0.5
    return (float(centre_x), float(centre_y)), contrast, balls
