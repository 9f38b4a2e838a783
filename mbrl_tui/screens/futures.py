"""The tree of futures as strips, one above the other: the one under the cursor large, the others small."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from textual.app import ComposeResult

from agents.records import Rollout
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.dream.tree import Branch
from mbrl_tui.widgets.drift_meter import drift_marks
from mbrl_tui.widgets.rollout_strip import BARE, NARROWEST, Annotations, RolloutStrip
from mbrl_tui.widgets.rollout_strips import RolloutStrips
from mbrl_tui.widgets.writing import brief

LARGE = (8, 13)
"""Lines of the strip under the cursor, at least and at most."""
SMALL = (4, 7)
"""The same of the others."""
ROOMY = 16
"""Lines of room below which the strip under the cursor leaves its numbers to the panel above."""
LARGE_CRAMPED = 5
"""Lines that it takes then."""


@dataclass(frozen=True)
class Pair:
    """A dream and, below it, what really happens."""

    dream: RolloutStrip
    truth: RolloutStrip


class Futures(RolloutStrips):
    """Shows the futures of an `Inspection`. Clicks come up as `RolloutStrip.Chosen`, `branch_of` tells whose."""

    def __init__(self, count: int) -> None:
        """count: futures there will be at first."""
        super().__init__(id="futures")
        self._pairs = [_new_pair() for _ in range(count)]
        self._shown: list[Branch] = []
        self._held: Pair | None = None  # under the cursor
        self._roomy = True

    def on_mount(self) -> None:
        # A strip that was mounted is laid out when it is ready, after what was shown with it.
        self.watch(self, "virtual_size", self._hold_after_layout)

    def compose(self) -> ComposeResult:
        for pair in self._pairs:
            yield from (pair.dream, pair.truth)

    def forget(self) -> None:
        """What is shown belongs to another game."""
        self._shown, self._held = [], None

    def branch_of(self, strip: RolloutStrip) -> Branch | None:
        """The future that a strip shows now."""
        for pair, branch in zip(self._pairs, self._shown, strict=False):
            if strip in (pair.dream, pair.truth):
                return branch
        return None

    def divide(self, inspection: Inspection, room: int) -> None:
        """Give every strip its lines, as `room` lines for all of them allow."""
        tree = inspection.tree
        rows = tree.visible if tree is not None else []
        self._make_room(len(rows))
        self._roomy = room >= ROOMY
        large = min(max(LARGE[0], room * 2 // 5), LARGE[1]) if self._roomy else LARGE_CRAMPED
        small = min(max(SMALL[0], (room - large) // max(1, len(rows) - 1)), SMALL[1])
        for pair, branch in zip_longest(self._pairs, rows[: len(self._pairs)]):
            pair.dream.display = branch is not None
            pair.truth.display = branch is not None and inspection.with_truth and branch.truth is not None
            if branch is not None:
                selected = branch is inspection.here
                lines = large if selected else small
                _set_height(pair.dream, lines + inspection.with_truth)  # a line of drift
                _set_height(pair.truth, lines - 1 - 2 * (selected and self._roomy))  # as high as the picture above

    def show(self, inspection: Inspection) -> None:
        self.divide(inspection, self.size.height)
        tree = inspection.tree
        rows = tree.visible if tree is not None else []
        best = tree.best if tree is not None else frozenset()
        for place, (pair, branch) in enumerate(zip(self._pairs, rows, strict=False)):
            selected = branch is inspection.here
            numbers = selected and self._roomy
            if branch.rollout is not None:
                self._show_dream(pair.dream, inspection, branch, branch.rollout, branch in best, numbers)
            elif branch.parent is not None or place >= len(self._shown):
                pair.dream.wait(branch.label, selected, branch.depth)
            # A future of the present shows what was there before until it is imagined anew: nothing flickers.
            if pair.truth.display:
                self._show_truth(pair.truth, inspection, branch, numbers)
            if selected:
                self._held = pair
        self._shown = rows
        self._hold_after_layout()

    def _make_room(self, count: int) -> None:
        fresh = [_new_pair() for _ in range(count - len(self._pairs))]
        self._pairs += fresh
        if fresh:
            self.mount_all([strip for pair in fresh for strip in (pair.dream, pair.truth)])

    def _hold_after_layout(self) -> None:
        self.call_after_refresh(self._hold)

    def _hold(self) -> None:
        """Bring the strip under the cursor into view, with its truth."""
        if self._held is None or not self.max_scroll_y:
            return
        if self._held.truth.display:
            self._held.truth.scroll_visible(animate=False, immediate=True)
        self._held.dream.scroll_visible(animate=False, immediate=True)

    def _show_dream(
        self, strip: RolloutStrip, inspection: Inspection, branch: Branch, rollout: Rollout, best: bool, numbers: bool
    ) -> None:
        selected, truth = branch is inspection.here, branch.truth if inspection.with_truth else None
        strip.show(
            rollout,
            0,
            f"{branch.label} (+{len(branch.children)})" if branch.folded and branch.children else branch.label,
            cursor=min(inspection.step, rollout.horizon),
            selected=selected,
            best=best,
            action_names=inspection.match.action_names,
            annotations=Annotations(
                indent=branch.depth,
                since=branch.at,
                parted=truth.parted if truth is not None else None,
                marks=drift_marks(truth, rollout.horizon) if truth is not None else (),
                numbers=numbers,
                detail=numbers,
                note=_note(inspection, branch),
            ),
        )

    def _show_truth(self, strip: RolloutStrip, inspection: Inspection, branch: Branch, numbers: bool) -> None:
        truth = branch.truth
        if truth is None:
            return
        heat = inspection.lens is Lens.DIFFERENCE
        rollout = truth.differences if heat else truth.rollout
        strip.show(
            rollout,
            0,
            "difference" if heat else "really",
            cursor=min(inspection.step, rollout.horizon),
            annotations=Annotations(
                indent=branch.depth,
                heading=False,
                numbers=False,
                least=NARROWEST if numbers else BARE,  # as the dream above it
            ),
        )


def _new_pair() -> Pair:
    pair = Pair(RolloutStrip(), RolloutStrip(classes="truth"))
    pair.truth.display = False
    return pair


def _note(inspection: Inspection, branch: Branch) -> str:
    """The one thing to be said of a future beside its frames."""
    if branch.broken is not None:
        return f"no number {branch.broken}"
    if inspection.with_truth and branch.truth is not None:
        return "stays true" if branch.truth.parted is None else f"parts at {branch.truth.parted}"
    return "" if branch.worth is None else f"return {brief(branch.worth)}"


def _set_height(strip: RolloutStrip, lines: int) -> None:
    if strip.styles.height is None or strip.styles.height.value != lines:
        strip.styles.height = strip.styles.min_height = lines
