"""Actions as one or two signs, for places too narrow for ALE's names."""

from __future__ import annotations

SIGNS = {
    "NOOP": "·",
    "FIRE": "●",
    "UP": "↑",
    "DOWN": "↓",
    "LEFT": "←",
    "RIGHT": "→",
    "UPLEFT": "↖",
    "UPRIGHT": "↗",
    "DOWNLEFT": "↙",
    "DOWNRIGHT": "↘",
}


def sign(action_name: str) -> str:
    """'→' for RIGHT, '→●' for RIGHTFIRE; the first two letters of a name that is not ALE's."""
    name = action_name.upper()
    if name in SIGNS:
        return SIGNS[name]
    move = name.removesuffix("FIRE")
    return SIGNS[move] + SIGNS["FIRE"] if move in SIGNS else action_name[:2]
