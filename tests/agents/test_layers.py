"""Blocks of networks that more than one agent uses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from agents.dreamer.networks import MLP
from agents.layers import HalfLinear, halve, initialise


def test_half_the_weights_say_nearly_the_same() -> None:
    torch.manual_seed(0)
    network = MLP(32, 64, 2, 5)
    x = torch.randn(200, 32)
    exact = network(x)
    halve(network, but="last")
    kinds = [type(part) for part in (*network.hidden, network.last)]
    assert kinds == [HalfLinear, HalfLinear, nn.Linear]
    rough = network(x)
    assert rough.dtype is torch.float32
    assert (rough - exact).abs().max() < 0.03 * exact.abs().max()
    assert not torch.equal(rough, exact)


def test_gradients_still_reach_the_input() -> None:
    layer = HalfLinear(nn.Linear(3, 2))
    x = torch.randn(4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(gradient, layer.weight.float().sum(0).expand(4, 3), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("part", [nn.Linear(400, 300), nn.Conv2d(40, 60, 3)])
def test_initial_weights_keep_the_variance(part: nn.Module) -> None:
    """Of what a ReLU lets through, which is half: hence √2."""
    torch.manual_seed(0)
    initialise(part)
    shape = (64, 400) if isinstance(part, nn.Linear) else (64, 40, 8, 8)
    x = torch.relu(torch.randn(shape))
    ratio = part(x).square().mean() / torch.randn(shape).square().mean()
    assert 0.5 < ratio < 2
