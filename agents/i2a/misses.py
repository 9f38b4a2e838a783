"""Whether what falls is met: what leaves the view at its lower edge costs a life unless a figure there sends it back.

Breakout takes a life three to nine steps after the ball was last to be seen, later than an agent knows that looks five
steps ahead. And whether the paddle meets the ball turns on half a pixel, and on the part of a step in which the ball
crosses its line: who draws the likeliest future has the paddle meet most balls that it misses. So this is read in
numbers, where the two are and how they move, and told as a probability, by an ensemble of small networks
(Lakshminarayanan et al. 2017, section 2.4).

What is read suits a view of about 80×80 pixels that ends with the paddle. In another game it learns what came of small
things that fell out of the view, and where that cost no life, says so.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from agents.i2a.cells import CELL, stack_from_cells
from agents.i2a.finding import ground_of

LINES = 36
"""Lines above the lower edge of the view that are read: a ball can be followed there for a stack of frames."""
EDGE = 2
"""The last of these, which hold the figure that may meet it."""
HEIGHT = 16
"""Lines above the edge from which a ball gets there in one step: what is said to fall faster, is another one."""
SPECK, SPOT = 0.4, 10.0
"""Pixels lit, beside the figure's, below which nothing is to be seen, and above which there is more than one ball."""
SOON = 12
"""Steps after which it is known whether a life was lost: nine at the latest, and a ball that was met is on its way."""
UNITS, MEMBERS = 256, 3
"""Of each of two layers, and networks of the ensemble."""
PASSES, ROWS = 30, 512
"""How often each ball is learnt from, and balls of an update."""
LEAST = 0.5
"""Pixels: what deviates less, as a paddle's width that is nearly always the same, is no better a measure."""
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.05
SURELY_MET = -30.0
"""A logit."""


