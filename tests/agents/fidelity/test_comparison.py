"""One dreamt frame against the real one, on numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from breakout_screens import draw_screen, worn
from hypothesis import given
from hypothesis import strategies as st

from agents.fidelity.comparison import (
    BallFate,
    BoardComparison,
    FrameComparison,
    compare_frames,
    difference,
    first_parting,
    matching_events,
    psnr,
    reward_events,
)


def board(real: np.ndarray, dreamt: np.ndarray) -> BoardComparison:
    found = compare_frames("breakout", real, dreamt).board
    assert found is not None
    return found


def test_a_frame_is_like_itself() -> None:
    frame = draw_screen(ball=(60, 120))
    alike = compare_frames("breakout", frame, frame)
    assert (alike.squared_error, alike.psnr, alike.parted) == (0, 100, False)
    assert alike.board == BoardComparison(BallFate.FOUND, 0.0, 1, 0.0, 108, 108)


def test_distances_are_in_native_pixels() -> None:
    found = board(draw_screen(ball=(60, 120), paddle=80), draw_screen(ball=(63, 124), paddle=75))
    assert found.ball_error == pytest.approx(5)
    assert found.paddle_error == pytest.approx(5)
    assert found.bricks_correct == 108


def test_bricks_that_stand_and_are_gone_count_alike() -> None:
    real, dreamt = np.ones((6, 18)), np.ones((6, 18))
    real[5, :2], dreamt[5, 1:5] = 0, 0
    assert board(draw_screen(real), draw_screen(dreamt)).bricks_correct == 104


half_hidden = draw_screen(ball=(60, 187))


@pytest.mark.parametrize(
    ("real", "dreamt", "fate"),
    [
        (draw_screen(ball=(60, 120)), draw_screen(ball=(90, 150)), BallFate.FOUND),
        (draw_screen(ball=(60, 120)), draw_screen(), BallFate.LOST),
        (draw_screen(), draw_screen(ball=(60, 120)), BallFate.FALSE),
        (draw_screen(), draw_screen(), BallFate.NONE),
        (half_hidden, draw_screen(), BallFate.HIDDEN),
        (half_hidden, draw_screen(ball=(60, 120)), BallFate.HIDDEN),
    ],
)
def test_the_fate_of_the_ball(real: np.ndarray, dreamt: np.ndarray, fate: BallFate) -> None:
    found = board(real, dreamt)
    assert found.ball is fate
    assert (found.ball_error is not None) is (fate is BallFate.FOUND)
    assert fate.meaning


def test_psnr_by_hand() -> None:
    frame = draw_screen()
    brighter = compare_frames("breakout", frame, frame + 10)
    assert brighter.squared_error == pytest.approx(100)
    assert brighter.psnr == pytest.approx(28.1308, abs=1e-3)  # 10 log10(255² / 100)
    assert psnr(255**2) == pytest.approx(0)
    assert psnr(0) == psnr(1e-12) == 100


def test_other_games_are_compared_by_their_pixels_alone() -> None:
    frame = np.full((250, 160, 3), 50, np.uint8)
    near, far = compare_frames("adventure", frame, frame + 4), compare_frames("adventure", frame, frame + 60)
    assert near.board is None
    assert near.psnr == pytest.approx(36.09, abs=0.01)
    assert (near.parted, far.parted) == (False, True)


@pytest.mark.parametrize("other", [np.zeros((84, 84, 3), np.uint8), np.zeros((210, 160, 3), np.float32)])
def test_frames_of_another_kind_are_refused(other: np.ndarray) -> None:
    with pytest.raises(ValueError, match="has no likeness"):
        compare_frames("pong", np.zeros((210, 160, 3), np.uint8), other)


def test_a_worn_frame_has_not_parted() -> None:
    frame = draw_screen(ball=(60, 120))
    assert not compare_frames("breakout", frame, worn(frame, blur=0.7, noise=5)).parted


@pytest.mark.parametrize(
    "dreamt",
    [
        draw_screen(ball=(60, 130)),
        draw_screen(),
        draw_screen(ball=(60, 120), paddle=90),
        draw_screen(ball=(60, 120), paddle=None),
        draw_screen(np.arange(108).reshape(6, 18) > 1, ball=(60, 120)),
    ],
    ids=["ball off", "ball lost", "paddle off", "paddle lost", "two bricks"],
)
def test_a_dream_parts_from_the_truth(dreamt: np.ndarray) -> None:
    assert compare_frames("breakout", draw_screen(ball=(60, 120)), dreamt).parted


def test_the_first_lasting_parting_is_found() -> None:
    near, far = FrameComparison(0.0, None), FrameComparison(255.0**2, None)
    assert first_parting([near, near]) is None
    assert first_parting([]) is None
    assert first_parting([near, far, near, far, far, near]) == 3
    assert first_parting([near, near, far]) == 2
    assert first_parting([far, far]) == 0


def test_the_difference_is_a_map_of_the_largest_channel() -> None:
    real, dreamt = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    real[0, 0], dreamt[0, 1, 2] = (255, 0, 10), 51
    assert difference(real, dreamt).tolist() == [[1.0, pytest.approx(0.2)], [0.0, 0.0]]
    assert difference(real, dreamt).dtype == np.float32


def test_reward_events_are_steps_of_at_least_half_a_point() -> None:
    assert reward_events(np.array([0, 1, 0.4, -7, 0.6, np.nan])).tolist() == [1, 3, 4]


@pytest.mark.parametrize(
    ("real", "dreamt", "pairs"),
    [
        ([], [], 0),
        ([3], [3], 1),
        ([3], [4], 1),
        ([3], [5], 0),
        ([3], [2, 3, 4], 1),  # one event is matched once
        ([3, 4], [4, 5], 2),
        ([0, 1, 2], [1], 1),
        ([1, 5, 9], [2, 4, 11], 2),
    ],
)
def test_events_are_matched_one_to_one_within_a_step(real: list[int], dreamt: list[int], pairs: int) -> None:
    assert matching_events(np.array(real, int), np.array(dreamt, int)) == pairs


events = st.sets(st.integers(0, 12), max_size=6).map(sorted)


@given(events, events)
def test_as_many_events_are_matched_as_can_be(real: list[int], dreamt: list[int]) -> None:
    def best(left: list[int], right: tuple[int, ...]) -> int:
        if not left:
            return 0
        tries = [best(left[1:], right)]
        for place, event in enumerate(right):
            if abs(event - left[0]) <= 1:
                tries.append(1 + best(left[1:], right[:place] + right[place + 1 :]))
        return max(tries)

    assert matching_events(np.array(real, int), np.array(dreamt, int)) == best(real, tuple(dreamt))
