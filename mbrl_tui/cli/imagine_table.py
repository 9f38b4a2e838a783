"""Imagined futures on standard output: small pictures where it is a terminal, and a line of numbers for each step."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table

from mbrl_tui.cli.output import console
from mbrl_tui.dream.sheet import Future
from mbrl_tui.terminal import cells
from mbrl_tui.widgets.drift_meter import drift_mark
from mbrl_tui.widgets.writing import brief, share, signed

ROWS = 8
"""Lines of a picture."""
ASPECT = 1.3
"""As the app draws a game's pixels."""


def show(futures: Sequence[Future], names: Sequence[str], facts: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"[bold]{facts['checkpoint']}[/] on {facts['game']}, seed {facts['seed']}, before decision {facts['step']}: "
        f"{facts['horizon']} decisions ahead through the {facts['model']}"
    )
    for future in futures:
        out.print()
        out.print(f"[bold]{future.label}[/]  " + " · ".join(future.words[1:]))
        if sys.stdout.isatty():
            _draw(out, future)
        out.print(_table(future, names))


def _draw(out: Console, future: Future) -> None:
    """As many frames as fit, evenly spread from the present to the last one; below them the truth, where told."""
    rollout = future.rollout
    height, width = rollout.frames.shape[2:4]
    columns, rows = cells.fit(height, width, out.width, ROWS, ASPECT)
    count = min(rollout.horizon + 1, max(1, out.width // (columns + 1)))
    steps = [round(place * rollout.horizon / max(1, count - 1)) for place in range(count)]
    out.print("".join(f"{'now' if step == 0 else f'+{step}':^{columns + 1}}" for step in steps), style="dim")
    for shown in (rollout, *([future.truth.rollout, future.truth.differences] if future.truth is not None else [])):
        pictures = [cells.to_strips(cells.resize(shown.frames[0, step], columns, rows)) for step in steps]
        for line in zip(*pictures, strict=True):
            out.print(Segments([segment for strip in line for segment in (*strip, Segment(" "))]))


def _table(future: Future, names: Sequence[str]) -> Table:
    rollout, truth = future.rollout, future.truth
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("step", justify="right")
    table.add_column("action")
    for name in ("reward", "value", "goes on", "doubt", *(["really", "drift"] if truth is not None else [])):
        table.add_column(name, justify="right")
    for step in range(1, rollout.horizon + 1):
        row = [
            str(step),
            names[rollout.actions[0, step - 1]],
            signed(float(rollout.rewards[0, step - 1])),
            brief(float(rollout.values[0, step]), 4),
            share(float(rollout.continues[0, step - 1])),
            brief(float(rollout.uncertainty[0, step - 1])),
        ]
        if truth is not None:
            row += [signed(float(truth.rollout.rewards[0, step - 1])), drift_mark(truth.comparison(step)).word]
        table.add_row(*row)
    return table