class Misses(nn.Module):
    """Foretells it of stacks of frames and actions. Until it has learnt, all that falls is met.

    ground, brightest (L, 1) uint8: of each of the last L lines the grey of its ground, and by how much the grey of what
    moves there differs from it at most. stands (L, w) bool: what never moves. mean, deviation: of what the networks are
    given, each number by itself.
    """

    ground: torch.Tensor
    brightest: torch.Tensor
    stands: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, num_actions: int, stack: int, frame_shape: tuple[int, ...]):
        super().__init__()
        self.num_actions = num_actions
        lines = min(LINES, frame_shape[0])
        self._cells = lines // CELL
        # As greys: numbers that are saved with half precision would be off by more than a pixel's parts.
        self.register_buffer("ground", torch.zeros(lines, 1, dtype=torch.uint8))
        self.register_buffer("brightest", torch.ones(lines, 1, dtype=torch.uint8))  # beyond the ground
        self.register_buffer("stands", torch.zeros(lines, frame_shape[1], dtype=torch.bool))
        numbers = 7 + 3 * (stack - 1)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("deviation", torch.ones(numbers))
        self.members = nn.ModuleList(_network(numbers + num_actions) for _ in range(MEMBERS))

    def calibrate(self, frames: torch.Tensor) -> None:
        """Learn from real frames (3, N, h, w) uint8, each after the one before, what is ground, how bright what moves
        is, and what never moves: what always has another grey than the ground."""
        frames = frames[:, :, -len(self.ground) :]
        ground = ground_of(frames)
        light = (frames.float() - ground).abs().flatten(0, 1)
        stands = light.amin(0) > 0
        brightest = torch.where(stands, 0, light.amax(0)).amax(1, keepdim=True)
        brightest = torch.where(brightest > 0, brightest, brightest.max()).clamp(min=1)  # where nothing was yet
        self.ground.copy_(ground)
        self.brightest.copy_(brightest)
        self.stands.copy_(stands)

    def read(self, frames: torch.Tensor) -> torch.Tensor:
        """Of frames (…, h, w) uint8 (…, 5) float32, in pixels: where the figure at the edge begins, how wide it is;
        line from the edge, column and size of all that is lit above it. A place is 0 where there is nothing. A ball at
        the edge is taken for a part of the figure."""
        frames = frames[..., -len(self.ground) :, :]
        light = (frames.float() - self.ground).abs() / self.brightest * ~self.stands
        edge, above = light[..., -1, :], light[..., :-EDGE, :]
        begins = (edge > 0).int().argmax(-1, keepdim=True)
        left = begins + 1 - edge.gather(-1, begins)  # what covers a part of a pixel begins within it
        size, least = above.sum((-2, -1)), 1e-6
        up = torch.arange(above.shape[-2], device=frames.device) - above.shape[-2]
        # No products of matrices: autocast would round them to whole pixels.
        line = (above.sum(-1) * up).sum(-1) / size.clamp(min=least)
        across = torch.arange(above.shape[-1], device=frames.device)
        column = (above.sum(-2) * across).sum(-1) / size.clamp(min=least)
        return torch.stack([left[..., 0], edge.sum(-1), line, column, size], -1)

    def falling(self, seen: torch.Tensor) -> torch.Tensor:
        """Whether a ball, and nothing else, will be at the edge with the next step (B,) bool, by stacks that have been
        read (B, S, 5)."""
        if seen.shape[1] < 2:
            return torch.zeros(len(seen), dtype=torch.bool, device=seen.device)
        line, size = seen[..., 2], seen[..., 4]
        speed = line[:, -1] - line[:, -2]
        there = (size[:, -2:] > SPECK).all(1) & (size < SPOT).all(1)
        return there & (speed > 0) & (line[:, -1] >= -HEIGHT) & (line[:, -1] + speed > -EDGE)

    def forward(self, stacks: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """How likely a ball that this step takes to the edge is missed in the end (B,) float32, from stacks
        (B, h', w', S, 16) uint8 by actions (B,) int64; 0 where nothing is about to be there.

        Some balls take two steps, and are told of in both. Who multiplies is a little too careful; to believe the first
        alone, or the worse, decided no better (93 of 3,637 decisions mattered), the second alone worse: it reads a
        frame that is dreamt.
        """
        seen = self.read(stack_from_cells(stacks[:, -self._cells :]))
        missed = torch.zeros(len(seen), device=seen.device)
        falls = self.falling(seen).nonzero()[:, 0]
        if len(falls):
            given = self._given(_numbers(seen[falls]), actions[falls])
            missed[falls] = torch.stack([member(given)[:, 0].sigmoid() for member in self.members]).mean(0)
        return missed

    def learn(
        self, seen: torch.Tensor, actions: torch.Tensor, missed: torch.Tensor, random: np.random.Generator
    ) -> None:
        """Learn anew of balls that fell (B, S, 5), actions (B,) int64, and which were missed (B,) float32. Where none
        or all were, there is nothing to be learnt."""
        if not 0 < missed.sum() < len(missed):
            return
        numbers = _numbers(seen)
        self.mean.copy_(numbers.mean(0))
        self.deviation.copy_(numbers.std(0).clamp(min=LEAST))
        given, updates = self._given(numbers, actions), math.ceil(len(seen) * PASSES / ROWS)
        for member in self.members:
            _begin_anew(member, random)
            optimizer = torch.optim.AdamW(member.parameters(), weight_decay=WEIGHT_DECAY)
            for update in range(updates):
                optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / updates)
                rows = torch.from_numpy(random.integers(len(given), size=ROWS)).to(given.device)
                loss = F.binary_cross_entropy_with_logits(member(given[rows])[:, 0], missed[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def _given(self, numbers: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return torch.cat([(numbers - self.mean) / self.deviation, F.one_hot(actions, self.num_actions)], 1)


def _network(inputs: int) -> nn.Sequential:
    last = nn.Linear(UNITS, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, SURELY_MET)
    return nn.Sequential(nn.Linear(inputs, UNITS), nn.ReLU(), nn.Linear(UNITS, UNITS), nn.ReLU(), last)


def _begin_anew(network: nn.Module, random: np.random.Generator) -> None:
    """As PyTorch's layers begin, but by this generator alone."""
    chance = torch.Generator(next(network.parameters()).device).manual_seed(int(random.integers(2**62)))
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            for parameter in (layer.weight, layer.bias):
                nn.init.uniform_(parameter, -bound, bound, generator=chance)


def _numbers(seen: torch.Tensor) -> torch.Tensor:
    """Of balls that fall (B, S, 5), (B, 7 + 3 (S − 1)) float32: where figure and ball are in the newest frame, where
    the ball would be with the next one, from either end of the figure; and how both moved from frame to frame."""
    left, width, line, column, size = seen.unbind(-1)
    there = size > SPECK
    both = there[:, 1:] & there[:, :-1]
    right, down = (torch.where(both, place[:, 1:] - place[:, :-1], 0) for place in (column, line))
    moved = left[:, 1:] - left[:, :-1]
    crosses = column[:, -1] + right[:, -1] - left[:, -1]
    newest = [left[:, -1], width[:, -1], column[:, -1], line[:, -1], column[:, -1] - left[:, -1]]
    return torch.cat([torch.stack([*newest, crosses, crosses - width[:, -1]], 1), right, down, moved], 1)
