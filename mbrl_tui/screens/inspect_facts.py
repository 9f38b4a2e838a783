"""What the inspector says in words: every number of the frame under its cursor, and its line of status."""

from __future__ import annotations

from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.dream.tree import Branch
from mbrl_tui.widgets.drift_meter import drift_mark
from mbrl_tui.widgets.writing import brief, share, signed

MODELS = {"emulator": "emulator: not learnt, it is the game itself"}
"""What a rollout's model means, where its name alone does not say it."""


def facts_of(inspection: Inspection) -> list[tuple[str, str]]:
    """Names and numbers, those that are wanted most first."""
    tree = inspection.tree
    if tree is None:
        return [("score", f"{inspection.match.board.game.score:.0f}")]
    branch, step = inspection.here, inspection.seen
    rows = [("future", branch.label), ("step", f"{step} of {tree.horizon}")]
    if branch.rollout is None:
        return [*rows, ("reward", "…")]
    rollout = branch.rollout
    if step:
        rows.append(("reward", signed(float(rollout.rewards[0, step - 1])) or "0"))
        rows.append(("goes on", share(float(rollout.continues[0, step - 1]))))
    rows.append(("value", brief(float(rollout.values[0, step]), 4)))
    if step:
        rows.append(("doubt", f"{brief(float(rollout.uncertainty[0, step - 1]))} nats"))
    rows += _worth(inspection, branch)
    if inspection.with_truth and branch.truth is not None:
        mark = drift_mark(branch.truth.comparison(step))
        parted = branch.truth.parted
        rows.append(("drift", f"{mark.bar} {mark.word}" if mark.word else "–"))
        rows.append(("parts at", "nowhere" if parted is None else f"{parted}"))
    rows += _spread(branch, step)
    if inspection.lens in (Lens.BELIEF, Lens.CODE) and inspection.sight is not None:
        perception = inspection.sight.perception(branch, step)
        if not isinstance(perception, str):
            rows.append(("surprise", "…" if perception is None else f"{perception.surprise:.1f} nats"))
    return rows


def status_of(inspection: Inspection) -> str:
    """One line between the pictures and the strips: what is wrong, what was found out, or who looks ahead."""
    if inspection.tree is None or inspection.reason:
        return inspection.reason
    told = inspection.said or (inspection.no_truth if inspection.with_truth else "")
    if inspection.decision_broken:
        told = "the agent gives no number for its decision: what it chooses means nothing"
    broken = inspection.here.broken
    if broken is not None:
        told = f"the model gives no number at step {broken}: what it says from there on means nothing"
    model = inspection.tree.model
    through = f"{inspection.tree.horizon} decisions ahead through the {MODELS.get(model, model)}" if model else "…"
    return f"{told} · {through}" if told else through


def _worth(inspection: Inspection, branch: Branch) -> list[tuple[str, str]]:
    """The return here, and the best there is."""
    tree = inspection.tree
    best = next(iter(tree.best), None) if tree is not None else None
    rows = [("return", "–" if branch.worth is None else brief(branch.worth, 4))]
    if best is not None and best.worth is not None:
        label = "here" if branch in (tree.best if tree is not None else ()) else best.label
        rows.append(("best", f"{brief(best.worth)} {label}"))
    return rows


def _spread(branch: Branch, step: int) -> list[tuple[str, str]]:
    """How far the draws of this future lie apart in value."""
    drawn = [child.rollout for child in branch.children if child.draw is not None and child.rollout is not None]
    values = [float(rollout.values[0, step]) for rollout in drawn if step <= rollout.horizon]
    if len(values) < 2:
        return []
    return [("draws", f"{brief(min(values))} to {brief(max(values))}")]
