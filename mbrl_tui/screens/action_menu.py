"""The choice of an action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList

from mbrl_tui.screens.overlay import Overlay
from mbrl_tui.widgets.action_signs import sign


class ActionMenu(Overlay[int]):
    """Gives the place of an action among the game's, or None when the person thinks better of it.

    taken: the action that the future takes there already. consider: told of every action that the choice comes to rest
    on, as long as it is open.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,b,q", "close", "back")]

    def __init__(self, title: str, action_names: Sequence[str], taken: int, consider: Callable[[int], None]):
        super().__init__()
        self._title, self._names, self._taken = title, tuple(action_names), taken
        self._consider = consider

    def compose(self) -> ComposeResult:
        # Action names are ALE's own: letters only, nothing that could be markup.
        menu = OptionList(*(f"{sign(name):<2} {name}" for name in self._names))
        menu.border_title = self._title
        menu.border_subtitle = "↑/↓ ENTER · ESC back"
        menu.highlighted = (self._taken + 1) % len(self._names)
        yield menu

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self.is_active:
            self._consider(event.option_index)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.close(event.option_index)
