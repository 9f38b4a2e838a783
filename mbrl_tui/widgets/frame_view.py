"""The game's picture, as large as fits."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from mbrl_tui.terminal import cells
from mbrl_tui.widgets.writing import exactly

NOTHING = np.zeros((0, 0, 3), np.uint8)


class FrameView(Widget):
    """Shows the frames of a game, centred and as large as fits; made for 60 of them a second.

    pixel_aspect: width of one pixel of the frame divided by its height. A television drew Atari's 160×210
        pixels 1.75 times as wide as high; 1.3 leaves room beside the picture in a terminal of 120×40.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    FrameView {
        width: 1fr;
        height: 1fr;
        color: $text-muted;
    }
    """

    def __init__(self, pixel_aspect: float = 1.3, **kwargs: Any):
        super().__init__(**kwargs)
        self.pixel_aspect = pixel_aspect
        self._frame: np.ndarray | None = None
        self._caption = ""
        self._pixels = NOTHING  # (2r, c, 3) what the lines show
        self._lines: list[Strip] = []  # the r lines of the picture, without the room beside it
        self._picture = Region()  # where in this widget the picture is, in cells

    def show(self, frame: np.ndarray | None, caption: str = "") -> None:
        """Show frame (h, w, 3) uint8, or nothing, with one line of text below it in this widget's colour.

        The frame is kept, not copied: the caller must not write to it afterwards.
        """
        rearranged = bool(caption) != bool(self._caption) or (frame is None) != (self._frame is None)
        reworded = caption != self._caption
        self._frame, self._caption = frame, caption
        if rearranged or frame is None:
            self._arrange()
            return
        if reworded:
            self.refresh(Region(0, self._caption_line, self.size.width, 1))
        self._draw()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Find the picture's place and draw all of it."""
        self._pixels, self._lines, self._picture = NOTHING, [], Region()
        self._draw()
        self.refresh()

    def _draw(self) -> None:
        """Bring the picture to the newest frame; only lines that changed are converted and repainted."""
        width, height = self.size
        if self._frame is None or not height:
            return
        height -= bool(self._caption)
        frame_height, frame_width = self._frame.shape[:2]
        columns, rows = cells.fit(frame_height, frame_width, width, height, self.pixel_aspect)
        if not rows:
            return
        pixels = cells.resize(self._frame, columns, rows)
        if pixels.shape == self._pixels.shape:
            changed = np.flatnonzero((pixels != self._pixels).reshape(rows, -1).any(1)).tolist()
        else:
            changed = list(range(rows))
            self._lines = [Strip([])] * rows
            self._picture = Region((width - columns) // 2, (height - rows) // 2, columns, rows)
            self.refresh()
        self._pixels = pixels
        if changed:
            converted = cells.to_strips(pixels.reshape(rows, 2, columns, 3)[changed].reshape(-1, columns, 3))
            for row, strip in zip(changed, converted, strict=True):
                self._lines[row] = strip
            self.refresh(*(Region(0, self._picture.y + row, width, 1) for row in changed))

    @property
    def _caption_line(self) -> int:
        return self.size.height // 2 if self._frame is None else self.size.height - 1

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        style = self.visual_style.rich_style
        if self._caption and y == self._caption_line:
            return Strip([Segment(exactly(self._caption, width, centre=True), style)], width)
        row = y - self._picture.y
        if 0 <= row < len(self._lines):
            left = self._picture.x
            return self._lines[row].crop_pad(self._picture.width, left, width - self._picture.right, style)
        return Strip.blank(width, style)
