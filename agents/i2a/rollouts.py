"""Imagined futures of every action, all as one batch (Weber et al. 2017, section 3.2, figure 1b).

x0 ──a──▶ y1 ──π̂(y1)──▶ y2 ──π̂(y2)──▶ y3      one such row for every action a
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange

from agents.a2c.network import ActorCritic
from agents.envs.atari import Snapshot
from agents.i2a.cells import to_cells
from agents.i2a.models import Imaginable
from agents.imagination import Begun
from agents.layers import autocast


@dataclass(frozen=True)
class Rollouts:
    """Futures of N games: for each of A first actions H steps.

    frames  (N, A, H, h/4, w/4, 16) uint8 as cells, frame k after k + 1 steps.
    rewards (N, A, H) float32. actions (N, A, H) int64.
    returns (N, A) float32: what each promises, discounted: its rewards, and what its end is worth to the policy's own
    critic, up to the loss of a life, which may cost points of its own. The paper's agent is not told these.
    """

    frames: torch.Tensor
    rewards: torch.Tensor
    actions: np.ndarray
    returns: torch.Tensor


Judge = Callable[[Imaginable, Any], tuple[np.ndarray, np.ndarray]]
"""Actions (B,) int64 and values (B,) float32 in the states of a model."""


class RolloutPolicy:
    """π̂: the most likely action of a policy network, and FIRE where a game waits for it.

    The paper draws its actions. The most likely ones make a future that is the same each time: what a person is shown
    is what the agent saw.
    """

    def __init__(self, network: ActorCritic, fire_action: int | None, precision: torch.dtype = torch.float32):
        self.network, self.fire_action, self.precision = network, fire_action, precision

    @torch.no_grad()
    def __call__(self, model: Imaginable, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """Actions (B,) int64 in these states of the model, and their values (B,) float32 to the policy's own critic."""
        seen = model.seen(state, self.precision)
        with autocast(seen.device, self.precision):
            logits, values = self.network(seen)
        actions = logits.argmax(-1).cpu().numpy()
        if self.fire_action is not None:
            actions = np.where(model.waits(state), self.fire_action, actions)
        return actions, values.cpu().numpy()


class Imagination:
    """Rolls out every action from many games at a time. discount: γ of the returns; life_cost: what a lost life takes
    from them, in points.
    """

    def __init__(
        self,
        model: Imaginable,
        policy: Judge,
        num_actions: int,
        horizon: int,
        discount: float,
        life_cost: float = 0.0,
    ):
        self.model, self.policy, self.num_actions = model, policy, num_actions
        self.horizon, self.discount, self.life_cost = horizon, discount, life_cost

    def roll_out(self, observations: np.ndarray, snapshots: Sequence[Snapshot] | None = None) -> Rollouts:
        """Of N games, seen as observations (N, S, h, w) uint8; the emulator needs their snapshots as well."""
        return self.roll_out_from(self.model.begin(observations, snapshots))[0]

    def roll_out_from(self, state: Any) -> tuple[Rollouts, Begun]:
        """From the N rows of a state; and these futures, N · A rows, whose first value is left at 0."""
        state = self.model.repeat(state, self.num_actions)
        rows = self.model.newest(state).shape[0]
        actions = [np.tile(np.arange(self.num_actions), rows // self.num_actions)]
        states, worths = [state], [np.zeros(rows, np.float32)]
        frames, rewards = [], []
        returns, worth = np.zeros(rows, np.float32), np.ones(rows, np.float32)  # γᵏ, as likely as no life is lost
        for _ in range(self.horizon):
            before, state = state, self.model.step(state, actions[-1])
            states.append(state)
            frames.append(self.model.newest(state))
            rewards.append(self.model.rewards(state))
            # As the critic has learnt them: of at most ±1, and nothing after a life.
            returns += worth * rewards[-1].clamp(-1, 1).cpu().numpy()
            lost = self.model.life_lost(before, state)
            returns -= worth * lost * self.life_cost
            worth *= self.discount * np.where(self.model.over(state), 0, 1 - lost)
            chosen, values = self.policy(self.model, state)
            actions.append(chosen)
            worths.append(np.where(self.model.over(state), 0, values).astype(np.float32))
        returns += worth * values
        by_game = {"n": rows // self.num_actions, "a": self.num_actions}
        rollouts = Rollouts(
            frames=rearrange(torch.stack(frames, 1), "(n a) k ... -> n a k ...", **by_game),
            rewards=rearrange(torch.stack(rewards, 1), "(n a) k -> n a k", **by_game),
            actions=rearrange(np.stack(actions[:-1], 1), "(n a) k -> n a k", **by_game),
            returns=rearrange(torch.from_numpy(returns).to(rewards[0].device), "(n a) -> n a", **by_game),
        )
        return rollouts, Begun(states, actions[:-1], worths[:-1])


def copies(observations: np.ndarray, num_actions: int, horizon: int, device: torch.device) -> Rollouts:
    """What one who has no model imagines: the present, again and again (the paper's copy model)."""
    shape = (len(observations), num_actions, horizon)
    newest = to_cells(torch.from_numpy(observations[:, -1]).to(device))  # (N, h/4, w/4, 16)
    frames = newest[:, None, None].expand(*shape, *newest.shape[1:])
    actions = np.broadcast_to(np.arange(num_actions)[:, None], shape)
    return Rollouts(frames, torch.zeros(shape, device=device), actions, torch.zeros(shape[:2], device=device))
