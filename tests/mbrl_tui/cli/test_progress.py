"""What a person sees of a training in the foreground."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from agents.runs.directory import RunConfig, Status
from mbrl_tui.cli import progress
from mbrl_tui.cli.progress import LineDisplay, Standing, TerminalDisplay, display_for

CONFIG = RunConfig("mine", "breakout", "dqn", 0, 10_000, "cpu", {}, {})
METRICS = {"loss": 0.00712, "epsilon": 0.0421}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, for a test to move on."""
    clock = [1_000.0]
    monkeypatch.setattr(progress.time, "time", lambda: clock[0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def terminal(file: io.StringIO) -> Console:
    return Console(file=file, force_terminal=True, color_system=None, width=100, height=30)


def test_the_time_left_runs_down_between_two_reports(now: list[float]) -> None:
    standing = Standing(CONFIG, checkpoint_seconds=300)
    assert dict(standing.facts())["score"] == "–"
    standing.update(Status("running", 2_500, 12.34, 75.0), METRICS)
    assert standing.share == 0.25
    facts = dict(standing.facts())
    assert facts == {
        **{"score": "12.3", "loss": "0.0071", "ε": "0.042"},
        **{"steps/s": "75", "ETA": "1:40", "checkpoint in": "5:00"},
    }
    now[0] += 40
    assert dict(standing.facts())["ETA"] == "1:00"
    assert dict(standing.facts())["checkpoint in"] == "4:20"
    now[0] += 400
    assert dict(standing.facts())["ETA"] == "0:00"


def test_a_checkpoint_of_an_earlier_session_does_not_count(now: list[float]) -> None:
    standing = Standing(CONFIG, checkpoint_seconds=300)
    standing.update(Status("running", 10, checkpoint_time=now[0] - 86_400), {})
    assert standing.seconds_to_checkpoint() == 300
    now[0] += 200
    standing.update(Status("running", 10, checkpoint_time=now[0] - 50), {})
    assert standing.seconds_to_checkpoint() == 250


def test_what_was_last_known_stays_until_there_is_something_newer(now: list[float]) -> None:
    standing = Standing(CONFIG, checkpoint_seconds=300)
    standing.update(Status("running", 10), METRICS)
    standing.update(Status("running", 20), {})
    assert dict(standing.facts())["loss"] == "0.0071"


def test_a_terminal_shows_a_bar_and_what_ctrl_c_does(now: list[float]) -> None:
    shown = io.StringIO()
    display = display_for(terminal(shown), CONFIG, 300)
    assert isinstance(display, TerminalDisplay)
    steps = [
        (Status("starting"), "Making ready"),
        (Status("running", 2_500, 12.34, 75.0), "2,500 of 10,000"),
        (Status("running", 2_500, 12.34, 75.0), "Ctrl-C saves and stops."),
        (Status("running", 2_500, message="saving"), "Saving …"),
    ]
    for status, words in steps:
        shown.truncate(0)
        with display:
            display.show(status, METRICS)
        assert words in shown.getvalue()
    shown.truncate(0)
    with display:
        display.show(Status("stopped", 2_600), {})
    assert "26.0%" in shown.getvalue()
    assert "Ctrl-C" not in shown.getvalue()


def test_a_file_gets_a_line_every_ten_seconds_and_the_last_one(now: list[float]) -> None:
    shown = io.StringIO()
    display = display_for(Console(file=shown, width=40, highlight=False), CONFIG, 300)
    assert isinstance(display, LineDisplay)
    with display:
        for step in range(0, 2_500, 100):
            display.show(Status("running", step, 1.0, 100.0), METRICS)
            now[0] += 1
        display.show(Status("stopped", 2_500, 1.0), {})
    lines = shown.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["0", "1,000", "2,000", "2,500"]
    assert lines[1] == (
        "step 1,000 of 10,000 (10.0%)  score 1.0  loss 0.0071  ε 0.042  steps/s 100  ETA 1:30  checkpoint in 4:50"
    )
    assert lines[-1] == "step 2,500 of 10,000 (25.0%)  score 1.0  loss 0.0071  ε 0.042"


def test_the_bar_moves_by_itself() -> None:
    shown = io.StringIO()
    display = TerminalDisplay(terminal(shown), Standing(CONFIG, 300))
    with display:
        display.show(Status("running", 2_500), {})
        deadline = time.monotonic() + 10
        while "25.0%" not in shown.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
