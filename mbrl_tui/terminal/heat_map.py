"""A picture with heat upon it: where two frames differ, or what a decision hangs on."""

from __future__ import annotations

import cv2
import numpy as np

RAMP = np.array([[0, 0, 0], [70, 20, 110], [190, 55, 85], [250, 140, 30], [255, 245, 160]], np.float32)
"""Colours from no heat to full heat, evenly spaced: each is lighter than the one before, for eyes of every kind."""
GLOW = 0.6
"""Exponent below 1: faint heat is drawn brighter than it is."""
BASE = 0.35
"""Brightness that is left to the picture below, in grey."""

_SHARE = np.linspace(0, 1, 256, dtype=np.float32) ** GLOW
_COLOURS = np.stack([np.interp(_SHARE * (len(RAMP) - 1), np.arange(len(RAMP)), c) for c in RAMP.T], 1)  # (256, 3)
_UPON = (_COLOURS * _SHARE[:, None]).astype(np.uint8)[None]
_BELOW = BASE * (1 - _SHARE)


def heat_map(frame: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Frame (h, w, 3) uint8 in dim grey, with heat (h, w) float32 from 0 to 1 upon it: (h, w, 3) uint8."""
    place = _places(heat)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) * cv2.LUT(place, _BELOW)
    return cv2.add(cv2.LUT(cv2.merge([place] * 3), _UPON), cv2.cvtColor(grey.astype(np.uint8), cv2.COLOR_GRAY2RGB))


def code_picture(belief: np.ndarray) -> np.ndarray:
    """Probabilities (variables, classes) float32 as a picture of as many pixels: (variables, classes, 3) uint8."""
    return _COLOURS[_places(np.nan_to_num(belief))].astype(np.uint8)


def _places(heat: np.ndarray) -> np.ndarray:
    return (np.clip(heat, 0, 1) * 255).astype(np.uint8)
