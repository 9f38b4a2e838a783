"""`mbrl train`: begin a run, or go on with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError
from mbrl_tui.cli.options import MAX_SEED, Device, Sticky
from mbrl_tui.cli.wording import how_to_see

if TYPE_CHECKING:
    from agents.catalogue import Checkpoint
    from agents.envs.settings import AtariSettings
    from agents.runs.directory import RunConfig, RunDirectory, Status

DEFAULT_AGENT = "dqn"
COLLECT = 100_000


def train(
    game: Annotated[str | None, typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, …")] = None,
    agent: Annotated[str | None, typer.Option(metavar="ALGORITHM", help="What learns (default: dqn)")] = None,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Environment steps to reach in all.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance (default: 0)")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="NAME", help="A name for the new run.")] = None,
    device: Device = None,
    sticky: Sticky = None,
    from_agent: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="dreamer, i2a: learn from the games of this agent (dreamer: agents)."),
    ] = None,
    collect: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"How many steps of them (default: {COLLECT:,} or the game's)."),
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
        typer.Option(metavar="NAME", help="Go on from the weights of this agent or run, in a run of its own."),
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
    if settings:
        _list_settings(agent or DEFAULT_AGENT, game)
    elif resume is not None:
        own = {"GAME": game, "--agent": agent, "--seed": seed, "--run": run, "--sticky": sticky, "--set": assignments}
        own |= {"--from-agent": from_agent, "--collect": collect, "--model": model}
        own |= {"--environment-model": environment_model, "--rollout-policy": rollout_policy}
        own |= {"--start-from": start_from}
        _refuse(resume, [option for option, value in own.items() if value not in (None, [], ())])
        _train(_reopen(resume, steps, device), detach)
    else:
        usual = _usual(game, agent) if start_from is None else _trained(start_from, game, agent)
        given = [*(assignments or []), *_borrowed(usual, from_agent, collect)]
        given += _parts(usual, sticky, given, model, environment_model, rollout_policy)
        settings_of = _settings(usual, steps, sticky, given)
        _train(_new_run(run, usual, seed or 0, device or "auto", *settings_of), detach)


# -- a new run ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Usual:
    """What is trained, and how, as long as nothing is set. game: its plain name; settings: None where it has none;
    start: the checkpoint from which it goes on.
    """

    game: str
    agent: str
    config: Any
    settings: AtariSettings | None
    start: Checkpoint | None = None


def _usual(game: str | None, agent: str | None) -> _Usual:
    """What learns from nothing. What cannot be trained leaves no trace."""
    from agents.algorithms import algorithm, check_trainable
    from agents.envs.names import CLASSIC_CONTROL, resolve_game

    kind = agent or DEFAULT_AGENT
    if game is None:
        raise UserError(f"Say which game: mbrl train breakout --agent {kind}")
    played = resolve_game(game)
    check_trainable(kind, played)
    settings = None if played in CLASSIC_CONTROL else algorithm(kind).settings_for(played)
    return _Usual(played, kind, algorithm(kind).config_for(played), settings)


def _trained(name: str, game: str | None, agent: str | None) -> _Usual:
    """What goes on learning from the checkpoint called `name`, with the settings that it has."""
    from agents.catalogue import find_checkpoint
    from agents.envs.names import resolve_game

    start = find_checkpoint(name, game and resolve_game(game))
    if agent not in (None, start.agent):
        raise UserError(f"'{name}' was trained by {start.agent}: leave out --agent {agent}.")
    return _Usual(start.game, start.agent, start.config(), start.played_with(), start)


def _new_run(
    name: str | None, usual: _Usual, seed: int, device: str, algorithm: dict[str, Any], settings: dict[str, Any]
) -> RunDirectory:
    from agents.catalogue import check_run_name
    from agents.runs.directory import RunConfig, RunDirectory

    check_run_name(name or "")
    _check_device(device)
    steps, start = algorithm["steps"], usual.start
    if start:
        _check_start(start, steps, algorithm, settings)
    named = RunDirectory.free_name(usual.game, usual.agent) if name is None else name
    what = (named, usual.game, usual.agent, seed, steps, device, settings, algorithm)
    return RunDirectory.create(RunConfig(*what, start_from=start.lasting_name if start else ""))


def _check_start(start: Checkpoint, steps: int, algorithm: dict[str, Any], settings: dict[str, Any]) -> None:
    """Now, rather than in the background."""
    from dataclasses import replace

    from agents.catalogue import load_agent

    if start.step >= steps:
        hint = f"mbrl train --start-from {start.label} --steps {2 * start.step}"
        raise UserError(f"'{start.label}' has done {start.step:,} steps. Train on: {hint}")
    load_agent(replace(start, algorithm=algorithm, settings=settings))


def _borrowed(usual: _Usual, from_agent: str | None, collect: int | None) -> list[str]:
    """What `--from-agent` and `--collect` set."""
    if from_agent is None and collect is None:
        return []
    from agents.catalogue import find_checkpoint
    from agents.settings import split_names

    own, game = usual.config, usual.game
    if not hasattr(own, "from_agent"):
        option = "--from-agent" if from_agent is not None else "--collect"
        raise UserError(f"{usual.agent} cannot learn from another agent's games: leave out {option}.")
    steps = f"collect={collect or own.collect or COLLECT}"
    if from_agent is None:
        if not own.from_agent:
            raise UserError("--collect needs to know whose games: add --from-agent NAME.")
        return [steps]
    # Now, rather than in the background.
    names = [find_checkpoint(name, game).lasting_name for name in split_names("--from-agent", from_agent)]
    return [f"from_agent={','.join(names)}", steps]


def _parts(
    usual: _Usual,
    sticky: float | None,
    assignments: list[str],
    model: str | None,
    environment_model: str | None,
    rollout_policy: str | None,
) -> list[str]:
    """What `--model`, `--environment-model` and `--rollout-policy` set."""
    handed = {"environment_model": environment_model, "rollout_policy": rollout_policy}
    given = {"model": model} | handed
    if not any(given.values()):
        return []
    from agents.catalogue import part_settings
    from agents.envs.settings import AtariSettings
    from agents.settings import parse_assignments

    option = next(name for name, value in given.items() if value).replace("_", "-")
    if usual.agent != "i2a":
        raise UserError(f"Only i2a has such parts: leave out --{option}, or add --agent i2a.")
    if usual.start:
        raise UserError(f"'{usual.start.label}' has all its parts: leave out --{option}.")
    assert usual.settings is not None  # it is trained on Atari games only
    taken: dict[str, Any] = {} if model is None else {"model": model}
    own, game_values = parse_assignments([type(usual.config), AtariSettings], assignments)
    settings = _game_settings(usual.agent, usual.settings, sticky, game_values)
    for part, name in handed.items():
        if name is not None:
            taken |= part_settings(part, name, usual.game, settings)
    if "encoder" in own:
        taken.pop("encoder", None)
    return [f"{name}={value}" for name, value in taken.items()]


def _game_settings(agent: str, usual: AtariSettings, sticky: float | None, values: dict[str, Any]) -> AtariSettings:
    """How an agent of this kind is to play and see an Atari game, with what was set."""
    from dataclasses import replace

    settings = replace(usual, **_once(values, "sticky", sticky))
    for name in ("size", "colour"):
        if getattr(settings, name) != getattr(usual, name):
            raise UserError(f"{name} must be {getattr(usual, name)}: the networks of {agent} read such frames only.")
    return settings


def _settings(
    usual: _Usual, steps: int | None, sticky: float | None, assignments: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the algorithm and of the game (none for CartPole): the usual ones but for what was given."""
    from dataclasses import asdict, replace

    from agents.algorithms import check_trainable
    from agents.envs.settings import AtariSettings
    from agents.settings import parse_assignments

    if usual.settings is None and sticky is not None:
        raise UserError(f"{usual.game} has no sticky actions: leave out --sticky.")
    kinds = [type(usual.config), *([AtariSettings] if usual.settings else [])]
    values, *rest = parse_assignments(kinds, assignments)
    settings = _game_settings(usual.agent, usual.settings, sticky, rest[0]) if usual.settings else None
    config = replace(usual.config, **_once(values, "steps", steps))
    check_trainable(usual.agent, usual.game, config)
    return asdict(config), asdict(settings) if settings else {}


def _once(values: dict[str, Any], name: str, given: float | None) -> dict[str, Any]:
    """`values` with what an option of its own gave."""
    if given is None:
        return values
    if name in values:
        raise UserError(f"{name} is given twice: leave out --set {name}, or --{name}.")
    return values | {name: given}


def _check_device(name: str) -> None:
    """Before anything is written: a run that cannot begin leaves no trace."""
    if name == "cuda":
        from agents.layers import choose_device

        choose_device(name)


def _list_settings(agent: str, game: str | None) -> None:
    """The settings with the values that they have in this game; without a game, in an Atari game."""
    from rich.table import Table

    from agents.catalogue import algorithm
    from agents.envs.names import CLASSIC_CONTROL, resolve_game
    from agents.settings import describe
    from mbrl_tui.cli.output import console

    played = resolve_game(game) if game else "breakout"
    blocks = {f"setting of {agent}": algorithm(agent).config_for(played)}
    if played not in CLASSIC_CONTROL:
        blocks["setting of an Atari game"] = algorithm(agent).settings_for(played)
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
    _check_device(device or config.device)
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
