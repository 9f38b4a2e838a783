"""A game that was played, as it can be played again: its seed, its rules, and what was pressed at every frame."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agents.envs.atari import action_names
from agents.envs.names import resolve_game
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.files import write_atomically
from agents.settings import from_json

FORMAT = 1
LARGEST = 50_000_000
"""Bytes of a file beyond which it is no recording."""


@dataclass(frozen=True)
class Recording:
    """actions: indices into the game's actions, one for each emulator frame from the seed's beginning on.

    over: with the last of them the game came to its end.
    """

    game: str
    settings: AtariSettings
    seed: int
    actions: tuple[int, ...]
    over: bool = False

    def seen_by(self, settings: AtariSettings) -> AtariSettings:
        """How an agent that sees and decides as in `settings` plays this game: by the rules under which it began."""
        own = ("noop_max", "sticky", "fire", "frame_cap")
        return replace(settings, **{name: getattr(self.settings, name) for name in own})

    def length_up_to(self, decision: int | None, frameskip: int) -> int:
        """`decision`, or all that were played whole and after which the game went on. Raises UserError where there are
        fewer.
        """
        played = max(0, len(self.actions) - self.over) // frameskip
        if decision is not None and decision > played:
            raise UserError(f"The saved game is over after {played} decisions: give --at-step from 0 to {played}.")
        return played if decision is None else decision

    def save(self, path: Path) -> None:
        """Raises UserError where nothing can be written there."""
        write_atomically(path, json.dumps({"format": FORMAT, **asdict(self)}))

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Raises UserError where there is no recording, or one that this version cannot read."""
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError("too large")
            read: dict[str, Any] = json.loads(path.read_bytes())
            if read.pop("format") != FORMAT:
                raise UserError(f"{path} was written by another version: update mbrl.")
            game = resolve_game(read["game"])
            settings = from_json(AtariSettings, read["settings"])
            seed, actions, over = read["seed"], read["actions"], read["over"]
            if type(over) is not bool:
                raise ValueError("over")
            if type(seed) is not int or not 0 <= seed < 2**31:
                raise ValueError("seed")
            known = range(len(action_names(game)))
            if not all(type(action) is int and action in known for action in actions):
                raise ValueError("actions")
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UserError(f"{path} is no game that was saved with CTRL+S.") from None
        return cls(game, settings, seed, tuple(actions), over)
