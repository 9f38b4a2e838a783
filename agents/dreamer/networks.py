"""The networks around the recurrent state: pixels to features, and a state back to pixels and numbers.

Images are read and written in blocks of 4×4 pixels. A processor multiplies large matrices well and strided or
transposed convolutions over a few channels badly: blocks turn the latter into the former (space to depth).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from agents.layers import BLOCK, even, halved, space_to_depth

LEAST_DEVIATION = 5.0
"""Added to the deviation of a pixel, of 255: one that hardly ever changes shall not drown the others."""


def to_blocks(frames: np.ndarray) -> torch.Tensor:
    """Frames (N, h, w, c) uint8 as blocks (N, 16·c, h/4, w/4) uint8, in memory laid out channels last."""
    return space_to_depth(torch.from_numpy(frames)[:, None]).permute(0, 3, 1, 2)


def from_blocks(blocks: torch.Tensor, channels: int) -> torch.Tensor:
    """The way back: blocks (N, 16·c, h/4, w/4) of any type as frames (N, h, w, c)."""
    return rearrange(blocks, "n (i j c) h w -> n (h i) (w j) c", i=BLOCK, j=BLOCK, c=channels)


class Encoder(nn.Module):
    """Frames to features; `features` is their number.

    What all pictures have in common says nothing: each pixel is read as how far it is from its usual value, in
    units of its usual deviation, which is large for a pixel through which a ball flies once in a while. Without
    this, a ball is a thousandth of what the first layers see. `calibrate` measures both, once.

    Beside the convolutions' last map, features say what each channel amounts to along every line and every column:
    where a small thing is takes two short codes then, as in `Decoder`, which are learnt sooner than a map of places.

    size: height and width of a frame, a multiple of 4, 36 or more. depth: channels of the first layer, doubled once.
    """

    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor
    feature_mean: torch.Tensor
    feature_std: torch.Tensor

    def __init__(self, size: int, channels: int, depth: int):
        super().__init__()
        inputs, side = BLOCK * BLOCK * channels, size // BLOCK
        self.convolutions = nn.ModuleList(
            [
                keep_variance(nn.Conv2d(inputs, depth, 2)),
                keep_variance(nn.Conv2d(depth, 2 * depth, 4, stride=2)),
                keep_variance(nn.Conv2d(2 * depth, 2 * depth, 3)),
            ]
        )
        self.spots = keep_variance(nn.Conv2d(depth, depth, 1))
        self.features = 2 * depth * (halved(size) - 2) ** 2 + 2 * 2 * depth * (side - 1)
        self.register_buffer("pixel_mean", torch.full((1, inputs, side, side), 127.5))
        self.register_buffer("pixel_std", torch.full((1, inputs, side, side), 127.5))
        self.register_buffer("feature_mean", torch.zeros(self.features))
        self.register_buffer("feature_std", torch.ones(self.features))

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        """blocks (N, 16·c, h/4, w/4) float, with values 0 to 255; gives (N, features)."""
        x = (blocks - self.pixel_mean) / self.pixel_std
        read, halve, mix = self.convolutions
        close = F.silu(read(x))
        whole = F.silu(mix(F.silu(halve(even(close)))))
        # Channels last, in sums too: their gradients would else lie otherwise than what they are gradients of.
        spots = torch.cat([close, F.silu(self.spots(close))], 1).permute(0, 2, 3, 1)
        features = [part.flatten(1) for part in (whole.permute(0, 2, 3, 1), spots.sum(1), spots.sum(2))]
        return (torch.cat(features, 1) - self.feature_mean) / self.feature_std

    @torch.no_grad()
    def calibrate(self, blocks: torch.Tensor) -> None:
        """Take the means and deviations of blocks (N, …) float, before any learning."""
        self.pixel_mean.copy_(blocks.mean(0, keepdim=True))
        self.pixel_std.copy_(blocks.std(0, keepdim=True) + LEAST_DEVIATION)
        features = self(blocks) * self.feature_std + self.feature_mean
        self.feature_mean.copy_(features.mean(0))
        self.feature_std.copy_(features.std(0) + 0.01)


class Decoder(nn.Module):
    """A state back to a frame, in blocks: things at places, on the usual picture.

    Each of `things` channels is the product of a profile down the rows and one along the columns of blocks, so
    that a ball at (x, y) takes two small codes, where a dense layer would need one for each pair. The same small
    network then draws every block from the channels that meet there.
    """

    usual: torch.Tensor

    def __init__(self, features: int, size: int, channels: int, things: int, units: int):
        super().__init__()
        self.side, self.things = size // BLOCK, things
        self.profiles = keep_variance(nn.Linear(features, 2 * self.side * things))
        self.hidden = keep_variance(nn.Linear(things, units))
        self.blocks = nn.Linear(units, BLOCK * BLOCK * channels)
        self.register_buffer("usual", torch.zeros(self.side, self.side, BLOCK * BLOCK * channels))

    def things_in(self, state: torch.Tensor) -> torch.Tensor:
        """What there is in states (N, features), and where: (N, h/4, w/4, things)."""
        rows, columns = F.silu(self.profiles(state)).unflatten(-1, (2, self.side, self.things)).unbind(1)
        return rows[:, :, None] * columns[:, None]

    def paint(self, things: torch.Tensor) -> torch.Tensor:
        """Of things the blocks (N, 16·c, h/4, w/4), with values about −0.5 to 0.5."""
        return (self.blocks(F.silu(self.hidden(things))) + self.usual).permute(0, 3, 1, 2)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """state (N, features); gives blocks (N, 16·c, h/4, w/4), with values about −0.5 to 0.5."""
        return self.paint(self.things_in(state))

    @torch.no_grad()
    def calibrate(self, blocks: torch.Tensor) -> None:
        """Take the mean of blocks (N, …) float as the usual picture."""
        self.usual.copy_(blocks.mean(0).permute(1, 2, 0) / 255 - 0.5)


class NumbersEncoder(nn.Module):
    """For what is a few numbers instead of a picture: each in units of its deviation, then a layer or two."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, count: int, units: int):
        super().__init__()
        self.features = units
        self.dense = MLP(count, units, 1, units)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("std", torch.ones(count))

    def normalised(self, numbers: torch.Tensor) -> torch.Tensor:
        """(N, count), as far from the mean as is usual for each."""
        return (numbers - self.mean) / self.std

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """numbers (N, count) float; gives (N, features)."""
        features: torch.Tensor = self.dense(self.normalised(numbers))
        return features

    @torch.no_grad()
    def calibrate(self, numbers: torch.Tensor) -> None:
        """Take the means and deviations of numbers (N, count) float, before any learning."""
        self.mean.copy_(numbers.mean(0))
        self.std.copy_(numbers.std(0) + 1e-3)


