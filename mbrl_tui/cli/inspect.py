"""`mbrl inspect`: open the app on a game that is held and looked into."""

from __future__ import annotations

from typing import Annotated

import typer

from mbrl_tui.cli.options import MAX_SEED, Device, Sticky
from mbrl_tui.cli.play import open_app

MAX_STEP = 27_000
"""Decisions in the longest game that there is: half an hour."""


def inspect(
    game: Annotated[
        str | None,
        typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, … (default: the agent's, or breakout)"),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|RUN|PATH",
            help="A shipped agent, a run, or a checkpoint's folder (default: the best that there is)",
        ),
    ] = None,
    at_step: Annotated[
        int, typer.Option(min=0, max=MAX_STEP, metavar="N", help="Decisions that the agent plays before.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance.")] = 0,
    sticky: Sticky = None,
    device: Device = None,
) -> None:
    """Look into what an agent imagines, and where it goes wrong: `mbrl play`, held after some decisions."""
    open_app(game, agent, "watch", seed, sticky, device, inspect_at=at_step)
