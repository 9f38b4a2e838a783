"""A closer look at the few things that have just moved: each is read from where it is now.

What a ball does next is the same function everywhere on the screen. A window that is centred on it, to the pixel, lets
one network learn this function once, where cells at fixed places learn it anew for each place in a cell.

Where a thing goes is one choice among all places of its window, made before anything is drawn, and what is drawn is
drawn as of that choice: a latent variable, known in training. Pixels that are chosen each by itself make a ball that
is in doubt a smear, a smear that is read again a fainter one, and soon no ball at all. A second choice is that of the
quarter of the place's pixel: a screen is shrunk to what the model sees, a ball's edges are the fainter the less of a
pixel it covers, and whoever draws them wrong is read as one whose ball is half a pixel elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from agents.i2a.births import LOOK, LOOKED, NONE, Births
from agents.i2a.canvas import RIM, Canvas, order_of_cells, with_rim
from agents.i2a.cells import CELL, PLANES, from_cells
from agents.i2a.finding import (
    FAR,
    NOWHERE,
    QUARTERS,
    SIDE,
    find,
    find_hidden,
    find_twice,
    ground_of,
    likeliest,
    steps_of,
    went,
    within,
)

assert FAR <= RIM * CELL, "windows would reach beyond the rim, into other lines"
GONE = 0.7
"""How likely it must be that a thing vanishes, or that nothing appears, for it to be so. Who is drawn at a wrong place
is there, who has vanished does not come back. In 600 windows of games of others, 96.3 % of the balls are found after 5
steps if things vanish by this, 94.5 % at 0.5, as many of them within 6 native pixels (80.0 %), and a ball where there
is none in 24 and 22 %. At 0.8 fewer are where they should be.
"""
STRIDE = 4.0
"""Pixels that a thing goes, about, before anything is known: the deviation of the first belief."""
DIMMED = 1 / 64
"""Of greys, so that a network reads numbers about 1; a power of two, which costs no bit of them."""


def dimmed(greys: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
    """Greys (…) uint8 as a layer is to read them, in the precision in which it computes: none of their bits is lost."""
    dtype = torch.bfloat16 if torch.is_autocast_enabled(greys.device.type) else layer.weight.dtype
    return greys.to(dtype).mul_(DIMMED)


@dataclass(frozen=True)
class Moved:
    """What is said of the K things in B frames, of which none has more than M.

    features (B, M, C): for what comes of the step, 0 where a frame has fewer. rows, numbers (K,): the frame of each,
    and its number there. leaves, reaches (K, 2) int64: line and column from where and to where it goes; arrives (K,)
    bool: whether it goes anywhere, else `reaches` means nothing. moves, doubt (B,): as `Drawn` has them. drawings: what
    is drawn around each and where it has gone, as pixels (K, n) int64 of a `Canvas` and planes (K, n, PLANES) float32.
    born: the same of what appears from nowhere, at most one in a frame.
    """

    features: torch.Tensor
    drawings: list[tuple[torch.Tensor, torch.Tensor]]
    born: tuple[torch.Tensor, torch.Tensor]
    rows: torch.Tensor
    numbers: torch.Tensor
    leaves: torch.Tensor
    reaches: torch.Tensor
    arrives: torch.Tensor
    moves: torch.Tensor
    doubt: torch.Tensor

    def draw(self, canvas: Canvas) -> None:
        """Add it all to what is drawn into the B frames."""
        for number in self.numbers.unique():  # one after the other: the order of a sum decides its last bit
            things = (self.numbers == number).nonzero()[:, 0]
            for pixels, planes in self.drawings:
                canvas.draw(pixels[things], planes[things])
        canvas.draw(*self.born)


@dataclass(frozen=True)
class Things:
    """The K things that were found in B frames, and what is believed of where they go.

    centres (B, M, 2) int64, meant (B, M) bool: as `find` gives them, then as `find_hidden` does. rows, numbers
    (K,) int64: the frame of each, and its number there. windows (K, SIDE · SIDE) int64: its pixels. features (K,
    units): what is known of it.
    belief (K, NOWHERE + 1) float32: log-probabilities of its choices. births (B, BIRTHS + 1): of what appears.
    """

    centres: torch.Tensor
    meant: torch.Tensor
    rows: torch.Tensor
    numbers: torch.Tensor
    windows: torch.Tensor
    features: torch.Tensor
    belief: torch.Tensor
    births: torch.Tensor

    @property
    def leaves(self) -> torch.Tensor:
        """Where each is, (K, 2)."""
        return self.centres[self.rows, self.numbers]

    def by_frame(self, parts: torch.Tensor) -> torch.Tensor:
        """What is said of each, (K, C), as (B, M, C)."""
        return by_row(parts, self.rows, self.numbers, len(self.meant))

    def surprise(self, choices: torch.Tensor) -> torch.Tensor:
        """−log p of their choices (K,)."""
        return -self.belief.gather(1, choices[:, None])[:, 0]

    def surprise_at_birth(self, choices: torch.Tensor) -> torch.Tensor:
        """−log p of what appears (B,)."""
        return -self.births.gather(1, choices[:, None])[:, 0]


class Movers(nn.Module):
    """Finds what has moved, and what has just hidden, reads a window of `SIDE`×`SIDE` pixels around each, chooses where
    it goes, and draws: into the window, and the thing itself where it has gone. And what appears from nowhere.

    units: of its hidden layers. features: numbers that it tells of each thing, for what comes of a step.
    3 million multiply-adds for a thing at 512 units and 128 features.
    """

    ground: torch.Tensor
    by_cell: torch.Tensor

    def __init__(self, units: int, features: int, num_actions: int, stack: int, cells: tuple[int, int]):
        super().__init__()
        self.shape = (cells[0] * CELL, cells[1] * CELL)
        height, width = with_rim(cells)
        self.rimmed = (height * CELL, width * CELL)
        self.read = nn.Linear(SIDE * SIDE * stack, units)
        # What happens can depend on what is done, and on the place: bricks of each line are worth another reward.
        self.action = nn.Parameter(0.1 * torch.randn(num_actions, units))
        self.line = nn.Parameter(0.1 * torch.randn(self.shape[0], units))
        self.column = nn.Parameter(0.1 * torch.randn(self.shape[1], units))
        self.hidden = nn.Parameter(torch.zeros(units))  # that it is
        self.mix = nn.Linear(units, units)
        deepest = nn.Linear(units, units)
        self.deepen = nn.Sequential(nn.Linear(units, units), nn.ReLU(), deepest)
        self.expect = nn.Linear(units, NOWHERE + 1)
        self.chosen = nn.Parameter(0.1 * torch.randn(NOWHERE + 1, units))
        self.settle = nn.Linear(units, units)
        self.quarter = nn.Linear(units, QUARTERS)
        self.quartered = nn.Parameter(torch.zeros(QUARTERS, units))
        self.tell = nn.Linear(units, features)
        self.narrow = nn.Linear(units, features)  # a window has so many pixels that a layer as wide as this is enough
        self.draw = nn.Linear(features, PLANES * SIDE * SIDE)
        self.look = nn.Linear(units, PLANES * LOOKED * LOOKED)
        self.births = Births(num_actions, stack, cells)
        for layer in (self.read, self.mix, self.settle, self.tell, self.narrow):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        # At first what the cells draw is to stand, and what is simple to be said.
        for layer in (deepest, self.expect, self.quarter, self.draw, self.look):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        # And near places are likelier than far ones, or things would at first be taken for one another.
        steps = torch.arange(-FAR, FAR + 1) ** 2
        with torch.no_grad():
            self.expect.bias[:NOWHERE] = -(steps[:, None] + steps).flatten() / (2 * STRIDE**2)
        self.register_buffer("ground", torch.zeros(self.shape[0], 1))
        self.register_buffer("by_cell", order_of_cells(cells), persistent=False)

    def calibrate(self, frames: torch.Tensor) -> None:
        """Learn from real frames (3, N, h, w) uint8, each after the one before, what is ground, from which things stand
        out, and where they appear."""
        self.ground.copy_(ground_of(frames))
        self.births.calibrate(frames, self.ground)

    def read_things(self, stacks: torch.Tensor, actions: torch.Tensor) -> Things:
        """What moves in stacks of cells (B, h', w', S, 16) uint8 when these actions (B,) int64 are taken."""
        dtype = torch.bfloat16 if torch.is_autocast_enabled(stacks.device.type) else torch.float32
        frames = rearrange(stacks, "b h w s (i j) -> b (h i) (w j) s", i=CELL, j=CELL)
        if frames.shape[-1] > 2:
            last, found = find_twice(frames, self.ground)
            places, hidden = find_hidden(frames, last, found, self.ground)
            every, meant = torch.cat([found.centres, places], 1), torch.cat([found.meant, hidden], 1)
        else:
            found = find(frames[..., -2], frames[..., -1], self.ground)
            every, meant = found.centres, found.meant
        visible = found.meant.shape[1]
        rows, numbers = meant.nonzero(as_tuple=True)
        centres = every[rows, numbers]  # (K, 2)
        windows = self._windows(rows, centres, FAR)
        pixels = F.pad(frames, (0, 0, *[RIM * CELL] * 4)).flatten(0, 2)[windows]  # (K, SIDE · SIDE, S)
        # Looked up as embeddings, here and below: an index would gather its gradient in any order.
        where = F.embedding(actions[rows], self.action)
        where = where + F.embedding(centres[:, 0], self.line) + F.embedding(centres[:, 1], self.column)
        where = where + (numbers >= visible)[:, None] * self.hidden
        x = torch.relu(self.read(dimmed(pixels.flatten(1), self.read)) + where.to(dtype))
        x = torch.relu(x + self.mix(x))
        x = torch.relu(x + self.deepen(x))

        with torch.autocast(x.device.type, enabled=False):
            belief = self.expect(x.float()).log_softmax(-1)
        births = self.births.belief(frames, actions, self.ground)
        return Things(every, meant, rows, numbers, windows, x, belief, births)

    def choices(self, things: Things, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Where things really went, and to which quarter there (K,) each, and what appeared (B,), by the real frames
        before and after the step (B, h', w', 2, 16) uint8. The quarter of who went nowhere means nothing."""
        before, now = (from_cells(frames) for frames in wanted.unbind(-2))
        after = find(before, now, self.ground)
        born = self.births.choices(before, after, self.ground)
        belief = things.by_frame(things.belief.detach())
        chosen, became = went(things.centres, things.meant, after, belief)
        quarters = after.quarters.gather(1, became)
        return chosen[things.rows, things.numbers], quarters[things.rows, things.numbers], born

    def _go(self, things: Things, choices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is known (K, units) of things that go as they chose (K,), and what is believed of the quarter of that
        place in which they will be (K, QUARTERS) float32, log-probabilities."""
        x = torch.relu(things.features + F.embedding(choices, self.chosen).to(things.features.dtype))
        x = torch.relu(x + self.settle(x))
        with torch.autocast(x.device.type, enabled=False):
            return x, self.quarter(x.float()).log_softmax(-1)

    def surprise(self, stacks: torch.Tensor, actions: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """−log p of where things went, and of what appeared, (B,) float32, summed over those of a frame; `wanted` as in
        `forward`."""
        things = self.read_things(stacks, actions)
        choices, quarters, born = self.choices(things, wanted)
        told = things.surprise(choices) + surprise_at(quarters, self._go(things, choices)[1], choices)
        return things.by_frame(told[:, None]).sum((1, 2)) + things.surprise_at_birth(born)

    def forward(self, stacks: torch.Tensor, actions: torch.Tensor, wanted: torch.Tensor | None = None) -> Moved:
        """Of stacks of cells (B, h', w', S, 16) uint8 and actions (B,) int64.

        wanted: the real frames before and after the step (B, h', w', 2, 16) uint8, to draw as of where things really
        went; without, they go to the likeliest places.
        """
        things = self.read_things(stacks, actions)
        rows, centres = things.rows, things.leaves
        if wanted is None:
            choices = likeliest(things.belief, GONE)
            x, quarter = self._go(things, choices)
            quarters, born = quarter.argmax(-1), likeliest(things.births, GONE)
        else:
            choices, quarters, born = self.choices(things, wanted)
            x, quarter = self._go(things, choices)
        arrives = choices < NOWHERE
        x = torch.relu(x + (F.embedding(quarters, self.quartered) * arrives[:, None]).to(x.dtype))
        told, narrow = torch.relu(self.tell(x)), torch.relu(self.narrow(x))
        reaches = within(centres + steps_of(choices), self.shape)
        with torch.autocast(x.device.type, enabled=False):
            drawn = self.draw(narrow.float()).unflatten(1, (SIDE * SIDE, PLANES))
            looks = self.look(x.float()).unflatten(1, (LOOKED * LOOKED, PLANES)) * arrives[:, None, None]
        surprise = things.surprise(choices) + surprise_at(quarters, quarter, choices)
        doubts = entropy(things.belief) + entropy(quarter) * arrives
        moves, doubt = things.by_frame(torch.stack([surprise, doubts], 1)).sum(1).unbind(1)
        appears = (born < NONE).nonzero()[:, 0]
        spots = self._windows(appears, self.births.places[born[appears]], LOOK)
        around, there = self._on_canvas(things.windows), self._on_canvas(self._windows(rows, reaches, LOOK))
        return Moved(
            features=things.by_frame(told),
            drawings=[(around, drawn), (there, looks)],
            born=(self._on_canvas(spots), self.births.drawings(born[appears])),
            rows=rows,
            numbers=things.numbers,
            leaves=centres,
            reaches=reaches,
            arrives=arrives,
            moves=moves + things.surprise_at_birth(born),
            doubt=doubt + entropy(things.births),
        )

    def _windows(self, rows: torch.Tensor, centres: torch.Tensor, reach: int) -> torch.Tensor:
        """The pixels (K, side · side) up to `reach` ≤ `FAR` away from centres (K, 2) in frames (K,) with a rim, counted
        line by line, frame by frame."""
        height, width = self.rimmed
        side = torch.arange(RIM * CELL - reach, RIM * CELL + reach + 1, device=rows.device)
        corners = (rows * height + centres[:, 0]) * width + centres[:, 1]
        return corners[:, None] + (side[:, None] * width + side).flatten()

    def _on_canvas(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same pixels, counted cell by cell."""
        area = len(self.by_cell)
        return pixels - pixels % area + self.by_cell[pixels % area]


def by_row(parts: torch.Tensor, rows: torch.Tensor, numbers: torch.Tensor, count: int) -> torch.Tensor:
    """Parts (K, C) of so many rows, each at its number in its row: (count, M, C), with 0 where a row has fewer."""
    most = int(numbers.max()) + 1 if len(numbers) else 1
    return parts.new_zeros(count, most, parts.shape[1]).index_put((rows, numbers), parts)


def surprise_at(quarters: torch.Tensor, belief: torch.Tensor, choices: torch.Tensor) -> torch.Tensor:
    """−log p of quarters (K,) by a belief (K, QUARTERS), log-probabilities; 0 for who goes nowhere by choices (K,)."""
    return -belief.gather(1, quarters[:, None])[:, 0] * (choices < NOWHERE)


def entropy(belief: torch.Tensor) -> torch.Tensor:
    """In nats (K,) of log-probabilities (K, n), without a gradient."""
    return -(belief.exp() * belief).sum(-1).detach()
