"""`mbrl inspect`: open the app on a game that is held and looked into."""

from __future__ import annotations

from typing import Annotated

import typer

from mbrl_tui.cli.options import MAX_SEED, AgentOrBest, AtStep, Device, GameOrDefault, Sticky
from mbrl_tui.cli.play import open_app


def inspect(
    game: GameOrDefault = None,
    agent: AgentOrBest = None,
    at_step: AtStep = 100,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance.")] = 0,
    sticky: Sticky = None,
    device: Device = None,
) -> None:
    """Look into what an agent imagines, and where it goes wrong: `mbrl play`, held after some decisions."""
    open_app(game, agent, "watch", seed, sticky, device, inspect_at=at_step)
