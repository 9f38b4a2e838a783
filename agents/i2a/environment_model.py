"""The environment model: what the next frame, reward and end will be (Weber et al. 2017, section 3.1, figure 2).

A frame is drawn as a choice, pixel by pixel: either it stays as it was, or it takes a new grey, the likeliest of those
that the game has there. What stands still so never fades and what moves stays sharp, however often the model sees its
own frames again. A mean of greys would be none that the game has, and would tell of a ball that is nowhere. Where a
thing goes is chosen for all of its pixels at once (`agents.i2a.movers`), and so is whether a brick breaks
(`agents.i2a.tiles`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from agents.i2a.cells import CELL, LEVELS, PIXELS, push, to_cells
from agents.i2a.drawn import Memory
from agents.i2a.local_trunk import LocalTrunk
from agents.i2a.misses import Misses
from agents.i2a.tiles import Tiles
from agents.i2a.trunks import build_trunk

CHANGE = 8
"""Grey, from 0 to 255, by which a pixel must differ to have changed."""
CHANGED_WEIGHT = 5.0
"""Weight of a pixel that changes, beside 1 for the others, in the choice between staying and changing: one of no tile
takes its new grey where that is likelier than one in six, so that what is in doubt is drawn too large, not too faint.
"""
EVEN = math.log(CHANGED_WEIGHT)
"""The logit at which a change is as likely as none, as it is learnt with that weight. A tile changes only above it:
drawn whole or not at all, it cannot be too faint. In dreams of 300 starts 0.26 bricks are wrong in a frame after 15
steps by this, 0.33 by a logit of 0.
"""
UNCHANGED_LEVEL = 0.1
"""Weight of the grey of a pixel that should have stayed, but is drawn anew, beside 1 for those that change."""
SMALLEST_SPREAD = 0.05
"""Deviation of a pixel, from 0 to 1, below which it is taken for this much."""
LARGEST = 5.0
"""Loss of a drawing beyond which it counts for no more: what a ball costs that is missed altogether. A new wall costs
a hundred times as much, and cannot be foreseen."""
FEW = 32
"""Pixels by which losses of whole frames are divided: those of a ball and a paddle's edges, about which all turns."""


@dataclass(frozen=True)
class Expectation:
    """What the model expects of one step of B rows.

    change  (B, h', w', 16) logits that a pixel changes. levels (B, h', w', 16, LEVELS) logits of its new grey if so.
    rewards (B,) expected. alive, playing (B,) logits that no life is lost, that the game goes on.
    memory: of the trunk, after this step. moves, doubt (B,): as `agents.i2a.drawn.Drawn` has them.
    """

    change: torch.Tensor
    levels: torch.Tensor
    rewards: torch.Tensor
    alive: torch.Tensor
    playing: torch.Tensor
    memory: Memory
    moves: torch.Tensor
    doubt: torch.Tensor


