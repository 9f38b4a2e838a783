"""One held game, looked into: the tree of its futures, the eye on it, and what is still to be computed.

Nothing here computes for long. `next_task` says what is wanted most at this instant; whoever has a thread to spare
runs it and hands the result to `Task.keep`. So a newer wish is served as soon as what is being computed is done, and
what is no longer wanted is never begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from agents.envs.emulator import EmulatorModel
from agents.errors import UserError
from agents.interfaces import ImaginativeAgent, PerceivingAgent
from mbrl_tui.dream.agenda import next_task
from mbrl_tui.dream.dream_game import DreamGame
from mbrl_tui.dream.sight import NEEDED, Lens, Sight
from mbrl_tui.dream.task import Task
from mbrl_tui.dream.tree import MAX_SAMPLES, Branch, Kind, Tree
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
    reason, no_truth: why nothing can be imagined or told; empty where it can.
    undecidable: the agent cannot decide here; `reason` says why.
    pending:  what is still to be played in the real game: actions, or None for the choice of whoever plays.
    looking:  the future that is to look at reality, and at which frame.
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
        self.pending: deque[int | None] = deque()
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
        self.reason = self.no_truth = ""
        self.undecidable = False
        self.looking: tuple[Branch, int] | None = None
        self._said: tuple[Branch, str] | None = None
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

    @property
    def said(self) -> str:
        """What was last found out of the future under the cursor, in words for a person."""
        return self._said[1] if self._said is not None and self._said[0] is self.here else ""

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
            self.say(self.here, "" if self.no_truth else "finding out what really happens …")
            return
        lost = "" if truth.ball_lost is None else f"the ball is lost at step {truth.ball_lost}"
        if truth.parted is None:
            words = f"this dream stays true for all of its {len(truth.comparisons)} steps"
            self.say(self.here, f"{words}, but {lost}" if lost else words)
        else:
            self.step = truth.parted
            words = f"dream and truth part at step {truth.parted}"
            self.say(self.here, f"{words}; {lost}" if lost else words)

    def _keep_in_view(self) -> None:
        """After a change to the tree: the cursor on a future that is there and unfolded, no mark on one that is not."""
        if self.tree is None:
            return
        visible = self.tree.visible
        while self.here not in visible and self.here.parent is not None:
            self.here = self.here.parent
        self.move_time(0)
        if self.marked is not None and self.marked not in self.tree.branches:
            self.marked = None
            if self.lens is Lens.COMPARED:
                self.lens = self._first_lens

    # -- the tree -------------------------------------------------------------------------------------------

    @property
    def can_branch(self) -> bool:
        if self.tree is None or self.here.rollout is None:
            return False
        return self.step < min(self.tree.horizon, self.here.rollout.horizon)

    def branch(self, action: int) -> None:
        if self.tree is not None and self.can_branch:
            self.here = self.tree.branch(self.here, self.step, action)

    def foresee(self, branch: Branch, step: int, action: int) -> None:
        """Imagine, before it is asked for, what comes if `action` is taken at step `step` of `branch`."""
        if self.tree is not None and branch in self.tree.branches and self.tree.is_whole(branch):
            self.tree.foresee(branch, step, action)

    def foresee_no_more(self) -> None:
        if self.tree is not None:
            self.tree.foreseen = None

    @property
    def _drawn(self) -> Branch | None:
        """The future at the cursor of which there are draws, or could be."""
        if self.tree is None or self.agent is None or self.here.rollout is None:
            return None
        drawn = self.here.parent if self.here.kind is Kind.SAMPLE else self.here
        return drawn if drawn is not None and drawn.draw is None else None

    @property
    def can_draw(self) -> bool:
        """Whether draws can be had here. The emulator leaves nothing to be drawn: all would be alike."""
        return self._drawn is not None and self.tree is not None and self.tree.model != EmulatorModel.name

    @property
    def has_draws(self) -> bool:
        return self.tree is not None and any(branch.kind is Kind.SAMPLE for branch in self.tree.branches)

    def toggle_samples(self) -> None:
        """Draw the future under the cursor several times; or put its draws away."""
        drawn = self._drawn
        if self.tree is None or drawn is None:
            return
        if any(child.kind is Kind.SAMPLE for child in drawn.children):
            self.tree.forget_samples(drawn)
            self._keep_in_view()
        else:
            self.tree.sample(drawn, self.samples)

    def change_samples(self, by: int) -> None:
        self.samples = min(max(self.samples + by, 2), MAX_SAMPLES)
        if self.tree is None:
            return
        for branch in self.tree.branches:
            if any(child.kind is Kind.SAMPLE for child in branch.children):
                self.tree.sample(branch, self.samples)
        self._keep_in_view()

    def toggle_fold(self) -> None:
        if self.tree is not None:
            branch = self.here if self.here.children else self.here.parent
            if branch is not None:
                branch.folded, self.here = not branch.folded, branch
                self._keep_in_view()

    def prune(self) -> None:
        if self.tree is not None and self.here.parent is not None:
            self.tree.prune(self.here)
            self._keep_in_view()

    def change_horizon(self, by: int) -> None:
        if self.tree is not None:
            self.tree.set_horizon(self.tree.horizon + by)
            self._horizon = self.tree.horizon
            self._said = None
            self._keep_in_view()

    def mark(self) -> None:
        """The future under the cursor is the one that others are compared with; or no longer."""
        if self.tree is None:
            return
        self.marked = None if self.marked is self.here else self.here
        self.lens = Lens.COMPARED if self.marked is not None else self._first_lens

    # -- the real game --------------------------------------------------------------------------------------

    def take(self) -> None:
        """The first action of the future under the cursor is to be played."""
        if self.tree is not None and self.here.actions:
            self.pending = deque(self.here.actions[:1])

    def go_along(self) -> None:
        """The actions up to the cursor are to be played; with the cursor on the present, all of them."""
        if self.tree is not None and self.here.rollout is not None:
            self.pending = deque(self.here.actions[: self.step or None])
            self.step = 0

    def step_on(self) -> None:
        """One decision of whoever holds the paddle is to be played."""
        self.pending = deque([None])

    def leave(self) -> None:
        """What is still to be played is not wanted any more."""
        self.pending.clear()

    def advance(self, now: float) -> bool:
        """Play the next wanted decision, if there is one and the agent has made up its mind; whether it was played."""
        if not self.pending or self.match.over or self.match.board.undecided:
            return False
        self.match.step(now, self.pending.popleft())
        if self.match.over:
            self.pending.clear()
        self.renew()
        return True

    @property
    def can_dream(self) -> bool:
        """Whether the agent has a model that could be stepped into, and the cursor is on the future that it expects."""
        if self.agent is None or self.tree is None or self.reason or self.here.draw is not None:
            return False
        return self.agent.offers(ImaginativeAgent)

    def dream(self, keep: Callable[[DreamGame], None], fail: Callable[[str], None]) -> Task | None:
        """The dream under the cursor as a game to be played on; None where nothing is dreamt.

        keep: takes it, if this is still the present then. fail: takes the reason where there is no such game.
        """
        tree, agent = self.tree, self.agent
        if tree is None or agent is None or self.reason:
            return None
        drawn, seen = self.here.draw is not None, self.seen
        start = self.here.start_before(seen)
        actions = self.here.actions[start.step : seen]

        def run() -> DreamGame:
            if drawn:
                raise UserError("A draw cannot be stepped into. Go up to the future that it is a draw of.")
            return DreamGame(agent, start.moment, actions)

        return Task(run, lambda game: keep(game) if tree is self.tree else None, fail)

    # -- what is to be computed -----------------------------------------------------------------------------

    def next_task(self) -> Task | None:
        """What is wanted most, if anything is left to be computed."""
        return next_task(self)

    def emulator(self) -> EmulatorModel:
        """The emulator on a copy of the game; the first call loads it."""
        if self._emulator is None:
            self._emulator = self._make_emulator()
        return self._emulator

    @property
    def decision_broken(self) -> bool:
        """Whether the agent's decision for the present holds something that is no number."""
        board = self.match.board
        if board.decision is None or board.undecided:
            return False
        return not np.isfinite([board.decision.value, *board.decision.probabilities]).all()

    def told(self, branch: Branch) -> None:
        """The truth of `branch` is known."""
        if self._seeking is branch is self.here:
            self.go_to_parting()

    def say(self, branch: Branch, words: str) -> None:
        """To be read as long as the cursor stands on `branch`."""
        self._said = (branch, words)

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
        """Whether a look at reality can be had here: of a model that it could correct, ahead, where something follows.

        A draw is not the model's to correct.
        """
        if self.agent is None or not self.can_branch or self.step == 0 or self.here.draw is not None:
            return False
        return self.agent.offers(PerceivingAgent)

    def look(self) -> None:
        """The future under the cursor is to look at reality here: the one that follows from that will grow."""
        if self.can_look:
            self.looking = (self.here, self.step)
