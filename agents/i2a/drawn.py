"""What the parts of an environment model hand to one another."""

from __future__ import annotations

from dataclasses import dataclass

import torch

Memory = tuple[torch.Tensor, ...]
"""What a recurrent trunk hands on, each (B, …); empty for the others."""


@dataclass(frozen=True)
class Drawn:
    """What a trunk makes of B stacks of frames.

    features (B, C, …): for what comes of the step. planes (B, h/4, w/4, 16, PLANES): the next frames.
    memory: after this step. moves (B,) float32: −log p of where things are drawn as gone and of what is drawn as
    appearing, summed. doubt (B,) float32: the entropies, in nats, of the beliefs in these, summed. Both 0 of a trunk
    that has no beliefs.
    """

    features: torch.Tensor
    planes: torch.Tensor
    memory: Memory
    moves: torch.Tensor
    doubt: torch.Tensor
