"""`mbrl agents`: what can be given to `--agent`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.errors import UserError


def list_agents(as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program.")] = False) -> None:
    """List the agents that can play: those that ship, and your own runs."""
    found = _shipped() + _own()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif found:
        _print(found)
    else:
        typer.echo("There are no agents yet. Train one: mbrl train breakout --agent dqn")


def _shipped() -> list[dict[str, Any]]:
    from agents.catalogue import mean_score, shipped_checkpoints

    return _described({name: (folder, "shipped", mean_score(folder)) for name, folder in shipped_checkpoints().items()})


def _own() -> list[dict[str, Any]]:
    """Runs that have a checkpoint, the newest first."""
    from agents.runs.directory import RunDirectory
    from mbrl_tui.cli.run_report import summary

    runs = {run.path.name: run for run in RunDirectory.all() if run.last_checkpoint()}
    return _described(
        {name: (next(run.checkpoint_folders()), "run", summary(run)["score"]) for name, run in runs.items()}
    )


def _described(named: dict[str, tuple[Path, str, float | None]]) -> list[dict[str, Any]]:
    """name, game, agent, source, score, folder of each; what cannot be read is told on standard error."""
    from agents.catalogue import find_checkpoint

    described = []
    for name, (folder, source, score) in named.items():
        try:
            checkpoint = find_checkpoint(str(folder.absolute()))
        except UserError as error:
            typer.secho(f"mbrl: {name} is left out. {error}", fg=typer.colors.YELLOW, err=True)
            continue
        described.append(
            {
                "name": name,
                "game": checkpoint.game,
                "agent": checkpoint.agent,
                "source": source,
                "score": score,
                "folder": str(folder),
            }
        )
    return described


def _print(found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from mbrl_tui.cli.output import console
    from mbrl_tui.cli.wording import number

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("agent", "game", "algorithm"):
        table.add_column(heading, no_wrap=True)
    table.add_column("mean score", justify="right", no_wrap=True)
    table.add_column("")
    for row in found:
        source = "over whole games; ships with mbrl" if row["source"] == "shipped" else "in training; your run"
        table.add_row(row["name"], row["game"], row["agent"], number(row["score"]), source)
    console().print(table)
