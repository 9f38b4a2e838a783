"""The action-value network: DQN's, with layers normalised. Without a target network, this is what keeps it stable.

The authors' code normalises each place of a picture over its channels; here it is the picture as a whole.
"""

from __future__ import annotations

from torch import nn

from agents.dqn.network import QNetwork
from agents.layers import NatureEncoder, StateEncoder, initialise, layer_norm


def build_network(num_actions: int, stack: int, frame_shape: tuple[int, ...]) -> QNetwork:
    """Nature's for images; where observations are a few numbers, fully connected layers."""
    encoder: NatureEncoder | StateEncoder
    if len(frame_shape) == 1:
        encoder = StateEncoder(frame_shape[0], norm=layer_norm)
    else:
        encoder = NatureEncoder(stack, size=frame_shape[0], norm=layer_norm)
        initialise(encoder)
    head = nn.Linear(encoder.features, num_actions)
    initialise(head, 0.1)  # at first nothing is worth much
    return QNetwork(encoder, head)
