"""The action-value network: an encoder of observations and a head, each of which can be chosen."""

from __future__ import annotations

import torch
from torch import nn

from agents.dqn.config import DQNConfig
from agents.layers import NatureEncoder, Norm, NormalisedEncoder, StateEncoder, initialise, layer_norm, no_norm


class QNetwork(nn.Module):
    """Q(o, ·): an encoder of observations, and a head that values the actions from its features."""

    def __init__(self, encoder: nn.Module, head: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """observations as `agents.layers.network_input` gives them; gives (B, A) float32."""
        features = self.encoder(observations)
        # In float32 always: bfloat16 in this last layer changes the greedy action where two are close.
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())


class DuelingHead(nn.Module):
    """Q(o, a) = V(o) + A(o, a) − mean A(o, ·) (Wang et al. 2016, eq. 9).

    The first half of the features is the value's stream, the second half the advantages': an encoder of twice the
    features ends in the paper's two hidden layers side by side.
    """

    def __init__(self, features: int, num_actions: int):
        super().__init__()
        self.value = nn.Linear(features // 2, 1)
        self.advantages = nn.Linear(features // 2, num_actions)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """features (B, F), F even; gives (B, A)."""
        of_value, of_advantages = features.chunk(2, dim=-1)
        return dueling_values(self.value(of_value), self.advantages(of_advantages))


def dueling_values(value: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """value (B, 1) and advantages (B, A) as action values (B, A): the advantages' mean counts for nothing."""
    return value + advantages - advantages.mean(-1, keepdim=True)


def build_network(
    num_actions: int, stack: int, frame_shape: tuple[int, ...], config: DQNConfig | None = None
) -> QNetwork:
    """The network that the config describes; without one, that of Mnih et al. 2015 for images, a small one else."""
    config = config or DQNConfig()
    streams = 2 if config.dueling else 1
    encoder: NatureEncoder | NormalisedEncoder | StateEncoder
    norm: Norm = layer_norm if config.layer_norm else no_norm
    if len(frame_shape) == 1:
        encoder = StateEncoder(frame_shape[0], 64 * streams, nn.BatchNorm1d if config.batch_norm else norm)
    elif config.batch_norm:
        encoder = NormalisedEncoder(stack, config.channels, 512 * streams, frame_shape[0])
    else:
        encoder = NatureEncoder(stack, 512 * streams, frame_shape[0], norm)
        initialise(encoder)
    head = DuelingHead if config.dueling else nn.Linear
    return QNetwork(encoder, head(encoder.features, num_actions))