class NumbersDecoder(nn.Module):
    """A state back to the numbers that are seen in it, normalised as `NumbersEncoder` does."""

    def __init__(self, features: int, count: int, units: int):
        super().__init__()
        self.dense = MLP(features, units, 1, count)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """state (N, features); gives (N, count) float32."""
        numbers: torch.Tensor = self.dense(state)
        return numbers

    def calibrate(self, numbers: torch.Tensor) -> None:
        """There is nothing to be measured: the encoder has done it."""


LayerT = TypeVar("LayerT", nn.Linear, nn.Conv2d)


def keep_variance(layer: LayerT) -> LayerT:
    """Weights that pass on as much variance as comes in (He et al. 2015); PyTorch's own lose two thirds a layer."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class MLP(nn.Module):
    """Fully connected layers with layer normalisation; the last one in float32, as its outputs are compared."""

    def __init__(self, inputs: int, units: int, layers: int, outputs: int, zero: bool = False):
        super().__init__()
        widths = [inputs, *[units] * layers]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(units) for _ in range(layers))
        self.last = nn.Linear(units, outputs)
        if zero:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., inputs) to (..., outputs) float32."""
        for dense, norm in zip(self.hidden, self.norms, strict=True):
            x = F.silu(norm(dense(x)))
        with torch.autocast(x.device.type, enabled=False):
            return self.last(x.float())
