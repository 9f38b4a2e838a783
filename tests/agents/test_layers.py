"""Blocks of networks that more than one agent uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from agents.a2c.network import build_network
from agents.dreamer.networks import MLP, Encoder
from agents.layers import (
    HalfLinear,
    HalvedTwin,
    NatureEncoder,
    SmallEncoder,
    autocast,
    halve,
    initialise,
    network_input,
)


def test_half_the_weights_say_nearly_the_same() -> None:
    torch.manual_seed(0)
    network = MLP(32, 64, 2, 5)
    x = torch.randn(200, 32)
    exact = network(x)
    halve(network, "last")
    kinds = [type(part) for part in (*network.hidden, network.last)]
    assert kinds == [HalfLinear, HalfLinear, nn.Linear]
    rough = network(x)
    assert rough.dtype is torch.float32
    assert (rough - exact).abs().max() < 0.03 * exact.abs().max()
    assert not torch.equal(rough, exact)


def test_what_is_within_a_part_that_is_named_keeps_all_its_weights() -> None:
    network = nn.ModuleDict({"one": MLP(4, 4, 2, 5), "other": MLP(4, 4, 2, 5)})
    halve(network, "other")
    assert {type(part) for part in network["other"].modules()} & {HalfLinear} == set()
    assert isinstance(network["one"].last, HalfLinear)


def test_gradients_still_reach_the_input() -> None:
    layer = HalfLinear(nn.Linear(3, 2))
    x = torch.randn(4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(gradient, layer.weight.float().sum(0).expand(4, 3), atol=0.02, rtol=0.02)


def test_a_halved_twin_leaves_alone_what_it_is_told_to() -> None:
    network = nn.ModuleDict({name: nn.Sequential(nn.Linear(512, 512)) for name in ("one", "other")})
    twin = HalvedTwin(network, "other").network
    halved = [name for name, weight in twin.named_parameters() if weight.dtype is torch.bfloat16]
    assert halved == ["one.0.weight"]


@torch.no_grad()
def test_a_halved_twin_says_what_its_learner_says_to_the_last_bit() -> None:
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    learner = build_network(4, 4, (84, 84))
    twin = HalvedTwin(learner)
    frames = np.random.default_rng(0).integers(0, 256, (8, 4, 84, 84), np.uint8)

    def said(network: nn.Module) -> list[torch.Tensor]:
        with autocast(cpu, torch.bfloat16):
            return list(network(network_input(frames, cpu, torch.bfloat16)))

    def same() -> bool:
        return all(map(torch.equal, said(learner), said(twin.network)))

    assert same()
    halved = [name for name, weight in twin.network.named_parameters() if weight.dtype is torch.bfloat16]
    assert halved == ["encoder.dense.weight"]
    for parameter in learner.parameters():
        parameter.mul_(1.5)
    assert not same()
    twin.follow()
    assert same()


@pytest.mark.parametrize("size", [80, 84, 88])
@pytest.mark.parametrize("kind", [NatureEncoder, SmallEncoder])
def test_every_pixel_is_seen(kind: type[NatureEncoder | SmallEncoder], size: int) -> None:
    """Also those at the rim, where Breakout's paddle is."""
    torch.manual_seed(0)
    encoder = kind(4, size=size)
    blocks = network_input(np.full((1, 4, size, size), 99, np.uint8), torch.device("cpu")).requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(blocks).square().sum(), blocks)
    assert (gradient != 0).flatten().float().mean() > 0.99


@pytest.mark.parametrize("size", [64, 80, 84])
def test_a_dreamer_sees_every_pixel(size: int) -> None:
    torch.manual_seed(0)
    encoder = Encoder(size, 3, depth=8)
    blocks = torch.full((1, 48, size // 4, size // 4), 99.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(blocks).square().sum(), blocks)
    assert (gradient != 0).all()


@pytest.mark.parametrize("part", [nn.Linear(400, 300), nn.Conv2d(40, 60, 3)])
def test_initial_weights_keep_the_variance(part: nn.Module) -> None:
    """Of what a ReLU lets through, which is half: hence √2."""
    torch.manual_seed(0)
    initialise(part)
    shape = (64, 400) if isinstance(part, nn.Linear) else (64, 40, 8, 8)
    x = torch.relu(torch.randn(shape))
    ratio = part(x).square().mean() / torch.randn(shape).square().mean()
    assert 0.5 < ratio < 2
