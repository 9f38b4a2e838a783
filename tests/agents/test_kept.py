"""What was computed to choose is known when learning, and the gradients are the same."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from agents.a2c.config import A2CConfig
from agents.a2c.network import build_network
from agents.a2c.train import A2CTrainer
from agents.envs.atari import AtariGames
from agents.kept import Keep, Layers, Reuse
from agents.layers import HalvedTwin, autocast, channels_last, network_input

CPU = torch.device("cpu")


class Geometry(nn.Module):
    """Layers of every kind that is known, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, bias=False)
        self.norm = nn.LayerNorm(8)
        self.dense = nn.Linear(8, 5)
        self.last = nn.Linear(5, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu_(self.convolution(x)).flatten(1, 2)  # (B, 24, 8)
        return self.last(torch.tanh(self.dense(self.norm(x))))


def kept_of(network: nn.Module, parts: list[torch.Tensor]) -> list[Layers]:
    calls = []
    for part in parts:
        with torch.no_grad(), Keep() as kept:
            network(part)
        calls.append(kept.layers)
    return calls


def loss_of(network: nn.Module, seen: torch.Tensor) -> torch.Tensor:
    given = network(seen)
    given = given if isinstance(given, tuple) else (given,)
    return sum((part * torch.linspace(0.5, 2, part.numel()).view_as(part)).sum() for part in given)


@pytest.mark.parametrize("encoder", ["nature", "small"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("parts", [1, 3])
def test_the_gradients_of_an_actor_critic_are_those_of_computing_anew(
    encoder: str, precision: torch.dtype, parts: int
) -> None:
    torch.manual_seed(1)
    network = channels_last(build_network(4, 4, (84, 84), A2CConfig(encoder=encoder)))
    frames = np.random.default_rng(0).integers(0, 256, (6, 4, 84, 84), np.uint8)
    seen = network_input(frames, CPU, precision)
    chooses = HalvedTwin(network).network if precision is torch.bfloat16 else network
    with autocast(CPU, precision):
        calls = kept_of(chooses, list(seen.chunk(parts)))
        anew = loss_of(network, seen)
        with Reuse(calls):
            loss = loss_of(network, seen)
    for one, other in zip(*(torch.autograd.grad(each, network.parameters()) for each in (loss, anew)), strict=True):
        assert other.any()
        if parts == 1:
            assert torch.equal(one, other)
        else:  # smaller batches are summed in another order
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * other.abs().max().item())


def test_any_geometry_and_what_comes_before_a_layer_learn_too() -> None:
    torch.manual_seed(0)
    network, seen = Geometry(), torch.randn(6, 4, 7, 10, requires_grad=True)
    calls = kept_of(network, [seen[:1], seen[1:6]])
    sources = [seen, *network.parameters()]
    expected = torch.autograd.grad(loss_of(network, seen), sources)
    with Reuse(calls):
        loss = loss_of(network, seen)
    for one, other in zip(torch.autograd.grad(loss, sources), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_what_was_kept_is_given_and_nothing_computed() -> None:
    network, seen = Geometry(), torch.randn(2, 4, 7, 10)
    calls = kept_of(network, [seen])
    before = network(seen)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert not network(seen).any()
    with Reuse(calls):
        assert torch.equal(network(seen), before)


@pytest.mark.parametrize(
    ("change", "message"), [(lambda layers: layers[:-1], "more layers"), (lambda layers: [*layers, layers[0]], "fewer")]
)
def test_another_network_is_refused(change: Callable[[Layers], Layers], message: str) -> None:
    network, seen = Geometry(), torch.randn(2, 4, 7, 10)
    calls = [change(layers) for layers in kept_of(network, [seen])]
    with pytest.raises(RuntimeError, match=message), Reuse(calls):
        network(seen)


def test_a2c_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, reused = [], []
    given = Reuse.__enter__
    monkeypatch.setattr(Reuse, "__enter__", lambda self: reused.append(self) or given(self))
    for anew in (False, True):
        trainer = A2CTrainer(A2CConfig(num_games=2, n_step=3, encoder="small"), AtariGames("breakout", 2), seed=3)
        trainer.learner.precision = torch.float32
        if anew:
            trainer.learner.reuses = False
        for _ in trainer.train(18):
            pass
        weights.append({name: weight.clone() for name, weight in trainer.weights().items()})
    assert len(reused) == 3  # an update every three steps of two games
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=1e-4, atol=1e-6)
