"""How an environment model reads frames and an action: three trunks behind one call.

`trunk(stacks, actions, memory, wanted)` takes stacks of cells (B, h', w', S, 16) and actions (B,), and gives what it
makes of them, `Drawn`. `wanted` are, in training, the real frames before and after the step (B, h', w', 2, 16), for
trunks that choose before they draw.
`trunk.begin(stacks)` gives the memory before the first step. The local trunk (`agents.i2a.local_trunk`) takes stacks as
they are, the others in units of their pixels' own deviation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from torch import nn

from agents.i2a.cells import CELL, PLANES, stack_from_cells
from agents.i2a.drawn import Drawn, Memory
from agents.i2a.local_trunk import STILL, LocalTrunk


class ConvolutionalTrunk(nn.Module):
    """Encoder and decoder of whole pictures, the action as one more of them (a lesson's model: 64 and 128 channels)."""

    def __init__(self, width: int, num_actions: int, stack: int, cells: tuple[int, int]):
        super().__init__()
        self.features = 2 * width
        self.action = nn.Parameter(torch.randn(num_actions, 1, cells[0] * CELL, cells[1] * CELL) * 0.1)
        self.encoder = picture_encoder(stack + 1, width)
        self.last = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.decoder = picture_decoder(width)

    def begin(self, stacks: torch.Tensor) -> Memory:
        return ()

    def forward(
        self, stacks: torch.Tensor, actions: torch.Tensor, memory: Memory, wanted: torch.Tensor | None = None
    ) -> Drawn:
        pictures = stack_from_cells(stacks)
        x = self.encoder(torch.cat([pictures, self.action.to(pictures.dtype)[actions]], 1))
        x = torch.relu(self.last(x))
        return _drawn(x, as_cells(self.decoder(x)), memory)


class ConvLSTMTrunk(nn.Module):
    """The same with a memory between encoder and decoder (Shi et al. 2015, eq. 3, without peepholes).

    It reads one frame at a time: at first the older ones of the stack, then in each step the newest, with the action.
    """

    def __init__(self, width: int, num_actions: int, stack: int, cells: tuple[int, int]):
        super().__init__()
        self.features = 2 * width
        # The last of them stands for an action that nobody knows: those before the stack's older frames.
        self.action = nn.Parameter(torch.randn(num_actions + 1, 1, cells[0] * CELL, cells[1] * CELL) * 0.1)
        self.encoder = picture_encoder(2, width)
        self.gates = nn.Conv2d(4 * width, 8 * width, 3, padding=1)
        self.decoder = picture_decoder(width)
        set_bias(self.gates, slice(2 * width, 4 * width), 1.0)  # at first, it forgets slowly

    def begin(self, stacks: torch.Tensor) -> Memory:
        pictures = stack_from_cells(stacks)
        unknown = torch.full((len(pictures),), len(self.action) - 1, device=stacks.device)
        shape = (len(pictures), self.features, pictures.shape[2] // 4, pictures.shape[3] // 4)
        memory: Memory = (pictures.new_zeros(shape), pictures.new_zeros(shape))
        for k in range(pictures.shape[1] - 1):
            memory = self._read(pictures[:, k : k + 1], unknown, memory)
        return memory

    def _read(self, picture: torch.Tensor, actions: torch.Tensor, memory: Memory) -> Memory:
        hidden, cell = memory
        x = self.encoder(torch.cat([picture, self.action.to(picture.dtype)[actions]], 1))
        gates = self.gates(torch.cat([x, hidden.to(x.dtype)], 1))
        enter, keep, leave, candidate = gates.chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(cell), cell

    def forward(
        self, stacks: torch.Tensor, actions: torch.Tensor, memory: Memory, wanted: torch.Tensor | None = None
    ) -> Drawn:
        memory = self._read(stack_from_cells(stacks[..., -1:, :]), actions, memory)
        return _drawn(memory[0], as_cells(self.decoder(memory[0])), memory)


def picture_encoder(channels: int, width: int) -> nn.Sequential:
    """Pictures (B, channels, h, w) as (B, 2·width, h/4, w/4)."""
    first = nn.Conv2d(channels, width, 4, stride=2, padding=1)
    second = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


def picture_decoder(width: int) -> nn.Sequential:
    """(B, 2·width, h/4, w/4) as planes (B, PLANES, h, w)."""
    second = nn.ConvTranspose2d(width, PLANES, 4, stride=2, padding=1)
    set_bias(second, slice(1), STILL)
    return nn.Sequential(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.ReLU(), second)


def set_bias(layer: nn.Conv2d | nn.ConvTranspose2d, channels: slice, value: float) -> None:
    """Let these channels of a layer begin with a bias."""
    if layer.bias is not None:
        nn.init.constant_(layer.bias[channels], value)


def _drawn(features: torch.Tensor, planes: torch.Tensor, memory: Memory) -> Drawn:
    """By a trunk that chooses nothing before it draws."""
    nothing = torch.zeros(len(features), device=features.device)
    return Drawn(features, planes, memory, nothing, nothing)


def as_cells(planes: torch.Tensor) -> torch.Tensor:
    """Planes (B, C, h, w) as cells (B, h/4, w/4, 16, C)."""
    return rearrange(planes, "b c (h i) (w j) -> b h w (i j) c", i=CELL, j=CELL)


Trunk = LocalTrunk | ConvolutionalTrunk | ConvLSTMTrunk
TRUNKS: dict[str, Callable[[int, int, int, tuple[int, int]], Trunk]] = {
    "local": LocalTrunk,
    "convolutional": ConvolutionalTrunk,
    "convlstm": ConvLSTMTrunk,
}


def build_trunk(kind: str, width: int, num_actions: int, stack: int, cells: tuple[int, int]) -> Trunk:
    """The trunk that a config names."""
    return TRUNKS[kind](width, num_actions, stack, cells)
