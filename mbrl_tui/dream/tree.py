"""A tree of imagined futures from one moment: which there are, where they part, and which promises most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from agents.records import Moment, Rollout
from mbrl_tui.dream.truth import Truth

DISCOUNT = 0.99
"""γ, per decision."""
MAX_HORIZON = 50
MAX_SAMPLES = 16


class Kind(StrEnum):
    """What makes a future one of its own."""

    CHOICE = "the agent chooses every action"
    ACTION = "begins with an action, then the agent chooses"
    SAMPLE = "the same actions, drawn anew from a stochastic model"
    LOOK = "looks at reality once, then dreams on under the same actions"


@dataclass(frozen=True)
class Start:
    """Where a future is imagined from: `step` decisions after the present, which were imagined as `before` has them.

    moment: there, with the agent's memory of how it came to it. before: one row of `step` decisions or more.
    """

    moment: Moment
    step: int = 0
    before: Rollout | None = None


@dataclass(eq=False)
class Branch:
    """One imagined future.

    given:   the actions it begins with, from the present on; the agent chooses the others.
    parent:  the future that it leaves at frame `at`; None for those that begin at the present.
    draw:    (i, n): draw i of n from a stochastic model; None is the one that the model expects.
    rollout: of one row; None while it is still to be imagined.
    truth:   what really happens under the same actions; None while that is unknown.
    """

    kind: Kind
    label: str
    start: Start
    given: tuple[int, ...] = ()
    parent: Branch | None = None
    at: int = 0
    draw: tuple[int, int] | None = None
    children: list[Branch] = field(default_factory=list)
    folded: bool = False
    rollout: Rollout | None = None
    truth: Truth | None = None

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def actions(self) -> tuple[int, ...]:
        """All of its actions, as far as they are known."""
        return self.given if self.rollout is None else tuple(self.rollout.actions[0].tolist())

    @property
    def worth(self) -> float | None:
        """Its discounted return; None while unknown, and where the model gives no number."""
        value = None if self.rollout is None else discounted_return(self.rollout, 0)
        return value if value is not None and np.isfinite(value) else None

    @property
    def broken(self) -> int | None:
        """The first step whose reward, continuation, value or doubt is no number."""
        return None if self.rollout is None else first_without_number(self.rollout)

    @property
    def follows_parent(self) -> bool:
        """Whether all of its actions are those of its parent."""
        return self.kind in (Kind.SAMPLE, Kind.LOOK)

    def start_before(self, step: int) -> Start:
        """Where the dream that leads to frame `step` begins: before its look at reality, a future is its parent."""
        if step < self.start.step and self.parent is not None:
            return self.parent.start_before(step)
        return self.start

    def imagined(self, rollout: Rollout) -> None:
        """Take what was imagined from `start`, one row, with what came before it."""
        before, step = self.start.before, self.start.step
        self.rollout = rollout if before is None or not step else joined(before, step, rollout)
        self.truth = None
        for child in self.children:
            if child.follows_parent:
                child.given = self.actions


class Tree:
    """The futures of one moment: the agent's own choice, one for each action, and all that a person lets grow."""

    def __init__(self, moment: Moment, action_names: tuple[str, ...], horizon: int):
        self.moment = moment
        self.action_names = action_names
        self.horizon = min(max(horizon, 1), MAX_HORIZON)
        start = Start(moment)
        self.roots = [Branch(Kind.CHOICE, "agent", start)]
        self.roots += [Branch(Kind.ACTION, name, start, (action,)) for action, name in enumerate(action_names)]
        self.foreseen: Branch | None = None  # one that may be grown next: it is imagined, but in no tree yet

    @property
    def visible(self) -> list[Branch]:
        """All futures that no fold hides, each before those that leave it."""
        return list(_walk(self.roots, folds=True))

    @property
    def branches(self) -> list[Branch]:
        return list(_walk(self.roots, folds=False))

    def missing(self) -> list[Branch]:
        """The futures that are still to be imagined, or to another horizon."""
        return [branch for branch in self.branches if not self.is_whole(branch)]

    def is_whole(self, branch: Branch) -> bool:
        return branch.rollout is not None and branch.rollout.horizon == self.horizon

    @property
    def best(self) -> frozenset[Branch]:
        """The futures of the highest return, once all are there; more than one where they are equal.

        Draws do not compete: among many, one is lucky.
        """
        if self.missing():
            return frozenset()
        worths = {branch: branch.worth for branch in self.branches if branch.draw is None and branch.worth is not None}
        most = max((worth for worth in worths.values() if worth is not None), default=None)
        return frozenset(branch for branch, worth in worths.items() if worth == most)

    @property
    def model(self) -> str | None:
        """What looks ahead, as the rollouts name it; None while none is there."""
        return next((branch.rollout.model for branch in self.branches if branch.rollout is not None), None)

    def set_horizon(self, horizon: int) -> None:
        """Futures that leave their parent beyond it are dropped; the others are to be imagined anew."""
        self.horizon = min(max(horizon, 1), MAX_HORIZON)
        self.foreseen = None
        for branch in self.branches:
            if branch.at >= self.horizon and branch.parent in self.branches:
                self.prune(branch)

    def branch(self, parent: Branch, step: int, action: int) -> Branch:
        """The future that goes with `parent` to frame `step` and there takes `action`; the same one if it is there.

        Raises ValueError where `parent` is not known so far, or nothing follows that frame.
        """
        child = self._branching(parent, step, action)
        assert child.parent is not None
        if child is self.foreseen:
            self.foreseen = None
        return child if child in child.parent.children else self._grow(child)

    def foresee(self, parent: Branch, step: int, action: int) -> None:
        """The same future may be grown next. Raises ValueError as `branch` does."""
        child = self._branching(parent, step, action)
        assert child.parent is not None
        self.foreseen = None if child in child.parent.children else child

    def _branching(self, parent: Branch, step: int, action: int) -> Branch:
        """The one that is there, the one that is foreseen, or a new one."""
        if parent.rollout is None or not 0 <= step < min(self.horizon, parent.rollout.horizon):
            raise ValueError(f"nothing follows frame {step}")
        given = (*parent.actions[:step], action)
        # Before its look at reality, a future is the one that it left.
        while parent.parent is not None and step < parent.start.step:
            parent = parent.parent
        known = [*parent.children, self.foreseen] if self.foreseen is not None else parent.children
        for child in known:
            if child.kind is Kind.ACTION and child.parent is parent and child.given == given:
                return child
        label = f"{step + 1} {self.action_names[action]}"
        return Branch(Kind.ACTION, label, parent.start, given, parent, step, parent.draw)

    def sample(self, parent: Branch, count: int) -> list[Branch]:
        """`count` draws of the future `parent`, all under its actions; they take the place of earlier ones.

        Raises ValueError where `parent` is itself one draw, or not yet known.
        """
        if parent.rollout is None or parent.draw is not None:
            raise ValueError("only a future that the model expects can be drawn anew")
        self.forget_samples(parent)
        count = min(max(count, 2), MAX_SAMPLES)
        first = parent.start.step
        return [
            self._grow(Branch(Kind.SAMPLE, f"draw {i + 1}", parent.start, parent.actions, parent, first, (i, count)))
            for i in range(count)
        ]

    def forget_samples(self, parent: Branch) -> None:
        parent.children = [child for child in parent.children if child.kind is not Kind.SAMPLE]

    def look(self, parent: Branch, start: Start) -> Branch:
        """The future under the same actions that begins anew from a look at reality; the same one if it is there.

        start: as in `Branch`.
        """
        looks = (child for child in parent.children if child.kind is Kind.LOOK)
        known = next((child for child in looks if child.start.step == start.step), None)
        if known is not None:
            parent.folded = False
            return known
        child = Branch(Kind.LOOK, f"{start.step} looked", start, parent.actions, parent, start.step)
        return self._grow(child)

    def _grow(self, child: Branch) -> Branch:
        assert child.parent is not None
        child.parent.children.append(child)
        child.parent.folded = False
        return child

    def prune(self, branch: Branch) -> None:
        """Drop a future with all that leave it. Those of the present stay."""
        if branch.parent is not None:
            branch.parent.children.remove(branch)


