"""How the widgets look, on real frames; `pytest --snapshot-update` after an intended change."""

import math

import numpy as np
import pytest
from textual.app import App
from textual.containers import Grid, Horizontal
from textual.widget import Widget

from agents.records import Decision
from mbrl_tui.widgets.decision_bars import DecisionBars
from mbrl_tui.widgets.frame_view import FrameView
from mbrl_tui.widgets.rollout_strip import RolloutStrip
from mbrl_tui.widgets.rollout_strips import RolloutStrips
from mbrl_tui.widgets.value_chart import ValueChart

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


def app_of(widget: Widget, theme: str = "textual-dark", css: str = "") -> App:
    class Show(App):
        CSS = css

        def compose(self):
            yield widget

        def on_mount(self):
            self.theme = theme

    return Show()


def ready(*calls):
    """Calls made once the app runs, before its picture is taken."""

    async def run_before(pilot):
        for widget, arguments, named in calls:
            widget.show(*arguments, **named)
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_frame_view(snap_compare, breakout_frames, size):
    view = FrameView()
    calls = ready((view, (breakout_frames[-1], "imagined +3"), {}))
    assert snap_compare(app_of(view), terminal_size=size, run_before=calls)


def test_frame_view_with_nothing_to_show(snap_compare):
    view = FrameView()
    assert snap_compare(app_of(view), terminal_size=(40, 10), run_before=ready((view, (None, "no game"), {})))


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_rollout_strips(snap_compare, eventful, theme):
    strips = [RolloutStrip(), RolloutStrip()]
    calls = ready(
        (strips[0], (eventful, 2, "RIGHT"), {"cursor": 6, "selected": True, "best": True, "action_names": NAMES}),
        (strips[1], (eventful, 3, "LEFT"), {"cursor": 6}),
    )
    assert snap_compare(app_of(RolloutStrips(*strips), theme), terminal_size=(80, 16), run_before=calls)


def test_decision_bars(snap_compare):
    q = np.array([1.52, 1.498, 1.553, 1.507], np.float32)
    policy = np.array([0.1, 0.05, 0.6, 0.25], np.float32)
    decisions = (
        Decision(2, 1.553, policy, q),
        Decision(1, 1.553, policy, q, forced=True),
        Decision(3, 1.5, policy),
        None,
    )
    bars = [DecisionBars() for _ in decisions]
    calls = ready(*((bar, (decision, NAMES), {}) for bar, decision in zip(bars, decisions, strict=True)))
    app = app_of(Grid(*bars), css="Grid { grid-size: 2; grid-gutter: 1 4; }")
    assert snap_compare(app, terminal_size=(100, 14), run_before=calls)


def test_value_charts(snap_compare):
    one, two, few = ValueChart(), ValueChart(), ValueChart()

    async def run_before(pilot):
        for step in range(400):
            value = 1.5 + 0.3 * math.sin(step / 20)
            one.add(value)
            two.add(value, 1.2 + 0.5 * math.cos(step / 33))
            if step < 30:
                few.add(value)
        await pilot.pause()

    assert snap_compare(app_of(Horizontal(one, two, few)), terminal_size=(150, 8), run_before=run_before)
