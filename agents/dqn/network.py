"""The action-value network."""

from __future__ import annotations

import torch
from torch import nn

from agents.layers import NatureEncoder, StateEncoder


class QNetwork(nn.Module):
    """Q(o, ·): an encoder of observations and a linear head."""

    def __init__(self, encoder: NatureEncoder | StateEncoder, num_actions: int):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.features, num_actions)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """observations as `agents.layers.network_input` gives them; gives (B, A) float32."""
        features = self.encoder(observations)
        # In float32 always: bfloat16 in this last layer changes the greedy action where two are close.
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())


def build_network(num_actions: int, stack: int, frame_shape: tuple[int, ...]) -> QNetwork:
    """The network of Mnih et al. 2015 (Methods, "Model architecture") for images, a small one for numbers."""
    encoder = NatureEncoder(stack) if len(frame_shape) == 2 else StateEncoder(frame_shape[0])
    return QNetwork(encoder, num_actions)
