"""Unroll any world model under given actions or a policy."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.interfaces import Policy, WorldModel
from agents.records import Moment, Rollout


@dataclass(frozen=True)
class _Future:
    """One future from `moment`: a rollout of one row and its states, of one row each, K+1 of them."""

    moment: Moment
    rollout: Rollout
    states: list[Any]

    def covers(self, other: _Future) -> bool:
        """Whether all of the other one is known from this one."""
        steps = other.rollout.horizon
        return self.moment is other.moment and np.array_equal(
            self.rollout.actions[:, :steps], other.rollout.actions[:, :steps]
        )


class Recall:
    """Futures that were imagined last: one that leaves a known one is imagined from where it leaves it.

    For one model under one policy, neither of which leaves anything to chance. A known future is told by the very
    moment at which it began, not by one like it.
    """

    MOST = 400
    """Steps that are remembered, of all futures together: about 0.2 MB each where they are the emulator's."""

    def __init__(self) -> None:
        self._known: deque[_Future] = deque()  # the oldest first

    def keep(self, moment: Moment, rollout: Rollout, states: Sequence[Sequence[Any]]) -> None:
        """Remember every row of a rollout from `moment`; states: of each row, K+1 of them."""
        for name, part in vars(rollout).items():
            if name != "model":
                part.flags.writeable = False  # what is remembered and what is given away are the same
        for place, of_row in enumerate(states):
            future = _Future(moment, rollout.row(place), list(of_row))
            self._known = deque(known for known in self._known if not future.covers(known))
            self._known.append(future)
        while self._known and sum(known.rollout.horizon for known in self._known) > self.MOST:
            self._known.popleft()

    def longest(self, moment: Moment, actions: np.ndarray) -> tuple[int, Rollout, list[Any]] | None:
        """The longest known beginning of the future under `actions` (K,) from `moment`: its steps, and a rollout of one
        row and states that begin with it. None where not even the first step is known.
        """
        best: tuple[int, Rollout, list[Any]] | None = None
        for known in self._known:
            if known.moment is moment:
                length = min(known.rollout.horizon, len(actions))
                same = known.rollout.actions[0, :length] == actions[:length]
                steps = length if same.all() else int(same.argmin())
                if steps > (best[0] if best else 0):
                    best = steps, known.rollout, known.states
        return best


@dataclass(frozen=True)
class Begun:
    """B futures that have been stepped k times already.

    states: k+1 of them, of B rows each. actions (B,) int64, values (B,) float32: k of each, the value before its step.
    """

    states: Sequence[Any]
    actions: Sequence[np.ndarray] = ()
    values: Sequence[np.ndarray] = ()


def unroll(
    model: WorldModel,
    moment: Moment,
    horizon: int,
    policy: Policy,
    actions: np.ndarray | None = None,
    samples: int = 1,
    recall: Recall | None = None,
    begun: Begun | None = None,
) -> Rollout:
    """Look `horizon` steps ahead; arguments and shapes as in `Agent.imagine` and `Rollout`.

        frames  x0 -a0-> x1 -a1-> x2     x0 is the real present
        rewards       r1       r2        rewards[k] arrives with frames[k+1]
        values  v0       v1       v2

    recall: of what this model and this policy imagined before. A single future is looked up there, if there is one
    sample of it; what is imagined now is kept, and the rollout's arrays are read-only then.
    begun: these very futures, stepped under `actions` and then `policy`; they are gone on with.
    Raises ValueError where `actions` is longer than the horizon or the horizon is below 1.
    """
    if horizon < 1:
        raise ValueError(f"the horizon must be at least 1, not {horizon}")
    given = np.zeros((1, 0), np.int64) if actions is None else np.asarray(actions, np.int64)
    if given.ndim != 2 or given.shape[1] > horizon:
        raise ValueError(f"actions must be (B, K) with K <= {horizon}, not {given.shape}")
    recall = recall if samples == 1 else None
    given = np.repeat(given, samples, axis=0)  # (B, K)

    known = recall.longest(moment, given[0, : horizon - 1]) if recall and len(given) == 1 else None
    steps = known[0] if known else 0
    before = known[2][:steps] if known else []
    if known:
        begun = Begun([known[2][steps]])
    elif begun is None:
        begun = Begun([model.start(moment, len(given))])
    states = list(begun.states[: horizon + 1])
    taken, values = list(begun.actions[:horizon]), list(begun.values[:horizon])
    for k in range(steps + len(taken), horizon):
        chosen, value = policy(states[-1])
        taken.append(given[:, k] if k < given.shape[1] else chosen)
        values.append(value)
        states.append(model.step(states[-1], taken[-1]))
    values.append(policy(states[-1])[1])

    # What is known already of the first of these states takes the place of what is read of it: so there is room for its
    # frame, and many pictures need not be copied to make some.
    read = vars(model.read(states))
    read["frames"][:, 0] = known[1].frames[:, steps] if known else moment.screen
    imagined = {name: part if name == "frames" else part[:, 1:] for name, part in read.items()}
    imagined["actions"] = np.stack(taken, 1, dtype=np.int64)
    imagined["values"] = np.stack(values, 1, dtype=np.float32)
    if known:
        imagined = {
            name: np.concatenate([getattr(known[1], name)[:, :steps], part], 1) for name, part in imagined.items()
        }
    rollout = Rollout(model=model.name, **imagined)
    if recall is not None:
        rows = range(len(given))
        recall.keep(moment, rollout, [before + [model.row(state, place) for state in states] for place in rows])
    return rollout


def follow(model: WorldModel, moment: Moment, actions: np.ndarray, horizon: int | None = None) -> Rollout:
    """What the model makes of `actions` (B, K) alone; values are 0, as nobody judges.

    horizon: K or more; None stands for K. After the given actions, action 0 is taken.
    """
    rows = len(actions)
    nobody = np.zeros(rows, np.int64), np.zeros(rows, np.float32)
    return unroll(model, moment, horizon or actions.shape[1], lambda state: nobody, actions)


def is_over(alive: float | np.ndarray) -> np.bool_ | np.ndarray:
    """Whether an imagined game counts as over, by the probability that it has gone on up to here: Π continues.

    True of what is no number, too: nothing follows from it.
    """
    return ~(np.asarray(alive) > 0.5)
