"""Returns of sequences: pure functions, time in the first axis."""

from __future__ import annotations

import torch


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
