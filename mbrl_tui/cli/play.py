"""`mbrl play`: open the app on a game."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agents.errors import UserError
from mbrl_tui.cli.options import MAX_SEED, AgentOrBest, Device, GameOrDefault, Sticky

if TYPE_CHECKING:
    from agents.catalogue import Checkpoint
    from mbrl_tui.play.recording import Recording

DEFAULT_GAME = "breakout"
SMALLEST = (60, 20)
"""Columns and rows of the smallest terminal in which a game can be seen."""


def play(
    game: GameOrDefault = None,
    agent: AgentOrBest = None,
    mode: Annotated[
        Literal["watch", "solo", "versus", "duet"] | None,
        typer.Option(help="Watch the agent, play yourself, against it, or together with it (default: watch)"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance (default: another each time)"),
    ] = None,
    sticky: Sticky = None,
    device: Device = None,
) -> None:
    """Watch an agent play, play against it, pause, and look ahead."""
    open_app(game, agent, mode, seed, sticky, device)


def open_app(
    game: str | None,
    agent: str | None,
    mode: str | None,
    seed: int | None,
    sticky: float | None,
    device: str | None,
    inspect_at: int | None = None,
    replay: Recording | None = None,
) -> None:
    """Find the agent, and open the app; the last two as `MbrlApp` takes them. Raises UserError where that cannot be."""
    checkpoint = _agent_for(_known(game), agent, mode)
    played = checkpoint.game if checkpoint else _known(game) or DEFAULT_GAME
    if checkpoint is None and mode is None:
        typer.echo(f"No agent has been trained for {played} yet: you play. Train one: mbrl train {played}", err=True)
    _check_terminal()
    seated = mode or ("watch" if checkpoint else "solo")
    _open(played, seated, checkpoint, seed, sticky, device or "auto", inspect_at, replay)


def _known(game: str | None) -> str | None:
    """The plain name of the game that was asked for. Raises UserError where it cannot be played."""
    from agents.envs.names import CLASSIC_CONTROL, resolve_game

    played = None if game is None else resolve_game(game)
    if played in CLASSIC_CONTROL:
        raise UserError(f"{played} is for training only: it cannot be played in the terminal. Try: mbrl play breakout")
    return played


def _agent_for(game: str | None, agent: str | None, mode: str | None) -> Checkpoint | None:
    """The agent that was asked for, or the best; None where there is none and the person plays alone.

    Raises UserError where it cannot be found or read. Imports no PyTorch: that would keep the first picture waiting.
    """
    from agents.catalogue import ALGORITHMS, best_checkpoint, find_checkpoint
    from agents.runs.checkpoint import check_tensors

    if agent is None or agent in ALGORITHMS:
        game = game or DEFAULT_GAME
    checkpoint = find_checkpoint(agent, game) if agent is not None else best_checkpoint(game or DEFAULT_GAME)
    if checkpoint is not None:
        _known(checkpoint.game)
        check_tensors(checkpoint.folder / "weights.safetensors")
    elif mode not in (None, "solo"):
        raise UserError(
            f"There is no agent for {game} yet. Train one: mbrl train {game} --agent dqn. "
            f"Or play alone: mbrl play {game} --mode solo"
        )
    return checkpoint


def _check_terminal() -> None:
    import os
    import sys

    # Textual draws on standard error.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UserError("The app needs a terminal: its input, output and errors cannot be a file or a pipe.")
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    # Some terminals do not tell their size; theirs is given as 0.
    if 0 < columns < SMALLEST[0] or 0 < rows < SMALLEST[1]:
        raise UserError(
            f"This terminal is {columns}×{rows}; a game needs {SMALLEST[0]}×{SMALLEST[1]}. "
            "Enlarge it, or make its letters smaller."
        )


def _open(
    game: str,
    mode: str,
    checkpoint: Checkpoint | None,
    seed: int | None,
    sticky: float | None,
    device: str,
    inspect_at: int | None,
    replay: Recording | None,
) -> None:
    import random
    from dataclasses import replace

    from agents.catalogue import load_agent
    from agents.envs.settings import AtariSettings
    from agents.settings import from_json
    from mbrl_tui.app import run_app

    settings = from_json(AtariSettings, checkpoint.settings) if checkpoint else AtariSettings()
    sticky = replay.settings.sticky if replay else sticky  # what looks ahead is to know it too
    if sticky is not None:
        settings = replace(settings, sticky=sticky)
    run_app(
        game=game,
        mode=mode,
        load_agent=(lambda: load_agent(checkpoint, device, sticky)) if checkpoint else None,
        agent_label=checkpoint.label if checkpoint else "",
        settings=settings,
        seed=random.randrange(MAX_SEED) if seed is None else seed,
        inspect_at=inspect_at,
        replay=replay,
    )
