"""Where tables and lines go."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 200
"""Columns where the output is no terminal and has no width: lines are left whole."""


def console() -> Console:
    """Standard output. Its colours only where it is a terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
