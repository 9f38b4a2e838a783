"""Drawing what is in doubt at one place.

A decoder that is judged by squared errors draws the mean of all that it holds possible: a ball that may be here or
there is a cloud. Here what flies is one choice among all places of the picture, learnt by its likelihood, and the
picture is drawn as of that choice, which in training is the true one: a latent variable, as in `agents.i2a.movers`.
Drawn is then the likeliest choice. It only reads the states: what they learn to hold, nothing here decides.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from agents.dreamer.networks import Decoder, from_blocks, keep_variance
from agents.layers import BLOCK

HALVES = 2 * BLOCK
"""Half pixels along a side of a block: places are told apart by so much, as a picture is shrunk to what is seen."""
MARGIN = 4
"""Half pixels around a block from which what flies reaches into it."""
WINDOW = HALVES + 2 * MARGIN
NOWHERE = -1
"""Line and column of the choice that nothing flies."""
SPREAD = 5
"""Half pixels around a place, in each direction, that are weighed together: beliefs are spread over many places, and
which single one is the likeliest is chance. Of 185 dreams of 50 steps 84 % had a ball by single places, 97 % by these.
"""
AT_ONCE = 32
"""States that are drawn at a time. For more, memory is fetched anew, which takes longer than to draw: 64 at once took
30 ms, in two parts 16 to 20.
"""
LEAST = 60
"""The sum of channels by which a pixel must stand out from the frames before and after, to belong to what flies."""
AROUND = 2
"""Pixels around a place, in each direction, over which what flies reaches."""


class Focus(nn.Module):
    """Reads a decoder's things, chooses the place of what flies, and draws as of that choice.

    things, size, channels: the decoder's. features: numbers of a state. units: of the two hidden layers.
    """

    def __init__(self, features: int, size: int, channels: int, things: int, units: int):
        super().__init__()
        self.side = size // BLOCK
        self.looked = keep_variance(nn.Linear(things, things))
        self.places = nn.Linear(things, HALVES * HALVES)
        self.nowhere = nn.Linear(features, 1)
        self.hidden = keep_variance(nn.Linear(things, units))
        self.chosen = nn.Parameter(torch.zeros(WINDOW * WINDOW, units))
        self.blocks = nn.Linear(units, BLOCK * BLOCK * channels)
        for layer in (self.places, self.nowhere, self.blocks):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def logits(self, things: torch.Tensor, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of things (N, h/4, w/4, t) in states (N, f): logits of all places (N, h/4, w/4, HALVES²) float32, those of a
        block line by line, and of none (N, 1)."""
        read = F.silu(self.looked(things))
        with torch.autocast(read.device.type, enabled=False):
            return self.places(read.float()), self.nowhere(states.float())

    def draw(self, things: torch.Tensor, choices: torch.Tensor, usual: torch.Tensor) -> torch.Tensor:
        """Blocks (N, 16·c, h/4, w/4) of things (N, h/4, w/4, t) on the usual picture (h/4, w/4, 16·c), as of choices
        (N, 2) int64: lines and columns in half pixels, or NOWHERE."""
        x = self.hidden(things)  # (N, h/4, w/4, units)
        lines, columns = (choices[..., None] + MARGIN).unbind(1)  # (N, 1)
        # What flies is seen in the two blocks, along each axis, to which it is the nearest.
        beside = torch.arange(4, device=choices.device)
        line, column = lines // HALVES - beside // 2, columns // HALVES - beside % 2  # (N, 4)
        code = (lines - line * HALVES) * WINDOW + columns - column * HALVES
        inside = (line >= 0) & (line < self.side) & (column >= 0) & (column < self.side)
        seen = inside & (choices[:, :1] != NOWHERE)
        rows = seen.nonzero()[:, 0]
        added = F.embedding(code[seen], self.chosen).to(x.dtype)
        x.index_put_((rows, line[seen], column[seen]), added, accumulate=True)  # a copy of it would take as long as all
        return (self.blocks(F.silu(x)) + usual).permute(0, 3, 1, 2)

    def _number(self, choices: torch.Tensor) -> torch.Tensor:
        """The number of choices (N, 2) among all places, as logits are counted block by block, and of none."""
        line, column = choices.unbind(1)
        block = line // HALVES * self.side + column // HALVES
        number = (block * HALVES + line % HALVES) * HALVES + column % HALVES
        return number.where(line != NOWHERE, (self.side * HALVES) ** 2)

    def forward(self, decoder: Decoder, states: torch.Tensor) -> torch.Tensor:
        """States (N, f) as blocks (N, 16·c, h/4, w/4) of about −0.5 to 0.5, what flies at its likeliest place."""
        drawn = []
        for some in states.split(AT_ONCE):
            things = decoder.things_in(some)
            drawn.append(self.draw(things, likeliest(*self.logits(things, some)), decoder.usual))
        return torch.cat(drawn)

    def loss(
        self, decoder: Decoder, states: torch.Tensor, frames: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """−log p of where things fly, and the squared error of what is drawn as of there, of states (N, f), both (N,).

        frames (3, N, 16·c, h/4, w/4) uint8, blocks: the true picture, between the one before and the one after it.
        weights: what each pixel of it counts for, (N, 16·c, h/4, w/4) or what is broadcast to that. No gradient reaches
        the states or the decoder.
        """
        states = states.detach()
        before, now, after = frames
        with torch.no_grad():
            things = decoder.things_in(states)
            choices = flying(before, now, after, (decoder.paint(things) + 0.5) * 255)
        places, nowhere = self.logits(things, states)
        belief = torch.cat([places.flatten(1), nowhere], 1).log_softmax(1)
        surprise = -belief.gather(1, self._number(choices)[:, None])[:, 0]
        error = self.draw(things, choices, decoder.usual).float() + 0.5 - now.float() / 255
        return surprise, 0.5 * (weights * error.square()).sum((1, 2, 3))


def likeliest(places: torch.Tensor, nowhere: torch.Tensor) -> torch.Tensor:
    """The choices (N, 2) by logits as of `Focus.logits`: NOWHERE where that is at least as likely as all places
    together. Else the middle of the square of places that are the likeliest together, among those of the three by three
    blocks that are so.
    """
    side, blocks = places.shape[1], places.logsumexp(-1)  # (N, h/4, w/4)
    most = F.avg_pool2d(blocks.flatten(1).softmax(1).view_as(blocks)[:, None], 3, 1, 1).flatten(1).argmax(1)
    line, column = most // side, most % side
    near = torch.arange(3, device=places.device)
    rows = torch.arange(len(places), device=places.device)[:, None, None]
    padded = F.pad(places, (0, 0, 1, 1, 1, 1), value=-torch.inf)
    around = padded[rows, (line[:, None] + near)[:, :, None], (column[:, None] + near)[:, None]]  # (N, 3, 3, HALVES²)
    chances = around.flatten(1).softmax(1).view(-1, 3, 3, HALVES, HALVES).transpose(2, 3).reshape(-1, *[3 * HALVES] * 2)
    together = F.avg_pool2d(chances[:, None], 2 * SPREAD + 1, 1, SPREAD).flatten(1).argmax(1)
    middle = middles(chances, together, SPREAD).round().long() + HALVES * (torch.stack([line, column], 1) - 1)
    flies = blocks.flatten(1).logsumexp(1) > nowhere[:, 0]
    return middle.where(flies[:, None], NOWHERE)


def middles(weights: torch.Tensor, places: torch.Tensor, reach: int) -> torch.Tensor:
    """Lines and columns (N, 2) float32 of the middle of weights (N, h, w) around places (N,), counted line by line."""
    around = torch.arange(-reach, reach + 1, device=weights.device)
    padded, width = F.pad(weights, [reach] * 4), weights.shape[2]
    lines, columns = places[:, None] // width + around, places[:, None] % width + around  # (N, 2 reach + 1)
    rows = torch.arange(len(weights), device=weights.device)[:, None, None]
    there = padded[rows, (lines + reach)[:, :, None], (columns + reach)[:, None]]
    total = there.sum((1, 2)).clamp(min=1e-12)
    middle = [(there.sum(axis) * numbers).sum(1) / total for axis, numbers in ((2, lines), (1, columns))]
    return torch.stack(middle, 1)


def flying(before: torch.Tensor, now: torch.Tensor, after: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Where something flies: it is in a picture and neither in the one before nor in the one after. Of several, the one
    that differs most from what was drawn. What stays or grows is drawn well by its mean.

    All (N, 16·c, h/4, w/4) as blocks, 0 to 255. Gives choices (N, 2) int64 as `Focus.draw` takes them.
    """
    channels = now.shape[1] // BLOCK**2
    before, now, after, drawn = (from_blocks(part, channels).float() for part in (before, now, after, drawn))
    stands_out = torch.minimum(*((now - other).abs().sum(-1) for other in (before, after)))  # (N, h, w)
    stands_out = stands_out * (stands_out >= LEAST)
    missed = F.avg_pool2d((stands_out * (now - drawn).abs().sum(-1))[:, None], 3, 1, 1)[:, 0]
    most, place = missed.flatten(1).max(1)
    # The middle of a pixel is half a pixel behind its edge.
    choices = (2 * middles(stands_out, place, AROUND) + 1).round().long()
    return choices.where(most[:, None] > 0, NOWHERE)
