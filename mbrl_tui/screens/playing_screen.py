"""A screen on which a person plays: it knows which keys are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, on
from textual.screen import Screen

from mbrl_tui.play.clock import Time
from mbrl_tui.play.players import KEY_DIRECTIONS
from mbrl_tui.terminal.keys import HeldKeys

if TYPE_CHECKING:
    from mbrl_tui.terminal.key_releases import KeyReleased


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
