"""Beside the picture: how the game stands, what the agent thinks, and the value over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual.content import Content
from textual.markup import escape
from textual.widget import Widget

from agents.records import Decision
from mbrl_tui.play.match import Board, Match, Mode
from mbrl_tui.widgets.decision_bars import DecisionBars
from mbrl_tui.widgets.value_chart import ValueChart


class Facts(Widget):
    """Names and values in two columns."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._rows: list[tuple[str, str]] = []

    def show(self, rows: list[tuple[str, str]]) -> None:
        if rows != self._rows:
            self._rows = rows
            self.refresh()

    def render(self) -> Content:
        wide = max((len(name) for name, _ in self._rows), default=0)
        lines = [
            Content.assemble((f"{name:<{wide}}  ", "$secondary"), (value, "bold $foreground"))
            for name, value in self._rows
        ]
        return Content("\n").join(lines)


def facts_of(match: Match, speed: float) -> list[tuple[str, str]]:
    """What there is to know of a match besides its pictures, most wanted first."""
    board = match.board
    game = board.game
    if match.mode is Mode.VERSUS:
        mine = match.boards[0].game
        lead = match.difference
        standing = [
            ("score", f"{mine.score:.0f} : {game.score:.0f}"),
            ("lead", "level" if not lead else f"{'you' if lead > 0 else 'the agent'} by {abs(lead):.0f}"),
            ("lives", f"{mine.lives} : {game.lives}"),
        ]
    else:
        standing = [("score", f"{game.score:.0f}"), ("lives", f"{game.lives}")]
    holder = "one each" if match.mode is Mode.VERSUS else "the agent" if board.agent_holds else "you"
    return [
        *standing,
        ("paddle", holder),
        ("pressed", game.action_names[board.action]),
        ("step", f"{len(board.timeline)}"),
        ("mode", match.mode),
        ("speed", f"{speed:g}×"),
        ("seed", f"{match.seed}"),
    ]


class Panels:
    """The panels around the pictures of a `Match`: plain parts of the screen, which lays them out.

    No container holds them: every container is painted along with each picture.
    """

    def __init__(self) -> None:
        self.facts = Facts(id="facts", classes="panel")
        self.facts.border_title = "Game"
        self.bars = DecisionBars(id="bars", classes="panel")
        self.chart = ValueChart(id="chart", classes="panel")
        self.chart.border_title = "Value over time"
        self._board: Board | None = None
        self._decision: Decision | None = None
        self._charted = 0
        self._title = ""

    def __iter__(self) -> Iterator[Widget]:
        yield from (self.facts, self.bars, self.chart)

    def show(self, match: Match, agent_label: str, speed: float) -> None:
        board = match.board
        self.facts.show(facts_of(match, speed))
        self._show_decision(board, agent_label)
        self._show_values(board)

    def _show_decision(self, board: Board, agent_label: str) -> None:
        bars = self.bars
        if board is not self._board or board.decision is not self._decision:
            self._decision = board.decision
            bars.show(board.decision, board.game.action_names)
        looks_on = board.agent is not None and not board.agent_holds
        title = f"{agent_label or 'no agent'}{' looks on' if looks_on else ''}"
        if title != self._title:
            self._title = title
            bars.border_title = escape(title)

    def _show_values(self, board: Board) -> None:
        chart = self.chart
        values = board.timeline.values
        if board is not self._board or len(values) < self._charted:
            self._board, self._charted = board, 0
            chart.clear()
        for value in values[self._charted :]:
            if value is not None:
                chart.add(value)
        self._charted = len(values)
