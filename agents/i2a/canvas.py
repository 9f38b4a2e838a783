"""What a model draws into frames: pixel by pixel in the order of cells, on a rim as well, which is cut off."""

from __future__ import annotations

import torch

from agents.i2a.cells import CELL, PIXELS, PLANES

RIM = 3
"""Cells around a frame, so that what is drawn around a thing does not end at the frame's edge: as far as
`agents.i2a.finding.FAR` at least."""


def with_rim(cells: tuple[int, int]) -> tuple[int, int]:
    """Lines and columns of cells of a frame and its rim."""
    return cells[0] + 2 * RIM, cells[1] + 2 * RIM


def order_of_cells(cells: tuple[int, int]) -> torch.Tensor:
    """The pixels of a frame of so many cells and its rim, counted line by line, as a canvas counts them: int64."""
    height, width = with_rim(cells)
    of_pixels = torch.arange(height * width * PIXELS).view(height, width, CELL, CELL)
    return of_pixels.transpose(1, 2).flatten()


class Canvas:
    """Drawings into `count` frames of h'×w' cells: each is added to what is there.

    Pixels are counted frame by frame, cell by cell. planes (pixels, PLANES) float32: what is there.
    """

    def __init__(self, count: int, cells: tuple[int, int], device: torch.device):
        self.shape = (count, *with_rim(cells), PIXELS, PLANES)
        self.planes = torch.zeros(count * self.shape[1] * self.shape[2] * PIXELS, PLANES, device=device)

    def pixels_of(self, rows: torch.Tensor, lines: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """The pixels (K, 16) of cells (K,) int64 each: in which frame, in which line and column of it."""
        _, height, width, *_ = self.shape
        first = ((rows * height + lines + RIM) * width + columns + RIM) * PIXELS
        return first[:, None] + torch.arange(PIXELS, device=rows.device)

    def draw(self, pixels: torch.Tensor, planes: torch.Tensor) -> None:
        """Add planes (K, n, PLANES) to pixels (K, n). Where these are all different, the sum has but one order."""
        self.planes.index_add_(0, pixels.flatten(), planes.flatten(0, 1))

    def frames(self) -> torch.Tensor:
        """(count, h', w', 16, PLANES)."""
        return self.planes.view(self.shape)[:, RIM:-RIM, RIM:-RIM]
