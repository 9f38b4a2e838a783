"""What the agent saw: what its decision hangs on, and what one look at reality tells it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np

from agents.envs.emulator import EmulatorModel
from agents.interfaces import Agent, DeliberatingAgent, PerceivingAgent, SalientAgent
from agents.records import Decision, Moment, Perception, Rollout
from mbrl_tui.dream.task import Task
from mbrl_tui.dream.tree import Branch
from mbrl_tui.dream.truth import moment_after
from mbrl_tui.play.players import AgentPlayer
from mbrl_tui.terminal.heat_map import heat_map


class Lens(StrEnum):
    """What can be shown beside an imagined frame."""

    TRUTH = "really"
    DIFFERENCE = "difference"
    COMPARED = "compared"
    SALIENCY = "what decides"
    BELIEF = "believed"
    CODE = "code"
    REASONS = "reasons"


NEEDED = {
    Lens.SALIENCY: SalientAgent,
    Lens.BELIEF: PerceivingAgent,
    Lens.CODE: PerceivingAgent,
    Lens.REASONS: DeliberatingAgent,
}
"""What an agent must be able to do; for the other lenses nothing."""


class Sight:
    """What is known of one moment; `task` says what a lens still lacks.

    emulator:     gives the emulator, in a thread.
    saliency:     (h, w, 3) uint8, `SalientAgent.saliency` as a heat map upon the screen.
    deliberation: as `DeliberatingAgent.deliberate`.
    notes:        why something could not be had, by the lens.
    """

    def __init__(self, agent: AgentPlayer, moment: Moment, emulator: Callable[[], EmulatorModel]):
        self._agent, self._moment, self._emulator = agent, moment, emulator
        self.saliency: np.ndarray | None = None
        self.deliberation: tuple[Rollout, Decision] | None = None
        self.notes: dict[Lens, str] = {}
        self._perceived: tuple[Rollout | None, int, Perception | str] | None = None

    def perception(self, branch: Branch, step: int) -> Perception | str | None:
        """What one look at reality tells the agent at a frame of `branch`, or why it tells nothing; None: unknown."""
        if self._perceived is None:
            return None
        rollout, at, perception = self._perceived
        return perception if rollout is branch.rollout and at == step else None

    def task(self, lens: Lens, branch: Branch, step: int) -> Task | None:
        """What has to be found out to look through `lens` at frame `step` of `branch`."""
        if lens in self.notes:
            return None
        if lens is Lens.SALIENCY and self.saliency is None:
            return self._finding(lens, "saliency", lambda: self._agent.ask(self._salient))
        if lens is Lens.REASONS and self.deliberation is None:
            return self._finding(lens, "deliberation", lambda: self._agent.ask(self._reasons))
        if lens in (Lens.BELIEF, Lens.CODE) and self.perception(branch, step) is None:
            return self._perceiving(branch, step)
        return None

    def _perceiving(self, branch: Branch, step: int) -> Task:
        look, rollout = self.look(branch, step), branch.rollout

        def keep(perception: Perception | str) -> None:
            self._perceived = (rollout, step, perception)

        return Task(lambda: look()[0], keep, keep)  # why there is none is true of this frame alone

    def look(self, branch: Branch, step: int) -> Callable[[], tuple[Perception, Moment]]:
        """Will look at reality at a frame of `branch`, of which the agent dreams until then.

        Gives what that tells, and the real moment. What a draw would have become is not told: the expected future is.
        """
        start, actions = branch.start_before(step), branch.actions[:step]

        def run() -> tuple[Perception, Moment]:
            seen = moment_after(self._emulator(), self._moment, actions) if step else self._moment
            dreamt = np.array(actions[start.step :], np.int64)
            return self._agent.ask(lambda agent: _perceive(agent, start.moment, dreamt, seen)), seen

        return run

    def _finding(self, lens: Lens, name: str, run: Callable[[], Any]) -> Task:
        def keep(result: Any) -> None:
            setattr(self, name, result)

        def fail(reason: str) -> None:
            self.notes[lens] = reason

        return Task(run, keep, fail)

    def _salient(self, agent: Agent) -> np.ndarray:
        assert isinstance(agent, SalientAgent)
        return heat_map(self._moment.screen, agent.saliency(self._moment))

    def _reasons(self, agent: Agent) -> tuple[Rollout, Decision]:
        assert isinstance(agent, DeliberatingAgent)
        return agent.deliberate(self._moment)


def _perceive(agent: Agent, moment: Moment, actions: np.ndarray, seen: Moment) -> Perception:
    assert isinstance(agent, PerceivingAgent)
    return agent.perceive(moment, actions, seen)
