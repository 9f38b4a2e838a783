"""The choice of a mode."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from mbrl_tui.play.match import Mode
from mbrl_tui.screens.overlay import Overlay


class ModeMenu(Overlay[Mode]):
    """Gives the chosen mode, or None when the person thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,m,q", "close", "back")]

    def __init__(self, mode: Mode):
        super().__init__()
        self._mode = mode

    def compose(self) -> ComposeResult:
        options = [Option(Content.assemble((f"{mode:<7} ", "bold"), mode.meaning), id=mode) for mode in Mode]
        menu = OptionList(*options)
        menu.border_title = "Who plays?"
        menu.border_subtitle = "↑/↓ ENTER · ESC back"
        menu.highlighted = list(Mode).index(self._mode)
        yield menu

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.close(list(Mode)[event.option_index])
