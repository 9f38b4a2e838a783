"""How far a dream is from the truth at each of its frames, in a few cells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agents.fidelity.comparison import PARTED_BALL, PARTED_PADDLE, PARTED_PSNR, BallFate, FrameComparison
from mbrl_tui.dream.truth import Truth

BARS = "▁▂▃▄▅▆▇█"
BEST_PSNR = 45.0
"""Decibels from which on nothing is to be seen of a difference: the shortest bar."""


class Level(StrEnum):
    """How good that is: still true, off by what one would notice, or parted from the truth."""

    TRUE = "true"
    OFF = "off"
    LOST = "lost"
    NONE = "none"


@dataclass(frozen=True)
class Mark:
    """One frame's entry in the drift meter. bar: the longer the worse. word: what it stands for."""

    bar: str
    word: str
    level: Level


NOTHING = Mark(" ", "", Level.NONE)


def drift_marks(truth: Truth, horizon: int) -> tuple[Mark, ...]:
    """A mark for each of the frames 0 to `horizon`; none for the present and after the game's end."""
    return tuple(drift_mark(truth.comparison(frame)) for frame in range(horizon + 1))


def drift_mark(comparison: FrameComparison | None) -> Mark:
    if comparison is None:
        return NOTHING
    board = comparison.board
    if board is None:
        share = (BEST_PSNR - comparison.psnr) / (BEST_PSNR - PARTED_PSNR)
        return Mark(_bar(share / 2), f"{comparison.psnr:.0f}dB", _level(comparison.parted, share > 0.5))
    if board.ball is BallFate.LOST:
        return Mark(BARS[-1], "lost", Level.LOST)
    if board.ball is BallFate.FALSE:
        return Mark(BARS[-1], "false", Level.LOST)
    ball = board.ball_error
    if comparison.parted and (ball is None or ball <= PARTED_BALL):
        paddle = board.paddle_error is None or board.paddle_error > PARTED_PADDLE
        return Mark(BARS[-1], "paddle" if paddle else "bricks", Level.LOST)
    if ball is None:
        return Mark(BARS[0], "hidden" if board.ball is BallFate.HIDDEN else "no ball", Level.TRUE)
    return Mark(_bar(ball / (2 * PARTED_BALL)), f"{ball:.0f}px", _level(comparison.parted, ball > PARTED_BALL / 4))


def _level(parted: bool, off: bool) -> Level:
    return Level.LOST if parted else Level.OFF if off else Level.TRUE


def _bar(share: float) -> str:
    return BARS[min(len(BARS) - 1, max(0, int(share * len(BARS))))]
