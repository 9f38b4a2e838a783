"""What a person sees of a training in the foreground."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.runs.directory import RunConfig, Status
from mbrl_tui.cli.wording import clock, number

SHOWN = {
    "stage": ("stage", ".0f"),
    "borrowed": ("borrowed steps", ",.0f"),
    "loss": ("loss", ".2g"),
    "image": ("picture", ".3g"),
    "kl": ("KL", ".3g"),
    "return": ("dreamt return", ".2f"),
    "epsilon": ("ε", ".3f"),
}
"""The metrics worth a place in one line: what a person reads, and how it is written."""
LINE_SECONDS = 10.0
"""Between two plain lines, where the output is no terminal."""


class Display(Protocol):
    """Told how the training stands every now and then; a context manager."""

    def show(self, status: Status, metrics: dict[str, float]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Standing:
    """The newest numbers, in words.

    checkpoint_seconds: time between checkpoints.
    """

    def __init__(self, config: RunConfig, checkpoint_seconds: float):
        self.config, self.checkpoint_seconds = config, checkpoint_seconds
        self.status = Status("starting")
        self.metrics: dict[str, float] = {}
        self.begin = self.updated = time.time()

    def update(self, status: Status, metrics: dict[str, float]) -> None:
        self.status, self.updated = status, time.time()
        self.metrics = self.metrics | metrics

    @property
    def share(self) -> float:
        return min(1.0, self.status.step / self.config.steps)

    def seconds_left(self) -> float | None:
        if not self.status.steps_per_second:
            return None
        left = (self.config.steps - self.status.step) / self.status.steps_per_second
        return max(0.0, left - (time.time() - self.updated))

    def seconds_to_checkpoint(self) -> float:
        last = max(self.begin, self.status.checkpoint_time or 0.0)
        return max(0.0, last + self.checkpoint_seconds - time.time())

    def facts(self) -> list[tuple[str, str]]:
        """Names and values, the most wanted first; a dash for what is not known yet."""
        facts = [("score", number(self.status.score))]
        known = {name: shown for name, shown in SHOWN.items() if name in self.metrics}
        facts += [(words, format(self.metrics[name], form)) for name, (words, form) in known.items()]
        if not known:
            facts.append(("loss", "–"))
        if self.status.state == "running":
            facts += [
                ("steps/s", number(self.status.steps_per_second or None, 0)),
                ("ETA", clock(self.seconds_left())),
                ("checkpoint in", clock(self.seconds_to_checkpoint())),
            ]
        return facts


class TerminalDisplay:
    """A bar and the newest numbers, redrawn in place."""

    def __init__(self, console: Console, standing: Standing):
        self.standing = standing
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)

    def show(self, status: Status, metrics: dict[str, float]) -> None:
        self.standing.update(status, metrics)

    def _render(self) -> RenderableType:
        status, config = self.standing.status, self.standing.config
        if status.state == "starting":
            return Text("Making ready …", "dim")
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(
            ProgressBar(total=1.0, completed=self.standing.share),
            f"{self.standing.share:6.1%}  {status.step:,} of {config.steps:,}",
        )
        line = Text()
        for name, value in self.standing.facts():
            line.append(f"{name} ", "dim").append(f"{value}   ")
        if status.state != "running":
            return Group(bar, line)
        saving = status.message == "saving"
        return Group(bar, line, Text("Saving …", "yellow") if saving else Text("Ctrl-C saves and stops.", "dim"))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()


class LineDisplay:
    """A line every few seconds, for a file or a pipe."""

    def __init__(self, console: Console, standing: Standing):
        self.standing, self._console = standing, console
        self._due = 0.0

    def show(self, status: Status, metrics: dict[str, float]) -> None:
        self.standing.update(status, metrics)
        if time.monotonic() < self._due and status.state == "running":
            return
        self._due = time.monotonic() + LINE_SECONDS
        step = f"step {status.step:,} of {self.standing.config.steps:,} ({self.standing.share:.1%})"
        facts = "  ".join(f"{name} {value}" for name, value in self.standing.facts())
        self._console.print(f"{step}  {facts}", soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


def display_for(console: Console, config: RunConfig, checkpoint_seconds: float) -> Display:
    """The display that suits where the output goes."""
    standing = Standing(config, checkpoint_seconds)
    return TerminalDisplay(console, standing) if console.is_terminal else LineDisplay(console, standing)
