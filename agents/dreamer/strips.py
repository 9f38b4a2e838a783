"""Pictures of how far a dream keeps to what really happened."""

from __future__ import annotations

import numpy as np
import torch

from agents.dreamer.networks import from_blocks
from agents.dreamer.world_model import WorldModel
from agents.replay.sequences import Sequences

CONTEXT = 5
"""Steps that the model sees before it dreams on."""
DREAMT = 15
"""Steps that it dreams."""
GAP = 2
"""Pixels between pictures."""


@torch.inference_mode()
def dream_on(model: WorldModel, sequences: Sequences, actions: torch.Tensor, context: int) -> np.ndarray:
    """See `context` steps of each sequence, then dream the others under the actions that were really taken.

    actions: (T, B, A) as the model takes them. Gives (T − context, B, h, w, c) uint8.
    """
    device = actions.device
    frames = sequences.frames[:context]
    blocks = model.prepare(frames.reshape(-1, *frames.shape[2:])).to(device)
    embeddings = model.encode(blocks).unflatten(0, frames.shape[:2])
    first = torch.from_numpy(sequences.first[:context]).to(device)
    start, surely = model.rssm.initial(frames.shape[1]), model.rssm.latents.most_likely
    states, _ = model.rssm.observe(embeddings, actions[:context], first, start, surely)
    features = model.rssm.follow(states.map(lambda part: part[-1]), actions[context:])
    drawn = from_blocks(model.draw(features.flatten(0, 1)), frames.shape[-1])
    pictures = ((drawn.float() + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return pictures.reshape(len(features), frames.shape[1], *pictures.shape[1:])


def strip(real: np.ndarray, dreamt: np.ndarray) -> np.ndarray:
    """(K, B, h, w, c) uint8 each, as one picture: for every sequence a row of what happened, a row of what was dreamt
    and a row of their difference; time runs to the right. Gives (height, width, c) uint8.
    """
    difference = np.abs(real.astype(np.int16) - dreamt).astype(np.uint8)
    rows = np.stack([real, dreamt, difference], 2)  # (K, B, 3, h, w, c)
    framed = np.pad(rows, [(0, 0)] * 3 + [(0, GAP), (0, GAP), (0, 0)], constant_values=64)
    steps, sequences, kinds, height, width, channels = framed.shape
    return framed.transpose(1, 2, 3, 0, 4, 5).reshape(sequences * kinds * height, steps * width, channels)
