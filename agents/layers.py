"""Blocks of which networks are built, and the numbers in which they compute."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from agents.errors import UserError
from agents.interfaces import Games

NetworkT = TypeVar("NetworkT", bound=nn.Module)
PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda` as a device. Raises UserError where that device is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"There is no device '{name}'. Use auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("This machine offers no CUDA device to PyTorch. Use --device cpu, or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def faster_precision(device: torch.device, work: Callable[[torch.dtype], object]) -> torch.dtype:
    """bfloat16 where `work(dtype)` runs faster in it, under autocast, than in float32; measured here and now."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    seconds: dict[torch.dtype, float] = {torch.float32: math.inf, torch.bfloat16: math.inf}
    # The best of several, in turns: what else runs on the machine slows some of them down.
    for _ in range(5):
        for dtype in seconds:
            with torch.no_grad(), autocast(device, dtype):
                begin = time.perf_counter()
                work(dtype)
                seconds[dtype] = min(seconds[dtype], time.perf_counter() - begin)
    return min(seconds, key=lambda dtype: seconds[dtype])


def precision_for(network: nn.Module, games: Games, rows: int, device: torch.device) -> torch.dtype:
    """The faster one for so many observations, where they are pictures. Other numbers need more than bfloat16's eight
    bits.
    """
    if len(games.frame_shape) == 1:
        return torch.float32
    blank = np.zeros((rows, games.stack, *games.frame_shape), games.frame_dtype)
    return faster_precision(device, lambda dtype: network(network_input(blank, device, dtype)))


def as_saved(device: torch.device, precision: torch.dtype) -> list[str]:
    """A precision that was found faster on a device, for JSON."""
    return [device.type, str(precision).removeprefix("torch.")]


def from_saved(saved: Sequence[str], device: torch.device, otherwise: torch.dtype) -> torch.dtype:
    """The precision that was saved, which a resumed training keeps; `otherwise` where it is another device's."""
    kind, precision = saved
    found: torch.dtype = getattr(torch, precision) if kind == device.type else otherwise
    return found


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Compute in `dtype` where that is exact enough; in float32 this does nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16)


class HalfLinear(nn.Module):
    """A fully connected layer that keeps its weights in bfloat16, and takes and gives float32.

    For a few rows the time goes into fetching the weights: half of the bytes are half of the time.
    """

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().bfloat16(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x.bfloat16(), self.weight, self.bias).float()


def halve(network: nn.Module, *but: str) -> None:
    """Make every `nn.Linear` of a network that has learnt a `HalfLinear`, but those called `but`, or within such."""
    for name, part in list(network.named_children()):
        if name in but:
            continue
        if isinstance(part, nn.Linear):
            setattr(network, name, HalfLinear(part))
        else:
            halve(part, *but)


def halve_where_faster(network: nn.Module, *but: str, rows: int = 4) -> None:
    """`halve` a network where so many rows then pass through the largest layer that is halved faster, measured here.

    On a GPU fetching weights is not what takes the time.
    """
    named = {name: part for name, part in network.named_modules() if isinstance(part, nn.Linear)}
    layers = [part for name, part in named.items() if not _lies_within(name, but)]
    if not layers or layers[0].weight.device.type != "cpu":
        return
    largest = max(layers, key=lambda layer: layer.weight.numel())
    weights = {dtype: largest.weight.detach().to(dtype) for dtype in (torch.float32, torch.bfloat16)}
    x = torch.zeros(rows, largest.in_features)
    if faster_precision(x.device, lambda dtype: F.linear(x.to(dtype), weights[dtype])) is torch.bfloat16:
        halve(network, *but)


def _lies_within(path: str, names: Sequence[str]) -> bool:
    """Whether a module, by its path within the network, is called one of the names, or is part of one that is."""
    return not set(names).isdisjoint(path.split("."))


LARGE = 2**16
"""Weights of a layer from which on it takes time to halve them."""


class HalvedTwin:
    """A network that learns, as it chooses meanwhile under autocast in bfloat16: the same to the last bit.

    Autocast halves every weight in every call, which for a few rows takes longer than to compute with them. Here large
    fully connected layers, but those called `but`, stay halved until the network has learnt (`follow`); all else is the
    network's own.
    """

    def __init__(self, learner: nn.Module, *but: str):
        shared = {id(tensor): tensor for tensor in (*learner.parameters(), *learner.buffers())}
        self.network = copy.deepcopy(learner, shared)
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        for (name, part), own in zip(self.network.named_modules(), learner.modules(), strict=True):
            if _lies_within(name, but) or not (isinstance(part, nn.Linear) and isinstance(own, nn.Linear)):
                continue
            if own.weight.numel() >= LARGE:
                part.weight = nn.Parameter(own.weight.detach().bfloat16(), requires_grad=False)
                self._pairs.append((part.weight, own.weight))

    @torch.no_grad()
    def follow(self) -> None:
        for halved, own in self._pairs:
            halved.copy_(own)


