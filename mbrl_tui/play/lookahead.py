"""What is imagined from one moment: a future for each action, and where a person's eye stands in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.records import Moment, Rollout

DISCOUNT = 0.99
"""γ, per decision."""
MAX_HORIZON = 50


def discounted_return(rollout: Rollout, row: int, discount: float = DISCOUNT) -> float:
    """Σ_{k<H} γᵏ r_{k+1} + γᴴ v_H of one row, each term weighted by the probability of living to see it.

    frames    x0 -a0-> x1 -a1-> x2
    rewards         r1       r2         r1 is earned whether or not x1 is the end
    continues       c1       c2         r2 only with probability c1, v2 only with c1·c2
    """
    alive = np.concatenate([[1.0], np.cumprod(rollout.continues[row], dtype=np.float64)])  # (H+1,)
    weights = alive * discount ** np.arange(rollout.horizon + 1)
    return float(weights[:-1] @ rollout.rewards[row] + weights[-1] * rollout.values[row, -1])


@dataclass
class LookAhead:
    """The futures of one moment, which come in one by one, and a cursor over them.

    actions: what each future begins with: None for the agent's own choice, then every action of the game.
    futures: of each, a rollout of one row, or None while it is still being imagined.
    row:     the future under the cursor.
    step:    the frame under the cursor: 0 is the present, k is k decisions ahead.
    """

    moment: Moment
    action_names: tuple[str, ...]
    horizon: int
    row: int = 0
    step: int = 0
    futures: list[Rollout | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.actions: tuple[int | None, ...] = (None, *range(len(self.action_names)))
        self.futures = [None] * len(self.actions)

    @property
    def labels(self) -> tuple[str, ...]:
        return ("agent", *self.action_names)

    @property
    def model(self) -> str | None:
        """What looks ahead, as the rollouts name it; None while none is there."""
        return next((future.model for future in self.futures if future is not None), None)

    @property
    def complete(self) -> bool:
        return all(future is not None for future in self.futures)

    @property
    def returns(self) -> list[float | None]:
        return [None if future is None else discounted_return(future, 0) for future in self.futures]

    @property
    def best(self) -> frozenset[int]:
        """The futures of the highest return, when all are there; more than one where they are equal."""
        returns = [value for value in self.returns if value is not None]
        if not self.complete:
            return frozenset()
        return frozenset(row for row, value in enumerate(returns) if value == max(returns))

    @property
    def frame(self) -> np.ndarray:
        """(h, w, 3) uint8, the frame under the cursor; the present while its future is still to come."""
        future = self.futures[self.row]
        return self.moment.screen if future is None else future.frames[0, self.step]

    @property
    def seen(self) -> int:
        """How many decisions ahead `frame` lies."""
        return 0 if self.futures[self.row] is None else self.step

    @property
    def first_action(self) -> int | None:
        """What the future under the cursor begins with; None while the agent's own choice is unknown."""
        future = self.futures[self.row]
        given = self.actions[self.row]
        return given if given is not None or future is None else int(future.actions[0, 0])

    def move_time(self, by: int) -> None:
        self.step = min(max(self.step + by, 0), self.horizon)

    def move_row(self, by: int) -> None:
        self.row = min(max(self.row + by, 0), len(self.actions) - 1)

    def renewed(self, moment: Moment, horizon: int) -> LookAhead:
        """The same view of another moment or to another horizon, all still to be imagined."""
        horizon = min(max(horizon, 1), MAX_HORIZON)
        return LookAhead(moment, self.action_names, horizon, self.row, min(self.step, horizon))
