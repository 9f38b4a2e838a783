"""What in a picture a decision hangs on: the gradient at its pixels.

Simonyan et al. 2014, *Deep Inside Convolutional Networks*, section 3; of agents: Wang et al. 2016, *Dueling Network
Architectures*, section 4.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from einops import rearrange

from agents.envs.settings import AtariSettings
from agents.layers import BLOCK

BLUR = 2.0
"""Standard deviation in pixels of the screen: single pixels of a gradient mean little, a spot of them does."""


def from_blocks(gradient: torch.Tensor) -> np.ndarray:
    """The size of a gradient at `agents.layers.network_input`, (B, stack·16, h/4, w/4), as (B, stack, h, w) float32."""
    pixels = rearrange(gradient.abs(), "b (s i j) h w -> b s (h i) (w j)", i=BLOCK, j=BLOCK)
    return pixels.cpu().numpy()


def on_screen(gradient: np.ndarray, screen: np.ndarray, settings: AtariSettings) -> np.ndarray:
    """A gradient (size, size) at the pixels that an agent sees, as its weight over the screen: (h, w) float32, 0 to 1.

    screen: (h, w, 3) of which the agent sees what `settings` leave. All 0 where the gradient is, or is no number.
    """
    weight = np.zeros(screen.shape[:2], np.float32)
    seen = settings.visible(weight)
    sound = np.nan_to_num(np.abs(gradient).astype(np.float32), nan=0.0, posinf=0.0)
    seen[:] = cv2.resize(sound, (seen.shape[1], seen.shape[0]), interpolation=cv2.INTER_LINEAR)
    weight = cv2.GaussianBlur(weight, (0, 0), BLUR)
    return weight / max(float(weight.max()), np.finfo(np.float32).tiny)
