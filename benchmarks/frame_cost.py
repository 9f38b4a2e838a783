"""Claim: a game at 60 frames a second takes far less than half of each frame's 16.7 ms of CPU.

A real game, recorded beforehand, is shown by `FrameView` in a Textual app on Textual's own driver, in a
pseudo-terminal whose output is read and counted, beside a view that does the same without care for what changed.
The agent's decision, one in four frames, is measured apart and added. Run as `python -m benchmarks.frame_cost`.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FRAME_MS = 1000 / 60
SIZES = ((120, 40), (200, 60))
VIEWS = ("FrameView", "all repainted")
WARM_UP = 30  # frames that fill the caches, and are not counted


def record(game_name: str, frames: int) -> list[np.ndarray]:
    """Screens (210, 160, 3) uint8 of a game played at random, no two neighbours equal: those would cost less."""
    from agents.envs.atari import AtariGame

    game, random = AtariGame(game_name, seed=1), np.random.default_rng(1)
    screens: list[np.ndarray] = []
    action = 0
    while len(screens) < frames:
        if game.over:
            game.reset()
        if game.at_decision:
            action = int(random.integers(len(game.action_names)))
            if game.needs_fire and game.fire_action is not None:
                action = game.fire_action
        game.advance(action)
        screen = game.screen
        if not screens or (screen != screens[-1]).any():
            screens.append(screen)
    return screens


class Stopwatch:
    """Adds up the CPU time that this thread spends in the functions it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.thread_time()
            result = function(*arguments)
            self.seconds += time.thread_time() - begin
            return result

        return timed


def new_view(name: str) -> Any:
    """The widget to measure: `FrameView`, or one that converts and repaints all of each frame."""
    from textual.strip import Strip
    from textual.widget import Widget

    from mbrl_tui.terminal import cells
    from mbrl_tui.widgets.frame_view import FrameView

    class AllRepainted(Widget):
        lines: tuple[Strip, ...] = ()

        def show(self, frame: np.ndarray) -> None:
            height, width, _ = frame.shape
            columns, rows = cells.fit(height, width, *self.size, FrameView().pixel_aspect)
            self.lines = tuple(cells.to_strips(cells.resize(frame, columns, rows)))
            self.refresh()

        def render_line(self, y: int) -> Strip:
            return self.lines[y] if y < len(self.lines) else Strip.blank(self.size.width)

    return FrameView() if name == "FrameView" else AllRepainted()


def measure(game: str, view_name: str, frames: int) -> dict[str, float]:
    """Show a game at 60 frames a second in this terminal: CPU milliseconds a frame by part, frames a second."""
    from textual.app import App, ComposeResult

    from mbrl_tui.terminal import cells

    screens = record(game, frames + WARM_UP)
    resizing, converting = Stopwatch(), Stopwatch()
    cells.resize = resizing.wrap(cells.resize)
    cells.to_strips = converting.wrap(cells.to_strips)

    class Show(App[None]):
        shown = total = begin = seconds = 0.0
        next = 0

        def compose(self) -> ComposeResult:
            self.view = new_view(view_name)
            yield self.view

        def on_mount(self) -> None:
            self.set_timer(0.5, lambda: self.set_interval(1 / 60, self.tick))

        def tick(self) -> None:
            if self.next == WARM_UP:
                resizing.seconds = converting.seconds = self.shown = 0.0
                self.begin, self.total = time.perf_counter(), time.process_time()
            if self.next == len(screens):
                self.seconds, self.total = time.perf_counter() - self.begin, time.process_time() - self.total
                self.exit()
                return
            self.view.show(screens[self.next])
            self.next += 1

        def post_display_hook(self) -> None:
            self.shown += 1

    app = Show()
    app.run()
    seconds = {"resize": resizing.seconds, "strips": converting.seconds}
    seconds["Textual"] = app.total - sum(seconds.values())
    return {part: 1000 * spent / frames for part, spent in seconds.items()} | {"fps": app.shown / app.seconds}


def decision_cost(decisions: int = 200) -> float:
    """CPU milliseconds of one decision of a DQN, with random weights."""
    import torch

    from agents.dqn.agent import DQNAgent
    from agents.dqn.network import build_network
    from agents.envs.atari import AtariGame

    torch.set_num_threads(1)
    game = AtariGame("breakout")
    stack, *frame_shape = game.observation.shape
    network = build_network(len(game.action_names), stack, tuple(frame_shape))
    agent = DQNAgent(network, game.action_names)
    for _ in range(10):
        agent.act(game.moment())
    begin = time.process_time()
    for _ in range(decisions):
        agent.act(game.moment())
    return 1000 * (time.process_time() - begin) / decisions


def in_terminal(columns: int, rows: int, arguments: list[str], frames: int) -> dict[str, float]:
    """`measure` in a process of its own, in a pseudo-terminal of this size; and the kB that it writes a frame."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        terminal, other_end = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        command = [sys.executable, "-m", "benchmarks.frame_cost", "--report", str(report), *arguments]
        settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_FPS": "240"}
        process = subprocess.Popen(
            command, stdin=other_end, stdout=other_end, stderr=other_end, env=os.environ | settings
        )
        os.close(other_end)
        written, last = 0, b""
        while True:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:  # the process has ended
                break
            written += len(data)
            last = (last + data)[-2000:]
        os.close(terminal)
        if process.wait() or not report.exists():
            sys.exit(f"The measured process failed:\n{last.decode(errors='replace')}")
        return json.loads(report.read_text()) | {"kB": written / (frames + WARM_UP) / 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", default="breakout", help="an Atari game by its plain name")
    parser.add_argument("--frames", type=int, default=300, help="frames counted in each measurement")
    parser.add_argument("--view", default=VIEWS[0], help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report:
        options.report.write_text(json.dumps(measure(options.game, options.view, options.frames)))
        return
    decision = decision_cost() / 4
    print(f"{options.game}, {options.frames} frames at 60 a second: CPU milliseconds a frame\n")
    print("terminal  view            resize  strips  Textual  decision/4   total  of 16.7 ms  shown/s  written/frame")
    for columns, rows in SIZES:
        for view in VIEWS:
            arguments = ["--game", options.game, "--view", view, "--frames", str(options.frames)]
            cost = in_terminal(columns, rows, arguments, options.frames)
            total = cost["resize"] + cost["strips"] + cost["Textual"] + decision
            print(
                f"{f'{columns}×{rows}':9} {view:15} {cost['resize']:6.2f} {cost['strips']:7.2f}"
                f" {cost['Textual']:8.2f} {decision:11.2f} {total:7.2f} {total / FRAME_MS:11.0%}"
                f" {cost['fps']:8.1f} {cost['kB']:11.1f} kB"
            )


if __name__ == "__main__":
    main()
