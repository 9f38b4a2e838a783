"""The network's parts: heads on numbers worked by hand, encoders, and what batch normalisation gathers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from agents.dqn.config import DQNConfig
from agents.dqn.network import DuelingHead, build_network, dueling_values
from agents.layers import NormalisedEncoder, has_batch_norm, network_input

CPU = torch.device("cpu")


def test_dueling_values_by_hand() -> None:
    value, advantages = torch.tensor([[10.0], [0.0]]), torch.tensor([[1.0, 2.0, 6.0], [-1.0, 1.0, 0.0]])
    # The mean advantages are 3 and 0: 10 + 1 − 3, 10 + 2 − 3, 10 + 6 − 3
    assert dueling_values(value, advantages).tolist() == [[8.0, 9.0, 13.0], [-1.0, 1.0, 0.0]]


def test_what_all_advantages_share_counts_for_nothing() -> None:
    value, advantages = torch.randn(5, 1), torch.randn(5, 4)
    same = dueling_values(value, advantages + 7)
    torch.testing.assert_close(same, dueling_values(value, advantages))
    torch.testing.assert_close(same.mean(-1, keepdim=True), value)


def test_the_streams_of_the_dueling_head_are_apart() -> None:
    head = DuelingHead(6, 3)
    features = torch.randn(4, 6)
    changed = features.clone()
    changed[:, :3] += 1  # the value's half: all actions move alike
    moved = head(changed) - head(features)
    torch.testing.assert_close(moved, moved[:, :1].expand(-1, 3))
    changed = features.clone()
    changed[:, 3:] += 1  # the advantages' half: their mean stays
    torch.testing.assert_close(head(changed).mean(-1), head(features).mean(-1))


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("norm", ["", "batch_norm", "layer_norm"])
@pytest.mark.parametrize(("stack", "frame_shape"), [(4, (84, 84)), (2, (80, 80)), (1, (4,))])
def test_every_encoder_goes_with_every_head(dueling: bool, norm: str, stack: int, frame_shape: tuple[int, ...]) -> None:
    config = DQNConfig(dueling=dueling, channels=8, **({norm: True} if norm else {}))
    network = build_network(5, stack, frame_shape, config)
    assert has_batch_norm(network) == (norm == "batch_norm")
    assert any(isinstance(part, nn.GroupNorm) for part in network.modules()) == (norm == "layer_norm")
    dtype = np.uint8 if len(frame_shape) == 2 else np.float32
    observations = np.random.default_rng(0).integers(0, 200, (3, stack, *frame_shape)).astype(dtype)
    network(network_input(observations, CPU)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_the_normalised_encoder_is_the_same_convolutions_over_pixels() -> None:
    torch.manual_seed(0)
    encoder = NormalisedEncoder(4, 6).eval()
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 84, 84), np.uint8)
    with torch.no_grad():
        x = torch.relu(encoder.norms[0](encoder.conv1(torch.from_numpy(frames).float() / 255)))
        assert x.shape == (3, 6, 20, 20)
        later = (encoder.conv2, encoder.conv3, encoder.conv4, encoder.conv5)
        for norm, conv in zip(encoder.norms[1:], later, strict=True):
            x = torch.relu(norm(conv(x)))
            assert x.shape == (3, 6, 9, 9)
        expected = torch.relu(encoder.dense(x.permute(0, 2, 3, 1).flatten(1)))
        torch.testing.assert_close(encoder(network_input(frames, CPU)), expected, rtol=1e-4, atol=1e-5)
