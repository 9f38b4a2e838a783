"""All parts of the play screen, where they are and what they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.geometry import Region, Size
from textual.widget import Widget
from textual.widgets import Static

from mbrl_tui.play.clock import FrameMeter
from mbrl_tui.play.match import Board, Match, Mode
from mbrl_tui.screens.arrangement import NOWHERE, SMALLEST, arrange
from mbrl_tui.screens.board_view import BoardView
from mbrl_tui.screens.panels import Panels


@dataclass(frozen=True)
class Showing:
    """What is to be seen: a match, and how fast it goes."""

    match: Match
    agent_label: str
    speed: float

    def title(self, board: Board) -> str:
        agent = self.agent_label or "the agent"
        if self.match.mode is Mode.VERSUS:
            return agent if board.agent_holds else "You"
        game = self.match.game.replace("-", " ").title()
        return f"{game} · {agent} plays" if board.agent_holds else f"{game} · you play"


class Stage:
    """The widgets, without a container around them: every container is painted along with each picture."""

    def __init__(self) -> None:
        self._views = (BoardView(classes="panel"), BoardView(classes="panel"))
        self._panels = Panels()
        self._too_small = Static(id="too-small", markup=False)
        self._notice = Static(id="notice", markup=False)
        self._announced: str | None = None
        self._meter = Static(id="meter", markup=False)
        self._meter.add_class("-away")

    def __iter__(self) -> Iterator[Widget]:
        yield from (self._too_small, *self._views, *self._panels, self._meter, self._notice)

    def show(self, showing: Showing) -> None:
        """The pictures and numbers of this instant; called 60 times a second."""
        for view, board in zip(self._views, showing.match.boards, strict=False):
            view.show_present(board, showing.title(board))
        self._panels.show(showing.match, showing.agent_label, showing.speed)

    def show_meter(self, meter: FrameMeter) -> None:
        self._meter.update(f"{meter.rate:.1f} frames a second · {meter.work_ms:.1f} ms of work for each", layout=False)

    def announce(self, text: str, failed: bool = False) -> None:
        """Say something across the boards; nothing, if the text is empty."""
        if text == self._announced:
            return
        self._announced = text
        self._notice.set_class(failed, "-failed")
        self._notice.set_class(not text, "-away")
        self._notice.update(text)

    def toggle_meter(self) -> None:
        self._meter.toggle_class("-away")

    def arrange(self, size: Size, showing: Showing) -> bool:
        """Put everything in its place in a terminal of this size; False where that is too small."""
        columns, rows = size
        if columns < SMALLEST[0] or rows < SMALLEST[1]:
            needed = f"This terminal has {columns}×{rows} cells.\nmbrl needs {SMALLEST[0]}×{SMALLEST[1]} or more."
            self._too_small.update(f"{needed}\n\nEnlarge it, or press q to quit.")
            return False
        boards, actions = len(showing.match.boards), len(showing.match.action_names)
        rows -= 1 + int(not self._meter.has_class("-away"))
        parts = arrange(columns, rows, self._views[0].pixel_aspect, boards, actions)
        places = (*parts.boards, *[NOWHERE] * len(self._views))[: len(self._views)]
        places += (parts.facts, parts.bars, parts.chart)
        for widget, place in zip((*self._views, *self._panels), places, strict=True):
            widget.set_class(not place.area, "-away")
            widget.styles.offset = place.offset
            widget.styles.width, widget.styles.height = place.size
        middle = Region.from_union(parts.boards).center
        self._notice.styles.offset = (int(middle[0]) - columns // 2, int(middle[1]) - rows // 2)
        return True
