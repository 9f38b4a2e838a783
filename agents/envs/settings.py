"""How an Atari game is played, and what an agent sees of its screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from agents.settings import check_range


@dataclass(frozen=True)
class AtariSettings:
    """How a game is played; the same words stand in every score's protocol."""

    frameskip: int = 4
    """Emulator frames for which an action is held."""
    stack: int = 4
    """Preprocessed frames in one observation."""
    noop_max: int = 30
    """A game starts after fewer than this many idle emulator frames, drawn from its seed."""
    sticky: float = 0.0
    """Probability, at each emulator frame, that the previous action is repeated (0.25: the v5 protocol)."""
    fire: bool = True
    """Press FIRE at the start and after each life, in games that have it; else many games idle for ever."""
    frame_cap: int = 108_000
    """Emulator frames after which a game is cut off: half an hour at 60 frames a second."""
    size: int = 84
    """Height and width of a preprocessed frame."""
    max_pool: bool = True
    """Show the maximum of the last two emulator frames, for games that draw some things in every other frame only."""
    colour: bool = False
    """Frames in colour instead of grey."""
    crop_top: int = 0
    """Rows of the screen cut away at the top."""
    crop_bottom: int = 0
    """Rows of the screen cut away at the bottom."""

    VIEW: ClassVar = ("stack", "size", "max_pool", "colour", "crop_top", "crop_bottom")
    """The settings of how a game is seen; the others are of how it is played."""

    def __post_init__(self) -> None:
        check_range("sticky", self.sticky, 0, 1)
        for name in ("crop_top", "crop_bottom"):
            check_range(name, getattr(self, name), 0, 100)
        for name, most in (("frameskip", 60), ("stack", 16), ("frame_cap", 10_000_000), ("size", 250)):
            check_range(name, getattr(self, name), 1, most)
        check_range("noop_max", self.noop_max, 0, 1_000)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of one preprocessed frame: (size, size), with colours (size, size, 3)."""
        return (self.size, self.size, 3) if self.colour else (self.size, self.size)

    def shrink(self, screen: np.ndarray) -> np.ndarray:
        """A screen (h, w) or (h, w, 3) uint8, cut and averaged by area to (size, size) or (size, size, 3)."""
        return cv2.resize(self.visible(screen), (self.size, self.size), interpolation=cv2.INTER_AREA)

    def visible(self, screen: np.ndarray) -> np.ndarray:
        """The part of a screen (h, w, …) that is seen; to write there is to write on the screen."""
        return screen[self.crop_top : len(screen) - self.crop_bottom]

    def enlarge(self, picture: np.ndarray, screen: np.ndarray) -> np.ndarray:
        """A picture (size, size, …) in the size of the part of `screen` (h, w, …) that is seen."""
        height, width = self.visible(screen).shape[:2]
        # Edges stay sharp where every pixel becomes as many, and straight where it cannot.
        whole = width % picture.shape[1] == 0 and height % picture.shape[0] == 0
        interpolation = cv2.INTER_NEAREST if whole else cv2.INTER_LINEAR
        return cv2.resize(picture, (width, height), interpolation=interpolation)
