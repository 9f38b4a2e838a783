"""What a slow agent decides, in a thread of its own while pictures are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from agents.envs.emulator import EmulatorModel
from agents.records import Decision, Moment
from mbrl_tui.play.players import AgentPlayer


class Thought:
    """Of the decision at one moment of a game, which has come or is still to come.

    pressed: at every frame of the game so far. then: what is to be pressed until that moment.
    see:     gives the moment, in that thread; None where there is nothing to decide any more.
    moment:  None until it is seen.
    """

    def __init__(
        self, agent: AgentPlayer, pressed: Sequence[int], then: Sequence[int], see: Callable[[], Moment | None]
    ):
        self.moment: Moment | None = None
        self._agent, self._see = agent, see
        self._from, self._then = len(pressed), list(then)
        self._answer = agent.think(self._decide)

    @property
    def frame(self) -> int:
        """Of the moment, counted from the beginning of the game."""
        return self._from + len(self._then)

    @property
    def done(self) -> bool:
        return self._answer.done()

    @property
    def decision(self) -> Decision | None:
        """Waits for it; None where there was nothing to decide. Raises what the agent raised."""
        return self._answer.result()

    def is_of(self, pressed: Sequence[int]) -> bool:
        """Whether the moment is that at which this was pressed, of the same game."""
        return pressed[self._from :] == self._then

    def drop(self) -> None:
        """Nobody wants to know any more: who has not begun to think need not."""
        self._answer.cancel()

    def _decide(self) -> Decision | None:
        self.moment = self._see()
        return None if self.moment is None else self._agent.decide(self.moment)


def moment_to_come(model: EmulatorModel, agent: AgentPlayer, moment: Moment, action: int) -> Moment | None:
    """What follows `moment` if this is pressed for a whole decision, remembered as the agent will; None of a game that
    is over by then."""
    after = model.step(model.start(moment, 1), np.array([action])).snapshots[0]
    if after.over:
        return None
    return after.moment(agent.remember(moment.memory, after.observation, action, began=False))
