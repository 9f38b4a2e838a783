"""A closer look at the few things that have just moved: each is read from where it is now.

What a ball does next is the same function everywhere on the screen. A window that is centred on it, to the pixel, lets
one network learn this function once, where cells at fixed places learn it anew for each place in a cell.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from agents.i2a.cells import CELL, PLANES

MOVERS = 6
"""Things that are looked at in a frame, at most."""
NEAR = 2
"""Pixels around a place, in each direction, that are taken for one thing."""
APART = 4
"""Pixels from the centre of a thing, in each direction, that belong to it."""
FAR = 10
"""Pixels around a thing, in each direction, that are read and drawn."""
SIDE = 2 * FAR + 1
DIMMED = 64
"""By which greys are divided, so that a network reads numbers about 1."""


class Movers(nn.Module):
    """Finds what has moved, reads a window of `SIDE`×`SIDE` pixels around each, and draws into it.

    units: of its hidden layers. features: numbers that it tells of each thing, for what comes of a step.
    2.8 million multiply-adds for a thing at 512 units.
    """

    usual: torch.Tensor

    def __init__(self, units: int, features: int, num_actions: int, stack: int, cells: tuple[int, int]):
        super().__init__()
        self.shape = (cells[0] * CELL, cells[1] * CELL)
        self.read = nn.Linear(SIDE * SIDE * stack, units)
        # What happens can depend on what is done, and on the place: bricks of each line are worth another reward.
        self.action = nn.Parameter(0.1 * torch.randn(num_actions, units))
        self.line = nn.Parameter(0.1 * torch.randn(self.shape[0], units))
        self.column = nn.Parameter(0.1 * torch.randn(self.shape[1], units))
        self.mix = nn.Linear(units, units)
        self.tell = nn.Linear(units, features)
        self.draw = nn.Linear(units, PLANES * SIDE * SIDE)
        for layer in (self.read, self.mix, self.tell):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        # At first what the cells draw is to stand.
        nn.init.normal_(self.draw.weight, std=0.01)
        nn.init.zeros_(self.draw.bias)
        self.register_buffer("usual", torch.zeros(self.shape))

    def calibrate(self, frames: torch.Tensor) -> None:
        """Learn from frames (N, h, w) uint8 what is usual: a thing is where that has given way."""
        self.usual.copy_(frames.float().mean(0))

    def find(self, before: torch.Tensor, now: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Centres (B, M, 2) int64, line and column, of what has appeared between frames (B, h, w) uint8, the largest
        first; and which are meant (B, M) bool, where a row has fewer than M ≤ `MOVERS` things.
        """
        far = (now - self.usual).abs() > (before - self.usual).abs()
        appeared = F.pad(((now != before) & far).byte(), (NEAR, NEAR, NEAR, NEAR))
        count = sum_around(sum_around(appeared, 1), 2)  # of the pixels around each place: (B, h, w)
        around = torch.arange(-NEAR, NEAR + 1, device=now.device)
        window = (around[:, None] * appeared.shape[2] + around).flatten()
        shifts = torch.stack(torch.meshgrid(around, around, indexing="ij"), -1).flatten(0, 1).float()  # (25, 2)
        lines = torch.arange(self.shape[0], device=now.device)[:, None]
        columns = torch.arange(self.shape[1], device=now.device)
        centres, meant = [], []
        for _ in range(MOVERS):
            most, place = count.flatten(1).max(1)
            line, column = place // self.shape[1], place % self.shape[1]
            middle = (line + NEAR) * appeared.shape[2] + column + NEAR
            there = appeared.flatten(1).gather(1, middle[:, None] + window).float()  # (B, 25)
            # Halves always upwards: the same thing has the same centre, wherever it is.
            shift = (there @ shifts / most[:, None].clamp(min=1) + 0.5).floor().long()
            centre = torch.stack([line, column], 1) + shift
            # From further away nothing is counted that belongs to this one.
            apart = (lines - centre[:, 0, None, None]).abs() > APART + NEAR
            count = count * (apart | ((columns - centre[:, 1, None, None]).abs() > APART + NEAR))
            centres.append(centre)
            meant.append(most > 0)
            if not count.any():
                break
        return torch.stack(centres, 1), torch.stack(meant, 1)

    def forward(self, stacks: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of stacks of cells (B, h', w', S, 16) uint8 and actions (B,) int64: features (B, features, M), 0 where there
        is no thing, and what is to be added to a drawing (B, h', w', PLANES, 16) float32.
        """
        dtype = torch.bfloat16 if torch.is_autocast_enabled(stacks.device.type) else torch.float32
        (height, width), rows = self.shape, len(stacks)
        frames = rearrange(stacks, "b h w s (i j) -> b (h i) (w j) s", i=CELL, j=CELL)
        centres, meant = self.find(frames[..., -2], frames[..., -1])
        window = torch.arange(SIDE, device=stacks.device)  # in a frame with a rim of FAR
        rimmed = (height + 2 * FAR, width + 2 * FAR)
        first = torch.arange(rows, device=stacks.device)[:, None] * rimmed[0] * rimmed[1]
        corners = first + centres[..., 0] * rimmed[1] + centres[..., 1]  # (B, M)
        places = corners[..., None] + (window[:, None] * rimmed[1] + window).flatten()  # (B, M, SIDE · SIDE)

        seen = F.pad(frames, (0, 0, FAR, FAR, FAR, FAR)).flatten(0, 2)[places]  # (…, S)
        where = self.action[actions, None] + self.line[centres[..., 0]] + self.column[centres[..., 1]]
        x = torch.relu(self.read(seen.flatten(2).to(dtype) / DIMMED) + where.to(dtype))
        x = torch.relu(x + self.mix(x)) * meant[..., None].to(dtype)
        told = torch.relu(self.tell(x)) * meant[..., None].to(dtype)
        with torch.autocast(x.device.type, enabled=False):
            drawn = self.draw(x.float()).unflatten(2, (SIDE * SIDE, PLANES)) * meant[..., None, None]
        picture = drawn.new_zeros(rows * rimmed[0] * rimmed[1], PLANES)
        for thing in range(places.shape[1]):  # one after the other: the order of a sum decides its last bit
            picture = picture.index_add(0, places[:, thing].flatten(), drawn[:, thing].flatten(0, 1))
        picture = picture.view(rows, *rimmed, PLANES)[:, FAR:-FAR, FAR:-FAR]
        return told.transpose(1, 2), rearrange(picture, "b (h i) (w j) c -> b h w c (i j)", i=CELL, j=CELL)


def sum_around(numbers: torch.Tensor, axis: int) -> torch.Tensor:
    """The sum of the 2 · `NEAR` + 1 numbers around each along an axis, which becomes shorter by 2 · `NEAR`."""
    length = numbers.shape[axis] - 2 * NEAR
    total = numbers.narrow(axis, 0, length).clone()
    for shift in range(1, 2 * NEAR + 1):
        total += numbers.narrow(axis, shift, length)
    return total
