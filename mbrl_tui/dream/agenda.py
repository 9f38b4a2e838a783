"""What is still to be computed of an inspection, the most wanted first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from agents.records import Decision, Moment, Perception, Rollout
from mbrl_tui.dream.task import Task
from mbrl_tui.dream.tree import Branch, Start, Tree
from mbrl_tui.dream.truth import Truth, tell
from mbrl_tui.play.players import AgentPlayer

if TYPE_CHECKING:
    from mbrl_tui.dream.inspection import Inspection


def next_task(inspection: Inspection) -> Task | None:
    """A look that was asked for, the future under the cursor, the agent's decision, the others, one that may be asked
    for next, then their truth.

    A step of the real game waits for the decision, and for nothing else.
    """
    tree, agent = inspection.tree, inspection.agent
    if tree is None or agent is None:
        return None
    undecided = inspection.match.board.undecided and not inspection.undecidable
    missing = tree.missing()
    if undecided and (inspection.pending or inspection.reason or not missing):
        return _decide(inspection, tree, agent)
    if inspection.pending or inspection.reason:
        return None
    if (look := _look(inspection, tree)) is not None:
        return look
    if missing:
        group = _wanted(tree, inspection.here, missing)
        imagine = _imagine(inspection, tree, agent, group)
        return imagine.then(_decide(inspection, tree, agent)) if undecided else imagine
    if tree.foreseen is not None and not tree.is_whole(tree.foreseen):
        # Nobody has asked for it yet: where it fails, that is said if somebody does.
        return replace(_imagine(inspection, tree, agent, [tree.foreseen]), fail=lambda _: inspection.foresee_no_more())
    if inspection.with_truth and not inspection.no_truth:
        visible = tree.visible
        place = visible.index(inspection.here)
        untold = [branch for branch in visible[place:] + visible[:place] if branch.truth is None]
        if untold:
            return _tell(inspection, tree, untold[0])
    if inspection.sight is None or inspection.lens is None:
        return None
    return inspection.sight.task(inspection.lens, inspection.here, inspection.seen)


def _decide(inspection: Inspection, tree: Tree, agent: AgentPlayer) -> Task:
    board = inspection.match.board
    game_began, frame = board.timeline, board.game.frame  # a new game has a new timeline

    def keep(decision: Decision) -> None:
        if board.timeline is game_began and board.game.frame == frame and board.undecided:
            board.decide(decision)
            _choose(inspection, tree)

    def fail(reason: str) -> None:
        inspection.reason, inspection.undecidable = reason, True
        inspection.pending.clear()

    return Task(lambda: agent.decide(tree.moment), keep, fail)


def _choose(inspection: Inspection, tree: Tree) -> None:
    """The future of the action that the agent has decided for is that of its own choice, once both are known."""
    board = inspection.match.board
    if tree is inspection.tree and board.decision is not None and not board.undecided:
        future = tree.roots[1 + board.decision.action]
        if future.rollout is not None and tree.is_whole(future) and not tree.is_whole(tree.roots[0]):
            tree.roots[0].imagined(future.rollout)


def _wanted(tree: Tree, here: Branch, missing: list[Branch]) -> list[Branch]:
    """The futures that are to be imagined next, by one question."""
    wanted = here if here in missing else missing[0]
    while wanted.follows_parent and wanted.parent in missing:
        wanted = wanted.parent
    # The agent's own choice is the future of one of the actions: that is imagined once.
    wanted = tree.roots[1] if wanted is tree.roots[0] else wanted
    return [branch for branch in missing if _alike(branch, wanted)]


def _alike(one: Branch, other: Branch) -> bool:
    """Whether two futures come of one question: a batch of rows of as many actions, or draws of the same row."""
    if one.start is not other.start or (one.draw is None) != (other.draw is None):
        return False
    if one.draw is None or other.draw is None:
        return len(one.given) == len(other.given)
    return one.given == other.given and one.draw[1] == other.draw[1]


def _imagine(inspection: Inspection, tree: Tree, agent: AgentPlayer, group: Sequence[Branch]) -> Task:
    first, horizon = group[0], tree.horizon
    start, count = first.start, 1 if first.draw is None else first.draw[1]
    drawn = first.draw is not None
    # All draws of one future come of one question, so it is asked once.
    given = [list(branch.given[start.step : horizon]) for branch in (group[:1] if drawn else group)]
    actions = np.array(given, np.int64) if given[0] else None

    def run() -> Rollout:
        return agent.ask(lambda asked: asked.imagine(start.moment, horizon - start.step, actions, count))

    def keep(rollout: Rollout) -> None:
        if tree is inspection.tree and horizon == tree.horizon:
            for place, branch in enumerate(group):
                branch.imagined(rollout.row(branch.draw[0] if branch.draw is not None else place))
            _choose(inspection, tree)

    def fail(reason: str) -> None:
        inspection.reason = reason

    return Task(run, keep, fail)


def _tell(inspection: Inspection, tree: Tree, branch: Branch) -> Task:
    dreamt, game, since = branch.rollout, inspection.match.game, branch.start.step
    assert dreamt is not None

    def keep(truth: Truth) -> None:
        if branch.rollout is dreamt:
            branch.truth = truth
            inspection.told(branch)

    def fail(reason: str) -> None:
        inspection.no_truth = reason

    return Task(lambda: tell(inspection.emulator(), game, tree.moment, dreamt, since), keep, fail)


def _look(inspection: Inspection, tree: Tree) -> Task | None:
    """The look at reality that was asked for, once the future that is to look is known."""
    if inspection.looking is None or inspection.sight is None:
        return None
    wish = branch, step = inspection.looking
    if branch not in tree.branches or step >= tree.horizon:
        inspection.looking = None
        return None
    before = branch.rollout
    if before is None or not tree.is_whole(branch):
        return None

    def granted() -> None:
        inspection.looking = None if inspection.looking == wish else inspection.looking  # there may be a newer one

    def keep(result: tuple[Perception, Moment]) -> None:
        granted()
        perception, seen = result
        if tree is not inspection.tree or branch not in tree.branches or step >= tree.horizon:
            return
        child = tree.look(branch, Start(replace(seen, memory=perception.memory), step, before))
        if (inspection.here, inspection.step) == (branch, step):
            inspection.go_to(child, step)

    def fail(reason: str) -> None:
        granted()
        inspection.say(branch, reason)

    return Task(inspection.sight.look(branch, step), keep, fail)
