"""What appears from nowhere, as a ball that is served: one choice among the few places where that happens, or none.

What moves is read from where it is (`agents.i2a.movers`), and what is served was nowhere. It depends on the whole frame
whether it comes: on what is no longer there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from agents.i2a.cells import CELL, PLANES
from agents.i2a.finding import FAR, PIECES, Found, find

BIRTHS = 8
"""Places at most where something appears."""
NONE = BIRTHS
"""The choice, behind those of the places, that nothing does."""
OFTEN = 3
"""Times that something must have appeared at a place, to the pixel, among the frames from which they are learnt, the
same one counted again where it was drawn twice: what comes out from behind something else does so anywhere."""
AWAY = FAR + PIECES
"""Pixels, in each direction, within which there must have been nothing: as far as a piece of a wide thing goes."""
SAME = 1
"""Pixels, in each direction, that a place can be off."""
LOOK = 4
"""Pixels around a place, in each direction, that are drawn as it will look there."""
LOOKED = 2 * LOOK + 1
UNITS = 64
USUALLY_NONE = 5.0
"""The logit of none above those of the places, at first."""
BOLD = 10.0
"""What a drawing is multiplied by: it has to speak against all that is sure to stay, and is seldom asked for."""
NEVER = -1e4
"""The logit of a place that is not known."""


class Births(nn.Module):
    """Reads where anything but ground is, and where anything has changed in a stack of frames, chooses, and draws what
    appears.

    places (BIRTHS, 2) int64: lines and columns, the most frequent first; known (BIRTHS,) bool: which there are. fixed
    (h, w) bool: the pixels that are always the same, but not ground, as walls are.
    """

    places: torch.Tensor
    known: torch.Tensor
    fixed: torch.Tensor

    def __init__(self, num_actions: int, stack: int, cells: tuple[int, int]):
        super().__init__()
        self.read = nn.Linear(stack * cells[0] * cells[1], UNITS)
        self.action = nn.Parameter(0.1 * torch.randn(num_actions, UNITS))
        self.choose = nn.Linear(UNITS, BIRTHS + 1)
        self.looks = nn.Parameter(0.01 * torch.randn(BIRTHS, LOOKED * LOOKED, PLANES))
        nn.init.normal_(self.choose.weight, std=0.01)
        nn.init.zeros_(self.choose.bias)
        nn.init.constant_(self.choose.bias[NONE:], USUALLY_NONE)
        self.register_buffer("places", torch.zeros(BIRTHS, 2, dtype=torch.int64))
        self.register_buffer("known", torch.zeros(BIRTHS, dtype=torch.bool))
        self.register_buffer("fixed", torch.zeros(cells[0] * CELL, cells[1] * CELL, dtype=torch.bool))

    def calibrate(self, frames: torch.Tensor, ground: torch.Tensor) -> None:
        """Learn from real frames (3, N, h, w) uint8, each after the one before, where things appear from nowhere."""
        _, now, after = frames
        self.fixed.copy_((frames == frames[0, 0]).flatten(0, 1).all(0) & (frames[0, 0] != ground))
        then = find(now, after, ground)
        new = then.meant & self._free(now, then.centres, ground)
        lines, columns = then.centres[new].unbind(1)
        width = frames.shape[-1]
        often, places = torch.bincount(lines * width + columns, minlength=BIRTHS).topk(BIRTHS)
        self.known.copy_(often >= OFTEN)
        self.places.copy_(torch.stack([places // width, places % width], 1) * self.known[:, None])

    def belief(self, frames: torch.Tensor, actions: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, BIRTHS + 1) float32 of what appears after frames (B, h, w, S) uint8 and actions (B,)
        int64, on a ground (h, 1); `NEVER` where no place is known."""
        frames = frames.permute(0, 3, 1, 2)
        # Among figures that stay, a ball is told by what changes; where nothing does, there is none.
        changes = (frames[:, 1:] != frames[:, :-1]).float()
        seen = F.max_pool2d(torch.cat([changes, self._figures(frames[:, -1:], ground)], 1), CELL).flatten(1)
        x = torch.relu(self.read(seen) + F.embedding(actions, self.action))
        with torch.autocast(x.device.type, enabled=False):
            logits = self.choose(x.float())
        unknown = F.pad(~self.known, (0, 1), value=False)
        return logits.masked_fill(unknown, NEVER).log_softmax(-1)

    def choices(self, before: torch.Tensor, after: Found, ground: torch.Tensor) -> torch.Tensor:
        """At which place something really appeared (B,) int64, the nearest, by real frames (B, h, w) before the step
        and what is found after it."""
        free = self._free(before, self.places.expand(len(before), -1, -1), ground) & self.known  # (B, BIRTHS)
        apart = (after.centres[:, :, None] - self.places).abs().amax(-1)  # (B, J, BIRTHS)
        nearest, place = apart.where(after.meant[..., None] & free[:, None], SAME + 1).amin(1).min(1)
        return place.where(nearest <= SAME, NONE)

    def drawings(self, choices: torch.Tensor) -> torch.Tensor:
        """What is drawn around places (K,): (K, LOOKED², PLANES) float32."""
        # Looked up as embeddings: an index would gather its gradient in any order.
        return BOLD * F.embedding(choices, self.looks.flatten(1)).unflatten(1, self.looks.shape[1:])

    def _free(self, frames: torch.Tensor, places: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
        """Around which of places (B, K, 2) in frames (B, h, w) nothing can be moved from: (B, K) bool."""
        figures = F.pad(self._figures(frames[:, None], ground), [AWAY] * 4)[:, 0]
        rows = torch.arange(len(frames), device=frames.device)[:, None, None, None]
        lines, columns = (places[..., None] + torch.arange(2 * AWAY + 1, device=frames.device)).unbind(2)
        return ~figures[rows, lines[..., None], columns[..., None, :]].any(-1).any(-1)

    def _figures(self, frames: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
        """1 where frames (B, S, h, w) uint8 show anything but ground and walls, else 0: float32."""
        return ((frames != ground.to(torch.uint8)) & ~self.fixed).float()
