"""Optimizers that walk through memory must meet gradients and moments laid out as the weights are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from agents.layers import channels_last
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def network() -> nn.Module:
    torch.manual_seed(0)
    return channels_last(nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(32, 2)))


def adam(parts: nn.Module, fused: bool = True) -> torch.optim.Adam:
    return torch.optim.Adam(parts.named_parameters(), 0.1, fused=fused)


def gradients(parts: nn.Module, seed: int, layout: torch.memory_format = torch.contiguous_format) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    made = [torch.randn(p.shape, generator=chance) for p in parts.parameters()]
    return [g.contiguous(memory_format=layout) if g.dim() == 4 else g for g in made]


def learn(parts: nn.Module, optimizer: torch.optim.Optimizer, seeds: range, layout: torch.memory_format) -> None:
    for seed in seeds:
        set_gradients(parts.parameters(), gradients(parts, seed, layout))
        optimizer.step()


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fused_step_is_the_plain_one_however_the_gradient_lies(layout: torch.memory_format) -> None:
    fused, plain = network(), network()
    learn(fused, adam(fused), range(3), layout)
    learn(plain, adam(plain, fused=False), range(3), torch.contiguous_format)
    assert_same(fused, plain)


def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened() -> None:
    """What a file gives back is laid out channels first, whatever was saved."""
    through, first, second = network(), network(), network()
    learn(through, adam(through), range(4), torch.channels_last)
    optimizer = adam(first)
    learn(first, optimizer, range(2), torch.channels_last)
    saved = {name: tensor.contiguous().clone() for name, tensor in optimizer_tensors(optimizer, "adam.").items()}
    assert sorted(saved)[0] == "adam.0.bias/exp_avg"
    second.load_state_dict(first.state_dict())
    resumed = adam(second)
    load_optimizer(resumed, saved, "adam.")
    learn(second, resumed, range(2, 4), torch.channels_last)
    assert_same(second, through)


def test_the_state_of_other_weights_is_refused() -> None:
    parts = network()
    optimizer = adam(parts)
    learn(parts, optimizer, range(1), torch.channels_last)
    saved = optimizer_tensors(optimizer, "adam.")
    elsewhere = channels_last(nn.Sequential(nn.Conv2d(4, 8, 2), nn.Flatten(), nn.Linear(32, 2)))
    with pytest.raises(ValueError, match="does not fit"):
        load_optimizer(adam(elsewhere), saved, "adam.")
    with pytest.raises(ValueError, match="other weights"):
        load_optimizer(adam(nn.Linear(3, 3)), saved, "adam.")


def test_the_state_of_an_older_version_is_refused() -> None:
    """It was numbered, and of other layout."""
    with pytest.raises(ValueError, match="older version"):
        load_optimizer(adam(network()), {"adam.0.exp_avg": torch.zeros(8, 4, 3, 3)}, "adam.")


def test_a_gradient_of_another_shape_is_refused() -> None:
    parts = network()
    with pytest.raises(ValueError, match=r"\(8, 4, 3, 3\)"):
        set_gradients(parts.parameters(), [torch.zeros(1) for _ in parts.parameters()])


def test_nothing_learnt_yet_is_nothing_to_restore() -> None:
    parts = network()
    optimizer = adam(parts)
    load_optimizer(optimizer, optimizer_tensors(adam(network()), "adam."), "adam.")
    learn(parts, optimizer, range(1), torch.channels_last)
    assert optimizer.state
