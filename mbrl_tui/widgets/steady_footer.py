"""The footer that names the keys."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class SteadyFooter(Footer):
    """Built anew where its keys have changed, and not each time when they might have: to cover a screen and to come
    back to it is enough for Textual to ask, and to build the footer takes longer than to show a picture.
    """

    _named: tuple[tuple[str, str, bool], ...] | None = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        active = screen.active_bindings.values()
        named = tuple((binding.key, binding.description, enabled) for _, binding, enabled, _ in active if binding.show)
        if named == self._named:
            return
        # What Textual does not show now, as long as the terminal is not looked at, is to be shown later.
        self._named = named if screen.app.app_focus and self.is_attached else None
        super().bindings_changed(screen)