class Workers:
    """Threads for parts of a batch, each computing with one thread of its own; with one worker, no thread at all."""

    def __init__(self, count: int):
        self.count = count
        # The number of threads that an operation uses is a property of the thread that calls it.
        self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) if count > 1 else None

    def map(self, work: Callable[[PartT], ResultT], parts: Iterable[PartT]) -> Iterator[ResultT]:
        """Results in the order of the parts."""
        return self._pool.map(work, parts) if self._pool else map(work, parts)


BLOCK = 4
"""Pixels on a side of the blocks in which networks read images: the stride of Nature's first convolution."""


def even(x: torch.Tensor) -> torch.Tensor:
    """x (B, C, h, w) with zeros after the last row and column of which there is an odd number.

    A convolution of 4×4 with stride 2 would leave these out; of frames of 80×80 that is where Breakout's paddle is.
    """
    height, width = x.shape[2:]
    return F.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def halved(size: int) -> int:
    """The side of what a 4×4 convolution with stride 2 gives of the blocks of a frame, read two by two (`even`)."""
    read = size // BLOCK - 1
    return (read + read % 2 - 4) // 2 + 1


Norm = Callable[[int], nn.Module]
"""A normalisation of so many channels, or features."""


def no_norm(width: int) -> nn.Module:
    return nn.Identity()


def layer_norm(width: int) -> nn.Module:
    """Layer normalisation (Ba et al. 2016) of features (B, width), or of pictures (B, width, h, w), each as a whole."""
    return nn.GroupNorm(1, width)


class NatureEncoder(nn.Module):
    """The convolutions of Mnih et al. 2015 (Methods, "Model architecture"), from raw pixels to features.

    size: height and width of a frame. norm: of what each layer gives, before its ReLU.
    """

    def __init__(self, stack: int = 4, features: int = 512, size: int = 84, norm: Norm = no_norm):
        super().__init__()
        self.features = features
        self.conv1 = nn.Conv2d(stack, 32, 8, stride=BLOCK)
        self.conv2 = nn.Conv2d(32, 64, 4, stride=2)
        self.conv3 = nn.Conv2d(64, 64, 3, stride=1)
        side = halved(size) - 2
        self.dense = nn.Linear(64 * side * side, features)
        self.norms = nn.ModuleList(norm(width) for width in (32, 64, 64, features))

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        """blocks (B, stack·16, size/4, size/4) from `network_input`, values 0 to 255; gives (B, features)."""
        norm1, norm2, norm3, norm4 = self.norms
        x = torch.relu_(norm1(convolve_blocks(self.conv1, blocks)))  # (B, 32, 20, 20) for a size of 84
        x = torch.relu_(norm2(self.conv2(even(x))))  # (B, 64, 9, 9)
        x = torch.relu_(norm3(self.conv3(x)))  # (B, 64, 7, 7)
        # Flattened channels last, as the memory lies: channels first would copy here and in every gradient.
        return torch.relu_(norm4(self.dense(x.permute(0, 2, 3, 1).flatten(1))))


class SmallEncoder(nn.Module):
    """The convolutions of Mnih et al. 2013 and of A3C (Mnih et al. 2016, section 8): a third of Nature's work.

    size: height and width of a frame.
    """

    def __init__(self, stack: int = 4, features: int = 256, size: int = 84):
        super().__init__()
        self.features = features
        self.conv1 = nn.Conv2d(stack, 16, 8, stride=BLOCK)
        self.conv2 = nn.Conv2d(16, 32, 4, stride=2)
        side = halved(size)
        self.dense = nn.Linear(32 * side * side, features)

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        """As `NatureEncoder.forward`."""
        x = torch.relu_(convolve_blocks(self.conv1, blocks))  # (B, 16, 20, 20) for a size of 84
        x = torch.relu_(self.conv2(even(x)))  # (B, 32, 9, 9)
        return torch.relu_(self.dense(x.permute(0, 2, 3, 1).flatten(1)))


