"""One held game, looked into: the tree of its futures, the eye on it, and what is still to be computed.

Nothing here computes for long. `next_task` says what is wanted most at this instant; whoever has a thread to spare
runs it and hands the result to `Task.keep`. So a newer wish is served as soon as what is being computed is done, and
what is no longer wanted is never begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from agents.envs.emulator import EmulatorModel
from agents.errors import UserError
from agents.interfaces import PerceivingAgent
from agents.records import Decision, Moment, Perception, Rollout
from mbrl_tui.dream.dream_game import DreamGame
from mbrl_tui.dream.sight import NEEDED, Lens, Sight
from mbrl_tui.dream.task import Task
from mbrl_tui.dream.tree import MAX_SAMPLES, Branch, Kind, Start, Tree
from mbrl_tui.dream.truth import Truth, tell
from mbrl_tui.play.match import Match
from mbrl_tui.play.players import AgentPlayer

FIRST_HORIZON = 15
FIRST_SAMPLES = 4


class Inspection:
    """What a person looks at while the match is held. The game itself is touched by `advance` alone.

    emulator: gives the emulator that tells the truth; called in a thread, once.
    no_agent: why there is no agent, where there is none.
    here, step: the future under the cursor, and the frame: 0 is the present.
    sight:    what the agent saw, through `lens`.
    reason, no_truth, no_look: why nothing can be imagined, told or looked at; empty where it can.
    said:     what was last found out, in words for a person.
    """

    def __init__(self, match: Match, emulator: Callable[[], EmulatorModel], no_agent: str = "", step: int = 0):
        self.match = match
        self.no_agent = no_agent
        self.samples = FIRST_SAMPLES
        self.with_truth = False
        self.lens: Lens | None = None
        self.marked: Branch | None = None
        self._horizon = FIRST_HORIZON
        self._make_emulator = emulator
        self._emulator: EmulatorModel | None = None
        self._pending: deque[int | None] = deque()
        self.tree: Tree | None = None
        self.sight: Sight | None = None
        self.here: Branch
        self.step, self._row = step, 0
        self.renew()

    @property
    def agent(self) -> AgentPlayer | None:
        return self.match.agent

    def renew(self) -> None:
        """Look anew from the present; the eye stays where it was, as far as that goes."""
        board = self.match.board
        if self.tree is not None and self.here in self.tree.visible:
            self._row = self.tree.visible.index(self.here)
        self.marked, self.tree, self.sight = None, None, None
        self.reason = self.no_truth = self.no_look = self.said = ""
        self._seeking: Branch | None = None
        if self.agent is None:
            self.reason = f"Look-ahead needs an agent: {self.no_agent}"
        elif board.game.over:
            self.reason = "The agent's game is over: there is nothing ahead of it."
        else:
            self.tree = Tree(board.moment(), self.agent.action_names, self._horizon)
            self.sight = Sight(self.agent, self.tree.moment, self.emulator)
            self.here = self.tree.roots[min(self._row, len(self.tree.roots) - 1)]
            self.step = min(self.step, self.tree.horizon)
            if self.lens not in self.lenses():
                self.lens = self._first_lens

    # -- the eye --------------------------------------------------------------------------------------------

    @property
    def frame(self) -> np.ndarray:
        """(h, w, 3) uint8, the frame under the cursor; the present while its future is still to come."""
        rollout = self.here.rollout if self.tree is not None else None
        return self.match.board.game.screen if rollout is None else rollout.frames[0, self.seen]

    @property
    def seen(self) -> int:
        """How many decisions ahead `frame` lies."""
        rollout = self.here.rollout if self.tree is not None else None
        return 0 if rollout is None else min(self.step, rollout.horizon)

    def move_time(self, by: int) -> None:
        if self.tree is not None:
            self.step = min(max(self.step + by, 0), self.tree.horizon)

    def play_on(self) -> None:
        """The next frame, and after the last one the present again."""
        if self.tree is not None:
            self.step = (self.step + 1) % (self.tree.horizon + 1)

    def move_row(self, by: int) -> None:
        if self.tree is not None:
            rows = self.tree.visible
            self.here = rows[min(max(rows.index(self.here) + by, 0), len(rows) - 1)]

    def go_to(self, branch: Branch, step: int) -> None:
        if self.tree is not None and branch in self.tree.visible:
            self.here = branch
            self.move_time(step - self.step)

    def go_to_parting(self) -> None:
        """To where the future under the cursor leaves the truth, as soon as that is known; `said` tells what is."""
        if self.tree is None:
            return
        self.with_truth = True
        if self.lens is self._first_lens:
            self.lens = Lens.DIFFERENCE
        truth = self.here.truth
        self._seeking = self.here if truth is None else None
        if truth is None:
            self.said = "" if self.no_truth else "finding out what really happens …"
        elif truth.parted is None:
            self.said = f"this dream stays true for all of its {len(truth.comparisons)} steps"
        else:
            self.step, lost = truth.parted, truth.ball_lost
            self.said = f"dream and truth part at step {truth.parted}"
            self.said += f"; the ball is lost at step {lost}" if lost is not None else ""

    # -- the tree -------------------------------------------------------------------------------------------

    @property
    def can_branch(self) -> bool:
        if self.tree is None or self.here.rollout is None:
            return False
        return self.step < min(self.tree.horizon, self.here.rollout.horizon)

    def branch(self, action: int) -> None:
        if self.tree is not None and self.can_branch:
            self.here = self.tree.branch(self.here, self.step, action)

    def toggle_samples(self) -> None:
        """Draw the future under the cursor several times; or put its draws away."""
        if self.tree is None or self.here.rollout is None:
            return
        drawn = self.here.parent if self.here.kind is Kind.SAMPLE else self.here
        if drawn is None or drawn.draw is not None:
            return
        if any(child.kind is Kind.SAMPLE for child in drawn.children):
            self.tree.forget_samples(drawn)
            self.here = drawn
        else:
            self.tree.sample(drawn, self.samples)

    def change_samples(self, by: int) -> None:
        self.samples = min(max(self.samples + by, 2), MAX_SAMPLES)
        if self.tree is None:
            return
        for branch in self.tree.branches:
            if any(child.kind is Kind.SAMPLE for child in branch.children):
                was_here = self.here in branch.children
                self.tree.sample(branch, self.samples)
                self.here = branch if was_here else self.here

    def toggle_fold(self) -> None:
        if self.tree is not None:
            branch = self.here if self.here.children else self.here.parent
            if branch is not None:
                branch.folded, self.here = not branch.folded, branch

    def prune(self) -> None:
        if self.tree is not None and self.here.parent is not None:
            parent = self.here.parent
            self.tree.prune(self.here)
            self.here = parent

    def change_horizon(self, by: int) -> None:
        if self.tree is not None:
            self.tree.set_horizon(self.tree.horizon + by)
            self._horizon = self.tree.horizon
            if self.here not in self.tree.branches:
                self.here = self.tree.roots[0]
            self.move_time(0)

    def mark(self) -> None:
        """The future under the cursor is the one that others are compared with; or no longer."""
        self.marked = None if self.marked is self.here else self.here
        self.lens = Lens.COMPARED if self.marked is not None else self._first_lens

    # -- the real game --------------------------------------------------------------------------------------

    def take(self) -> None:
        """The first action of the future under the cursor is to be played."""
        if self.tree is not None and self.here.actions:
            self._pending = deque(self.here.actions[:1])

    def go_along(self) -> None:
        """The actions up to the cursor are to be played; with the cursor on the present, all of them."""
        if self.tree is not None and self.here.rollout is not None:
            self._pending = deque(self.here.actions[: self.step or None])
            self.step = 0

    def step_on(self) -> None:
        """One decision of whoever holds the paddle is to be played."""
        self._pending = deque([None])

    def advance(self, now: float) -> bool:
        """Play the next wanted decision, if there is one and the agent has made up its mind; whether it was played."""
        if not self._pending or self.match.over or self.match.board.undecided:
            return False
        self.match.step(now, self._pending.popleft())
        if self.match.over:
            self._pending.clear()
        self.renew()
        return True

    def dream(self) -> DreamGame:
        """The dream under the cursor as a game to be played on. Raises UserError where the agent has no such model."""
        if self.tree is None or self.agent is None:
            raise UserError(self.reason)
        start = self.here.start if self.seen >= self.here.start.step else Start(self.tree.moment)
        actions = self.here.actions[start.step : self.seen]
        return DreamGame(self.agent, start.moment, actions)

    # -- what is to be computed -----------------------------------------------------------------------------

    def next_task(self) -> Task | None:
        """What is wanted most: the future under the cursor, the agent's decision, the others, then their truth.

        A step of the real game waits for the decision, and for nothing else.
        """
        tree, agent = self.tree, self.agent
        if tree is None or agent is None:
            return None
        missing = tree.missing()
        if self.match.board.undecided and (self._pending or self.reason or tree.roots[1] not in missing):
            return self._decide(agent, tree)
        if self._pending or self.reason:
            return None
        if missing:
            wanted = self.here if self.here in missing else missing[0]
            # The agent's own choice is the future of one of the actions: that is imagined once.
            wanted = tree.roots[1] if wanted is tree.roots[0] else wanted
            group = [branch for branch in missing if _alike(branch, wanted)]
            return self._imagine(agent, tree, group)
        if self.with_truth and not self.no_truth:
            visible = tree.visible
            place = visible.index(self.here) if self.here in visible else 0
            untold = [branch for branch in visible[place:] + visible[:place] if branch.truth is None]
            if untold:
                return self._tell(tree, untold[0])
        return self.sight.task(self.lens, self.here, self.seen) if self.sight and self.lens else None

    def _decide(self, agent: AgentPlayer, tree: Tree) -> Task:
        board, frame = self.match.board, self.match.board.game.frame

        def keep(decision: Decision) -> None:
            if board is self.match.board and frame == board.game.frame and board.undecided:
                board.decide(decision)
                self._choose(tree)

        return Task(lambda: agent.decide(tree.moment), keep, self._cannot_imagine)

    def _choose(self, tree: Tree) -> None:
        """The future of the action that the agent has decided for is that of its own choice, once both are known."""
        board = self.match.board
        if tree is self.tree and board.decision is not None and not board.undecided:
            future = tree.roots[1 + board.decision.action]
            if future.rollout is not None and tree.is_whole(future) and not tree.is_whole(tree.roots[0]):
                tree.roots[0].imagined(future.rollout)

    def _imagine(self, agent: AgentPlayer, tree: Tree, group: Sequence[Branch]) -> Task:
        first, horizon = group[0], tree.horizon
        start, count = first.start, 1 if first.draw is None else first.draw[1]
        drawn = first.draw is not None
        # All draws of one future come of one question, so it is asked once.
        given = [list(branch.given[start.step : horizon]) for branch in (group[:1] if drawn else group)]
        actions = np.array(given, np.int64) if given[0] else None

        def run() -> Rollout:
            return agent.ask(lambda asked: asked.imagine(start.moment, horizon - start.step, actions, count))

        def keep(rollout: Rollout) -> None:
            if tree is self.tree and horizon == tree.horizon:
                for place, branch in enumerate(group):
                    branch.imagined(rollout.row(branch.draw[0] if branch.draw is not None else place))
                self._choose(tree)

        return Task(run, keep, self._cannot_imagine)

    def _cannot_imagine(self, reason: str) -> None:
        self.reason = reason

    def _cannot_tell(self, reason: str) -> None:
        self.no_truth = reason

    def _cannot_look(self, reason: str) -> None:
        self.no_look = reason

    def emulator(self) -> EmulatorModel:
        """The emulator on a copy of the game; the first call loads it."""
        if self._emulator is None:
            self._emulator = self._make_emulator()
        return self._emulator

    def _tell(self, tree: Tree, branch: Branch) -> Task:
        dreamt, game, since = branch.rollout, self.match.game, branch.start.step
        assert dreamt is not None

        def keep(truth: Truth) -> None:
            if branch.rollout is dreamt:
                branch.truth = truth
                if self._seeking is branch is self.here:
                    self.go_to_parting()

        return Task(lambda: tell(self.emulator(), game, tree.moment, dreamt, since), keep, self._cannot_tell)

    # -- what the agent saw ---------------------------------------------------------------------------------

    def lenses(self) -> list[Lens]:
        """What can be shown beside the imagined frame."""
        if self.tree is None or self.agent is None:
            return []
        agent = self.agent
        lenses = [lens for lens in Lens if lens not in NEEDED or agent.offers(NEEDED[lens])]
        return lenses if self.marked is not None else [lens for lens in lenses if lens is not Lens.COMPARED]

    @property
    def _first_lens(self) -> Lens | None:
        """What is looked through as long as nothing was chosen."""
        return Lens.SALIENCY if Lens.SALIENCY in self.lenses() else None

    def next_lens(self) -> None:
        lenses = self.lenses()
        at = lenses.index(self.lens) if self.lens in lenses else -1
        self.lens = lenses[(at + 1) % len(lenses)] if lenses else None
        if self.lens in (Lens.TRUTH, Lens.DIFFERENCE):
            self.with_truth = True

    def toggle_truth(self) -> None:
        self.with_truth = not self.with_truth
        if self.with_truth:
            self.lens = Lens.DIFFERENCE
        elif self.lens in (Lens.TRUTH, Lens.DIFFERENCE):
            self.lens = self._first_lens

    @property
    def can_look(self) -> bool:
        """Whether a look at reality can be had here: of an agent that has something to correct, and ahead."""
        tree, agent = self.tree, self.agent
        if tree is None or agent is None or not self.can_branch or self.here.draw is not None or not self.step:
            return False
        return agent.offers(PerceivingAgent)

    def look(self) -> Task | None:
        """Let the future under the cursor look at reality here, and grow the one that follows from that."""
        tree, sight = self.tree, self.sight
        if tree is None or sight is None or not self.can_look:
            return None
        branch, step, before = self.here, self.step, self.here.rollout

        def keep(result: tuple[Perception, Moment]) -> None:
            perception, seen = result
            if tree is self.tree and branch.rollout is before and branch in tree.branches:
                moment = replace(seen, memory=perception.memory)
                self.here = tree.look(branch, Start(moment, step, before))

        return Task(sight.look(branch, step), keep, self._cannot_look)


def _alike(one: Branch, other: Branch) -> bool:
    """Whether two futures come of one question: a batch of rows of as many actions, or draws of the same row."""
    if one.start is not other.start or (one.draw is None) != (other.draw is None):
        return False
    if one.draw is None or other.draw is None:
        return len(one.given) == len(other.given)
    return one.given == other.given and one.draw[1] == other.draw[1]
