from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from mbrl_tui.widgets.value_chart import LABEL, ValueChart, braille, columns


class RecordedChart(ValueChart):
    refreshes = 0

    def refresh(self, *regions, **kwargs):
        self.refreshes += 1
        return super().refresh(*regions, **kwargs)


class Show(App):
    def __init__(self, points: int = 240):
        super().__init__()
        self.points = points

    def compose(self) -> ComposeResult:
        yield RecordedChart(points=self.points)

    @property
    def chart(self) -> RecordedChart:
        return self.query_one(RecordedChart)

    def texts(self) -> list[str]:
        return [self.chart.render_line(y).text for y in range(self.chart.size.height)]

    def dots(self) -> np.ndarray:
        """The chart's dots (4h, 2w), the topmost line first."""
        signs = [[ord(sign) - 0x2800 for sign in text[LABEL:-LABEL]] for text in self.texts()]
        grid = np.zeros((4 * len(signs), 2 * len(signs[0])), bool)
        for y, row in enumerate(signs):
            for x, sign in enumerate(row):
                for bit, (dy, dx) in enumerate([(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]):
                    grid[4 * y + dy, 2 * x + dx] = sign >> bit & 1
        return grid


async def test_a_rising_value_is_a_rising_line():
    async with Show(points=40).run_test(size=(2 * LABEL + 20, 20)) as pilot:
        for value in range(40):
            pilot.app.chart.add(float(value))
        await pilot.pause()
        dots = pilot.app.dots()
        assert dots.any(0).all()
        top = dots.argmax(0)
        assert (np.diff(top) <= 0).all()
        assert top[0] >= 4 * 6 - 2
        assert top[-1] == 0


async def test_the_scale_and_the_newest_value_are_written():
    async with Show().run_test(size=(60, 20)) as pilot:
        for value in (1.25, 3.5, 2.0):
            pilot.app.chart.add(value)
        await pilot.pause()
        texts = pilot.app.texts()
        assert texts[0].split()[0] == "3.500"
        assert texts[-1].split()[0] == "1.250"
        assert sum("2.000" in text[-LABEL:] for text in texts) == 1


async def test_only_the_last_points_count():
    async with Show(points=50).run_test(size=(60, 20)) as pilot:
        pilot.app.chart.add(1000.0)
        for _ in range(50):
            pilot.app.chart.add(1.0)
        await pilot.pause()
        assert not any("1000" in text for text in pilot.app.texts())


async def test_a_flat_line_is_drawn_with_one_label():
    async with Show(points=20).run_test(size=(60, 20)) as pilot:
        for _ in range(20):
            pilot.app.chart.add(2.0)
        await pilot.pause()
        assert (pilot.app.dots().sum(0) <= 1).all()
        assert sum("2.000" in text[:LABEL] for text in pilot.app.texts()) == 1


async def test_what_is_no_number_leaves_a_gap():
    async with Show(points=40).run_test(size=(2 * LABEL + 20, 20)) as pilot:
        for value in [1.0] * 10 + [nan] * 10 + [float("inf")] * 5 + [2.0] * 15:
            pilot.app.chart.add(value)
        await pilot.pause()
        seen = pilot.app.dots().any(0)
        assert seen[:10].all()
        assert not seen[11:25].any()
        assert seen[25:].all()


async def test_two_series_in_two_colours():
    async with Show(points=40).run_test(size=(2 * LABEL + 20, 20)) as pilot:
        for number in range(40):
            pilot.app.chart.add(1.0, 5.0 + number % 2)
        await pilot.pause()
        top = pilot.app.chart.render_line(0)._segments[1].style.color
        bottom = pilot.app.chart.render_line(pilot.app.chart.size.height - 1)._segments[1].style.color
        assert top != bottom
        written = " ".join(text[-LABEL:] for text in pilot.app.texts()).split()
        assert sorted(written) == ["1.000", "6.000"]


async def test_two_newest_values_at_one_height_are_both_written():
    async with Show().run_test(size=(60, 20)) as pilot:
        for values in ((1.0, 9.0), (9.0, 1.0), (5.0, 5.001)):
            pilot.app.chart.add(*values)
        await pilot.pause()
        written = " ".join(text[-LABEL:] for text in pilot.app.texts()).split()
        assert sorted(written) == ["5.000", "5.001"]


async def test_nothing_yet_and_nothing_after_clearing():
    async with Show().run_test(size=(60, 20)) as pilot:
        assert "no values yet" in pilot.app.texts()[0]
        pilot.app.chart.add(1.0)
        await pilot.pause()
        assert "no values yet" not in pilot.app.texts()[0]
        pilot.app.chart.clear()
        await pilot.pause()
        assert "no values yet" in pilot.app.texts()[0]


async def test_it_repaints_only_when_a_value_is_added():
    async with Show().run_test(size=(60, 20)) as pilot:
        chart = pilot.app.chart
        await pilot.pause()
        before = chart.refreshes
        chart.add(1.0)
        assert chart.refreshes == before + 1
        await pilot.pause(0.1)
        assert chart.refreshes == before + 1


@pytest.mark.parametrize("size", [(1, 3), (13, 6), (14, 6), (15, 2), (16, 1), (60, 4), (200, 6)])
async def test_every_line_has_the_width_of_the_widget(size):
    async with Show().run_test(size=size) as pilot:
        pilot.app.chart.styles.height = size[1]
        for number in range(300):
            pilot.app.chart.add(number**5, -number)
        await pilot.pause()
        chart = pilot.app.chart
        assert [chart.render_line(y).cell_length for y in range(size[1])] == [size[0]] * size[1]


@settings(deadline=None)
@given(
    points=st.lists(st.floats(-1e6, 1e6) | st.just(nan), max_size=60),
    count=st.integers(0, 500),
    width=st.integers(1, 50),
)
def test_columns_hold_exactly_the_newest_points(points, count, width):
    spread = columns(points, count + len(points), width)
    assert spread.shape == (2, width)
    seen = np.isfinite(spread[0])
    assert (seen == np.isfinite(spread[1])).all()
    assert (spread[0][seen] <= spread[1][seen]).all()
    finite = [point for point in points if point == point]
    if finite:
        assert np.isin(spread[:, seen], finite).all()
    if points and len(points) <= width:
        column = min(count + len(points), width) - 1
        if points[-1] == points[-1]:
            assert spread[0, column] <= points[-1] <= spread[1, column]


def test_the_line_moves_without_changing_shape():
    """Points that share a column share it until they leave: the picture shifts, it does not shimmer."""
    points = np.random.default_rng(0).normal(size=400)
    share, width = 4, 50
    before = columns(points[100:300], 300, width)
    after = columns(points[104:304], 304, width)
    assert len(points[100:300]) == share * width
    assert np.array_equal(before[:, 2:], after[:, 1:-1])


def test_braille_of_a_single_dot():
    spread = np.full((2, 4), nan)
    spread[:, 3] = 0.0
    assert braille(spread, 0.0, 1.0, 2).tolist() == [[0, 0], [0, 0x80]]
    spread[:, 3] = 1.0
    assert braille(spread, 0.0, 1.0, 2).tolist() == [[0, 0x08], [0, 0]]
