"""`mbrl inspect`: open the app on a game that is held and looked into."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.errors import UserError
from mbrl_tui.cli.options import MAX_DECISIONS, MAX_SEED, AgentOrBest, Device, GameOrDefault, Sticky
from mbrl_tui.cli.play import open_app


def inspect(
    game: GameOrDefault = None,
    agent: AgentOrBest = None,
    at_step: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_DECISIONS,
            metavar="N",
            help="Decisions that are played before (default: 100, or all of a saved game)",
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A game that was saved with CTRL+S, instead of a new one.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance (default: 0)")
    ] = None,
    sticky: Sticky = None,
    device: Device = None,
) -> None:
    """Look into what an agent imagines, and where it goes wrong: `mbrl play`, held after some decisions."""
    if replay is None:
        open_app(game, agent, "watch", seed or 0, sticky, device, inspect_at=100 if at_step is None else at_step)
        return
    from agents.envs.names import resolve_game
    from mbrl_tui.play.recording import Recording

    if seed is not None or sticky is not None:
        raise UserError("A saved game has a seed and rules of its own: leave out --seed and --sticky.")
    recording = Recording.load(replay)
    if game is not None and resolve_game(game) != recording.game:
        raise UserError(f"{replay} is a game of {recording.game}, not of {game}.")
    open_app(recording.game, agent, "watch", recording.seed, None, device, inspect_at=at_step, replay=recording)
