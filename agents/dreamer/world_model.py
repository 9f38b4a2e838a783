"""The world model: what is seen becomes a state, states follow one another, a state becomes a picture again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from agents.dreamer.config import SIZES, DreamerConfig
from agents.dreamer.focus import Focus
from agents.dreamer.latents import LATENTS, balanced_divergence
from agents.dreamer.networks import MLP, Decoder, Encoder, NumbersDecoder, NumbersEncoder, to_blocks
from agents.dreamer.rssm import RSSM, Choice, State

FOCUS_SHARE = 0.02
"""Weight of the error of pictures drawn for a person: small, as their gradients are clipped together with others."""


@dataclass(frozen=True)
class Batch:
    """B sequences of T steps as tensors; the meaning of each is that of `agents.replay.sequences.Sequences`.

    blocks (T·B, 16·c, h/4, w/4) uint8, frames in blocks (`networks.to_blocks`), time first; or numbers (T·B, n) float
    actions (T, B, A) float, as vectors; rewards, alive, playing (T, B) float32; first (T, B) bool
    """

    blocks: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    first: torch.Tensor
    alive: torch.Tensor
    playing: torch.Tensor

    def between(self, part: slice) -> Batch:
        """The same sequences at some of their times: blocks (t·B, …), the others (t, B, …)."""
        blocks = _rows(self.blocks, self.rewards.shape[1], part)
        return Batch(blocks, *(column[part] for column in list(vars(self).values())[1:]))


def symlog(x: torch.Tensor) -> torch.Tensor:
    """sign(x) ln(|x| + 1): rewards of any game on one scale (Hafner et al. 2023, eq. 9)."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def symexp(x: torch.Tensor) -> torch.Tensor:
    """The way back from `symlog`."""
    return torch.sign(x) * torch.expm1(torch.abs(x))


