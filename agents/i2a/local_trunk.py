"""An environment model's trunk that looks only where something can happen.

In most games a frame changes near what has just moved, and in a few places of its own accord (where a ball is served,
where the player stands). Only the cells of 4×4 pixels there are read, and drawn: a fifth of Breakout's, by layers that
are wide enough to know a ball's place and speed to the pixel. Convolutions over whole frames would have to be narrow.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from agents.i2a.canvas import Canvas
from agents.i2a.cells import CELL, PIXELS, PLANES, to_cells
from agents.i2a.drawn import Drawn, Memory
from agents.i2a.movers import Moved, Movers, by_row, dimmed

REACH = 2
"""Cells, in each direction, that a cell sees at once: as far as things move in one step of most games."""
SEEN = (2 * REACH + 1) ** 2
MOST = 160
"""Cells that are drawn at most: enough for a ball or some figures, not for a picture that scrolls, of which the
convolutional models are to learn."""
STILL = -2.0
"""The logit that a pixel changes, at first: most stay as they are."""
SURELY = 10.0
"""The logit that a cell in which nothing can happen stays as it is, below 0."""


class LocalTrunk(nn.Module):
    """Two looks around: each active cell reads the stack of frames up to `REACH` cells away, and tells the others what
    it has seen in `width` numbers; then it reads what they tell, and draws itself. What has moved is looked at more
    closely, and chooses first where it goes (`movers`): an active cell is told what leaves it and what arrives. Both
    drawings are added.

    About 30 million multiply-adds for a frame of Breakout at a width of 32, and 3 million for each thing that moves.
    """

    restless: torch.Tensor
    around: torch.Tensor

    def __init__(self, width: int, num_actions: int, stack: int, cells: tuple[int, int]):
        super().__init__()
        hidden = 4 * width
        self.features, self.cells = hidden, cells
        self.read = nn.Linear(SEEN * stack * PIXELS, hidden)
        # The action as a learnt picture: what it means can depend on the place.
        self.action = nn.Parameter(0.1 * torch.randn(num_actions, cells[0] * cells[1], hidden))
        # That something leaves a cell, or arrives in it, at each of its pixels.
        self.ends = nn.Parameter(0.1 * torch.randn(2 * PIXELS, hidden))
        self.tell = nn.Linear(hidden, width)
        self.hear = nn.Linear(SEEN * width, hidden)
        self.own = nn.Linear(hidden, hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.draw = nn.Linear(hidden, PLANES * PIXELS)
        self.movers = Movers(16 * width, hidden, num_actions, stack, cells)
        for layer in (self.read, self.tell, self.hear, self.own, self.mix):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.draw.bias[:PIXELS], STILL)
        # Cells in which things change though nothing has moved around them.
        self.register_buffer("restless", torch.zeros(cells, dtype=torch.bool))
        lines = torch.arange(-REACH, REACH + 1)
        around = (lines[:, None] * (cells[1] + 2 * REACH) + lines).flatten()  # in a frame with a rim
        self.register_buffer("around", around, persistent=False)

    def calibrate(self, frames: torch.Tensor) -> None:
        """Learn what is ground and where things change by themselves, from frames (3, B, h, w) uint8 in their order."""
        before, now, after = to_cells(frames)
        surprising = (now != after).any(-1) & ~near_change(before, now)
        self.restless |= surprising.any(0)
        self.movers.calibrate(frames)

    def begin(self, stacks: torch.Tensor) -> Memory:
        """It remembers nothing."""
        return ()

    def active(self, stacks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The K cells in which something can happen in stacks (B, h', w', S, 16): the row of each, its number in its
        row, and its place, counted line by line; (K,) int64 each, row by row.
        """
        near = near_change(stacks[..., -2, :], stacks[..., -1, :])
        chances = (2.0 * near + self.restless).flatten(1)  # where too many are, what moves comes first
        meant, places = chances.topk(min(MOST, max(1, int((chances > 0).sum(1).max()))), 1)
        rows, numbers = (meant > 0).nonzero(as_tuple=True)
        return rows, numbers, places[rows, numbers]

    def forward(
        self, stacks: torch.Tensor, actions: torch.Tensor, memory: Memory, wanted: torch.Tensor | None = None
    ) -> Drawn:
        """As all trunks, of stacks (B, h', w', S, 16) uint8 as they are; features (B, hidden, M), of active cells and
        of what moves, and 0 where a row has fewer."""
        dtype = torch.bfloat16 if torch.is_autocast_enabled(stacks.device.type) else torch.float32
        rows, numbers, places = self.active(stacks)
        width = self.cells[1] + 2 * REACH  # of a frame with a rim
        rimmed = (self.cells[0] + 2 * REACH) * width
        centres = rows * rimmed + (places // self.cells[1] + REACH) * width + places % self.cells[1] + REACH
        around = centres[:, None] + self.around  # (K, SEEN)

        words = stacks.flatten(-2).view(torch.int64)  # eight pixels at a time
        words = F.pad(words, (0, 0, REACH, REACH, REACH, REACH)).flatten(0, 2)
        seen = words[around].flatten(1).view(torch.uint8)  # (K, SEEN · S · 16)
        moved = self.movers(stacks, actions, wanted)
        # An embedding is looked up as an index is, but gathers its gradient in order, and much faster.
        acted = F.embedding(actions[rows] * self.action.shape[1] + places, self.action.flatten(0, 1))
        known = acted + self._ends(moved, len(stacks))[rows, places] @ self.ends
        x = torch.relu(self.read(dimmed(seen, self.read)) + known.to(dtype))
        told = x.new_zeros(len(stacks) * rimmed, self.tell.out_features)
        told = told.index_put((centres,), self.tell(x).to(x.dtype))
        heard = F.embedding(around, told).flatten(1)
        x = torch.relu(self.hear(heard) + self.own(x))
        x = torch.relu(x + self.mix(x))
        canvas = Canvas(len(stacks), self.cells, x.device)
        lines, columns = places // self.cells[1], places % self.cells[1]
        at_rest = canvas.frames()[..., 0]
        at_rest.fill_(-SURELY)
        at_rest[rows, lines, columns] = 0
        with torch.autocast(x.device.type, enabled=False):
            drawn = rearrange(self.draw(x.float()), "k (c p) -> k p c", c=PLANES)
        canvas.draw(canvas.pixels_of(rows, lines, columns), drawn)
        moved.draw(canvas)
        features = torch.cat([by_row(x, rows, numbers, len(stacks)), moved.features.to(x.dtype)], 1).transpose(1, 2)
        return Drawn(features, canvas.frames(), memory, moved.moves, moved.doubt)

    def _ends(self, moved: Moved, count: int) -> torch.Tensor:
        """Of every cell of so many frames the pixels at which things leave it, then those at which things arrive in it:
        (count, h' · w', 2 · 16) float32, 1 or 0."""
        marks = torch.zeros(count, self.cells[0] * self.cells[1], 2 * PIXELS, device=moved.rows.device)
        for at, ends, which in ((0, moved.leaves, slice(None)), (PIXELS, moved.reaches, moved.arrives)):
            line, column = ends[which].unbind(-1)
            cells = line // CELL * self.cells[1] + column // CELL
            marks[moved.rows[which], cells, at + line % CELL * CELL + column % CELL] = 1
        return marks


def near_change(before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """Cells (B, h', w') no more than `REACH` cells away from one that differs in two frames (B, h', w', 16)."""
    # Eight pixels at a time: to look through the last axis pixel by pixel takes longer than all else here.
    changed = (before.view(torch.int64) != now.view(torch.int64)).any(-1)[:, None].float()
    return F.max_pool2d(changed, 2 * REACH + 1, 1, REACH)[:, 0] > 0
