from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mbrl_tui.terminal import cells

RED = (200, 72, 72)


def ball_on_black(y: int, x: int) -> np.ndarray:
    """Breakout's ball, 2 wide and 4 high, on a board of 160×210."""
    frame = np.zeros((210, 160, 3), np.uint8)
    frame[y : y + 4, x : x + 2] = RED
    return frame


def drawn(strips: list) -> np.ndarray:
    """The pixels (2r, c, 3) that these strips show, read back from their glyphs and colours."""
    lines = []
    for strip in strips:
        upper, lower = [], []
        for text, style, _ in strip:
            below = tuple(style.bgcolor.triplet)
            above = below if text[0] == " " else tuple(style.color.triplet)
            assert set(text) <= {" ", "▀"}
            upper += [above] * len(text)
            lower += [below] * len(text)
        lines += [upper, lower]
    return np.array(lines, np.uint8)


@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    columns=st.integers(-2, 400),
    rows=st.integers(-2, 120),
    pixel_aspect=st.floats(0.5, 2.0),
)
def test_a_picture_never_exceeds_the_room(height, width, columns, rows, pixel_aspect):
    c, r = cells.fit(height, width, columns, rows, pixel_aspect)
    assert 0 <= c <= max(0, columns)
    assert 0 <= r <= max(0, rows)
    assert (c == 0) == (r == 0) == (columns < 1 or rows < 1)


@given(columns=st.integers(20, 300), rows=st.integers(10, 100), pixel_aspect=st.floats(1.0, 1.75))
def test_a_picture_keeps_its_aspect_and_touches_a_side_of_the_room(columns, rows, pixel_aspect):
    c, r = cells.fit(210, 160, columns, rows, pixel_aspect)
    assert c == columns or r == rows
    wanted = 160 * pixel_aspect / 210
    # Both sides are whole numbers of cells, so either may be half a cell off.
    assert (c - 0.5) / (2 * r + 1) <= wanted <= (c + 0.5) / (2 * r - 1)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 230),
    width=st.integers(1, 230),
    columns=st.integers(1, 300),
    rows=st.integers(1, 100),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_resizing_gives_any_size_and_leaves_an_even_colour_even(height, width, columns, rows, colour):
    frame = np.full((height, width, 3), colour, np.uint8)
    pixels = cells.resize(frame, columns, rows)
    assert pixels.shape == (2 * rows, columns, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - frame[0, 0]).max() <= 1  # rounding


def test_a_frame_of_the_very_size_is_not_touched():
    frame = np.random.default_rng(0).integers(0, 256, (80, 60, 3)).astype(np.uint8)
    assert (cells.resize(frame, 60, 40) == frame).all()


def test_enlarging_keeps_every_colour_and_adds_none_where_the_factor_is_whole():
    frame = np.random.default_rng(0).integers(0, 256, (20, 15, 3)).astype(np.uint8)
    pixels = cells.resize(frame, 45, 30)
    assert (pixels == frame.repeat(3, 0).repeat(3, 1)).all()


@pytest.mark.parametrize("rows", [4, 6, 12, 20, 40, 60, 80])
def test_the_ball_stays_visible_wherever_it_is(rows):
    columns, rows = cells.fit(210, 160, 400, rows, 1.3)
    for y in range(100, 114):
        for x in range(60, 74):
            seen = cells.resize(ball_on_black(y, x), columns, rows)[..., 0]
            assert seen.max() >= 0.55 * RED[0], (y, x)
            # It is where it belongs, and no blot.
            top, left = np.argwhere(seen > 20).mean(0)
            assert abs(top / (2 * rows) - (y + 2) / 210) < 1 / rows
            assert abs(left / columns - (x + 1) / 160) < 2 / columns
            assert (seen > 20).sum() <= 12


@pytest.mark.parametrize(("columns", "rows"), [(20, 13), (15, 10), (9, 6), (7, 3)])
def test_a_thumbnail_is_averaged_as_a_whole_frame_would_be(columns: int, rows: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (14, 16, 3), np.uint8).repeat(15, 0).repeat(10, 1)
    small = cells._average(frame, columns, rows)
    whole = cv2.resize(frame, (columns, 2 * rows), interpolation=cv2.INTER_AREA)
    assert small.shape == whole.shape
    difference = np.abs(small.astype(int) - whole)
    assert difference.max() <= 16
    assert difference.mean() < 2


def test_nothing_becomes_brighter_than_the_frame():
    frame = ball_on_black(100, 80)
    frame[:, :8] = 142
    frame[189:193, 4:20] = RED
    for rows in (5, 13, 40):
        assert cells.resize(frame, rows * 2, rows).max() <= 200


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 12), columns=st.integers(1, 30), shades=st.integers(1, 4), seed=st.integers(0, 99))
def test_strips_show_the_pixels_in_exactly_as_many_cells(rows, columns, shades, seed):
    pixels = np.random.default_rng(seed).integers(0, shades, (2 * rows, columns, 3)).astype(np.uint8) * 85
    strips = cells.to_strips(pixels)
    assert len(strips) == rows
    for strip in strips:
        assert strip.cell_length == columns == sum(segment.cell_length for segment in strip)
        for before, after in pairwise(strip):
            assert before.style != after.style  # equal cells are in one segment
    assert (drawn(strips) == pixels).all()


def test_colours_are_off_by_less_than_the_eye_sees_and_black_and_white_not_at_all():
    ramp = np.arange(256, dtype=np.uint8)
    pixels = np.stack([ramp, ramp[::-1], ramp], -1)[None].repeat(2, 0)
    shown = drawn(cells.to_strips(pixels)).astype(int)
    assert np.abs(shown - pixels).max() <= 3
    assert shown[0, 0].tolist() == [0, 255, 0]


def test_an_even_row_is_one_segment_of_spaces():
    (strip,) = cells.to_strips(np.full((2, 50, 3), 85, np.uint8))
    assert [segment.text for segment in strip] == [" " * 50]


def test_styles_are_shared_between_frames():
    pixels = np.zeros((4, 3, 3), np.uint8)
    pixels[1::2] = 255
    first, second = (next(iter(cells.to_strips(pixels.copy())[0])).style for _ in range(2))
    assert first is second


@pytest.mark.parametrize(("system", "codes"), [("truecolor", "38;2;"), ("256", "38;5;"), ("standard", "91;40m")])
def test_terminals_of_fewer_colours_get_fewer_colours(system, codes):
    pixels = np.zeros((2, 1, 3), np.uint8)
    pixels[0] = (198, 70, 73)  # used nowhere else: a style remembers the codes it was first written with
    pixels[0, 0, 2] += {"truecolor": 0, "256": 10, "standard": 20}[system]
    (strip,) = cells.to_strips(pixels)
    written = strip.render(Console(color_system=system, force_terminal=True))
    assert written.startswith(f"\x1b[{codes}")
    assert ("38;2" in written) == (system == "truecolor")
