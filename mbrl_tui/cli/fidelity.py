"""`mbrl fidelity`: how far what an agent imagines comes true."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agents.errors import UserError
from mbrl_tui.cli.options import MAX_SEED, Device, Sticky
from mbrl_tui.cli.wording import number

if TYPE_CHECKING:
    from rich.table import Table

    from agents.catalogue import Checkpoint
    from agents.fidelity.measure import Fidelity, OnProgress, Scores
    from agents.fidelity.starts import Player

COMPANION = "dqn"
"""The shipped agent of this kind plays games to start from too: it comes far, whatever the measured agent can do."""
COMPANION_EPSILON = 0.01


def fidelity(
    game: Annotated[str, typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, …")],
    agent: Annotated[
        str, typer.Option(metavar="NAME|RUN|PATH", help="A shipped agent, a run, or a checkpoint's folder.")
    ],
    horizons: Annotated[
        str, typer.Option(metavar="H,…", help="Steps ahead at which dream and truth are compared.")
    ] = "1,5,15,50",
    starts: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="Moments to dream on from.")] = 100,
    sticky: Sticky = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides games and moments.")] = 0,
    device: Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program.")] = False,
) -> None:
    """Measure what an agent imagines against what then really happens, under the same actions.

    Beside it stand two others under the same measure: the last frame again and again, and the emulator.
    """
    steps = _horizons(horizons)
    with _progress() as on_progress:
        checkpoint, result = _measure(game, agent, steps, starts, sticky, seed, device or "auto", on_progress)
    if as_json:
        typer.echo(json.dumps(result.as_json() | {"checkpoint": checkpoint.identity}, indent=2))
    else:
        _print(checkpoint, result)


def _horizons(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' are no horizons: give whole numbers, for example --horizons 1,5,15,50") from None


def _measure(
    game: str,
    agent: str,
    horizons: list[int],
    starts: int,
    sticky: float | None,
    seed: int,
    device: str,
    on_progress: OnProgress | None,
) -> tuple[Checkpoint, Fidelity]:
    from agents.catalogue import find_checkpoint, load_agent
    from agents.envs.names import resolve_game

    checkpoint = find_checkpoint(agent, resolve_game(game))

    from agents.fidelity.measure import measure

    player, settings = load_agent(checkpoint, device, sticky), checkpoint.played_with(sticky)
    others = _companions(checkpoint, device)
    return checkpoint, measure(player, checkpoint.game, settings, horizons, starts, seed, others, on_progress)


def _companions(checkpoint: Checkpoint, device: str) -> list[Player]:
    from agents.catalogue import find_checkpoint, load_agent, shipped_checkpoints
    from agents.fidelity.starts import Player

    name = f"{checkpoint.game}-{COMPANION}"
    if name not in shipped_checkpoints() or name == checkpoint.identity:
        return []
    companion = find_checkpoint(name)
    player, settings = load_agent(companion, device), companion.played_with()
    return [Player(f"{name} ε {COMPANION_EPSILON}", player, COMPANION_EPSILON, settings)]


@contextlib.contextmanager
def _progress() -> Iterator[OnProgress | None]:
    """A bar on standard error while it runs, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Loading …", total=None)
        doing_now = ""

        def on_progress(doing: str, done: int, total: int) -> None:
            nonlocal doing_now
            if doing != doing_now:
                progress.reset(task, description=doing, total=total)
                doing_now = doing
            progress.update(task, completed=done)

        yield on_progress


# -- the table ----------------------------------------------------------------------------------------------


def percent(share: float | None) -> str:
    return number(share) if share is None else f"{share:.1%}"


@dataclass(frozen=True)
class Column:
    """meaning: in words for a person. read: finds the number among the scores. show: writes it.

    board: only for games whose screen is read.
    """

    meaning: str
    read: Callable[[Scores], float | None]
    show: Callable[[float | None], str] = percent
    board: bool = True


COLUMNS = {
    "PSNR": Column("how like the frame is, in dB; 100 where it is the same", lambda s: s.psnr, number, board=False),
    "ball": Column("frames with a ball whose dream has one", lambda s: s.ball_found),
    "single": Column("of these, those whose dream has one ball and no more", lambda s: s.ball_single),
    "false": Column("frames without a ball whose dream has one", lambda s: s.ball_false),
    "ball px": Column("how far off the ball is (median), in pixels of 160×210", lambda s: s.ball_error_px, number),
    "paddle px": Column("how far off the paddle is (median)", lambda s: s.paddle_error_px, number),
    "bricks": Column("bricks that stand or are gone as they should", lambda s: s.bricks_correct),
    "reward P": Column(
        "dreamt reward events that happened, give or take a step", lambda s: s.reward_precision, board=False
    ),
    "reward R": Column("reward events that were dreamt", lambda s: s.reward_recall, board=False),
    "goes on": Column("steps rightly taken for the game's last or not", lambda s: s.continue_accuracy, board=False),
}
BASELINES = {"copy_last": "last frame", "emulator": "emulator"}


def _print(checkpoint: Checkpoint, result: Fidelity) -> None:
    from agents.envs.emulator import EmulatorModel
    from mbrl_tui.cli.output import console

    out = console()
    stages = ", ".join(f"{count} {stage}" for stage, count in result.stages.items())
    out.print(
        f"[bold]{checkpoint.identity}[/] ({checkpoint.agent}) on {result.game}: "
        f"{result.model}, from {result.starts} moments ({stages})"
    )
    if result.model == EmulatorModel.name:
        out.print("It has learnt no model. It looks ahead through the emulator, which is the game and errs in nothing.")
    models = [(checkpoint.agent, result.horizons)]
    models += [(BASELINES[name], scores) for name, scores in result.baselines.items()]
    is_read = any(scores.bricks_correct is not None for scores in result.horizons.values())
    shown = {name: column for name, column in COLUMNS.items() if is_read or not column.board}
    out.print(_table(models, shown, gap=2 if out.width >= 100 else 1))
    for name, column in shown.items():
        out.print(f"{name}: {column.meaning}", style="dim", soft_wrap=True)


def _table(models: Sequence[tuple[str, dict[int, Scores]]], columns: dict[str, Column], gap: int) -> Table:
    """For each horizon a row of each model, the measured one first."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, gap, 0, 0))
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for name in columns:
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for horizon in models[0][1]:
        for place, (name, own) in enumerate(models):
            cells = [column.show(column.read(own[horizon])) for column in columns.values()]
            table.add_row("" if place else str(horizon), name, *cells, style="dim" if place else "")
    return table
