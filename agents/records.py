"""What the parts of the project hand to each other: frozen records, shapes in the docstrings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Moment:
    """All that is needed to decide, or to look ahead, from one instant of a game.

    observation: (stack, *frame) what the agent sees; for Atari (4, 84, 84) uint8, the oldest frame first.
    screen:      (h, w, 3) uint8, what a person sees.
    needs_fire:  the game waits for FIRE (a life has begun and the ball is not yet in play).
    snapshot:    the emulator's state (`agents.envs.atari.Snapshot`), or None where there is none.
    memory:      what the agent remembers, this observation included (`Agent.observe`); None for agents without.
    """

    observation: np.ndarray
    screen: np.ndarray
    needs_fire: bool = False
    snapshot: Any = None
    memory: Any = None


@dataclass(frozen=True)
class Decision:
    """One choice at one moment.

    action:        index into the game's actions.
    value:         the critic's value of the moment; max Q for DQN.
    probabilities: (A,) float32, the policy that `action` comes from: drawn from it, or the likeliest.
    action_values: (A,) float32 Q-values, or None for agents that have none.
    forced:        the action is the game's (FIRE to begin a life), not the agent's.
    """

    action: int
    value: float
    probabilities: np.ndarray
    action_values: np.ndarray | None = None
    forced: bool = False


@dataclass(frozen=True)
class Transitions:
    """A batch drawn from a replay, n-step: G_t = Σ_{k<m} γᵏ r_{t+k+1}, bootstrapped from o_{t+m}.

    observations:      (B, stack, *frame) o_t
    actions:           (B,) int64 a_t
    returns:           (B,) float32 Σ_{k<m} γᵏ r_{t+k+1}
    discounts:         (B,) float32 γᵐ, or 0 where the return was cut by a terminal state
    next_observations: (B, stack, *frame) o_{t+m}; m = n, or fewer where the game ended sooner
    """

    observations: np.ndarray
    actions: np.ndarray
    returns: np.ndarray
    discounts: np.ndarray
    next_observations: np.ndarray


@dataclass(frozen=True)
class Update:
    """What a training algorithm yields after each step of its environments.

    step:    environment steps (decisions, all games together) so far.
    updates: gradient updates so far.
    metrics: named numbers of the newest gradient update (loss, mean Q, …); empty while only collecting.
    scores:  true returns of the whole games that ended in this step.
    picture: (h, w, 3) uint8, what the algorithm has to show of itself now and then, or None.
    """

    step: int
    updates: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    scores: tuple[float, ...] = ()
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class Rollout:
    """B imagined futures of H steps from one moment; the one record that every look-ahead gives.

    frames      (B, H+1, h, w, 3) uint8: frame 0 is the real present.
    actions     (B, H) int64: actions[:, k] leads from frame k to frame k+1.
    rewards     (B, H) float32: earned on arriving at frame k+1.
    continues   (B, H) float32: P(frame k+1 is not terminal).
    values      (B, H+1) float32: the critic at frame k; max Q for DQN.
    uncertainty (B, H) float32: the model's own doubt of frame k+1; 0 for the emulator.
    model       what looked ahead, in words for a person ("emulator", "learnt world model").
    """

    frames: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    continues: np.ndarray
    values: np.ndarray
    uncertainty: np.ndarray
    model: str

    @property
    def horizon(self) -> int:
        return self.actions.shape[1]

    def __len__(self) -> int:
        return self.actions.shape[0]

    def row(self, place: int) -> Rollout:
        """One of the futures alone, as a rollout of one row."""
        parts = {name: part[place : place + 1] for name, part in vars(self).items() if name != "model"}
        return replace(self, **parts)


@dataclass(frozen=True)
class Perception:
    """What one look at reality told a world model.

    expected, believed: (variables, k) float32, what is believed of its latent state before and after the look;
        of categorical latents the probabilities of k classes, of Gaussian ones mean and deviation.
    expected_frame, believed_frame: (h, w, 3) uint8, the screens that these stand for.
    surprise: KL(believed ‖ expected) in nats.
    memory: what the agent remembers after the look.
    """

    expected: np.ndarray
    believed: np.ndarray
    expected_frame: np.ndarray
    believed_frame: np.ndarray
    surprise: float
    memory: Any
