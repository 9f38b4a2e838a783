"""What goes as one, and for good: sets of pixels that have always vanished together, as those of a brick.

An environment model chooses pixel by pixel what changes. Where it is in doubt whether a brick breaks, it would break
some pixels of it; what is left has edges that no brick has, looks like a ball, is taken for a thing that moves, and
from there the wall crumbles. And who learns from frames of its own, in which a brick has broken too early, is asked for
a frame in which it stands, and learns to put bricks back. So the pixels of a tile are one choice: all of them go, or
none; and what has gone stays gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from einops import rearrange
from torch import nn

from agents.i2a.cells import CELL, PIXELS, from_cells

MOST = 512
"""Tiles at most: the largest."""
OFTEN = 3
"""Times that a tile, and any two neighbours in it, must have gone."""
TOGETHER = 0.8
"""Share of the times that the one of two neighbours has gone that goes more often, in which both must have."""
FOR_GOOD = 0.2
"""How often a tile may come, at most, for each time that it goes: the pieces of a paddle come as often as they go."""
NEW_PICTURE = 0.05
"""Share of all pixels that change where more does not count: as where the next wall stands, or the view scrolls."""
SURE = 4.0
"""A logit counts for no more than this: a ball that has just been drawn over a corner is no witness for the brick. Nor
are many that no pixel was looked at: those of a cell in which nothing can happen."""
FINE = 1024
"""Parts of a logit that are counted: whole numbers have the same sum in any order."""


class Tiles(nn.Module):
    """Until it has learnt, there are none, and each pixel is a choice of its own.

    number (h', w', 16) int64: of the tile of each pixel, from 1; 0 for those of none. grey (h', w', 16) uint8: which it
    has while its tile stands. ground (h', 1, 16) uint8: which it has once that has gone. A tile stands while more than
    half of its pixels have their grey, and has gone once more than half are ground.

    A wall that is built anew can so not be drawn brick by brick; it could not be foreseen either.
    """

    number: torch.Tensor
    grey: torch.Tensor
    ground: torch.Tensor

    def __init__(self, cells: tuple[int, ...]):
        super().__init__()
        self.register_buffer("number", torch.zeros(*cells, PIXELS, dtype=torch.int64))
        self.register_buffer("grey", torch.zeros(*cells, PIXELS, dtype=torch.uint8))
        self.register_buffer("ground", torch.zeros(cells[0], 1, PIXELS, dtype=torch.uint8))

    def _load_from_state_dict(self, state_dict: dict[str, torch.Tensor], prefix: str, *given: Any) -> None:
        """Models of before there were tiles have none, and are as they were."""
        for name, none in Tiles(tuple(self.number.shape[:2])).named_buffers():
            state_dict.setdefault(prefix + name, none)
        super()._load_from_state_dict(state_dict, prefix, *given)

    def standing(self, frames: torch.Tensor) -> torch.Tensor:
        """Which pixels of frames (B, h', w', 16) uint8 belong to a tile that stands there: bool, of the same shape."""
        return self._of_most(frames == self.grey)

    def changed(self, frames: torch.Tensor, logits: torch.Tensor, even: float) -> torch.Tensor:
        """Which pixels of frames (B, h', w', 16) uint8 change, bool, by the logits that each does, of the same shape:
        where that is above 0. Those that show a tile that stands do where the mean of theirs, each of at most ±`SURE`,
        is above `even`: one that surely stays weighs more than one that surely changes."""
        shows = frames == self.grey
        shows &= self._of_most(shows)
        votes = logits.detach().float().clamp(-SURE, SURE).sub(even).mul(FINE).long() * shows
        return torch.where(shows, self._by_pixel(self._sums(votes) > 0), logits > 0)

    def settled(self, before: torch.Tensor, after: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
        """Frames `after` (B, h', w', 16) uint8, drawn after those `before` where `changed` says so, but with ground
        where they would show what has gone: pixels of a tile that goes in this grey all the same, or that has gone and
        would stand again."""
        stood, stands = before == self.grey, after == self.grey
        parts = torch.cat([stood, before == self.ground, stands])  # counted at once: that takes longer than all else
        standing, gone, again = self._of_most(parts).chunk(3)
        left, back = standing & stood & changed, gone & again & ~stood
        return torch.where((left | back) & stands, self.ground, after)

    def learn(self, steps: Callable[[], Iterable[torch.Tensor]], ground: torch.Tensor) -> None:
        """Learn anew from real frames (3, N, h, w) uint8 at a time, each after the one before, on a ground (h, 1);
        they are read twice.

        A pixel goes that has stood for a step, in another grey than the ground's, and gives way to it. Neighbours that
        went together, in one grey, are of one tile, and so are their neighbours; if it hardly ever comes back.
        """
        ground = ground.to(torch.uint8)
        number, grey = _gone_together(steps(), ground, from_cells(self.number).shape[1])
        number = _numbered(number * _for_good(steps(), number, grey)[number])
        for buffer, values in ((self.number, number), (self.grey, grey * (number > 0)), (self.ground, ground)):
            buffer.copy_(
                rearrange(values.expand_as(number), "(h i) (w j) -> h w (i j)", i=CELL, j=CELL)[:, : buffer.shape[1]]
            )

    def _of_most(self, pixels: torch.Tensor) -> torch.Tensor:
        """Of each pixel whether it belongs to a tile of which more than half are so (B, h', w', 16) bool."""
        size = torch.bincount(self.number.flatten(), minlength=MOST + 1)
        return self._by_pixel(2 * self._sums(pixels) > size)

    def _sums(self, pixels: torch.Tensor) -> torch.Tensor:
        """Of whole numbers (B, h', w', 16), for each tile: (B, MOST + 1) int64."""
        numbers = self.number.flatten()
        tiled = numbers.nonzero()[:, 0]
        sums = torch.zeros(len(pixels), MOST + 1, dtype=torch.int64, device=pixels.device)
        return sums.scatter_add_(1, numbers[tiled].expand(len(pixels), -1), pixels.flatten(1)[:, tiled].long())

    def _by_pixel(self, tiles: torch.Tensor) -> torch.Tensor:
        """Of each pixel (B, h', w', 16) whether it is so of its tile, of all (B, MOST + 1) bool; never of none."""
        return tiles[:, self.number] & (self.number > 0)


def _gone_together(
    steps: Iterable[torch.Tensor], ground: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A number (h, w) int64 that pixels share that go together, from 1; 0 of those that go alone. And the grey (h, w)
    uint8 in which each most often goes; ground (h, 1) uint8."""
    height = len(ground)
    area = height * width
    greys = torch.zeros(area * 256, dtype=torch.int64, device=ground.device)
    right, below = greys.new_zeros(2, area)
    for before, now, after in steps:
        gone = (before == now) & (now != ground) & (after == ground) & _quiet(now, after)
        frame, line, column = gone.nonzero(as_tuple=True)  # few of all pixels
        grey, place = now[frame, line, column], line * width + column
        greys += torch.bincount(place * 256 + grey.int(), minlength=len(greys))
        for pairs, down, across in ((right, 0, 1), (below, 1, 0)):
            other = (frame, (line + down).clamp(max=height - 1), (column + across).clamp(max=width - 1))
            both = gone[other] & (now[other] == grey)
            pairs += torch.bincount(place[both], minlength=area)
    often, grey = greys.view(height, width, 256).max(-1)
    right, below = right.view(height, width)[:, :-1], below.view(height, width)[:-1]
    right = _together(right, often[:, :-1], often[:, 1:]) & (grey[:, :-1] == grey[:, 1:])
    below = _together(below, often[:-1], often[1:]) & (grey[:-1] == grey[1:])
    labels = _joined(right, below)
    _, of_pixel, sizes = labels.unique(return_inverse=True, return_counts=True)
    return torch.where(sizes[of_pixel] > 1, labels + 1, 0), grey.to(torch.uint8)


def _quiet(now: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Between which of frames (N, h, w) little changes: (N, 1, 1) bool."""
    return (now != after).sum((1, 2), keepdim=True) <= NEW_PICTURE * now[0].numel()


def _together(both: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Whether neighbours belong to one tile, by how often both went, and either of them."""
    return (both >= OFTEN) & (both >= TOGETHER * torch.maximum(one, other))


def _joined(right: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    """A label (h, w) int64 that all pixels share that are joined, each to the one right of it (h, w − 1) bool and the
    one below (h − 1, w) bool, and no others: the first of them, counted line by line."""
    labels = torch.arange(below.shape[1] * right.shape[0], device=right.device).view(right.shape[0], below.shape[1])
    while True:
        before = labels.clone()
        for joined, one, other in ((right, labels[:, :-1], labels[:, 1:]), (below, labels[:-1], labels[1:])):
            least = torch.minimum(one, other)
            one.copy_(torch.where(joined, least, one))
            other.copy_(torch.where(joined, torch.minimum(least, other), other))
        if torch.equal(before, labels):
            return labels


def _for_good(steps: Iterable[torch.Tensor], number: torch.Tensor, grey: torch.Tensor) -> torch.Tensor:
    """Which tiles (number.max() + 1,) bool go often enough, and hardly ever come: by most of their pixels in a step."""
    size = torch.bincount(number.flatten())
    comes, goes = torch.zeros_like(size), torch.zeros_like(size)
    for _, now, after in steps:
        stood, stands = ((frames == grey) & (number > 0) & _quiet(now, after) for frames in (now, after))
        for count, change in ((comes, stands & ~stood), (goes, stood & ~stands)):
            frame, line, column = change.nonzero(as_tuple=True)
            of_frame, pixels = (frame * len(size) + number[line, column]).unique(return_counts=True)
            tile = of_frame % len(size)
            count += torch.bincount(tile[2 * pixels > size[tile]], minlength=len(size))
    return (goes >= OFTEN) & (comes <= FOR_GOOD * goes)


def _numbered(labels: torch.Tensor) -> torch.Tensor:
    """Sets (h, w) by their labels, 0 for none, as numbers from 1, by their size, the largest first, and 0 for those
    that are too many."""
    of_set, of_pixel, sizes = labels.unique(return_inverse=True, return_counts=True)
    sizes = torch.where(of_set > 0, sizes, 0)
    number = torch.zeros_like(sizes)
    number[sizes.argsort(descending=True, stable=True)] = torch.arange(1, len(sizes) + 1, device=labels.device)
    return torch.where((sizes > 0) & (number <= MOST), number, 0)[of_pixel]
