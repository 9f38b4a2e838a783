"""What moves in a game, found in its frames alone: what has appeared, what has just hidden, and who has gone where.

Centres are pixels, line and column, and the quarter of the pixel in which a thing's middle lies: a screen is shrunk to
these frames, and of what moves by half a pixel other pixels are covered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

MOVERS = 6
"""Things that are looked at in a frame, at most."""
HIDDEN = 2
"""And things that were there a frame ago and now are not to be seen: a ball behind a wall's edge, or before bricks of
its own colour. Who does not remember it cannot foresee that it comes back."""
NEAR = 2
"""Pixels around a place, in each direction, that are taken for one thing. A ball beside the hole that it has just made
is another."""
WIDE = 2 * NEAR + 1
"""At least so many pixels of one grey in a line or column are taken for something wide: it is found in pieces."""
PIECES = 2 * NEAR + 1
"""Pixels, in each direction, that two pieces of one thing are apart, at most."""
FAR = 10
"""Pixels, in each direction, that a thing goes in one step, at most."""
UNREACHABLE = 10_000
"""Pixels, in each direction, that nothing goes."""
SIDE = 2 * FAR + 1
NOWHERE = SIDE * SIDE
"""The choice, behind those of the `SIDE`×`SIDE` places around a thing, counted line by line, of one that leaves them,
vanishes or stands still: what has not moved is not found."""
QUARTERS = 4
"""Of a pixel: its middle, the middle of its left edge, of its upper edge, its upper left corner. Near which of them is
the middle of all pixels that a thing covers."""


@dataclass(frozen=True)
class Found:
    """What has appeared in B frames, at most M ≥ 1 things in each, the largest first.

    centres (B, M, 2) int64; meant (B, M) bool: which there are; quarters (B, M) int64: near which of `QUARTERS` of that
    pixel each has its middle; wide (B, M) bool: which are pieces of something wide (`wide_figures`).
    """

    centres: torch.Tensor
    meant: torch.Tensor
    quarters: torch.Tensor
    wide: torch.Tensor

    def __getitem__(self, rows: torch.Tensor | slice) -> Found:
        """That of some of the frames."""
        return Found(self.centres[rows], self.meant[rows], self.quarters[rows], self.wide[rows])

    def chunk(self) -> tuple[Found, Found]:
        """That of the first half of the frames, and of the second."""
        count = len(self.meant) // 2
        return self[:count]._of_most(), self[count:]._of_most()

    def _of_most(self) -> Found:
        """Without the places for things that none of these B ≥ 1 frames has: `find` has as many as any in its batch."""
        most = max(1, int(self.meant.sum(1).max()))
        return Found(self.centres[:, :most], self.meant[:, :most], self.quarters[:, :most], self.wide[:, :most])


def ground_of(frames: torch.Tensor) -> torch.Tensor:
    """The grey of the ground in each line, (h, 1) float32, by real frames (3, N, h, w) uint8, one after the other.

    What passes gives way to the ground, which then stays; a figure that stays gives way to it sooner or later, and
    covers less of the line. So it is the grey with the most pixels that have changed to it and stay, times pixels that
    show it at all. What a pixel shows most of the time would be no ground: where a wall has been broken, a ball of its
    colour would look like the wall, and the trace that it leaves like something new. Where no game has got so far that
    walls break, they are the ground of their lines.
    """
    before, now, after = frames
    settled = (before != now) & (now == after)
    ground = []
    for line in range(frames.shape[2]):
        seen = torch.bincount(now[:, line].flatten().int(), minlength=256).double()
        stays = torch.bincount(now[:, line][settled[:, line]].int(), minlength=256).double()
        ground.append(float((seen * (stays if stays.any() else 1)).argmax()))
    return torch.tensor(ground, device=frames.device)[:, None]


def find(before: torch.Tensor, now: torch.Tensor, ground: torch.Tensor) -> Found:
    """What has appeared between frames (B, h, w) uint8, at most `MOVERS` things in each: what differs more from the
    ground (h, 1) float32 than what was there before. A ball before a paddle is not taken for a piece of it.
    """
    appeared = (now - ground).abs() > (before - ground).abs()
    wide = wide_figures(before, now, ground)
    # Two planes for each frame, one after the other: what is wide, and what is not.
    planes = F.pad(torch.stack([appeared & ~wide, appeared & wide], 1).flatten(0, 1).byte(), (NEAR, NEAR, NEAR, NEAR))
    rows, columns, width = torch.arange(len(now), device=now.device), now.shape[2], planes.shape[2]
    area = now.shape[1] * columns
    around = torch.arange(-NEAR, NEAR + 1, device=now.device)
    window = (around[:, None] * width + around).flatten()
    shifts = torch.stack(torch.meshgrid(around, around, indexing="ij"), -1).flatten(0, 1).float()  # (25, 2)
    centres, meant, quarters, kinds = [], [], [], []
    for _ in range(MOVERS):
        count = _sum_around(_sum_around(planes, 1), 2)  # of the pixels around each place: (2 B, h, w)
        most, place = count.view(len(now), 2 * area).max(1)
        kind, place = place // area, place % area
        line, column = place // columns, place % columns
        pixels = ((line + NEAR) * width + column + NEAR)[:, None] + window
        own = 2 * rows + kind
        there = planes.flatten(1)[own[:, None], pixels].float()  # (B, 25)
        # No product of matrices, of which half precision would make another middle.
        middle = (there[..., None] * shifts).sum(1) / most[:, None].clamp(min=1)  # (B, 2)
        # Halves always upwards: the same thing has the same centre, wherever it is.
        shift = (middle + 0.5).floor()
        up, left = (middle - shift < -0.25).long().unbind(1)
        centres.append(torch.stack([line, column], 1) + shift.long())
        meant.append(most > 0)
        quarters.append(2 * up + left)
        kinds.append(kind > 0)
        planes.flatten(1)[own[:, None], pixels] = 0  # no pixel belongs to two
        if not planes.any():
            break
    return Found(*(torch.stack(parts, 1) for parts in (centres, meant, quarters, kinds)))


def wide_figures(before: torch.Tensor, now: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
    """Which pixels of frames (B, h, w) uint8 belong to a figure that has moved as a whole and is too wide or high for
    what `NEAR` takes for one thing, as a paddle is: (B, h, w) bool.

    That is a line or column of one grey whose ends have both changed: of bricks, one does at most. An end at the edge
    may have moved beyond it. The pixels beside its ends are its own, too: half of them may be covered.
    """
    ground = ground.to(now.dtype).expand(now.shape)
    return _wide_lines(before, now, ground) | _wide_lines(before.mT, now.mT, ground.mT).mT


def _wide_lines(before: torch.Tensor, now: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
    """`wide_figures` along lines alone, of a ground (B, h, w)."""
    every = before != now
    lines = every.any(-1)  # few: of the others nothing has moved
    changed, now, ground = F.pad(every[lines], (1, 1), value=True), now[lines], ground[lines]
    differs, last = now[:, 1:] != now[:, :-1], now.shape[1] - 1
    columns = torch.arange(last + 1, device=now.device).expand(now.shape)
    begin = columns.where(F.pad(differs, (1, 0), value=True), 0).cummax(-1).values  # of the pixels of one grey
    end = columns.where(F.pad(differs, (0, 1), value=True), last).flip(-1).cummin(-1).values.flip(-1)
    ends = (changed[:, :-2] | changed[:, 1:-1]).gather(-1, begin) & (changed[:, 1:-1] | changed[:, 2:]).gather(-1, end)
    wide = F.pad(ends & (end - begin >= WIDE - 1) & (now != ground), (1, 1), value=False)
    return every.index_put((lines,), wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:])


def find_twice(frames: torch.Tensor, ground: torch.Tensor) -> tuple[Found, Found]:
    """What has appeared in the second last and in the last of frames (B, h, w, S) uint8, S ≥ 3: as `find` would tell of
    the one, then of the other. For a few frames both at once take little longer than one."""
    earlier, before, now = frames[..., -3:].unbind(-1)
    return find(torch.cat([earlier, before]), torch.cat([before, now]), ground).chunk()


def find_hidden(
    frames: torch.Tensor, last: Found, found: Found, ground: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres (B, N, 2) of what had appeared in the second last of frames (B, h, w, S) uint8, S ≥ 3, and which of them
    (B, N) bool can be none of the things that were found in the last: the largest `HIDDEN`; N may be 0. last, found: by
    `find_twice`.

    Where nothing has changed at its middle, a thing rests for a step, as a ball that is hit at the turn of its way: it
    is where it was. Else it is where it would be by now, if there is a fourth last frame to tell how it went, or where
    it was. What is black altogether was before the game, and tells nothing.
    """
    earlier, before, now = frames[..., -3:].unbind(-1)
    # Who is who, nobody knows yet: the nearest are taken for one thing.
    lost = last.meant & (_nearest(last, found)[0] == NOWHERE)
    rows = torch.arange(len(frames), device=frames.device)[:, None]
    left = (before != now)[rows, last.centres[..., 0], last.centres[..., 1]]
    # Wide things are found in pieces, today in more of them than tomorrow.
    apart = (last.centres[:, None] - last.centres[:, :, None]).abs().amax(-1)  # (B, N, N)
    alike = last.wide[:, None] == last.wide[:, :, None]
    piece = ((apart <= PIECES) & alike & (last.meant & ~lost)[:, None]).any(-1)
    gone, rests = lost & left & ~piece, lost & ~left & ~last.wide & ~piece
    gone &= gone.cumsum(1) <= HIDDEN
    hidden = gone | rests & (rests.cumsum(1) + gone.sum(1, keepdim=True) <= HIDDEN)
    some, told = hidden.any(0), gone.any(1)
    places = last.centres[:, some]
    if frames.shape[-1] > 3 and told.any():  # seldom
        told &= (frames[..., -4] != 0).flatten(1).any(1)
        strides = _strides(find(frames[told][..., -4], earlier[told], ground), last[told]) * left[told][..., None]
        places[told] = within(places[told] + strides[:, some], now.shape[1:])
    return places, hidden[:, some]


