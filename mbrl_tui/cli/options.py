"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

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
