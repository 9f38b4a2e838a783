"""Policy and value over one encoder of observations (Mnih et al. 2016, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from agents.a2c.config import A2CConfig
from agents.layers import NatureEncoder, SmallEncoder, StateEncoder, initialise

FLOAT32 = ("policy", "value")
"""Layers that compute in float32 always: bfloat16 there would change what the policy and the targets are."""


class ActorCritic(nn.Module):
    """π(· | o) and V(o)."""

    def __init__(self, encoder: NatureEncoder | SmallEncoder | StateEncoder, num_actions: int):
        super().__init__()
        self.encoder = encoder
        self.heads = Heads(encoder.features, num_actions)
        initialise(self.encoder)

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """observations as `agents.layers.network_input` gives them; gives logits (B, A) and values (B,), float32."""
        return self.heads(self.encoder(observations))


class Heads(nn.Module):
    """Linear heads of policy and value: logits (B, A) and values (B,) of features (B, F)."""

    def __init__(self, features: int, num_actions: int):
        super().__init__()
        self.policy = nn.Linear(features, num_actions)
        self.value = nn.Linear(features, 1)
        # Nearly the same for all actions: at first the policy has no opinion.
        initialise(self.policy, 0.01)
        initialise(self.value, 1.0)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # In float32 always: see `FLOAT32`.
        with torch.autocast(features.device.type, enabled=False):
            # As one layer: two of so few outputs take twice as long, for threads have to meet for each.
            weight = torch.cat((self.policy.weight, self.value.weight))
            bias = torch.cat((self.policy.bias, self.value.bias))
            both = F.linear(features.float(), weight, bias)
            return both[:, :-1], both[:, -1]


def build_network(
    num_actions: int, stack: int, frame_shape: tuple[int, ...], config: A2CConfig | None = None
) -> ActorCritic:
    """The network that the config describes; of fully connected layers where observations are a few numbers."""
    encoder: NatureEncoder | SmallEncoder | StateEncoder
    if len(frame_shape) == 1:
        encoder = StateEncoder(frame_shape[0])
    elif (config or A2CConfig()).encoder == "nature":
        encoder = NatureEncoder(stack, size=frame_shape[0])
    else:
        encoder = SmallEncoder(stack, size=frame_shape[0])
    return ActorCritic(encoder, num_actions)