class EnvironmentModel(nn.Module):
    """o_{t+1}, r_{t+1} and the end from o_{t-S+1..t} and a_t: deterministic. Frames are cells (`agents.i2a.cells`).

    kind: which trunk reads the frames, of `agents.i2a.trunks.TRUNKS`. width: its channels.
    """

    greys: torch.Tensor
    level_of: torch.Tensor
    usual: torch.Tensor
    spread: torch.Tensor
    colours: torch.Tensor

    def __init__(self, kind: str, width: int, num_actions: int, stack: int, frame_shape: tuple[int, ...]):
        super().__init__()
        self.num_actions, self.stack = num_actions, stack
        cells = (frame_shape[0] // CELL, frame_shape[1] // CELL)
        self.trunk = build_trunk(kind, width, num_actions, stack, cells)
        self.pooled = nn.Conv1d(self.trunk.features, 64, 1, bias=False)
        self.heads = nn.Linear(2 * 64, 3)
        self.misses = Misses(num_actions, stack, frame_shape)
        self.tiles = Tiles(cells)
        # Of each line the greys that its pixels can take, rising, and which of them is nearest to any grey; as cells.
        even = torch.linspace(0, 255, LEVELS).round().to(torch.uint8)
        self.register_buffer("greys", torch.zeros(cells[0], 1, PIXELS, LEVELS, dtype=torch.uint8))
        self.register_buffer("level_of", torch.zeros(cells[0], 1, PIXELS, 256, dtype=torch.uint8))
        self._take_greys(even.repeat(frame_shape[0], 1))
        # Of each pixel, from 0 to 1: a ball is a rare thing where it is, and must not be a faint one.
        self.register_buffer("usual", torch.zeros(*cells, 1, PIXELS))
        self.register_buffer("spread", torch.ones(*cells, 1, PIXELS))
        # [line, grey] is the colour that a pixel of this grey has there: for a person, the model sees none.
        greys = torch.arange(256, dtype=torch.uint8)
        self.register_buffer("colours", greys[None, :, None].repeat(frame_shape[0], 1, 3))

    def calibrate(self, frames: torch.Tensor) -> None:
        """Learn from real frames (3, N, h, w) uint8, each after the one before, what is usual, which greys each line
        has, what is ground, and where things change by themselves.
        """
        if isinstance(self.trunk, LocalTrunk):
            self.trunk.calibrate(frames)
        self.misses.calibrate(frames)
        cells = to_cells(frames[0]).float()[..., None, :] / 255
        self.usual.copy_(cells.mean(0))
        self.spread.copy_(cells.std(0).clamp(min=SMALLEST_SPREAD))
        self._take_greys(_greys_of_lines(frames))

    def _take_greys(self, greys: torch.Tensor) -> None:
        """greys: (h, LEVELS) uint8, rising, that pixels of each line can take."""
        distance = (greys[..., None].int() - torch.arange(256, device=greys.device)).abs()  # (h, LEVELS, 256)
        for table, of_line in ((self.greys, greys), (self.level_of, distance.argmin(1))):
            cells = of_line.unflatten(0, (-1, CELL)).repeat_interleave(CELL, 1)  # a pixel's line is its row in its cell
            table.copy_(cells[:, None])

    def _as_read(self, stacks: torch.Tensor) -> torch.Tensor:
        """Stacks as the trunk reads them: as they are, or in units of their pixels' own deviation."""
        if isinstance(self.trunk, LocalTrunk):
            return stacks
        dtype = torch.bfloat16 if torch.is_autocast_enabled(stacks.device.type) else torch.float32
        # Written out for each frame of the stack: broadcast along inner axes, this would take ten times as long.
        shape = stacks.shape[1:]
        scale = (1 / (255 * self.spread)).expand(shape).to(dtype).contiguous()
        shift = (self.usual / self.spread).expand(shape).to(dtype).contiguous()
        return stacks.to(dtype).mul_(scale).sub_(shift)

    def begin(self, stacks: torch.Tensor) -> Memory:
        """The trunk's memory of real stacks (B, h', w', S, 16) uint8, their newest frames apart."""
        return self.trunk.begin(self._as_read(stacks))

    def forward(
        self, stacks: torch.Tensor, actions: torch.Tensor, memory: Memory, wanted: torch.Tensor | None = None
    ) -> Expectation:
        """stacks (B, h', w', S, 16) uint8; actions (B,) int64; wanted (B, h', w', 2, 16) uint8, in training: the real
        frames before and after the step, so that it draws as of where things really went (`agents.i2a.movers`)."""
        drawn = self.trunk(self._as_read(stacks), actions, memory, wanted)
        pooled = torch.relu(self.pooled(drawn.features.flatten(2)))  # (B, 64, places); where there is nothing, 0
        # Most places see nothing: their mean alone would drown the one in which a brick breaks.
        summary = torch.cat([pooled.sum(-1) / self.usual[..., 0, 0].numel(), pooled.amax(-1)], 1)
        with torch.autocast(summary.device.type, enabled=False):
            rewards, alive, _ = self.heads(summary.float()).unbind(1)
            # As a rule no frame shows whether a life was the last, and ends of games are few: features that had to tell
            # knew them by heart. Of 468 lives lost in held-out games they took 42 for the last, and were right of 7.
            playing = self.heads(summary.detach().float())[:, 2]
        change, levels = drawn.planes[..., 0].contiguous(), drawn.planes[..., 1:]
        return Expectation(change, levels, rewards, alive, playing, drawn.memory, drawn.moves, drawn.doubt)

    def step(
        self, stacks: torch.Tensor, actions: torch.Tensor, memory: Memory, wanted: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, Expectation]:
        """The stacks (B, h', w', S, 16) uint8 after one step, and what was expected of it; all as in `forward`."""
        expected = self(stacks, actions, memory, wanted)
        last = stacks[..., -1, :]
        changed = self.tiles.changed(last, expected.change, EVEN)
        _, line, _, pixel = drawn = changed.nonzero(as_tuple=True)  # (K,) each: few of all pixels
        levels = expected.levels.detach()[drawn].argmax(-1)
        frames = last.index_put(drawn, self.greys[line, 0, pixel, levels])
        return push(stacks, self.tiles.settled(last, frames, changed)), expected

    def loss(
        self,
        frames: torch.Tensor,
        actions: torch.Tensor,
        rewards: torch.Tensor,
        first: torch.Tensor,
        alive: torch.Tensor,
        playing: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Of predicting rows S to S+K−1 one after another, each from the model's own frames before it, which were drawn
        as of where things really went.

            rows    x0 … x_{S-1}  ──a_S──▶  y_S  ──a_{S+1}──▶  y_{S+1} …     (a_t leads to row t, as in a replay)

        frames (T, B, h, w) uint8, T = S + K; actions (T, B) int64; the next (T, B), as `Sequences` has them; weights
        (B,) float32: how much each window counts, 1 on average; None for all alike. A row that begins a game is no
        step, nor is what follows it, or what follows a drawing as wrong as `LARGEST`: who has lost the ball cannot be
        asked where it is. Gives the mean loss of a step, in which neither a drawing nor the surprise at where things
        went counts for more than `LARGEST`; its parts as they are; and how wrong each window was (B,), at most
        `LARGEST` a step.

        Its own frames are given to it as they are: no gradient flows from one step to the one before, so that a wrong
        frame cannot be made to say something else than what is to be seen.
        """
        real = to_cells(frames)  # (T, B, h', w', 16)
        stacks = shown(real[: self.stack], first[: self.stack])
        memory = self.begin(stacks)
        known = torch.ones_like(rewards[0])
        counted = known if weights is None else weights
        sums: dict[str, list[torch.Tensor]] = {}
        whole, counts, wrong = [], [], torch.zeros_like(known)
        for t in range(self.stack, len(frames)):
            known = known * ~first[t]
            last = stacks[..., -1, :]
            stacks, expected = self.step(stacks, actions[t], memory, torch.stack([real[t - 1], real[t]], -2))
            memory = expected.memory
            # Where a brick has gone too early or too late, there is nothing to be mended.
            asked = self.tiles.standing(last) == self.tiles.standing(real[t - 1])
            drawing = self._drawing_losses(expected, last, real[t], asked)
            outcome = _outcome_losses(expected, rewards[t], alive[t], playing[t])
            drawn = torch.stack([*drawing.values()]).sum(0)  # (B,)
            loss = capped(drawn) + capped(expected.moves) + torch.stack([*outcome.values()]).sum(0)
            whole.append(counted * known * loss)
            wrong += known * loss.detach().clamp(max=LARGEST)
            for name, part in (drawing | outcome | {"moves": expected.moves}).items():
                sums.setdefault(name, []).append((counted * known * part.detach()).sum())
            counts.append(known.sum())
            # Who was surprised by where the ball went has not lost it: what was drawn is drawn as of there.
            known = known * (drawn.detach() < LARGEST)
        # By how many they are, not by their weights: a mean by weights of few windows would favour the surprising ones.
        steps = torch.stack(counts).sum().clamp(min=1)
        means = {name: torch.stack(parts).sum() / steps for name, parts in sums.items()}
        return torch.stack(whole).sum() / steps, means, wrong

    @property
    def chooses(self) -> bool:
        """Whether it chooses where things go before it draws (`agents.i2a.movers`)."""
        return isinstance(self.trunk, LocalTrunk)

    def surprise(self, frames: torch.Tensor, actions: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """−log p of where things go and of what appears (B,) in the last of S + 1 real frames, of which nothing is
        drawn: as `loss` counts it in `moves`. frames, actions, first as there; 0 where a game begins with the last row.

        Raises TypeError of a model that does not choose.
        """
        if not isinstance(self.trunk, LocalTrunk):
            raise TypeError("only a local model chooses where things go")
        real = to_cells(frames)
        stacks, wanted = shown(real[:-1], first[:-1]), torch.stack([real[-2], real[-1]], -2)
        return self.trunk.movers.surprise(stacks, actions[-1], wanted) * ~first[-1]

    def _drawing_losses(
        self, expected: Expectation, last: torch.Tensor, target: torch.Tensor, asked: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Of each frame drawn (B,): last and target (B, h', w', 16) uint8, and which pixels count, bool."""
        changed = (target.int() - last.int()).abs() > CHANGE
        share = changed.float()
        logits = expected.change.float()
        # −log σ(±x), the changed pixels weighted.
        choice = F.softplus(logits * (1 - 2 * share)) * (1 + (CHANGED_WEIGHT - 1) * share) * asked
        counts = torch.maximum(share, UNCHANGED_LEVEL * (logits.detach() > 0)) * asked
        _, line, _, pixel = drawn = counts.nonzero(as_tuple=True)  # (K,) each: the pixels whose grey counts
        levels = self.level_of[line, 0, pixel, target[drawn].int()].long()
        surprise = F.cross_entropy(expected.levels[drawn].float(), levels, reduction="none")
        # On a frame first: sums over as many numbers as there happen to be are not the same twice on every device.
        grey = CHANGED_WEIGHT * torch.zeros_like(logits).index_put(drawn, surprise * counts[drawn])
        return {"change": choice.sum((1, 2, 3)) / FEW, "level": grey.sum((1, 2, 3)) / FEW}


def capped(loss: torch.Tensor) -> torch.Tensor:
    """Losses, of which none counts for more than `LARGEST`."""
    return loss * (LARGEST / loss.detach().clamp(min=LARGEST))


def _outcome_losses(
    expected: Expectation, rewards: torch.Tensor, alive: torch.Tensor, playing: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Of what comes of a step, all (B,)."""
    ends = F.binary_cross_entropy_with_logits
    return {
        "reward": F.smooth_l1_loss(expected.rewards, rewards, reduction="none"),
        "alive": ends(expected.alive, alive, reduction="none"),
        "playing": ends(expected.playing, playing, reduction="none"),
    }


def _greys_of_lines(frames: torch.Tensor) -> torch.Tensor:
    """The greys (h, LEVELS) uint8, rising, that pixels of each line of frames (3, N, h, w) most often take when they
    change; of those no more than `CHANGE` apart, one. Where there are fewer, the last is there again; where nothing
    changes, all of the line's greys count.
    """
    changed = (frames[1:].int() - frames[:-1].int()).abs() > CHANGE
    every, chosen = torch.arange(256, device=frames.device), []
    for line in range(frames.shape[2]):
        taken = frames[1:, :, line][changed[:, :, line]]
        counts = torch.bincount((taken if len(taken) else frames[:, :, line].flatten()).int(), minlength=256)
        own: list[int] = []
        while len(own) < LEVELS and counts.any():
            own.append(int(counts.argmax()))
            counts[(every - own[-1]).abs() <= CHANGE] = 0
        chosen.append(sorted(own) + [max(own)] * (LEVELS - len(own)))
    return torch.tensor(chosen, dtype=torch.uint8, device=frames.device)


def shown(frames: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Frames (S, B, h', w', 16) as a stack (B, h', w', S, 16): black before a row in which a game begins (S, B)."""
    later = first.flip(0).cumsum(0).flip(0) - first.int()  # beginnings after each row
    black = (later > 0)[..., None, None, None]
    return torch.where(black, 0, frames).permute(1, 2, 3, 0, 4).contiguous()
