import pytest

from agents.fidelity.comparison import BallFate, BoardComparison, FrameComparison
from mbrl_tui.widgets.drift_meter import NOTHING, Level, Mark, drift_mark


def board(ball=BallFate.FOUND, ball_error=0.0, paddle_error=0.0, correct=108) -> FrameComparison:
    return FrameComparison(0.0, BoardComparison(ball, ball_error, 1, paddle_error, correct, 108))


@pytest.mark.parametrize(
    ("comparison", "mark"),
    [
        (None, NOTHING),
        (board(), Mark("▁", "0px", Level.TRUE)),
        (board(ball_error=3.9), Mark("▂", "4px", Level.OFF)),
        (board(ball_error=8.1), Mark("▅", "8px", Level.LOST)),
        (board(ball_error=99.0), Mark("█", "99px", Level.LOST)),
        (board(BallFate.LOST, None), Mark("█", "lost", Level.LOST)),
        (board(BallFate.FALSE, None), Mark("█", "false", Level.LOST)),
        (board(BallFate.NONE, None), Mark("▁", "no ball", Level.TRUE)),
        (board(BallFate.HIDDEN, None), Mark("▁", "hidden", Level.TRUE)),
        (board(paddle_error=9.0), Mark("█", "paddle", Level.LOST)),
        (board(paddle_error=None), Mark("█", "paddle", Level.LOST)),
        (board(correct=106), Mark("█", "bricks", Level.LOST)),
        (FrameComparison(0.0, None), Mark("▁", "100dB", Level.TRUE)),
        (FrameComparison(25.0, None), Mark("▃", "34dB", Level.OFF)),
        (FrameComparison(650.0, None), Mark("▅", "20dB", Level.LOST)),
    ],
)
def test_marks_by_hand(comparison, mark):
    assert drift_mark(comparison) == mark
