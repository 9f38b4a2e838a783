"""Returns of sequences: pure functions, time in the first axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from agents.interfaces import GameSteps


def lambda_returns(
    rewards: torch.Tensor, discounts: torch.Tensor, values: torch.Tensor, lambda_: float
) -> torch.Tensor:
    """The mixture of all n-step returns, computed backwards (Hafner et al. 2021, eq. 4).

        x0 ──────▶ x1 ──────▶ x2       G_0 = r_1 + γ_1 ((1 − λ) v_1 + λ G_1)
           r_1 γ_1    r_2 γ_2          G_1 = r_2 + γ_2 v_2

    rewards, discounts: (H, …), row k earned on arriving at state k+1; a discount of 0 ends the return there.
    values: (H+1, …) of the states 0 to H; the first is not needed.
    Gives (H, …): the return from each of the states 0 to H−1.
    """
    later = values[-1]
    returns = torch.empty_like(rewards)
    for k in range(len(rewards) - 1, -1, -1):
        bootstrap = later if k == len(rewards) - 1 else (1 - lambda_) * values[k + 1] + lambda_ * later
        later = rewards[k] + discounts[k] * bootstrap
        returns[k] = later
    return returns


def game_returns(
    steps: Sequence[GameSteps], values: torch.Tensor, discount: float, lambda_: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """λ-returns (n, N) float32 of n steps of N games, and which steps count (n, N) bool: those that are transitions.

    values: (n + 1, N) of the states before each step, and after the last. Rewards are clipped to their sign, as Nature
    has it. Nothing is known of what follows the loss of a life or the end of a game; one that was cut off might have
    gone on, and its last observation's value stands for the rest.
    """
    rewards = torch.from_numpy(np.sign([step.rewards for step in steps], dtype=np.float32)).to(values.device)
    ended = np.stack([step.terminated | step.life_lost for step in steps])
    discounts = torch.from_numpy(np.where(ended, 0, discount).astype(np.float32)).to(values.device)
    began = torch.from_numpy(np.stack([step.began for step in steps])).to(values.device)
    # A step that throws an ended game away earns nothing: what is known of its observation is its value.
    rewards = torch.where(began, values[:-1], rewards)
    discounts = torch.where(began, 0, discounts)
    return lambda_returns(rewards, discounts, values, lambda_), ~began
