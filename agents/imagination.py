"""Unroll any world model under given actions or a policy."""

from __future__ import annotations

import numpy as np

from agents.interfaces import Policy, WorldModel
from agents.records import Moment, Rollout


def unroll(
    model: WorldModel,
    moment: Moment,
    horizon: int,
    policy: Policy,
    actions: np.ndarray | None = None,
    samples: int = 1,
) -> Rollout:
    """Look `horizon` steps ahead; arguments and shapes as in `Agent.imagine` and `Rollout`.

        frames  x0 -a0-> x1 -a1-> x2     x0 is the real present
        rewards       r1       r2        rewards[k] arrives with frames[k+1]
        values  v0       v1       v2

    Raises ValueError where `actions` is longer than the horizon or the horizon is below 1.
    """
    if horizon < 1:
        raise ValueError(f"the horizon must be at least 1, not {horizon}")
    given = np.zeros((1, 0), np.int64) if actions is None else np.asarray(actions, np.int64)
    if given.ndim != 2 or given.shape[1] > horizon:
        raise ValueError(f"actions must be (B, K) with K <= {horizon}, not {given.shape}")
    given = np.repeat(given, samples, axis=0)  # (B, K)

    states = [model.start(moment, len(given))]
    taken, values = [], []
    for k in range(horizon):
        chosen, value = policy(states[-1])
        taken.append(given[:, k] if k < given.shape[1] else chosen)
        values.append(value)
        states.append(model.step(states[-1], taken[-1]))
    values.append(policy(states[-1])[1])

    read = model.read(states[1:])
    present = np.broadcast_to(moment.screen, (len(given), 1, *moment.screen.shape))
    return Rollout(
        frames=np.concatenate([present, read.frames], axis=1),
        actions=np.stack(taken, axis=1).astype(np.int64),
        rewards=read.rewards.astype(np.float32),
        continues=read.continues.astype(np.float32),
        values=np.stack(values, axis=1).astype(np.float32),
        uncertainty=read.uncertainty.astype(np.float32),
        model=model.name,
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