class WorldModel(nn.Module):
    """Encoder, recurrent state-space model, and a head each for the picture, the reward, and whether it goes on.

    frame_shape: (h, w, c) of pictures, or (n,) where what is seen are numbers.
    """

    def __init__(self, config: DreamerConfig, num_actions: int, frame_shape: tuple[int, ...]):
        super().__init__()
        size, latents = SIZES[config.model_size], LATENTS[config.latents](config.variables, config.classes)
        self.config, self.pictures = config, len(frame_shape) == 3
        features = size.deter + latents.variables * latents.width
        if self.pictures:
            height, _, channels = frame_shape
            self.encoder: Encoder | NumbersEncoder = Encoder(height, channels, size.depth)
            shape = height, channels, size.things, 2 * size.things
            self.decoder: Decoder | NumbersDecoder = Decoder(features, *shape)
            self.focus = Focus(features, *shape)
        else:
            self.encoder = NumbersEncoder(frame_shape[0], size.units)
            self.decoder = NumbersDecoder(features, frame_shape[0], size.units)
        self.rssm = RSSM(num_actions, self.encoder.features, size.deter, size.hidden, latents)
        self.reward_head = MLP(features, size.units, size.layers, 1)
        # Two logits: that no life is lost (returns are cut there), and that the game goes on (a dream ends there).
        self.continue_head = MLP(features, size.units, size.layers, 2)

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        """Frames (N, *frame), as games give them, as `encode` takes them."""
        return to_blocks(frames) if self.pictures else torch.from_numpy(frames)

    def encode(self, blocks: torch.Tensor) -> torch.Tensor:
        """blocks (N, 16·c, h/4, w/4) uint8; gives (N, embedding)."""
        embeddings: torch.Tensor = self.encoder(blocks.float())
        return embeddings

    def calibrate(self, blocks: torch.Tensor) -> None:
        """Learn what is usual from some pictures (N, 16·c, h/4, w/4) uint8, once, before the first update."""
        self.encoder.calibrate(blocks.float())
        self.decoder.calibrate(blocks.float())

    def draw(self, features: torch.Tensor) -> torch.Tensor:
        """Pictures of states (N, features) for a person: blocks (N, 16·c, h/4, w/4) with values about −0.5 to 0.5, what
        flies at one place.

        Raises TypeError where numbers are seen.
        """
        if not isinstance(self.decoder, Decoder):
            raise TypeError("what is seen as numbers has no picture")
        pictures: torch.Tensor = self.focus(self.decoder, features)
        return pictures

    def rewards(self, features: torch.Tensor) -> torch.Tensor:
        """The expected reward on arriving in these states, as the game counts: (..., features) give (...).

        The mean is taken of symlog: where the reward is in doubt, this is below the mean of the rewards themselves.
        """
        return symexp(self.reward_head(features).squeeze(-1))

    def goes_on(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """P(no life was lost) and P(the game is not over) in these states: (..., features) give (...) each."""
        probabilities = torch.sigmoid(self.continue_head(features))
        return probabilities[..., 0], probabilities[..., 1]

    def times_to_draw(self, begin: int, times: int) -> range:
        """When sequences of so many times can teach it to draw for a person, if dreams begin after time `begin`: where
        there is a picture before and one after, and with overshooting a dream. None where numbers are seen.
        """
        ahead = self.config.overshoot
        first, end = (begin, begin + ahead + 1) if ahead else (1, times)
        return range(max(1, first), min(end, times - 1) if self.pictures else 0)

    def loss(
        self,
        batch: Batch,
        choose: Choice | None = None,
        kl_share: float = 1.0,
        begin: int = 0,
        focused: int | None = None,
    ) -> tuple[torch.Tensor, State, dict[str, torch.Tensor]]:
        """The mean loss of a step (Hafner et al. 2021, eq. 2), the states (T, B, …), and its parts by name.

        choose: how a latent comes from its posterior; None stands for a sample.
        kl_share: of the weight of the divergence.
        begin: the time after which `config.overshoot` steps are dreamt too, and judged as the others are; so many
            must follow it, else ValueError is raised.
        focused: one of `times_to_draw`, else ValueError is raised, at which it learns to draw for a person, too, after
            `begin` from the dreamt state; None: at none. No other gradient is changed by that.
        """
        c, latents = self.config, self.rssm.latents
        times, rows = batch.rewards.shape
        if begin + c.overshoot >= times:
            raise ValueError(f"{c.overshoot} steps cannot be dreamt from step {begin} of {times}")
        embeddings = self.encode(batch.blocks).unflatten(0, (times, rows))
        states, posterior = self.rssm.observe(embeddings, batch.actions, batch.first, self.rssm.initial(rows), choose)
        prior = self.rssm.prior(states.memory)
        kl_loss, kl = balanced_divergence(posterior, prior, c.kl_balance, c.free_nats, latents.divergence)
        weights = self._weights(batch)
        ahead = slice(begin + 1, begin + 1 + c.overshoot)
        # A copy: where a picture's error is computed, its weights are written over.
        weights_ahead = None if weights is None else _rows(weights, rows, ahead).clone()
        shown, parts = self._shown(states.features, batch, weights)
        loss = (shown + c.kl_scale * kl_share * kl_loss).mean()
        if c.overshoot:
            start = states.map(lambda part: part[begin])
            dreamt = self.rssm.follow(start, batch.actions[ahead])
            missed, _ = self._shown(dreamt, batch.between(ahead), weights_ahead)
            parts["dreamt"] = missed * (~batch.first[ahead]).cumprod(0)  # until another game begins
            loss = loss + parts["dreamt"].mean()
        if focused is not None:
            if focused not in self.times_to_draw(begin, times):
                raise ValueError(f"nothing can be drawn at step {focused} of {times}")
            dreams = c.overshoot > 0 and focused > begin
            features = dreamt[focused - begin - 1] if dreams else states.features[focused]
            parts |= self._focused(features, batch, focused, begin + 1 if dreams else focused)
            loss = loss + parts["place"].mean() + FOCUS_SHARE * parts["sharp"].mean()
        parts |= {"kl": kl, "entropy": latents.entropy(posterior)}
        return loss, states, {name: part.detach().mean() for name, part in parts.items()}

    def _shown(
        self, features: torch.Tensor, batch: Batch, weights: torch.Tensor | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss (T, B) of all that states (T, B, f) say of what is seen, earned and ended; and its parts."""
        c = self.config
        image = self.image_loss(features, batch, weights)
        reward = 0.5 * (self.reward_head(features).squeeze(-1) - symlog(batch.rewards)).square()
        ends = torch.stack([batch.alive, batch.playing], -1)
        goes_on = F.binary_cross_entropy_with_logits(self.continue_head(features), ends, reduction="none").sum(-1)
        loss = image + c.reward_weight * reward + c.continue_weight * goes_on
        return loss, {"image": image, "reward": reward, "continue": goes_on}

    def _focused(self, features: torch.Tensor, batch: Batch, time: int, since: int) -> dict[str, torch.Tensor]:
        """What `Focus` has to learn from states (B, f) at a time, by what is seen then and beside it: losses (B,), 0
        where another game has begun since a time, which is at most this one.
        """
        assert isinstance(self.decoder, Decoder)
        beside = batch.blocks.unflatten(0, batch.rewards.shape)[time - 1 : time + 2]
        weights = 1 + self.config.pixel_weight * (beside[1] != beside[0])
        place, sharp = self.focus.loss(self.decoder, features, beside, weights)
        same = ~batch.first[since : time + 2].any(0)
        return {"place": same * place, "sharp": same * sharp}

    def _weights(self, batch: Batch) -> torch.Tensor | None:
        """What each pixel counts for, as `batch.blocks`; None where numbers are seen."""
        return 1 + self.config.pixel_weight * changed(batch.blocks, batch.first) if self.pictures else None

    def image_loss(self, features: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        """Half the squared error of each picture, summed over its pixels, which count for `weights`: (T, B)."""
        drawn = self.decoder(features.flatten(0, 1))
        if weights is None:
            assert isinstance(self.encoder, NumbersEncoder)
            wanted = self.encoder.normalised(batch.blocks)
            return 0.5 * (drawn - wanted).square().sum(-1).view(batch.rewards.shape)
        error: torch.Tensor = WeightedSquares.apply(drawn, batch.blocks, weights)
        return error.view(batch.rewards.shape)


def _rows(flat: torch.Tensor, rows: int, part: slice) -> torch.Tensor:
    """Of (T·B, …) those of some times: (t·B, …)."""
    return flat[part.start * rows : part.stop * rows]


class WeightedSquares(torch.autograd.Function):
    """½ Σ weight (drawn − wanted)² over the pixels of each picture, with few passes over what is the largest tensor.

    drawn (N, k, h, w), about −0.5 to 0.5; wanted (N, k, h, w) uint8, 0 to 255; weights as drawn. Gives (N,) float32.
    """

    @staticmethod
    def forward(ctx: Any, drawn: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        # One new tensor, the others written over: `drawn` belongs to the decoder.
        error = torch.add(drawn.float(), 0.5).sub_(wanted.float().div_(255))
        slope = weights.mul_(error)
        ctx.save_for_backward(slope)
        ctx.kind = drawn.dtype
        rows = (part.permute(0, 2, 3, 1).flatten(1) for part in (slope, error))
        with torch.autocast(drawn.device.type, enabled=False):
            return torch.linalg.vecdot(*rows).mul_(0.5)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return (slope * gradients[0][:, None, None, None]).to(ctx.kind), None, None


def changed(blocks: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """1 where a colour of a pixel differs from the frame before, 0 elsewhere and in first frames.

    blocks (T·B, k, h, w) uint8, first (T, B) bool; gives (T·B, k, h, w) float32.
    """
    frames = blocks.permute(0, 2, 3, 1).unflatten(0, first.shape)  # in the order in which they lie in memory
    moved = torch.zeros(frames.shape, device=blocks.device)
    moved[1:] = (frames[1:] != frames[:-1]) & ~first[1:, :, None, None, None]
    return moved.flatten(0, 1).permute(0, 3, 1, 2)
