"""A world model that can be stochastic and wrong, and an agent that dreams in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.imagination import unroll
from agents.interfaces import Prediction
from agents.records import Decision, Moment, Perception, Rollout


@dataclass(frozen=True)
class HazyState:
    """An emulator's state, how many dreamt steps it is from reality, and what was drawn in each row."""

    real: EmulatorState
    steps: int
    drawn: np.ndarray


class HazyModel:
    """The emulator seen ever more dimly: after `clear` dreamt steps the ball is lost. Draws differ in their rewards."""

    name = "hazy model"

    def __init__(self, emulator: EmulatorModel, clear: int, seed: int | None = None):
        self.emulator, self.clear = emulator, clear
        self.random = None if seed is None else np.random.default_rng(seed)

    def start(self, moment: Moment, rows: int) -> HazyState:
        return HazyState(self.emulator.start(moment, rows), 0, np.zeros(rows))

    def step(self, state: HazyState, actions: np.ndarray) -> HazyState:
        drawn = np.zeros(len(actions)) if self.random is None else self.random.random(len(actions))
        return HazyState(self.emulator.step(state.real, actions), state.steps + 1, drawn)

    def read(self, states: Sequence[HazyState]) -> Prediction:
        told = self.emulator.read([state.real for state in states])
        frames = told.frames.copy()
        for place, state in enumerate(states):
            if state.steps > self.clear:
                frames[:, place, 93:189, 8:152] = 0
        doubt = np.array([[state.steps for state in states]] * len(frames), np.float32)
        rewards = told.rewards + np.stack([state.drawn for state in states], 1)
        return Prediction(frames, rewards.astype(np.float32), told.continues, doubt)

    def mix(self, state: HazyState, other: HazyState, rows: np.ndarray) -> HazyState:
        real = self.emulator.mix(state.real, other.real, rows)
        return HazyState(real, other.steps if rows.all() else state.steps, np.where(rows, other.drawn, state.drawn))

    def row(self, state: HazyState, place: int) -> HazyState:
        return HazyState(self.emulator.row(state.real, place), state.steps, state.drawn[place : place + 1])


class HazyAgent:
    """Implements `Agent` and `PerceivingAgent`: its memory counts what it saw. `broken`: its values are no numbers."""

    def __init__(self, emulator: EmulatorModel, clear: int = 4):
        self.emulator, self.clear = emulator, clear
        self.action_names = emulator.action_names
        self.broken = False
        self.asked: list[tuple] = []

    def begin(self, rows: int) -> int:
        return 0

    def observe(self, memory: int, observations: np.ndarray, actions: np.ndarray, began: np.ndarray) -> int:
        return 1 if began[0] else memory + 1

    def act(self, moment: Moment) -> Decision:
        return Decision(self._best(moment.snapshot.frame), 1.0, np.full(4, 0.25, np.float32))

    def act_batch(self, observations: np.ndarray, memory: int) -> np.ndarray:
        return np.full((len(observations), 4), 0.25, np.float32)

    def _best(self, frame: int) -> int:
        return 2 + frame // 12 % 2

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        self.asked.append((horizon, None if actions is None else actions.tolist(), samples))
        model = HazyModel(self.emulator, self.clear, 0 if samples > 1 else None)
        rollout = unroll(model, moment, horizon, self._policy, actions, samples)
        if self.broken:
            rollout.values[:, 3:] = np.nan
        return rollout

    def _policy(self, state: HazyState) -> tuple[np.ndarray, np.ndarray]:
        frames = [snapshot.frame for snapshot in state.real.snapshots]
        # Where the paddle is makes a difference between futures, as it does for a real critic.
        paddle = state.real.observations[:, -1, 76, 8:76].astype(np.float32) @ np.arange(68) / 1e6
        return np.array([self._best(frame) for frame in frames]), (1 + paddle).astype(np.float32)

    def perceive(self, moment: Moment, actions: np.ndarray, seen: Moment) -> Perception:
        self.asked.append(("perceive", actions.tolist(), seen.snapshot.frame))
        beliefs = np.eye(4, dtype=np.float32)
        return Perception(beliefs, beliefs[::-1], moment.screen, seen.screen, len(actions), moment.memory + 100)


class DreamingAgent(HazyAgent):
    """Implements `ImaginativeAgent`, too: its model can be stepped into."""

    def world_model(self, seed: int | None = None) -> HazyModel:
        return HazyModel(self.emulator, self.clear, seed)

    def policy(self, state: HazyState) -> tuple[np.ndarray, np.ndarray]:
        return self._policy(state)
