"""The networks of an Imagination-Augmented Agent (Weber et al. 2017, figures 1 and 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from agents.a2c.network import ActorCritic, Heads, build_network
from agents.i2a.cells import CELL, PIXELS
from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import EnvironmentModel
from agents.layers import NatureEncoder, SmallEncoder, initialise


class RolloutEncoder(nn.Module):
    """Reads an imagined trajectory from its end to its beginning into one vector, so that what comes first weighs most.

    It sees each imagined frame, and what has changed in it since the present.
    """

    def __init__(self, channels: int, units: int, cells: tuple[int, int]):
        super().__init__()
        self.features = units
        self.read = nn.Conv2d(2 * PIXELS, channels, 2, stride=2)
        self.shrink = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        shrunk = ((cells[0] // 2 + 1) // 2) * ((cells[1] // 2 + 1) // 2)
        self.dense = nn.Linear(channels * shrunk, units)
        self.lstm = nn.LSTM(units + 1, units)
        initialise(self.read)
        initialise(self.shrink)
        initialise(self.dense)

    def forward(self, frames: torch.Tensor, rewards: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """frames (N, A, H, h', w', 16) uint8, rewards (N, A, H), present (N, h', w', 16) uint8; gives (N, A, units)."""
        count, actions, horizon = rewards.shape
        dtype = torch.bfloat16 if torch.is_autocast_enabled(frames.device.type) else torch.float32
        # read([frame, frame − present]), with the present, the same for all, read once for each game.
        of_frame, of_change = self.read.weight.split(PIXELS, 1)
        imagined = rearrange(frames, "n a k h w c -> (k n a) h w c").to(dtype).div_(255).permute(0, 3, 1, 2)
        seen = F.conv2d(imagined, of_frame + of_change, self.read.bias, stride=2)
        before = F.conv2d((present.to(dtype) / 255).permute(0, 3, 1, 2), of_change, stride=2)
        x = seen.view(horizon, count, actions, *seen.shape[1:]) - before[:, None]
        x = torch.relu(x.flatten(0, 2))
        x = torch.relu(self.shrink(x))
        x = torch.relu(self.dense(x.permute(0, 2, 3, 1).flatten(1))).float()
        x = rearrange(x, "(k n a) f -> k (n a) f", k=horizon, n=count)
        earned = rearrange(torch.tanh(rewards), "n a k -> k (n a) 1")
        with torch.autocast(x.device.type, enabled=False):
            _, (last, _) = self.lstm(torch.cat([x, earned], -1).flip(0))
        return rearrange(last[0], "(n a) f -> n a f", n=count, a=actions)


class I2ANetwork(nn.Module):
    """π(· | o, rollouts) and V(o, rollouts): the vectors of all rollouts, beside the model-free path."""

    def __init__(self, config: I2AConfig, num_actions: int, stack: int, frame_shape: tuple[int, ...]):
        super().__init__()
        size = frame_shape[0]
        kind = NatureEncoder if config.encoder == "nature" else SmallEncoder
        self.encoder = kind(stack, size=size)
        initialise(self.encoder)
        self.rollouts = RolloutEncoder(config.rollout_channels, config.rollout_units, (size // CELL, size // CELL))
        self.heads = Heads(self.encoder.features + num_actions * (config.rollout_units + 1), num_actions)

    def forward(
        self,
        blocks: torch.Tensor,
        present: torch.Tensor,
        frames: torch.Tensor,
        rewards: torch.Tensor,
        returns: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """blocks (N, S·16, h/4, w/4) from `network_input`; present (N, h', w', 16) uint8, the newest frame as cells;
        frames, rewards and returns of `Rollouts`. Gives logits (N, A) and values (N,).
        """
        vectors = self.rollouts(frames, rewards, present).flatten(1)  # (N, A · units)
        better = returns - returns.mean(1, keepdim=True)  # (N, A): what an action promises beyond the others
        return self.heads(torch.cat([self.encoder(blocks).float(), vectors, better], 1))


class I2AParts(nn.Module):
    """All that an I2A consists of. The environment model is there only where one is learnt."""

    def __init__(self, config: I2AConfig, num_actions: int, stack: int, frame_shape: tuple[int, ...]):
        super().__init__()
        self.environment_model: EnvironmentModel | None = None
        if config.model == "learnt":
            kind, width = config.model_kind, config.model_width
            self.environment_model = EnvironmentModel(kind, width, num_actions, stack, frame_shape)
        self.rollout_policy: ActorCritic = build_network(num_actions, stack, frame_shape, config.for_rollouts())
        self.agent = I2ANetwork(config, num_actions, stack, frame_shape)

    @torch.no_grad()
    def begin_as_rollout_policy(self, trust: float) -> None:
        """Let the agent expect what the rollout policy expects, and do what it does, but for what rollouts promise.

        π(a) ∝ π̂(a) exp(trust · return of a): the rollout policy, improved by looking ahead.
        """
        self.agent.encoder.load_state_dict(self.rollout_policy.encoder.state_dict())
        features = self.rollout_policy.encoder.features
        for own, theirs in zip(self.agent.heads.children(), self.rollout_policy.heads.children(), strict=True):
            assert isinstance(own, nn.Linear)
            assert isinstance(theirs, nn.Linear)
            own.weight[:, :features], own.weight[:, features:] = theirs.weight, 0
            own.bias.copy_(theirs.bias)
        of_policy = self.agent.heads.policy.weight
        of_policy[:, -len(of_policy) :] = trust * torch.eye(len(of_policy), device=of_policy.device)
