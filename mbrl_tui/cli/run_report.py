"""A run as a person, or a program, reads of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agents.errors import UserError
from agents.runs.directory import RunDirectory
from mbrl_tui.cli.chart import averaged, braille_line
from mbrl_tui.cli.wording import duration, number

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

CHART_ROWS = 8
WIDE = 96
"""Columns from which on a table of runs is shown in full."""

STATE_COLOURS = {
    "starting": "cyan",
    "running": "green",
    "stopped": "yellow",
    "finished": "blue",
    "failed": "red",
    "crashed": "red",
    "damaged": "red",
}


def summary(run: RunDirectory) -> dict[str, Any]:
    """name, game, agent, state, step, steps, score, steps_per_second, checkpoint_age_s; None where not known.

    A run whose files cannot be read has the state `damaged`.
    """
    checkpoint = run.last_checkpoint()
    try:
        config, status = run.read_config(), run.read_status()
    except UserError:
        nothing = dict.fromkeys(("game", "agent", "step", "steps", "score", "steps_per_second", "checkpoint_age_s"))
        return {"name": run.path.name, **nothing, "state": "damaged"}
    return {
        "name": run.path.name,
        "game": config.game,
        "agent": config.agent,
        "state": status.state,
        "step": status.step,
        "steps": config.steps,
        "score": status.score,
        "steps_per_second": status.steps_per_second,
        "checkpoint_age_s": max(0.0, time.time() - checkpoint[1]) if checkpoint else None,
    }


def full_report(run: RunDirectory) -> dict[str, Any]:
    """`summary` with the run's config and all of its metrics. Raises UserError where it cannot be read."""
    return summary(run) | {"config": asdict(run.read_config()), "metrics": run.read_metrics()}


def overview(reports: list[dict[str, Any]], width: int) -> Table:
    """A table of summaries; in a narrow terminal without what can be done without."""
    from rich.table import Table

    rows = [_cells(report) for report in reports]
    headings = [heading for heading in rows[0] if width >= WIDE or heading not in ("agent", "of")]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        # A name is there to be typed: it is shown whole, whatever else has to give way.
        longest = max(len(row[heading]) for row in rows) if heading == "run" else None
        left = heading in ("run", "state", "game", "agent")
        table.add_column(heading, no_wrap=True, justify="left" if left else "right", min_width=longest)
    for row in rows:
        table.add_row(*(row[heading] for heading in headings))
    return table


def _cells(report: dict[str, Any]) -> dict[str, str]:
    age = report["checkpoint_age_s"]
    return {
        "run": report["name"],
        "state": coloured(report["state"]),
        "game": report["game"] or "–",
        "agent": report["agent"] or "–",
        "step": number(report["step"], 0),
        "of": number(report["steps"], 0),
        "score": number(report["score"]),
        "steps/s": number(report["steps_per_second"] or None, 0),
        "saved": f"{duration(age)} ago" if age is not None else "–",
    }


def coloured(state: str) -> str:
    colour = STATE_COLOURS.get(state, "default")
    return f"[{colour}]{state}[/]"


def details(run: RunDirectory, width: int) -> RenderableType:
    """Facts, the last metrics and the score over steps, at most `width` columns wide.

    Raises UserError where the run cannot be read.
    """
    from rich.console import Group

    metrics = run.read_metrics()
    parts: list[RenderableType] = [facts(run)]
    numbers = [own for own in map(_own_numbers, metrics) if own]
    if numbers:
        parts += ["", _numbers(numbers[-1])]
    scores = [(line["step"], line["score"]) for line in metrics if line.get("score") is not None]
    if len(scores) > 1:
        parts += ["", _score_chart(scores, min(width, 100))]
    return Group(*parts)


def facts(run: RunDirectory) -> Table:
    from rich.markup import escape
    from rich.table import Table

    config, status, report = run.read_config(), run.read_status(), summary(run)
    step, steps, checkpoint = report["step"], report["steps"], run.last_checkpoint()
    saved = f"at step {checkpoint[0]:,}, {duration(report['checkpoint_age_s'])} ago" if checkpoint else "none yet"
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        ("run", f"[bold]{config.name}[/]"),
        ("state", f"{coloured(status.state)}  {escape(status.message)}"),
        ("game", config.game),
        ("agent", config.agent),
        ("step", f"{step:,} of {steps:,} ({step / max(1, steps):.1%})"),
        ("score", f"{number(status.score)}  (mean of the last 100 games, while exploring)"),
        ("speed", f"{status.steps_per_second:,.0f} steps/s" if status.steps_per_second else "–"),
        ("trained for", duration(status.trained_seconds)),
        ("checkpoint", saved),
        ("begun", time.strftime("%Y-%m-%d %H:%M", time.localtime(config.created))),
        ("seed, device", f"{config.seed}, {config.device}"),
        ("settings", _own_settings(config.agent, config.algorithm, config.settings)),
        ("folder", escape(str(run.path))),
    ]
    if config.start_from:
        rows.insert(4, ("started from", escape(config.start_from)))
    if status.state in ("stopped", "crashed", "failed"):
        rows.append(("go on", f"mbrl train --resume {config.name}"))
    for row in rows:
        table.add_row(*row)
    return table


def _own_settings(agent: str, algorithm: dict[str, Any], settings: dict[str, Any]) -> str:
    """Where this run differs from the algorithm's defaults."""
    from agents.catalogue import algorithm as find_algorithm
    from agents.envs.settings import AtariSettings

    standard = asdict(AtariSettings())
    try:
        standard |= asdict(find_algorithm(agent).config()())
    except UserError:  # an algorithm that this version does not know
        standard |= algorithm
    own = {name: value for name, value in (settings | algorithm).items() if standard.get(name, value) != value}
    own.pop("steps", None)  # has a line of its own
    return " ".join(f"{name}={value}" for name, value in own.items()) or "the algorithm's own"


def _own_numbers(line: dict[str, Any]) -> dict[str, float]:
    """What the algorithm itself told in a line of the metrics."""
    return {name: value for name, value in line.items() if name not in ("step", "time", "score", "steps_per_second")}


def _numbers(numbers: dict[str, float]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*(f"{value:.4g}" for value in numbers.values()))
    return table


def _score_chart(scores: list[tuple[float, float]], width: int) -> RenderableType:
    from rich.text import Text

    line = averaged(scores, width)  # two columns of dots to a character, so a point to every two
    high, low = max(score for _, score in line), min(score for _, score in line)
    margin = max(len(number(high)), len(number(low))) + 1
    rows = braille_line(line, width - margin - 2, CHART_ROWS if high > low else 1)
    labels = [number(high), *[""] * (len(rows) - 2), number(low)][-len(rows) :]
    first, last = f"{scores[0][0]:,}", f"{scores[-1][0]:,} steps"
    text = Text("score over steps\n", "dim")
    for label, row in zip(labels, rows, strict=True):
        text.append(f"{label:>{margin}} ", "dim").append(row.rstrip("⠀") + "\n", "green")
    space = width - margin - 1 - len(first) - len(last)
    return text.append(" " * (margin + 1) + first + " " * max(1, space) + last, "dim")
