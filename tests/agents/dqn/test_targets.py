"""Targets on numbers worked by hand."""

import torch

from agents.dqn.targets import double_q_targets, q_targets

RETURNS = torch.tensor([1.0, 0.0, -1.0])
DISCOUNTS = torch.tensor([0.5, 0.25, 0.0])  # the last one ended
NEXT = torch.tensor([[2.0, 4.0], [8.0, -8.0], [100.0, 50.0]])


def test_the_target_takes_the_best_next_value() -> None:
    # 1 + 0.5·4, 0 + 0.25·8, −1 + 0·100
    assert q_targets(RETURNS, DISCOUNTS, NEXT).tolist() == [3.0, 2.0, -1.0]


def test_double_q_lets_the_online_network_choose() -> None:
    online = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    # the online network chooses 0, 1, 0; the target network values that choice 2, −8, 100
    assert double_q_targets(RETURNS, DISCOUNTS, NEXT, online).tolist() == [2.0, -2.0, -1.0]


def test_where_both_agree_double_q_is_plain_q() -> None:
    assert torch.equal(double_q_targets(RETURNS, DISCOUNTS, NEXT, NEXT), q_targets(RETURNS, DISCOUNTS, NEXT))
