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

    state = model.start(moment, len(given))
    frames = [np.repeat(moment.screen[None], len(given), axis=0)]
    taken, rewards, continues, values, uncertainty = [], [], [], [], []
    for k in range(horizon):
        chosen, value = policy(state)
        action = given[:, k] if k < given.shape[1] else chosen
        state, prediction = model.step(state, action)
        taken.append(action)
        values.append(value)
        frames.append(prediction.frames)
        rewards.append(prediction.rewards)
        continues.append(prediction.continues)
        uncertainty.append(prediction.uncertainty)
    values.append(policy(state)[1])

    return Rollout(
        frames=np.stack(frames, axis=1),
        actions=np.stack(taken, axis=1).astype(np.int64),
        rewards=np.stack(rewards, axis=1).astype(np.float32),
        continues=np.stack(continues, axis=1).astype(np.float32),
        values=np.stack(values, axis=1).astype(np.float32),
        uncertainty=np.stack(uncertainty, axis=1).astype(np.float32),
        model=model.name,
    )