class NormalisedEncoder(nn.Module):
    """Five convolutions of `channels` each, with batch normalisation, from raw pixels to features.

    size: height and width of a frame.
    """

    def __init__(self, stack: int, channels: int, features: int = 512, size: int = 84):
        super().__init__()
        self.features = features
        self.conv1 = nn.Conv2d(stack, channels, 8, stride=BLOCK)
        self.conv2 = nn.Conv2d(channels, channels, 4, stride=2)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv4 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv5 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(5))
        self.dense = nn.Linear(channels * halved(size) ** 2, features)

    def forward(self, blocks: torch.Tensor) -> torch.Tensor:
        """As `NatureEncoder.forward`."""
        x = even(torch.relu(self.norms[0](convolve_blocks(self.conv1, blocks))))  # (B, channels, 20, 20) for 84
        for norm, convolution in zip(self.norms[1:], (self.conv2, self.conv3, self.conv4, self.conv5), strict=True):
            x = torch.relu(norm(convolution(x)))  # (B, channels, 9, 9)
        return torch.relu(self.dense(x.permute(0, 2, 3, 1).flatten(1)))


def convolve_blocks(convolution: nn.Conv2d, blocks: torch.Tensor) -> torch.Tensor:
    """A convolution of 8×8 pixels with stride 4, scaled to pixels from 0 to 1, over blocks from `network_input`.

    blocks (B, stack·16, 21, 21) with values 0 to 255; gives (B, channels, 20, 20).
    """
    # 8×8 with stride 4 over pixels is 2×2 with stride 1 over blocks of 4×4: the same sums, a third faster.
    # Scaling the weights instead of the pixels is exact in any precision: bfloat16 holds every integer to 256.
    weight = rearrange(convolution.weight / 255, "o s (h i) (w j) -> o (s i j) h w", i=BLOCK, j=BLOCK)
    return F.conv2d(blocks, weight, convolution.bias)


class StateEncoder(nn.Module):
    """Fully connected layers for observations that are a few numbers (CartPole's four), from the newest one."""

    def __init__(self, size: int, features: int = 64, norm: Norm = no_norm):
        super().__init__()
        self.features = features
        self.dense1 = nn.Linear(size, 128)
        self.norm1 = norm(128)
        self.dense2 = nn.Linear(128, features)
        self.norm2 = norm(features)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """observations (B, stack, size) float; gives (B, features)."""
        x = torch.relu(self.norm1(self.dense1(observations[:, -1])))
        return torch.relu(self.norm2(self.dense2(x)))


def initialise(network: nn.Module, gain: float = math.sqrt(2)) -> None:
    """Orthogonal weights of this gain, no biases; √2 keeps the variance through ReLUs (Saxe et al. 2014).

    PyTorch's own weights lose most of it in each layer: what differs between two frames is then too little for the
    last one to learn from, and the units die.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(part.weight, gain)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether what the network computes in training depends on the whole batch."""
    return any(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in network.modules())


def channels_last(network: NetworkT) -> NetworkT:
    """The same network with its image weights laid out channels last, in which processors convolve fastest."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def network_input(observations: np.ndarray, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Observations (B, stack, *frame), as games give them, where and how a network wants them.

    Images (uint8) keep their values 0 to 255 and become channels of 4×4 pixels, (B, stack·16, h/4, w/4) in memory
    laid out channels last; numbers stay as they are, in float32.
    """
    if observations.ndim != 4:
        return torch.from_numpy(observations).to(device, torch.float32)
    return space_to_depth(torch.from_numpy(observations).to(device)[..., None]).to(dtype).permute(0, 3, 1, 2)


def space_to_depth(frames: torch.Tensor) -> torch.Tensor:
    """Frames (B, S, h, w, c) uint8 with their pixels in blocks of 4×4: (B, h/4, w/4, S·16·c).

    The channels of a block are in the order frame, row, column, colour.
    """
    # Four pixels in a row, with their colours, move as c 32-bit words: several times faster than byte by byte. And
    # lines move to their blocks first: what lies far apart is then fetched line by line.
    words = frames.flatten(-2).contiguous().view(torch.int32)
    lines = rearrange(words, "b s (h i) w -> b h (s i) w", i=BLOCK).contiguous()
    blocks = rearrange(lines, "b h l (w c) -> b h w (l c)", c=frames.shape[-1]).contiguous()
    return blocks.view(torch.uint8)
