"""`mbrl runs`: list, show, stop, export and remove runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="runs", help="List, show, stop, export and remove training runs.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The run's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for a program.")]


@app.callback(invoke_without_command=True)
def runs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_runs()


@app.command("list")
def list_runs(as_json: AsJson = False) -> None:
    """List all runs, the newest first."""
    from agents.runs.directory import RunDirectory, home
    from mbrl_tui.cli.output import console
    from mbrl_tui.cli.run_report import overview, summary

    reports = [summary(run) for run in RunDirectory.all()]
    if as_json:
        typer.echo(json.dumps(reports, indent=2))
    elif reports:
        out = console()
        out.print(overview(reports, out.width))
    else:
        typer.echo(f"There are no runs in {home() / 'runs'}. Start one: mbrl train breakout --agent dqn")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show how one run stands, and its score over time."""
    from agents.runs.directory import RunDirectory
    from mbrl_tui.cli.output import console
    from mbrl_tui.cli.run_report import details, full_report

    run = RunDirectory.open(name)
    if as_json:
        typer.echo(json.dumps(full_report(run), indent=2))
        return
    out = console()
    out.print(details(run, out.width))


@app.command()
def stop(name: Name) -> None:
    """End a run after a save. Go on with it later: mbrl train --resume NAME"""
    from agents.runs import background
    from agents.runs.directory import RunDirectory

    run = RunDirectory.open(name)
    background.stop(run)
    status = run.read_status()
    typer.echo(f"{name} is {status.state} at step {status.step:,}. Go on: mbrl train --resume {name}")


@app.command()
def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the agent goes; made if it is not there.")],
    full: Annotated[bool, typer.Option("--full", help="Weights in full precision, at twice the size.")] = False,
) -> None:
    """Copy a run's agent into a folder, to keep or to send. Watch it: mbrl play --agent FOLDER"""
    from agents.catalogue import find_checkpoint
    from agents.runs.directory import RunDirectory
    from agents.runs.export import export_checkpoint
    from mbrl_tui.cli.wording import how_to_see

    checkpoint = find_checkpoint(str(RunDirectory.open(name).path))
    size = export_checkpoint(checkpoint.folder, folder, half=not full)
    typer.echo(f"Wrote {size / 1e6:.1f} MB to {folder}. {how_to_see(checkpoint.game, folder)}")


@app.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a run with its checkpoints, for good."""
    from agents.runs.directory import RunDirectory, being_trained

    run = RunDirectory.open(name)
    if run.is_training():
        raise being_trained(run)
    if not yes:
        typer.confirm(f"Delete {run.path} with all of its checkpoints?", abort=True)
    run.remove()
    typer.echo(f"Removed {name}.")
