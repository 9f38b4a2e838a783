"""`mbrl train`: begin a run, or go on with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agents.errors import UserError
from agents.threads import rest_soon
from mbrl_tui.cli import new_run
from mbrl_tui.cli.options import MAX_SEED, Device, Sticky
from mbrl_tui.cli.wording import how_to_see

if TYPE_CHECKING:
    from agents.runs.directory import RunConfig, RunDirectory, Status
    from mbrl_tui.cli.new_run import Usual

DEFAULT_AGENT = "dqn"


def train(
    game: Annotated[str | None, typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, …")] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="ALGORITHM", help="What learns (default: dqn; of --start-from: its own).")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Environment steps to reach in all.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance (default: 0)")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="NAME", help="A name for the new run.")] = None,
    device: Device = None,
    sticky: Sticky = None,
    from_agent: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="dreamer, i2a: learn from the games of these agents."),
    ] = None,
    collect: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help=f"How many steps of them to keep (default: {new_run.COLLECT:,} or the game's)."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="learnt|emulator|none", help="i2a: what imagines (default: learnt).")
    ] = None,
    environment_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="i2a: take the environment model of this run.")
    ] = None,
    rollout_policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="i2a: take the policy of this run (a2c or i2a) for its rollouts.")
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Train this agent, run or folder on in a new run, as it was set."),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A setting, see --settings; repeatable.")
    ] = None,
    resume: Annotated[str | None, typer.Option(metavar="NAME", help="Go on with this run.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Train in the background, without this terminal.")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="List the settings for GAME, and exit.")] = False,
) -> None:
    """Train an agent; Ctrl-C saves and stops.

    mbrl train breakout --steps 2000000 --set learning_rate=1e-4
    """
    rest_soon()
    if settings:
        # Without a game, as they are in an Atari game.
        _list_settings(_usual(game if game or start_from else "breakout", agent, start_from))
    elif resume is not None:
        own = {"GAME": game, "--agent": agent, "--seed": seed, "--run": run, "--sticky": sticky, "--set": assignments}
        own |= {"--from-agent": from_agent, "--collect": collect, "--model": model}
        own |= {"--environment-model": environment_model, "--rollout-policy": rollout_policy}
        own["--start-from"] = start_from
        _refuse(resume, [option for option, value in own.items() if value not in (None, [], ())])
        _train(_reopen(resume, steps, device), detach)
    else:
        usual = _usual(game, agent, start_from)
        given = [*(assignments or []), *new_run.borrowed(usual, from_agent, collect)]
        given += new_run.parts(usual, sticky, given, model, environment_model, rollout_policy)
        values = new_run.settings_of(usual, steps, sticky, given)
        _train(new_run.create(run, usual, seed or 0, device or "auto", *values), detach)


def _usual(game: str | None, agent: str | None, start_from: str | None) -> Usual:
    if start_from is not None:
        return new_run.trained(start_from, game, agent)
    return new_run.from_nothing(game, agent or DEFAULT_AGENT)


def _list_settings(usual: Usual) -> None:
    """The settings with the values that they have as long as nothing is set."""
    from rich.table import Table

    from agents.settings import describe
    from mbrl_tui.cli.output import console

    blocks = {f"setting of {usual.agent}": usual.config}
    if usual.settings is not None:
        blocks["setting of an Atari game"] = usual.settings
    for number, (title, block) in enumerate(blocks.items()):
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
        for heading in (title, "type", "default", ""):
            table.add_column(heading, no_wrap=bool(heading))
        for setting in describe(block):
            table.add_row(setting.name, setting.type, setting.default, setting.text)
        if number:
            console().print()
        console().print(table)


# -- an old run ---------------------------------------------------------------------------------------------


def _refuse(resume: str, given: list[str]) -> None:
    if given:
        raise UserError(
            f"With --resume, leave out {' and '.join(given)}: run '{resume}' has its own. "
            f"Use: mbrl train --resume {resume}"
        )


def _reopen(name: str, steps: int | None, device: str | None) -> RunDirectory:
    """The run called `name`, its config brought up to date."""
    from dataclasses import replace

    from agents.runs.directory import RunDirectory, being_trained

    run = RunDirectory.open(name)
    config = run.read_config()
    if run.is_training():
        raise being_trained(run)
    checkpoint = run.last_checkpoint()
    done, total = checkpoint[0] if checkpoint else 0, steps or config.steps
    if done >= total:
        raise UserError(
            f"Run '{name}' has done {done:,} steps. Train on: mbrl train --resume {name} --steps {2 * done}"
        )
    new_run.check_device(device or config.device)
    algorithm = config.algorithm | {"steps": total}
    changed = replace(config, steps=total, device=device or config.device, algorithm=algorithm)
    if changed != config:
        run.write_config(changed)
    return run


# -- both ---------------------------------------------------------------------------------------------------


def _train(run: RunDirectory, detach: bool) -> None:
    if detach:
        _train_detached(run)
    else:
        _train_here(run)


def _train_detached(run: RunDirectory) -> None:
    from agents.runs.background import start_detached

    name = run.path.name
    process = start_detached(run)
    typer.echo(f"Training {name} in the background (process {process}).")
    typer.echo(f"  look at it  mbrl runs show {name}")
    typer.echo(f"  stop it     mbrl runs stop {name}")


def _train_here(run: RunDirectory) -> None:
    import signal

    from agents.runs.runner import Pace, run_training
    from mbrl_tui.cli.output import console
    from mbrl_tui.cli.progress import display_for

    config, pace, out = run.read_config(), Pace(status=1.0), console()
    out.print(f"{config.name}: {config.agent} on {config.game}, {config.steps:,} steps, seed {config.seed}")

    def show(status: Status, metrics: dict[str, float]) -> None:
        try:
            display.show(status, metrics)
        except OSError:  # nobody reads what we print any more: end as on Ctrl-C
            signal.raise_signal(signal.SIGTERM)

    with display_for(out, config, pace.checkpoint) as display:
        status = run_training(run, pace, show)
    out.print(_farewell(config, status), soft_wrap=True)


def _farewell(config: RunConfig, status: Status) -> str:
    if status.state == "finished":
        early = ", for the game is solved" if status.step < config.steps else ""
        return f"Finished at step {status.step:,}{early}. {how_to_see(config.game, config.name)}"
    return f"Saved and stopped at step {status.step:,}. Go on: mbrl train --resume {config.name}"
