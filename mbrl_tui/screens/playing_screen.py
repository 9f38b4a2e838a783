"""A screen on which a person plays: it knows which keys are held."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.screen import Screen

from agents.errors import UserError
from agents.files import told_plainly
from agents.runs.directory import home
from mbrl_tui.play.clock import Time
from mbrl_tui.play.match import Board, Match
from mbrl_tui.play.players import KEY_DIRECTIONS
from mbrl_tui.terminal.keys import HeldKeys

if TYPE_CHECKING:
    from mbrl_tui.terminal.key_releases import KeyReleased


def save_game(screen: Screen[Any], match: Match, board: Board) -> None:
    """Write the game on one of the boards to a file of its own, and say where it is."""
    folder = home() / "games"
    path = folder / f"{match.game}-{datetime.now():%Y%m%d-%H%M%S}-frame-{board.game.frame}.json"
    try:
        with told_plainly(folder):
            folder.mkdir(parents=True, exist_ok=True)
        match.recording(board).save(path)
    except UserError as error:
        screen.notify(str(error), title="Not saved", severity="error", markup=False)
        return
    screen.notify(f"mbrl inspect --replay {shlex.quote(str(path))}", title="Saved", timeout=15, markup=False)


class PlayingScreen(Screen[None]):
    """Keeps `keys` up to date by `time`. keys: those of another such screen, which it shares; None: its own."""

    def __init__(self, time: Time, keys: HeldKeys | None = None):
        super().__init__()
        self.time = time
        self.keys = keys if keys is not None else HeldKeys()

    @property
    def plays_by_keys(self) -> bool:
        """Whether keys that are held play now."""
        return True

    def on_key(self, event: events.Key) -> None:
        key = event.key.lower()  # with caps lock on too
        if key in KEY_DIRECTIONS and self.plays_by_keys:
            self.keys.press(key, self.time.now())

    def on_key_released(self, event: KeyReleased) -> None:
        self.keys.release(event.key.lower(), self.time.now())

    @on(events.AppBlur)
    @on(events.ScreenSuspend)
    def let_go(self) -> None:
        """Releases will go elsewhere."""
        self.keys.clear()
