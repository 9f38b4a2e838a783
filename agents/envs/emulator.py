"""The emulator as a world model: the perfect one, because it is the game itself, on a copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.envs.atari import AtariGame, Snapshot
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.interfaces import Prediction
from agents.records import Moment


@dataclass(frozen=True)
class EmulatorState:
    """Row b is one future: a frozen instant of its game, and the reward (B,) float32 of the step that led there.

    observations (B, stack, *frame) uint8; needs_fire (B,) bool; over (B,) bool.
    """

    snapshots: tuple[Snapshot, ...]
    rewards: np.ndarray

    @property
    def observations(self) -> np.ndarray:
        return np.stack([snapshot.observation for snapshot in self.snapshots])

    @property
    def needs_fire(self) -> np.ndarray:
        return np.array([snapshot.needs_fire for snapshot in self.snapshots])

    @property
    def over(self) -> np.ndarray:
        return np.array([snapshot.over for snapshot in self.snapshots])


class EmulatorModel:
    """Steps copies of a game (implements `MixableModel`). The real game is never touched: this has its own."""

    name = "emulator"

    def __init__(self, game: str, settings: AtariSettings | None = None):
        self._scratch = AtariGame(game, settings)
        self._shown: Snapshot | None = None  # the snapshot that the scratch game stands at, to restore less often
        self.settings = self._scratch.settings
        self.action_names = self._scratch.action_names
        self.fire_action = self._scratch.fire_action

    def start(self, moment: Moment, rows: int) -> EmulatorState:
        if not isinstance(moment.snapshot, Snapshot):
            raise UserError("This moment has no emulator state: the emulator can look ahead in Atari games only.")
        return EmulatorState((moment.snapshot,) * rows, np.zeros(rows, np.float32))

    def step(self, state: EmulatorState, actions: np.ndarray) -> EmulatorState:
        """As `WorldModel.step`; a game that is over stays as it is, with reward 0 and continuation 0."""
        snapshots: list[Snapshot] = []
        rewards = np.zeros(len(actions), np.float32)
        for row, (snapshot, action) in enumerate(zip(state.snapshots, actions, strict=True)):
            if not snapshot.over:
                if snapshot is not self._shown:
                    self._scratch.restore(snapshot)
                rewards[row] = self._scratch.step(int(action)).reward
                snapshot = self._shown = self._scratch.snapshot()
            snapshots.append(snapshot)
        return EmulatorState(tuple(snapshots), rewards)

    def read(self, states: Sequence[EmulatorState]) -> Prediction:
        rows = list(zip(*(state.snapshots for state in states), strict=True))  # B rows of K snapshots
        over = np.stack([state.over for state in states], axis=1)
        return Prediction(
            frames=np.stack([[snapshot.screen for snapshot in row] for row in rows]),
            rewards=np.stack([state.rewards for state in states], axis=1),
            continues=1 - over.astype(np.float32),
            uncertainty=np.zeros(over.shape, np.float32),
        )

    def mix(self, state: EmulatorState, other: EmulatorState, rows: np.ndarray) -> EmulatorState:
        """As `MixableModel.mix`."""
        snapshots = (new if row else old for old, new, row in zip(state.snapshots, other.snapshots, rows, strict=True))
        return EmulatorState(tuple(snapshots), np.where(rows, other.rewards, state.rewards))

    def row(self, state: EmulatorState, place: int) -> EmulatorState:
        """As `WorldModel.row`."""
        return EmulatorState(state.snapshots[place : place + 1], state.rewards[place : place + 1])