def went(
    centres: torch.Tensor, meant: torch.Tensor, after: Found, belief: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The choices (B, M) that things at centres (B, M, 2) have made, if this is found after it; and the number there
    (B, M) of what each has become, 0 for who has gone nowhere.

    Which has become which, nobody says: the likeliest pair by the belief (B, M, NOWHERE + 1), log-probabilities, is one
    thing, then the likeliest pair of the others. Who is left has gone nowhere. meant (B, M) bool.
    """
    steps = after.centres[:, None] - centres[:, :, None]  # (B, M, J, 2)
    near = (steps.abs() <= FAR).all(-1) & meant[..., None] & after.meant[:, None]
    choices = ((steps[..., 0] + FAR) * SIDE + steps[..., 1] + FAR).where(near, NOWHERE)
    chances = belief.gather(2, choices).where(near, -torch.inf)
    taken = torch.full_like(meant, NOWHERE, dtype=torch.int64)
    became = torch.zeros_like(taken)
    rows, count = torch.arange(len(taken), device=taken.device), after.meant.shape[1]
    for _ in range(min(chances.shape[1:])):
        best, pair = chances.flatten(1).max(1)
        thing, found = pair // count, pair % count
        pairs = best > -torch.inf
        taken[rows, thing] = choices[rows, thing, found].where(pairs, taken[rows, thing])
        became[rows, thing] = found.where(pairs, became[rows, thing])
        chances[rows, thing] = -torch.inf
        chances[rows, :, found] = -torch.inf
    return taken, became


def likeliest(belief: torch.Tensor, sure: float = 0.5) -> torch.Tensor:
    """The choices (K,) by a belief (K, n + 1), log-probabilities of n places and, behind them, of none: none where that
    has at least the probability `sure`, else the likeliest place. However many places share a doubt, a thing does not
    vanish by it.
    """
    places, none = belief[:, :-1], belief[:, -1]
    return places.argmax(-1).where(none < math.log(sure), places.shape[1])


def steps_of(choices: torch.Tensor) -> torch.Tensor:
    """Lines and columns (…, 2) that things go by their choices (…); 0 for `NOWHERE`."""
    steps = torch.stack([choices // SIDE - FAR, choices % SIDE - FAR], -1)
    return steps * (choices < NOWHERE)[..., None]


def within(places: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Places (…, 2), and of those outside frames of this shape the nearest inside."""
    return torch.minimum(places.clamp(min=0), places.new_tensor(shape) - 1)


def _strides(before: Found, after: Found) -> torch.Tensor:
    """How far the things (B, M) that are found after another time have gone since then, (B, M, 2): 0 for new ones."""
    choices, became = _nearest(before, after)
    strides = torch.zeros_like(after.centres)
    return strides.scatter_add_(1, became[..., None].expand(-1, -1, 2), steps_of(choices))


def _nearest(before: Found, after: Found) -> tuple[torch.Tensor, torch.Tensor]:
    """As `went`, where nothing is believed but that things go not far, and what is wide stays it."""
    steps = torch.arange(-FAR, FAR + 1, device=before.centres.device) ** 2
    nearer = F.pad(-(steps[:, None] + steps).flatten().float(), (0, 1), value=-torch.inf)
    # Out of one another's reach.
    apart, together = (found.centres + (UNREACHABLE * found.wide)[..., None] for found in (before, after))
    return went(apart, before.meant, replace(after, centres=together), nearer.expand(*before.meant.shape, -1))


def _sum_around(numbers: torch.Tensor, axis: int) -> torch.Tensor:
    """The sum of the 2 · `NEAR` + 1 numbers around each along an axis, which becomes shorter by 2 · `NEAR`."""
    length = numbers.shape[axis] - 2 * NEAR
    total = numbers.narrow(axis, 0, length).clone()
    for shift in range(1, 2 * NEAR + 1):
        total += numbers.narrow(axis, shift, length)
    return total
