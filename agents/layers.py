"""Blocks of which networks are built, and the numbers in which they compute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from agents.errors import UserError

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device. Raises UserError where that device is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"There is no device '{name}'. Use auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("This machine offers no CUDA device to PyTorch. Use --device cpu, or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def faster_precision(device: torch.device, work: Callable[[], object]) -> torch.dtype:
    """bfloat16 where `work` runs faster under its autocast than in float32, measured here and now."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32

    def seconds(dtype: torch.dtype) -> float:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
            work()
            begin = time.perf_counter()
            for _ in range(3):
                work()
        return time.perf_counter() - begin

    return min((torch.float32, torch.bfloat16), key=seconds)


class NatureEncoder(nn.Module):
    """The convolutions of Mnih et al. 2015 (Methods, "Model architecture"), from raw pixels to 512 features."""

    features = 512

    def __init__(self, stack: int = 4):
        super().__init__()
        self.conv1 = nn.Conv2d(stack, 32, 8, stride=4)
        self.conv2 = nn.Conv2d(32, 64, 4, stride=2)
        self.conv3 = nn.Conv2d(64, 64, 3, stride=1)
        self.dense = nn.Linear(64 * 7 * 7, self.features)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames (B, stack, 84, 84) float or bfloat16 with values 0 to 255; gives (B, 512)."""
        # Scaling the weights instead of the pixels is exact in any precision: bfloat16 holds every integer to 256.
        x = torch.relu_(nn.functional.conv2d(frames, self.conv1.weight / 255, self.conv1.bias, stride=4))
        x = torch.relu_(self.conv2(x))  # (B, 64, 9, 9)
        x = torch.relu_(self.conv3(x))  # (B, 64, 7, 7)
        # Flattened channels last, as the memory lies: channels first would copy here and in every gradient.
        return torch.relu_(self.dense(x.permute(0, 2, 3, 1).flatten(1)))


class StateEncoder(nn.Module):
    """Fully connected layers for observations that are a few numbers (CartPole's four), from the newest one."""

    features = 64

    def __init__(self, size: int):
        super().__init__()
        self.dense1 = nn.Linear(size, 128)
        self.dense2 = nn.Linear(128, self.features)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """observations (B, stack, size) float; gives (B, 64)."""
        x = torch.relu(self.dense1(observations[:, -1]))
        return torch.relu(self.dense2(x))


def channels_last(network: NetworkT) -> NetworkT:
    """The same network with its image weights laid out channels last, in which processors convolve fastest."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def network_input(observations: torch.Tensor, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Observations (B, stack, *frame), as games give them, where and how a network wants them.

    Images keep their values 0 to 255 and become channels last; numbers stay in float32.
    """
    observations = observations.to(device)
    if observations.dim() == 4:
        return observations.contiguous(memory_format=torch.channels_last).to(dtype)
    return observations.float()
