"""One dreamt frame against the real one, and dreamt rewards against the real ones: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from agents.fidelity.breakout import BreakoutScreen, read_screen

MAX_PSNR = 100.0
"""Decibels that stand for "alike to the bit", whose true value is infinite."""

PARTED_BALL = 8.0
"""Native pixels. A dream in which the ball is further off has left the truth: the paddle that meets the one ball would
miss the other, being 16 wide.
"""
PARTED_PADDLE = 8.0
"""Native pixels; half a paddle."""
PARTED_BRICKS = 2
"""Bricks wrong; one alone may be a step early or late."""
PARTED_PSNR = 25.0
"""Decibels, below which a dream has left the truth in games whose screen is not read."""


CLEAR_BALL = 0.6
"""A real ball of which less than this is to be seen, behind a brick or the paddle, is not asked for: a dream that is a
pixel off may rightly hide all of it.
"""


class BallFate(StrEnum):
    """What became of the ball in the dream."""

    FOUND = "found"
    LOST = "lost"
    FALSE = "false"
    NONE = "none"
    HIDDEN = "hidden"

    @property
    def meaning(self) -> str:
        return {
            BallFate.FOUND: "a ball, as in the real frame",
            BallFate.LOST: "no ball, but the real frame has one",
            BallFate.FALSE: "a ball, but the real frame has none",
            BallFate.NONE: "no ball, as in the real frame",
            BallFate.HIDDEN: "not asked for: the real ball is half hidden",
        }[self]


@dataclass(frozen=True)
class BoardComparison:
    """What two Breakout screens have in common; distances in native pixels.

    ball_error:     between the two balls; None unless it is found.
    balls:          in the dream, as `BreakoutScreen` counts them.
    paddle_error:   between the two paddles' centres; None unless both are there.
    bricks_correct: how many of the 108 bricks stand in both or in neither.
    """

    ball: BallFate
    ball_error: float | None
    balls: int
    paddle_error: float | None
    bricks_correct: int
    bricks: int


@dataclass(frozen=True)
class FrameComparison:
    """One dreamt frame against the real one.

    squared_error: the mean over all pixels and channels, 0 to 255².
    board:         what the game's own reading of the screen says; None in games that have none.
    """

    squared_error: float
    board: BoardComparison | None

    @property
    def psnr(self) -> float:
        return psnr(self.squared_error)

    @property
    def parted(self) -> bool:
        """Whether the dream has left the truth."""
        if self.board is None:
            return self.psnr < PARTED_PSNR
        board = self.board
        return (
            board.ball in (BallFate.LOST, BallFate.FALSE)
            or (board.ball_error or 0) > PARTED_BALL
            or board.paddle_error is None
            or board.paddle_error > PARTED_PADDLE
            or board.bricks - board.bricks_correct >= PARTED_BRICKS
        )


def psnr(squared_error: float) -> float:
    """Peak signal-to-noise ratio in decibels, of a mean squared error on 0 to 255; at most `MAX_PSNR`."""
    if squared_error <= 0:
        return MAX_PSNR
    return float(min(MAX_PSNR, 10 * np.log10(255**2 / squared_error)))


def compare_frames(game: str, real: np.ndarray, dreamt: np.ndarray) -> FrameComparison:
    """Compare two frames (h, w, 3) uint8 of `game`, given by its plain name.

    Raises ValueError where their shapes or types differ.
    """
    if real.shape != dreamt.shape or real.dtype != dreamt.dtype:
        raise ValueError(f"a frame {real.shape} {real.dtype} has no likeness to {dreamt.shape} {dreamt.dtype}")
    squared = cv2.norm(real, dreamt, cv2.NORM_L2SQR) / real.size
    read = BOARD_READERS.get(game)
    return FrameComparison(squared, compare_boards(read(real), read(dreamt)) if read else None)


BOARD_READERS: dict[str, Callable[[np.ndarray], BreakoutScreen]] = {"breakout": read_screen}
"""How the screen of a game is read, by the game's plain name."""


def compare_boards(real: BreakoutScreen, dreamt: BreakoutScreen) -> BoardComparison:
    ball_error = paddle_error = None
    if real.ball is None:
        fate = BallFate.FALSE if dreamt.ball else BallFate.NONE
    elif real.contrast < CLEAR_BALL:
        fate = BallFate.HIDDEN
    elif dreamt.ball is None:
        fate = BallFate.LOST
    else:
        fate = BallFate.FOUND
        ball_error = float(np.hypot(real.ball[0] - dreamt.ball[0], real.ball[1] - dreamt.ball[1]))
    if real.paddle is not None and dreamt.paddle is not None:
        paddle_error = abs(real.paddle - dreamt.paddle)
    right = int((real.bricks == dreamt.bricks).sum())
    return BoardComparison(fate, ball_error, dreamt.balls, paddle_error, right, real.bricks.size)


def first_parting(comparisons: Sequence[FrameComparison]) -> int | None:
    """Where a dream leaves the truth, as a place among its frames; None where it does not.

    A frame that is followed by a true one is no parting: the ball may have gone behind a brick a step early. The last
    frame is followed by none, so it counts.
    """
    parted = [comparison.parted for comparison in comparisons]
    lasting = (place for place, here in enumerate(parted) if here and all(parted[place : place + 2]))
    return next(lasting, None)


def difference(real: np.ndarray, dreamt: np.ndarray) -> np.ndarray:
    """(h, w) float32, 0 where two frames (h, w, 3) uint8 are alike to 1: the largest difference of a channel."""
    red, green, blue = cv2.split(cv2.absdiff(real, dreamt))
    return cv2.max(cv2.max(red, green), blue).astype(np.float32) / 255


REWARD_EVENT = 0.5
"""A step whose reward is at least this, in size, is a reward event. Atari's rewards are whole numbers; what a model
expects is some mean, which is a half or more where the event is likely or the reward large.
"""
EVENT_TOLERANCE = 1
"""Steps by which a dreamt reward event may come early or late."""


def reward_events(rewards: np.ndarray) -> np.ndarray:
    """The places (E,) of the reward events among rewards (n,)."""
    return np.flatnonzero(np.abs(rewards) >= REWARD_EVENT)


def matching_events(real: np.ndarray, dreamt: np.ndarray) -> int:
    """How many of the events at places `real` and `dreamt`, both rising, can be paired one to one within tolerance."""
    pairs = first = second = 0
    while first < len(real) and second < len(dreamt):
        if abs(int(real[first]) - int(dreamt[second])) <= EVENT_TOLERANCE:
            pairs, first, second = pairs + 1, first + 1, second + 1
        elif real[first] < dreamt[second]:
            first += 1
        else:
            second += 1
    return pairs
