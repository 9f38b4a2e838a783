"""The keys of the inspector, in as few lines as they take."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from mbrl_tui.dream.inspection import Inspection

GAP = "  "


class KeyHints(Static):
    """All keys that do something now, in `needed` lines; a key and its word stay on one line."""

    def __init__(self) -> None:
        super().__init__(id="hints", markup=False)
        self._shown: tuple[list[tuple[str, str]], int] = ([], 0)
        self.needed = 0

    def show(self, inspection: Inspection) -> None:
        hints = (hints_for(inspection), self.app.size.width - 2)
        if hints != self._shown:
            broken = lines(*hints)
            grown = len(broken) != self.needed
            self._shown, self.needed = hints, len(broken)
            self.update(Content("\n").join(_line(line) for line in broken), layout=grown)


def lines(hints: list[tuple[str, str]], width: int) -> list[list[tuple[str, str]]]:
    """The hints line by line, as many on each as `width` cells hold."""
    broken: list[list[tuple[str, str]]] = [[]]
    left = width
    for hint in hints:
        needed = cell_len(" ".join(hint)) + len(GAP) * bool(broken[-1])
        if needed > left and broken[-1]:
            broken.append([])
            left, needed = width, cell_len(" ".join(hint))
        broken[-1].append(hint)
        left -= needed
    return broken


def _line(hints: list[tuple[str, str]]) -> Content:
    return Content(GAP).join(Content.assemble((key, "bold $accent"), " ", (word, "$secondary")) for key, word in hints)


def hints_for(inspection: Inspection) -> list[tuple[str, str]]:
    """Keys that do something now and what they do, the most wanted first."""
    way_out = [("?", "help"), ("esc", "play"), ("q", "quit")]
    if inspection.match.over:
        return way_out
    step = (".", "step")
    if inspection.tree is None or inspection.reason:
        return way_out if inspection.undecidable else [step, *way_out]
    here = inspection.here
    hints = [("←→", "time"), ("↑↓", "futures"), ("n", "goes wrong"), ("t", "truth"), ("v", "lens"), ("␣", "run")]
    if inspection.can_branch:
        hints.append(("b", "branch"))
    if inspection.can_draw:
        hints.append(("s", "draws"))
    if inspection.has_draws:
        hints.append(("[]", "fewer, more"))
    hints += [("+−", "horizon"), ("c", "compare")]
    if inspection.can_look:
        hints.append(("y", "look"))
    if here.parent is not None:
        hints.append(("x", "drop"))
    if here.parent is not None or here.children:
        hints.append(("f", "fold"))
    if here.rollout is not None:
        hints += [("⏎", "take"), ("g", "go")]
    hints.append(step)
    if inspection.can_dream:
        hints.append(("d", "dream"))
    return [*hints, *way_out]
