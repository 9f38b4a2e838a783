"""Frames as cells: 4×4 pixels become the channels of one place, in the order in which processors convolve fastest.

A frame (h, w) is (h/4, w/4, 16); a stack of S frames (h/4, w/4, S, 16), the oldest first. So a frame is pushed into a
stack, read by a convolution and drawn by another without a pixel being moved to another place; and what
`agents.layers.network_input` makes of observations, a policy is given of a stack of cells as it lies.
"""

from __future__ import annotations

import torch
from einops import rearrange

from agents.layers import BLOCK, space_to_depth

CELL = BLOCK
"""Pixels on a side."""
PIXELS = CELL * CELL
LEVELS = 6
"""Greys among which an environment model chooses for a pixel that changes: those that most often appear on its line."""
PLANES = 1 + LEVELS
"""What it says of each pixel: a logit that it changes, and one of each grey that it then takes."""


def to_cells(frames: torch.Tensor) -> torch.Tensor:
    """(…, h, w) uint8 as (…, h/4, w/4, 16)."""
    single = frames.reshape(-1, 1, *frames.shape[-2:], 1)
    return space_to_depth(single).unflatten(0, frames.shape[:-2]) if frames.dim() > 2 else space_to_depth(single)[0]


def from_cells(cells: torch.Tensor) -> torch.Tensor:
    """(…, h/4, w/4, 16) as frames (…, h, w)."""
    return rearrange(cells, "... h w (i j) -> ... (h i) (w j)", i=CELL, j=CELL)


def stack_to_cells(stacks: torch.Tensor) -> torch.Tensor:
    """Observations (B, S, h, w) uint8 as stacks of cells (B, h/4, w/4, S, 16)."""
    return space_to_depth(stacks[..., None]).unflatten(-1, (-1, PIXELS))


def stack_from_cells(cells: torch.Tensor) -> torch.Tensor:
    """Stacks of cells (B, h/4, w/4, S, 16) as observations (B, S, h, w)."""
    return rearrange(cells, "b h w s (i j) -> b s (h i) (w j)", i=CELL, j=CELL).contiguous()


def push(stacks: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Stacks (B, h', w', S, 16) with frames (B, h', w', 16) as their newest."""
    return torch.cat([stacks[..., 1:, :], frames[..., None, :]], -2)


def network_blocks(stacks: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Stacks of cells (B, h/4, w/4, S, 16) uint8 as `agents.layers.network_input` gives the same observations:
    (B, S·16, h/4, w/4), channels last.
    """
    return stacks.flatten(-2).to(dtype).permute(0, 3, 1, 2)
