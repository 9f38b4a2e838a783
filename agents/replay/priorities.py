"""Prioritised experience replay (Schaul et al. 2016), the proportional variant."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from agents.replay.frames import Draw, FrameReplay

SMALLEST = 1e-6
"""Added to |δ|, so that a transition without error is drawn again some day (Schaul et al. 2016, section 3.3)."""


class Sampler(Protocol):
    """Chooses the transitions of a replay to learn from: `UniformSampler` or `PrioritisedSampler`."""

    def ready(self) -> bool:
        """Whether there is anything to draw."""
        ...

    def draw(self, batch_size: int, random: np.random.Generator) -> Draw:
        """Raises ValueError where nothing can be drawn."""
        ...

    def update(self, draw: Draw, errors: np.ndarray) -> None:
        """Take in the TD errors (B,), finite, of what was drawn last."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that resuming needs beside the replay."""
        ...

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Become the sampler that was saved, once its replay has. Raises ValueError where it does not fit."""
        ...


def importance_weights(probabilities: np.ndarray, exponent: float) -> np.ndarray:
    """w_i = (N·P(i))^−β, divided by the batch's largest (Schaul et al. 2016, section 3.4). Gives (B,) float32.

    probabilities: (B,) up to a common factor, which N and the division cancel.
    """
    return ((probabilities / probabilities.min()) ** -exponent).astype(np.float32)


class SumTree:
    """Weights ≥ 0 of `size` slots, found by their running sum: each node is the sum of its two children.

    Node 1 is the total, the children of node k are 2k and 2k + 1, the leaves are the slots.
    """

    def __init__(self, size: int):
        self.size = size
        self._depth = (size - 1).bit_length()
        self._first = 1 << self._depth  # the node of slot 0
        self._nodes = np.zeros(2 * self._first)

    @property
    def total(self) -> float:
        return float(self._nodes[1])

    @property
    def weights(self) -> np.ndarray:
        """(size,) float64."""
        return self._nodes[self._first : self._first + self.size]

    def set(self, slots: np.ndarray, weights: np.ndarray | float) -> None:
        """Give slots (K,) int64 the weights (K,); of a slot that is named twice, the last weight counts."""
        nodes = slots + self._first
        self._nodes[nodes] = weights
        for _ in range(self._depth):
            left, nodes = nodes & ~1, nodes >> 1
            self._nodes[nodes] = self._nodes[left] + self._nodes[left + 1]

    def find(self, masses: np.ndarray) -> np.ndarray:
        """The slots (K,) int64 at which the running sum of the weights passes `masses` (K,), from 0 to the total.

        Never a slot of weight 0, as long as the total is above 0.
        """
        nodes = np.ones(len(masses), np.int64)
        masses = masses.copy()
        for _ in range(self._depth):
            nodes *= 2
            left = self._nodes[nodes]
            # Rounding may leave a mass past the end: that must not lead into an empty half.
            right = (masses >= left) & (self._nodes[nodes + 1] > 0)
            masses -= np.where(right, left, 0)
            nodes += right
        return nodes - self._first


class PrioritisedSampler:
    """Draws transition i with probability p_i^α / Σ p^α, where p_i = |δ_i| + a little; new ones have the largest p yet.

    The tree follows the replay when something is drawn: rows enter it once their n-step return is complete, and
    leave it before they are overwritten. Rows that are no transitions have priority 0.
    """

    def __init__(self, replay: FrameReplay, n_step: int, exponent: float):
        self.replay, self.n_step, self.exponent = replay, n_step, exponent
        self.tree = SumTree(replay.rows * replay.num_games)
        self._largest = np.ones(1, np.float32)  # p^α, of all that was ever learnt
        self._window = (0, 0)  # the rows that the tree has followed

    def ready(self) -> bool:
        self._follow()
        return self.tree.total > 0

    def draw(self, batch_size: int, random: np.random.Generator) -> Draw:
        """One from each of `batch_size` equal parts of the total (Schaul et al. 2016, appendix B.2.1)."""
        if not self.ready():
            raise ValueError("the replay holds too few steps to draw from")
        masses = (np.arange(batch_size) + random.random(batch_size)) * (self.tree.total / batch_size)
        slots = self.tree.find(masses)
        rows, games = self.replay.places_of(slots)
        return Draw(rows, games, self.tree.weights[slots])

    def update(self, draw: Draw, errors: np.ndarray) -> None:
        # In the precision in which they are saved, so that a resumed training goes on exactly.
        priorities = ((np.abs(errors) + SMALLEST) ** self.exponent).astype(np.float32)
        self._largest = np.maximum(self._largest, priorities.max())
        self.tree.set(self.replay.slots_of(draw.rows, draw.games), priorities)

    def _follow(self) -> None:
        (first, last), window = self._window, self.replay.complete(self.n_step)
        if window == self._window:
            return
        # The old before the new: where the ring has gone round meanwhile, they lie in the same slots.
        rows = np.r_[first : min(last, window[0]), max(last, window[0]) : window[1]]
        row, game = np.repeat(rows, self.replay.num_games), np.tile(np.arange(self.replay.num_games), len(rows))
        new = (row >= last) & self.replay.is_transition(row, game)
        self.tree.set(self.replay.slots_of(row, game), new * self._largest)
        self._window = window

    # -- saving ----------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """priorities (rows, games) float32 in the order of slots, largest_priority (1,) float32."""
        self._follow()
        priorities = self.tree.weights.astype(np.float32).reshape(self.replay.rows, self.replay.num_games)
        return {"priorities": priorities, "largest_priority": self._largest}

    def load(self, state: dict[str, np.ndarray]) -> None:
        priorities = state["priorities"]
        if priorities.shape != (self.replay.rows, self.replay.num_games):
            raise ValueError(f"the saved priorities are {priorities.shape}, not those of this replay")
        self.tree.set(np.arange(self.tree.size), priorities.ravel())
        self._largest = state["largest_priority"].copy()
        self._window = self.replay.complete(self.n_step)
