"""Plain names of games: `breakout`, `space-invaders`, `cartpole`, `pendulum`."""

from __future__ import annotations

import difflib

from agents.errors import UserError

CLASSIC_CONTROL = ("cartpole", "cartpole-pixels", "pendulum")
"""Games without settings, for training only."""


def atari_names() -> tuple[str, ...]:
    """All Atari games that ale-py carries a ROM for and can play, by their plain names."""
    from ale_py import ALEInterface
    from ale_py.roms import get_all_rom_ids, get_rom_path

    # It also carries four games for two players, at whose loading it ends the whole process.
    playable = (rom for rom in get_all_rom_ids() if ALEInterface.isSupportedROM(get_rom_path(rom)) is not None)
    return tuple(sorted(rom.replace("_", "-") for rom in playable))


def resolve_game(name: str) -> str:
    """The plain name of a game, however it was typed (`SpaceInvaders`, `space_invaders`, `ALE/Breakout-v5`).

    Raises UserError with near matches where there is no such game.
    """
    known = {known.replace("-", ""): known for known in (*CLASSIC_CONTROL, *atari_names())}
    typed = name.strip().removeprefix("ALE/").lower()
    for version in ("-v5", "-v4", "-v1", "-v0"):
        typed = typed.removesuffix(version)
    flat = typed.removesuffix("noframeskip").replace("-", "").replace("_", "").replace(" ", "")
    if flat in known:
        return known[flat]
    near = [known[match] for match in difflib.get_close_matches(flat, known, n=3, cutoff=0.6)]
    hint = f"Did you mean {' or '.join(near)}?" if near else "Try breakout, pong or space-invaders."
    raise UserError(f"There is no game called '{name}'. {hint}")
