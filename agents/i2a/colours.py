"""The colours of a game that is seen in grey: counted, line by line, for a person to look at."""

from __future__ import annotations

import numpy as np

from agents.envs.settings import AtariSettings


class ColourCount:
    """Which colour a grey has on a line of the frame, on the average of all screens that were counted."""

    def __init__(self, settings: AtariSettings):
        self._settings = settings
        self._sums = np.zeros((settings.size, 256, 3))
        self._counts = np.zeros((settings.size, 256))

    def add(self, frames: np.ndarray, screens: np.ndarray) -> None:
        """Frames (N, h, w) uint8, and the screens (N, H, W, 3) uint8 that they show."""
        size = self._settings.size
        places = (np.arange(size)[None, :, None] * 256 + frames).ravel()
        colours = np.stack([self._settings.shrink(screen) for screen in screens]).reshape(-1, 3)
        self._counts += np.bincount(places, minlength=size * 256).reshape(size, 256)
        for channel in range(3):
            weights = colours[:, channel]
            self._sums[..., channel] += np.bincount(places, weights, minlength=size * 256).reshape(size, 256)

    def table(self) -> np.ndarray:
        """(h, 256, 3) uint8: a grey that was never seen on a line has the colour of the nearest that was."""
        seen = self._counts > 0
        colours = self._sums / np.maximum(self._counts, 1)[..., None]
        greys = np.arange(256)
        table = np.zeros(colours.shape, np.uint8)
        for line in range(len(table)):
            own = np.flatnonzero(seen[line]) if seen[line].any() else greys
            nearest = own[np.abs(greys[:, None] - own[None]).argmin(1)]
            found = colours[line] if seen[line].any() else np.repeat(greys[:, None], 3, 1)
            table[line] = np.rint(found[nearest])
        return table
