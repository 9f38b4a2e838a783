"""What Q-learning regresses on: pure functions."""

from __future__ import annotations

import torch


def q_targets(returns: torch.Tensor, discounts: torch.Tensor, next_values: torch.Tensor) -> torch.Tensor:
    """y = G + γᵐ max_a Q⁻(o', a) (Mnih et al. 2015, eq. 2, with n-step G as in Hessel et al. 2018).

    returns, discounts (B,); next_values (B, A) of the target network. Gives (B,).
    """
    return returns + discounts * next_values.amax(-1)


def double_q_targets(
    returns: torch.Tensor, discounts: torch.Tensor, next_values: torch.Tensor, next_online: torch.Tensor
) -> torch.Tensor:
    """y = G + γᵐ Q⁻(o', argmax_a Q(o', a)) (van Hasselt et al. 2016, eq. 4).

    returns, discounts (B,); next_values (B, A) of the target network, next_online (B, A) of the online one.
    """
    chosen = next_online.argmax(-1, keepdim=True)
    return returns + discounts * next_values.gather(-1, chosen).squeeze(-1)
