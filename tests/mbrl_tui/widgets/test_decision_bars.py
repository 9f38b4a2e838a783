import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from agents.records import Decision
from mbrl_tui.widgets.decision_bars import EIGHTHS, DecisionBars, blocks

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")
ALL = tuple(f"A{number}" for number in range(18))


def decision(values, action=0, forced=False) -> Decision:
    q = np.asarray(values, np.float32)
    return Decision(action, float(q.max()), np.full(len(q), 1 / len(q), np.float32), q, forced)


class Show(App):
    def compose(self) -> ComposeResult:
        yield DecisionBars()

    @property
    def bars(self) -> DecisionBars:
        return self.query_one(DecisionBars)

    def texts(self) -> list[str]:
        return [self.bars.render_line(y).text for y in range(self.bars.size.height)]

    def lengths(self) -> list[float]:
        """The bars of all actions, in cells."""
        return [
            sum(1.0 if sign == "█" else EIGHTHS.index(sign) / 8 for sign in re.findall("[▏▎▍▌▋▊▉█]", text))
            for text in self.texts()[1:]
        ]


async def shown(pilot, *arguments) -> Show:
    pilot.app.bars.show(*arguments)
    await pilot.pause()
    return pilot.app


async def test_a_line_for_each_action_and_one_for_the_scale():
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, decision([1.5, 1.52, 1.48, 1.55], action=3), NAMES)
        assert app.bars.size.height == 5
        scale, *lines = app.texts()
        assert re.match(r"Q-value, bars from 1\.4\d\d to 1\.550", scale)
        assert [line.split()[-1] for line in lines] == ["1.500", "1.520", "1.480", "1.550"]
        assert [line.startswith("▸") for line in lines] == [False, False, False, True]
        assert all(name in line for name, line in zip(NAMES, lines, strict=True))
        assert app.bars.render_line(4)._segments[1].style != app.bars.render_line(1)._segments[1].style


async def test_small_differences_are_seen():
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, decision([1.50, 1.55, 1.52, 1.51]), NAMES)
        lengths = app.lengths()
        room = max(lengths)
        assert room >= 20
        assert np.argsort(lengths).tolist() == [0, 3, 2, 1]
        assert 0 < lengths[0] < 0.25 * room
        # In proportion: half way between the worst and the best is half way between their bars.
        assert (lengths[2] - lengths[0]) / (lengths[1] - lengths[0]) == pytest.approx(0.4, abs=0.02)


async def test_equal_values_have_equal_full_bars():
    async with Show().run_test(size=(50, 20)) as pilot:
        for value in (0.0, 1.5, -3.0):
            app = await shown(pilot, decision([value] * 4), NAMES)
            assert len(set(app.lengths())) == 1
            assert app.lengths()[0] >= 20


async def test_noise_does_not_fill_the_bars():
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, decision([1.5, 1.5001, 1.4999, 1.5]), NAMES)
        assert min(app.lengths()) > 0.95 * max(app.lengths())


async def test_negative_values():
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, decision([-21.0, -20.5, -20.0, -20.9], action=2), NAMES)
        assert np.argmax(app.lengths()) == 2
        assert np.argmin(app.lengths()) == 0
        assert min(app.lengths()) > 0
        assert "-20.00" in app.texts()[3]


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
async def test_a_value_that_is_no_number_has_no_bar_and_spoils_no_other(strange):
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, decision([1.5, strange, 1.6, 1.4]), NAMES)
        lengths = app.lengths()
        assert lengths[1] == 0
        assert lengths[2] > lengths[0] > lengths[3] > 0
        assert "–" in app.texts()[2]
        app = await shown(pilot, decision([strange] * 4), NAMES)
        assert app.lengths() == [0] * 4


async def test_probabilities_have_bars_from_nothing_to_one():
    async with Show().run_test(size=(60, 20)) as pilot:
        policy = np.array([0.5, 0.25, 0.25, 0.0], np.float32)
        app = await shown(pilot, Decision(0, 1.0, policy), NAMES)
        lengths = app.lengths()
        assert "probability" in app.texts()[0]
        assert lengths[1] == lengths[2] == pytest.approx(lengths[0] / 2, abs=1 / 8)
        assert lengths[3] == 0
        assert [text.split()[-1] for text in app.texts()[1:]] == ["50%", "25%", "25%", "0%"]


async def test_a_forced_action_is_said_to_be_forced():
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, decision([1.5, 1.4, 1.6, 1.5], action=1, forced=True), NAMES)
        assert [("forced" in text) for text in app.texts()] == [False, False, True, False, False]


async def test_no_decision_leaves_the_names():
    async with Show().run_test(size=(50, 20)) as pilot:
        app = await shown(pilot, None, NAMES)
        assert app.texts()[0].strip() == "no decision yet"
        assert all(name in text for name, text in zip(NAMES, app.texts()[1:], strict=True))
        assert app.lengths() == [0] * 4


async def test_of_too_many_actions_the_best_and_the_chosen_are_shown_in_the_games_order():
    async with Show().run_test(size=(50, 20)) as pilot:
        pilot.app.bars.styles.height = 5
        values = np.arange(18.0)
        values[5] = np.nan
        app = await shown(pilot, decision(values, action=2), ALL)
        assert [text.removeprefix("▸").split()[1] for text in app.texts()[1:]] == ["A2", "A15", "A16", "A17"]


async def test_another_number_of_values_than_actions_is_refused():
    async with Show().run_test() as pilot:
        with pytest.raises(ValueError, match="3 probabilities for 4 actions"):
            pilot.app.bars.show(decision([1, 2, 3]), NAMES)


@pytest.mark.parametrize("width", [1, 5, 12, 20, 33, 200])
async def test_every_line_has_the_width_of_the_widget(width):
    async with Show().run_test(size=(width, 20)) as pilot:
        for case in (None, decision([1.5, -1e12, 0.0, np.nan], forced=True)):
            app = await shown(pilot, case, NAMES)
            assert {app.bars.render_line(y).cell_length for y in range(app.bars.size.height)} == {width}


@given(fraction=st.floats(0, 1), columns=st.integers(0, 200))
def test_a_bar_is_true_to_an_eighth_of_a_cell(fraction, columns):
    bar = blocks(fraction, columns)
    assert len(bar) == columns
    length = sum(1.0 if sign == "█" else EIGHTHS.index(sign) / 8 for sign in bar)
    assert abs(length - fraction * columns) <= 1 / 16
    assert " █" not in bar
