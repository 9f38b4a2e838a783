"""λ-returns on numbers worked by hand, and against the sum that defines them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.returns import lambda_returns


def test_two_steps_by_hand() -> None:
    #  state 0 ─▶ state 1 ─▶ state 2      r_1 = 1, γ_1 = 0.9; r_2 = 2, γ_2 = 0.5; v_1 = 10, v_2 = 4
    rewards, discounts = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.9], [0.5]])
    values = torch.tensor([[99.0], [10.0], [4.0]])
    # G_1 = 2 + 0.5·4 = 4;  G_0 = 1 + 0.9·(0.25·10 + 0.75·4) = 5.95
    returns = lambda_returns(rewards, discounts, values, 0.75)
    assert returns.squeeze(-1).tolist() == pytest.approx([5.95, 4.0])


def test_nothing_counts_after_an_end() -> None:
    rewards, values = torch.tensor([1.0, 5.0]), torch.tensor([0.0, 50.0, 70.0])
    returns = lambda_returns(rewards, torch.tensor([0.0, 0.9]), values, 0.95)
    assert returns[0] == 1.0


@given(
    st.integers(1, 8), st.floats(0, 1), st.integers(0, 2**31), st.floats(0.1, 1.0)
)  # fmt: skip
def test_it_is_the_mixture_of_all_n_step_returns(horizon: int, lambda_: float, seed: int, discount: float) -> None:
    random = np.random.default_rng(seed)
    rewards, values = random.normal(size=horizon), random.normal(size=horizon + 1)

    def n_step(k: int, n: int) -> float:
        return sum(discount**i * rewards[k + i] for i in range(n)) + discount**n * values[k + n]

    for k in range(horizon):
        left = horizon - k
        mixed = sum((1 - lambda_) * lambda_ ** (n - 1) * n_step(k, n) for n in range(1, left))
        expected = mixed + lambda_ ** (left - 1) * n_step(k, left)
        returns = lambda_returns(
            torch.tensor(rewards), torch.full((horizon,), discount, dtype=torch.float64), torch.tensor(values), lambda_
        )
        assert float(returns[k]) == pytest.approx(expected, abs=1e-9)