def _walk(branches: Sequence[Branch], folds: bool) -> Iterator[Branch]:
    for branch in branches:
        yield branch
        if not (folds and branch.folded):
            yield from _walk(branch.children, folds)


def joined(before: Rollout, step: int, after: Rollout) -> Rollout:
    """The first `step` decisions of `before` and all of `after`, which begins at the frame that they lead to."""
    parts: dict[str, Any] = {
        name: np.concatenate([getattr(before, name)[:, :step], getattr(after, name)], axis=1)
        for name in ("frames", "actions", "rewards", "continues", "values", "uncertainty")
    }
    return replace(after, **parts)


def discounted_return(rollout: Rollout, row: int, discount: float = DISCOUNT) -> float:
    """Σ_{k<H} γᵏ r_{k+1} + γᴴ v_H of one row, each term weighted by the probability of living to see it.

    frames    x0 -a0-> x1 -a1-> x2
    rewards         r1       r2         r1 is earned whether or not x1 is the end
    continues       c1       c2         r2 only with probability c1, v2 only with c1·c2
    """
    alive = np.concatenate([[1.0], np.cumprod(rollout.continues[row], dtype=np.float64)])  # (H+1,)
    weights = alive * discount ** np.arange(rollout.horizon + 1)
    return float(weights[:-1] @ rollout.rewards[row] + weights[-1] * rollout.values[row, -1])


def first_without_number(rollout: Rollout) -> int | None:
    """The first frame of row 0 of which a model told something that is no number; None where all are."""
    values, rest = rollout.values[0], (rollout.rewards[0], rollout.continues[0], rollout.uncertainty[0])
    sound = np.isfinite(values)
    sound[1:] &= np.isfinite(rest).all(0)
    return None if sound.all() else int(np.argmin(sound))
