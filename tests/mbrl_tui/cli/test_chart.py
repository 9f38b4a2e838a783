"""The chart of dots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl_tui.cli.chart import averaged, braille_line

finite = st.floats(-1e6, 1e6)
points = st.lists(st.tuples(finite, finite), min_size=1, max_size=50).map(sorted)


def test_a_rising_line_is_a_diagonal() -> None:
    # 4×8 dots: each column of two dots climbs from the lower left to the upper right.
    assert braille_line([(0, 0), (3, 7)], 2, 2) == ["⠀⡜", "⡜⠀"]


def test_the_largest_value_is_in_the_first_row() -> None:
    top, *_, bottom = braille_line([(0, 5), (1, 5), (2, 0)], 4, 3)
    assert top[0] != "⠀"
    assert bottom[-1] != "⠀"
    assert top[-1] == "⠀"


def test_all_values_alike_are_one_line() -> None:
    assert braille_line([(0, 3), (9, 3)], 3, 1) == ["⣀⣀⣀"]


@given(points, st.integers(1, 30), st.integers(1, 8))
def test_a_chart_fills_its_room_and_has_a_dot_in_every_column(
    line: list[tuple[float, float]], width: int, height: int
) -> None:
    rows = braille_line(line, width, height)
    assert [len(row) for row in rows] == [width] * height
    if line[0][0] < line[-1][0]:
        for column in range(width):
            assert any(row[column] != "⠀" for row in rows)


@given(points, st.integers(1, 20))
def test_averages_are_few_and_within_what_they_average(line: list[tuple[float, float]], count: int) -> None:
    means = averaged(line, count)
    assert 1 <= len(means) <= count
    assert [x for x, _ in means] == sorted(x for x, _ in means)
    low, high = min(y for _, y in line), max(y for _, y in line)
    assert all(low - 1e-6 <= y <= high + 1e-6 for _, y in means)


def test_an_average_is_the_mean_of_its_points() -> None:
    assert averaged([(0, 1), (1, 3), (9, 10), (10, 20)], 2) == [(0.5, 2), (9.5, 15)]
    assert averaged([(0, 1)], 5) == [(0, 1)]
    assert averaged([(0, 1), (10, 2)], 5) == [(0, 1), (10, pytest.approx(2))]
