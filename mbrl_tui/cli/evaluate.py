"""`mbrl evaluate`: score an agent over whole games."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mbrl_tui.cli.options import MAX_SEED, Device, Sticky, check_place

if TYPE_CHECKING:
    from agents.evaluate import Evaluation


def evaluate(
    game: Annotated[str, typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, …")],
    agent: Annotated[
        str, typer.Option(metavar="NAME|RUN|PATH", help="A shipped agent, a run, or a checkpoint's folder.")
    ],
    episodes: Annotated[int, typer.Option(min=1, max=1_000, metavar="N", help="Whole games.")] = 30,
    sticky: Sticky = None,
    epsilon: Annotated[
        float, typer.Option(min=0, max=1, metavar="E", help="Probability of a random action instead of the agent's.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Game i begins from S + i.")] = 0,
    device: Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON to this file.")] = None,
) -> None:
    """Score an agent: whole games, true rewards, fixed seeds. The same seed gives the same returns."""
    check_place(out)
    with _progress(episodes) as on_progress:
        result = _play(game, agent, episodes, sticky, epsilon, seed, device or "auto", on_progress)
    text = json.dumps(result.as_json(), indent=2)
    if out is not None:
        from agents.files import write_atomically

        write_atomically(out, text + "\n")
    if as_json:
        typer.echo(text)
    else:
        _print(result)


def _play(
    game: str,
    agent: str,
    episodes: int,
    sticky: float | None,
    epsilon: float,
    seed: int,
    device: str,
    on_progress: Callable[[int, int], None] | None,
) -> Evaluation:
    from agents.catalogue import find_checkpoint, load_agent
    from agents.envs.names import resolve_game

    checkpoint = find_checkpoint(agent, resolve_game(game))

    from agents.evaluate import Evaluation, play_whole_games

    player, settings = load_agent(checkpoint, device, sticky), checkpoint.played_with(sticky)
    returns, speed = play_whole_games(player, checkpoint.game, episodes, settings, epsilon, seed, on_progress)
    return Evaluation(
        game=checkpoint.game,
        agent=checkpoint.agent,
        checkpoint=checkpoint.identity,
        returns=returns,
        settings=settings,
        epsilon=epsilon,
        seed=seed,
        decisions_per_second=speed,
    )


@contextlib.contextmanager
def _progress(episodes: int) -> Iterator[Callable[[int, int], None] | None]:
    """A line on standard error while the games are played, where it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status("Loading …") as status:
        yield lambda over, decisions: status.update(f"{over} of {episodes} games over, {decisions:,} decisions")


def _print(result: Evaluation) -> None:
    from rich.table import Table

    from mbrl_tui.cli.output import console
    from mbrl_tui.cli.wording import number

    scores = result.as_json()
    protocol = scores["protocol"]
    out = console()
    out.print(f"[bold]{result.checkpoint}[/] ({result.agent}) on {result.game}, {scores['episodes']} whole games")
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    names = ("mean", "std", "median", "min", "max")
    for name in names:
        table.add_column(name, justify="right")
    table.add_row(*(number(scores[name]) for name in names))
    out.print(table)
    words = [f"ε {protocol['epsilon']:g}"]
    if result.settings is not None:
        fire = "pressed" if protocol["fire"] else "not pressed"
        words = [
            f"sticky {protocol['sticky']:g}",
            *words,
            f"frameskip {protocol['frameskip']}",
            f"at most {protocol['noop_max']} idle frames at the start",
            f"FIRE {fire} for the agent",
        ]
    out.print(
        f"{', '.join(words)}, seed {result.seed}; {number(result.decisions_per_second, 0)} decisions/s",
        style="dim",
        soft_wrap=True,
    )
