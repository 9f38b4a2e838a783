"""Unroll any world model under given actions or a policy."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any, cast

import numpy as np

from agents.interfaces import MixableModel, Policy, WorldModel
from agents.records import Moment, Rollout


class Recall:
    """What was imagined from the latest moment: a future that leaves a known one is imagined from there on.

    For the futures of one model under one policy, neither of which leaves anything to chance.
    """

    MOST = 8
    """Rollouts that are kept: those of all actions, and some that grew out of them."""

    def __init__(self) -> None:
        self._moment: Moment | None = None
        self._known: deque[tuple[Rollout, int, list[Any]]] = deque(maxlen=self.MOST)

    def keep(self, moment: Moment, rollout: Rollout, first: int, states: list[Any]) -> None:
        """Remember a rollout from `moment`, and its states from step `first` on."""
        if moment is not self._moment:
            self._moment = moment
            self._known.clear()
        self._known.append((rollout, first, states))

    def longest(self, model: MixableModel, moment: Moment, actions: np.ndarray) -> tuple[Rollout, Any] | None:
        """The longest known beginning of the future under `actions` (K,): a rollout of one row, and where it ends."""
        found: tuple[int, Rollout, Any] | None = None
        for rollout, first, states in self._known if moment is self._moment else ():
            for place, row in enumerate(rollout.actions):
                length = min(len(row), len(actions))
                same = int(np.argmin(np.append(row[:length] == actions[:length], False)))
                if same >= max(first, 1 + (found[0] if found else 0)):
                    found = same, rollout.row(place), model.row(states[same - first], place)
        return None if found is None else (_beginning(found[1], found[0]), found[2])


def unroll(
    model: WorldModel,
    moment: Moment,
    horizon: int,
    policy: Policy,
    actions: np.ndarray | None = None,
    samples: int = 1,
    recall: Recall | None = None,
) -> Rollout:
    """Look `horizon` steps ahead; arguments and shapes as in `Agent.imagine` and `Rollout`.

        frames  x0 -a0-> x1 -a1-> x2     x0 is the real present
        rewards       r1       r2        rewards[k] arrives with frames[k+1]
        values  v0       v1       v2

    recall: of what was imagined before by the same model, a `MixableModel` that draws nothing.
    Raises ValueError where `actions` is longer than the horizon or the horizon is below 1.
    """
    if horizon < 1:
        raise ValueError(f"the horizon must be at least 1, not {horizon}")
    given = np.zeros((1, 0), np.int64) if actions is None else np.asarray(actions, np.int64)
    if given.ndim != 2 or given.shape[1] > horizon:
        raise ValueError(f"actions must be (B, K) with K <= {horizon}, not {given.shape}")
    given = np.repeat(given, samples, axis=0)  # (B, K)

    known = None
    if recall is not None and len(given) == 1:
        known = recall.longest(cast(MixableModel, model), moment, given[0, : horizon - 1])
    so_far, state = known or (_present(model, moment, len(given)), model.start(moment, len(given)))
    states, taken, values = [state], [], []
    for k in range(so_far.horizon, horizon):
        chosen, value = policy(states[-1])
        taken.append(given[:, k] if k < given.shape[1] else chosen)
        values.append(value)
        states.append(model.step(states[-1], taken[-1]))
    values.append(policy(states[-1])[1])

    read = model.read(states[1:])
    rollout = Rollout(
        frames=np.concatenate([so_far.frames, read.frames], axis=1),
        actions=np.concatenate([so_far.actions, np.stack(taken, axis=1)], axis=1, dtype=np.int64),
        rewards=np.concatenate([so_far.rewards, read.rewards], axis=1, dtype=np.float32),
        continues=np.concatenate([so_far.continues, read.continues], axis=1, dtype=np.float32),
        values=np.concatenate([so_far.values[:, :-1], np.stack(values, axis=1)], axis=1, dtype=np.float32),
        uncertainty=np.concatenate([so_far.uncertainty, read.uncertainty], axis=1, dtype=np.float32),
        model=model.name,
    )
    if recall is not None:
        recall.keep(moment, rollout, so_far.horizon, states)
    return rollout


def _present(model: WorldModel, moment: Moment, rows: int) -> Rollout:
    """Futures of no step yet; the value of the present is still to be told."""
    nothing = np.zeros((rows, 0), np.float32)
    frames = np.broadcast_to(moment.screen, (rows, 1, *moment.screen.shape))
    return Rollout(
        frames, nothing.astype(np.int64), nothing, nothing, np.zeros((rows, 1), np.float32), nothing, model.name
    )


def _beginning(rollout: Rollout, steps: int) -> Rollout:
    """The first steps of futures; the value of the last frame is theirs too."""
    return replace(
        rollout,
        frames=rollout.frames[:, : steps + 1],
        values=rollout.values[:, : steps + 1],
        **{name: getattr(rollout, name)[:, :steps] for name in ("actions", "rewards", "continues", "uncertainty")},
    )


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
