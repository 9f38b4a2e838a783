"""Every key, and every number on the screen."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from mbrl_tui.play.lookahead import DISCOUNT, MAX_HORIZON
from mbrl_tui.screens.overlay import Overlay

SECTIONS = {
    "Playing": (
        ("←/→ ↑/↓ or A/D W/S", "move; in a game with one line of movement, both pairs do"),
        ("SPACE", "fire; in Breakout it brings the ball into play at the start of each life"),
        ("TAB", "duet: hand the paddle over, in mid-game"),
        ("p or i", "pause, and look ahead"),
        ("+ and −", "speed, from a quarter to four times the console's 60 frames a second"),
        ("r", "restart: a new game, from the next seed"),
        ("m", "mode: watch, solo, versus or duet"),
        ("q", "quit"),
        ("F3", "frames a second, and the work for one"),
        ("CTRL+P", "the palette: colours and more"),
    ),
    "Paused": (
        (".", "step on by one decision: the agent's, or the key you hold"),
        ("←/→", "move in time along a strip"),
        ("↑/↓", "move between actions; a click on a frame does both"),
        ("+ and −", f"horizon: how many decisions to look ahead, 1 to {MAX_HORIZON}"),
        ("ENTER", "take the strip's first action in the real game, for one decision"),
        ("ESC or p", "back to play"),
    ),
    "What you see": (
        ("score", "points of this game, as the game counts them"),
        ("lead", "versus: by how many points one side is ahead"),
        ("lives", "turns left, the present one included"),
        ("paddle", "who plays now"),
        ("pressed", "the action that the game receives"),
        ("step", "decisions so far; one decision holds for four frames"),
        ("seed", "the same seed and the same actions give the same game"),
        ("bars", "Q-values: points still to come that the agent expects of each action, later ones counted less"),
        ("value", "the highest of these: what the agent expects from here on"),
        ("under a frame", "the reward on the way to it, and the value there"),
        ("return", f"of a strip: its rewards and its last value, discounted by {DISCOUNT} a decision"),
        ("best", "the highest return, and the strips that have it"),
        ("agent", "the strip in which the agent chooses every action; in the others it chooses all but the first"),
        ("through the …", "what looks ahead; the emulator is the game itself on a copy, so what it shows comes true"),
        ("imagined +7", "the large frame lies seven decisions ahead; “now” is the real game"),
    ),
}


class HelpScreen(Overlay[None]):
    """Named and explained, in three parts."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "close", "back")]

    def compose(self) -> ComposeResult:
        colours = self.app.theme_variables
        page = VerticalScroll(id="page")
        page.border_title = "Help"
        page.border_subtitle = "↑/↓ scroll · ESC back"
        with page:
            for title, rows in SECTIONS.items():
                table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), title=title, title_justify="left")
                table.title_style = Style(color=colours["primary"], bold=True)
                table.add_column(min_width=18, no_wrap=True, style=Style(color=colours["accent"], bold=True))
                table.add_column()
                for row in rows:
                    table.add_row(*row)
                yield Static(table)
