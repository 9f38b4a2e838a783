"""What really happens under imagined actions, and where the dream leaves it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.envs.emulator import EmulatorModel
from agents.errors import UserError
from agents.fidelity.comparison import BallFate, FrameComparison, compare_frames, difference, first_parting
from agents.imagination import follow
from agents.records import Moment, Rollout
from mbrl_tui.terminal.heat_map import heat_map


@dataclass(frozen=True)
class Truth:
    """One future as it really is, beside the dream of it.

    rollout:     of one row; its values are 0, as nobody was asked.
    differences: the same with heat maps for frames: where the dream differs.
    comparisons: of frames 1, 2, …, dreamt against real, up to the game's end.
    since:       the last frame at which the dream looked at reality: 0, the present, or a later one.
    """

    rollout: Rollout
    differences: Rollout
    comparisons: tuple[FrameComparison, ...]
    since: int = 0

    @property
    def parted(self) -> int | None:
        """The frame at which the dream leaves the truth; None where it does not."""
        place = first_parting(self.comparisons[self.since :])
        return None if place is None else place + self.since + 1

    @property
    def ball_lost(self) -> int | None:
        """The first frame in which there is a ball, and none is dreamt."""
        boards = enumerate((comparison.board for comparison in self.comparisons), start=1)
        lost = (frame for frame, board in boards if board is not None and board.ball is BallFate.LOST)
        return next((frame for frame in lost if frame > self.since), None)

    @property
    def ends(self) -> int | None:
        """The frame with which the game is over."""
        over = np.flatnonzero(self.rollout.continues[0] < 0.5)
        return int(over[0]) + 1 if len(over) else None

    def comparison(self, frame: int) -> FrameComparison | None:
        """Of frame `frame`; None for the present, which is real, and after the game's end."""
        return self.comparisons[frame - 1] if 1 <= frame <= len(self.comparisons) else None


def tell(emulator: EmulatorModel, game: str, moment: Moment, dreamt: Rollout, since: int = 0) -> Truth:
    """What really follows `moment` under the actions of `dreamt`, one row. Raises UserError without an emulator state.

    game: its plain name, by which its screens are read. since: as in `Truth`.
    """
    real = follow(emulator, moment, dreamt.actions)
    over = np.flatnonzero(real.continues[0] < 0.5)
    known = int(over[0]) + 1 if len(over) else real.horizon
    pairs = list(zip(real.frames[0], dreamt.frames[0], strict=True))
    heat = np.stack([heat_map(frame, difference(frame, dream)) for frame, dream in pairs])
    comparisons = tuple(compare_frames(game, frame, dream) for frame, dream in pairs[1 : known + 1])
    return Truth(real, replace(real, frames=heat[None]), comparisons, since)


def moment_after(emulator: EmulatorModel, moment: Moment, actions: tuple[int, ...]) -> Moment:
    """The instant that really follows `moment` under these actions, without any memory.

    Raises UserError where the game is over by then: a screen stands still, and nothing is to be learnt from it.
    """
    state = emulator.start(moment, 1)
    for step, action in enumerate(actions, start=1):
        state = emulator.step(state, np.array([action]))
        if state.over[0]:
            raise UserError(f"The real game is over at step {step}: there is nothing to look at from there on.")
    return state.snapshots[0].moment()
