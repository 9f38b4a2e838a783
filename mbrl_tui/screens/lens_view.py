"""What is shown beside the imagined frame, through the chosen lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange

from agents.fidelity.comparison import difference
from agents.records import Perception, Rollout
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.terminal.heat_map import code_picture, heat_map

GAP = 4
"""Pixels between two pictures that are shown as one."""
SCREEN = (210, 160)
"""Height and width as which codes are shown."""


@dataclass(frozen=True)
class Picture:
    """frame: (h, w, 3) uint8, or None while there is nothing to see. title, words: what it is, and what it says."""

    frame: np.ndarray | None
    title: str
    words: str = ""


def look_through(inspection: Inspection) -> Picture | None:
    """What the lens shows at the cursor; None without a lens."""
    lens, sight = inspection.lens, inspection.sight
    if lens is None or sight is None:
        return None
    if lens in sight.notes:
        return Picture(None, lens, sight.notes[lens])
    if lens in (Lens.TRUTH, Lens.DIFFERENCE):
        return _truth(inspection, lens)
    if lens is Lens.COMPARED:
        return _compared(inspection)
    if lens is Lens.SALIENCY:
        return Picture(sight.saliency, lens, "" if sight.saliency is not None else "…")
    if lens is Lens.REASONS:
        return _reasons(inspection)
    return _perceived(lens, sight.perception(inspection.here, inspection.seen))


def _truth(inspection: Inspection, lens: Lens) -> Picture:
    truth, step = inspection.here.truth, inspection.seen
    title = f"{lens} +{step}" if step else f"{lens} now"
    if inspection.no_truth or truth is None:
        return Picture(None, title, inspection.no_truth or "…")
    rollout = truth.rollout if lens is Lens.TRUTH else truth.differences
    over = truth.ends is not None and step > truth.ends
    return Picture(rollout.frames[0, step], title, f"the game was over at {truth.ends}" if over else "")


def _compared(inspection: Inspection) -> Picture | None:
    """The marked future at the same step, with what is different under the cursor."""
    other = inspection.marked
    if other is None:
        return None
    title = f"{other.label} +{inspection.seen}"
    if other.rollout is None:
        return Picture(None, title, "…")
    frame = other.rollout.frames[0, min(inspection.seen, other.rollout.horizon)]
    return Picture(heat_map(frame, difference(frame, inspection.frame)), title, "compared with the one marked")


def _perceived(lens: Lens, perception: Perception | str | None) -> Picture:
    title = "expected, seen" if lens is Lens.BELIEF else "code"
    if perception is None or isinstance(perception, str):
        return Picture(None, title, perception or "…")
    words = f"{perception.surprise:.1f} nats"
    if lens is Lens.BELIEF:
        return Picture(beside(perception.expected_frame, perception.believed_frame), title, words)
    height, width = SCREEN
    codes = [code_picture(belief) for belief in (perception.expected, perception.believed)]
    enlarged = [np.repeat(np.repeat(code, -(-height // len(code)), 0), -(-width // code.shape[1]), 1) for code in codes]
    return Picture(beside(*enlarged), title, words)


def _reasons(inspection: Inspection) -> Picture:
    deliberation = inspection.sight.deliberation if inspection.sight is not None else None
    if deliberation is None:
        return Picture(None, Lens.REASONS, "…")
    rollout, without = deliberation
    names, decision = inspection.match.action_names, inspection.match.board.decision
    forced = decision is not None and decision.forced
    chosen = names[decision.action] if decision is not None else "?"
    words = f"{chosen} is pressed for it" if forced else f"decides {chosen}"
    words += f"; without these {names[without.action]}"
    return Picture(mosaic(rollout), f"the {len(rollout)} futures that decide", words)


def mosaic(rollout: Rollout) -> np.ndarray:
    """All frames of all futures as one picture: a row for each, time to the right."""
    framed = np.pad(rollout.frames, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)])
    return rearrange(framed, "row step h w c -> (row h) (step w) c")


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures (h, w, 3) of one height as one, with a gap between them."""
    gap = np.zeros((len(left), GAP, 3), np.uint8)
    return np.concatenate([left, gap, right], axis=1)
