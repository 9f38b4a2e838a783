"""Screens that lie over the game for a while."""

from __future__ import annotations

from textual.screen import ModalScreen, ScreenResultType


class Overlay(ModalScreen[ScreenResultType]):
    """Closes once, however often and fast it is asked to.

    Textual's own `dismiss` takes away whatever screen is on top: asked twice, it takes the game.
    """

    def close(self, result: ScreenResultType | None = None) -> None:
        if self.is_active:
            self.dismiss(result)

    def action_close(self) -> None:
        self.close()
