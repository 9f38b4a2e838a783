"""Numbers and times as a person reads them."""

from __future__ import annotations

from pathlib import Path


def number(value: float | None, digits: int = 1) -> str:
    """`12,345.7`; a dash for what is not known."""
    return "–" if value is None else f"{value:,.{digits}f}"


def how_to_see(game: str, agent: str | Path) -> str:
    """The command that shows what an agent has learnt, and what it does."""
    from agents.envs.names import CLASSIC_CONTROL

    if game in CLASSIC_CONTROL:  # which cannot be drawn in a terminal
        return f"Score it: mbrl evaluate {game} --agent {agent}"
    return f"Watch it: mbrl play {game} --agent {agent}"


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min`, `2 h 05 min`, `4 d 3 h`; a dash for what is not known."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} h {minutes % 60:02} min"
    return f"{hours // 24} d {hours % 24} h"


def clock(seconds: float | None) -> str:
    """Time to come as `1:02:03` or `2:03`; a dash for what is not known."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
