"""What the agent thinks of each action, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from agents.records import Decision
from mbrl_tui.widgets.action_signs import sign
from mbrl_tui.widgets.writing import brief, exactly

EIGHTHS = " ▏▎▍▌▋▊▉"
SHORTEST = 0.15  # of the bar's room, for the action of least value: a bar is left to see
SMALLEST_SPAN = 0.01  # relative to the best value: differences below it are noise and must not fill the bars


class DecisionBars(Widget):
    """One line for each action: its sign and name, a bar, its Q-value; the chosen action is bright.

    Q-values lie close together (1.50 and 1.55), so their bars begin near the smallest of them, not at zero; the
    first line says where. Bars of probabilities go from 0 to 1. Where there are more actions than lines, the ones
    of least value are left out.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "decision-bars--scale",
        "decision-bars--name",
        "decision-bars--bar",
        "decision-bars--chosen-name",
        "decision-bars--chosen-bar",
        "decision-bars--forced",
    }
    DEFAULT_CSS = """
    DecisionBars {
        width: 1fr;
        height: auto;
    }
    DecisionBars > .decision-bars--scale, DecisionBars > .decision-bars--name {
        color: $text-muted;
    }
    DecisionBars > .decision-bars--bar {
        color: $primary 50%;
        background: $boost;
    }
    DecisionBars > .decision-bars--chosen-name {
        color: $text;
        text-style: bold;
    }
    DecisionBars > .decision-bars--chosen-bar {
        color: $primary;
        background: $boost;
    }
    DecisionBars > .decision-bars--forced {
        color: $text-warning;
    }
    """

    _decision: Decision | None = None
    _action_names: tuple[str, ...] = ()

    def show(self, decision: Decision | None, action_names: Sequence[str]) -> None:
        """Show a decision among these actions, or their names alone where there is none.

        Raises ValueError where the decision has another number of actions.
        """
        if decision is not None and len(decision.probabilities) != len(action_names):
            raise ValueError(f"{len(decision.probabilities)} probabilities for {len(action_names)} actions")
        names = tuple(action_names)
        resized = len(names) != len(self._action_names)
        self._decision, self._action_names = decision, names
        self.refresh(layout=resized)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._action_names) + 1

    @property
    def _numbers(self) -> np.ndarray | None:
        if self._decision is None:
            return None
        values = self._decision.action_values
        return np.asarray(self._decision.probabilities if values is None else values, np.float64)

    @property
    def _scale(self) -> tuple[float, float]:
        """Where the bars begin and end."""
        if self._decision is None or self._decision.action_values is None:
            return 0.0, 1.0
        values = np.asarray(self._decision.action_values, np.float64)
        finite = values[np.isfinite(values)]
        if not len(finite):
            return 0.0, 1.0
        best = float(finite.max())
        span = max(best - float(finite.min()), SMALLEST_SPAN * max(1.0, abs(best)))
        return best - span / (1 - SHORTEST), best

    def _shown(self) -> list[int]:
        """The actions that there is room for, in the game's order."""
        count, room = len(self._action_names), max(0, self.size.height - 1)
        if count <= room or self._decision is None or self._numbers is None:
            return list(range(count))[:room]
        worth = np.nan_to_num(self._numbers, nan=-np.inf)
        worth[self._decision.action] = np.inf
        return sorted(np.argsort(-worth, kind="stable")[:room].tolist())

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        shown = self._shown()
        if y == 0:
            segments = [Segment(exactly(self._headline(), width), self._style("scale"))]
        elif y <= len(shown):
            segments = self._bar_line(shown[y - 1], width)
        else:
            segments = []
        return Strip(segments).adjust_cell_length(width, self.visual_style.rich_style)

    def _headline(self) -> str:
        if self._decision is None:
            return "no decision yet"
        if self._decision.action_values is None:
            return "probability, bars from 0 to 1"
        begin, end = self._scale
        return f"Q-value, bars from {brief(begin, 4)} to {brief(end, 4)}"

    def _bar_line(self, action: int, width: int) -> list[Segment]:
        chosen = self._decision is not None and action == self._decision.action
        name = exactly(
            f"{'▸' if chosen else ' '} {sign(self._action_names[action]):<2} {self._action_names[action]}",
            min(max(map(len, self._action_names)) + 6, width // 2),
        )
        name_style = self._style("chosen-name" if chosen else "name")
        number, number_style = self._number(action, chosen)
        room = max(0, width - len(name) - len(number))
        bar = blocks(self._fraction(action), room)
        return [
            Segment(name, name_style),
            Segment(bar, self._style("chosen-bar" if chosen else "bar")),
            Segment(number, number_style),
        ]

    def _number(self, action: int, chosen: bool) -> tuple[str, Style]:
        if self._decision is None or self._numbers is None:
            return "", self._style("name")
        if chosen and self._decision.forced:
            return "  forced", self._style("forced")
        value = float(self._numbers[action])
        text = f"{value:.0%}" if self._decision.action_values is None and np.isfinite(value) else brief(value, 4)
        return exactly(text, 8, right=True), self._style("chosen-name" if chosen else "name")

    def _fraction(self, action: int) -> float:
        """How much of the bar's room the action fills, 0 to 1."""
        if self._numbers is None or not np.isfinite(self._numbers[action]):
            return 0.0
        begin, end = self._scale
        return min(1.0, max(0.0, (float(self._numbers[action]) - begin) / (end - begin)))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"decision-bars--{name}")


def blocks(fraction: float, columns: int) -> str:
    """A bar of exactly `columns` cells, filled to the nearest eighth of a cell."""
    whole, eighths = divmod(round(fraction * columns * 8), 8)
    bar = "█" * whole + (EIGHTHS[eighths] if eighths else "")
    return bar + " " * (columns - len(bar))
