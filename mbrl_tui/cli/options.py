"""Options that several commands share, and what is checked of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from agents.errors import UserError

GameOrDefault = Annotated[
    str | None,
    typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, … (default: the agent's, or breakout)"),
]
AgentOrBest = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|RUN|PATH",
        help="A shipped agent, a run, or a checkpoint's folder (default: the best that there is)",
    ),
]
MAX_DECISIONS = 27_000
"""No game is longer than half an hour."""
AtStep = Annotated[
    int, typer.Option(min=0, max=MAX_DECISIONS, metavar="N", help="Decisions that the agent plays before.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"] | None,
    typer.Option(help="Where networks compute; auto takes a GPU where there is one (default: auto)"),
]
Sticky = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, metavar="P", help="Probability that the game repeats the last action, at each emulator frame."
    ),
]
MAX_SEED = 2**31 - 1_001
"""ALE's seeds are 32-bit; game i of many begins from seed + i."""


def check_place(out: Path | None) -> None:
    """Before minutes of work: where the result goes must be a place for a file. Raises UserError."""
    if out is None:
        return
    if out.is_dir():
        raise UserError(f"{out} is a folder: give a file, for example {out / 'result.json'}")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: make it first.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"Nothing can be written in {folder}. Choose another folder.")
