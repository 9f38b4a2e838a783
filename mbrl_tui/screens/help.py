"""Every key, and every number on the screen."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from mbrl_tui.dream.tree import DISCOUNT, MAX_HORIZON, MAX_SAMPLES
from mbrl_tui.screens.overlay import Overlay

INSPECTOR = "Looking into a held game"
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
        ("CTRL+S", "save this game, to look into it another day: mbrl inspect --replay FILE"),
        ("F3", "frames a second, and the work for one"),
        ("CTRL+P", "the palette: colours and more"),
    ),
    INSPECTOR: (
        ("←/→ HOME END", "through imagined time"),
        ("↑/↓", "between futures; a click on a frame does both"),
        ("SPACE", "play the future under the cursor, and stop"),
        ("n", "where it goes wrong: tell the truth, and go to where this future leaves it"),
        ("t", "truth: what really happens under the same actions, below every future"),
        ("v", "the next lens, for the third picture: truth, difference, what decides, what the agent saw"),
        ("b", "branch: take another action at this step, in a future of its own"),
        ("s, [ and ]", f"draws: the same actions again and again in a stochastic model; 2 to {MAX_SAMPLES} of them"),
        ("+ and −", f"horizon: how many decisions to look ahead, 1 to {MAX_HORIZON}"),
        ("c", "compare all others with the future under the cursor"),
        ("y", "look: show the model reality at this step, and let it dream on from there"),
        ("f, x", "fold what leaves a future; drop a future"),
        ("ENTER", "take this future's first action in the real game, for one decision"),
        ("g", "go there: play its actions in the real game, up to the cursor; from the present, all of them"),
        (".", "one step of the real game: the agent's choice, or the key you hold"),
        ("d", "dream on: play in the model from here; ESC wakes up, and the real game is where it was"),
        ("CTRL+S", "save this game up to here: mbrl inspect --replay FILE"),
        ("ESC, p or i", "back to play"),
        ("?", "this help"),
        ("q", "quit"),
    ),
    "What you see": (
        ("score", "points of this game, as the game counts them"),
        ("lead", "versus: by how many points one side is ahead"),
        ("lives", "turns left, the present one included"),
        ("paddle", "who plays now"),
        ("pressed", "the action that the game receives"),
        ("step", "decisions so far; one decision holds for four frames. Of a future: how many lie before the frame"),
        ("seed", "the same seed and the same actions give the same game"),
        ("bars", "Q-values: points still to come that the agent expects of each action, later ones counted less"),
        ("value", "points still to come as a whole: the highest Q-value, or what a critic says"),
        ("future", "the one under the cursor, by its name beside the strip"),
        ("agent", "the future in which the agent chooses every action; in the others all but the first"),
        ("imagined +7", "that frame lies seven decisions ahead; “now” is the real game"),
        ("reward", "points on the way to a frame, as the model expects them"),
        ("goes on", "probability that the game is not over with a frame"),
        (
            "doubt",
            "what the model does not know of a frame, in nats: the entropy of what it expects; 0 in the emulator",
        ),
        (
            "return",
            f"rewards and last value of a future, discounted by {DISCOUNT} a decision and by the chance to live",
        ),
        ("best ★", "the highest return, and the futures that have it"),
        ("drift", "how far the dreamt ball is from the real one, in pixels of 160×210; other games: likeness in dB"),
        ("lost, false", "a ball that is not dreamt, or is dreamt where there is none"),
        ("hidden, no ball", "in the drift: the real ball is half hidden, and not asked for; neither dreamt nor real"),
        ("paddle, bricks", "in the drift: what has left the truth, where it is not the ball"),
        ("parts at ╳", "the first step at which dream and truth part; from there on frames are grey"),
        ("stays true", "dream and truth do not part as far as is looked ahead"),
        ("ends at 4", "the frame with which the game is over in this future, more probably than not"),
        ("no number 3", "the first frame of which the model tells something that is no number"),
        ("draws", "the lowest and the highest value of a step among the draws"),
        ("expected, seen", "what the model expects of a frame before it looks, and what it believes afterwards"),
        ("code", "the same as its latent state: a line for each variable, a column for each class, by probability"),
        ("surprise", "how far the two lie apart: the divergence between them, in nats"),
        ("what decides", "bright where a change of the picture would change the decision most"),
        ("lived", "in a dream: probability that it is not over yet"),
        ("speed", "1× is the console's"),
        ("model", "what a dream goes on in"),
        ("through the …", "what looks ahead; the emulator is the game itself on a copy, so what it shows comes true"),
    ),
}


class HelpScreen(Overlay[None]):
    """Named and explained, in three parts. first: the part that stands first; None: as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "close", "back")]

    def __init__(self, first: str | None = None):
        super().__init__()
        self._first = first

    def compose(self) -> ComposeResult:
        colours = self.app.theme_variables
        page = VerticalScroll(id="page")
        page.border_title = "Help"
        page.border_subtitle = "↑/↓ scroll · ESC back"
        with page:
            for title, rows in sorted(SECTIONS.items(), key=lambda part: part[0] != self._first):
                table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), title=title, title_justify="left")
                table.title_style = Style(color=colours["primary"], bold=True)
                table.add_column(min_width=18, no_wrap=True, style=Style(color=colours["accent"], bold=True))
                table.add_column()
                for row in rows:
                    table.add_row(*row)
                yield Static(table)
