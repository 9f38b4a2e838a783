"""One imagined future as a strip of small frames, the present at its left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from agents.records import Rollout
from mbrl_tui.terminal import cells
from mbrl_tui.widgets.action_signs import sign
from mbrl_tui.widgets.writing import brief, exactly, signed

SIDE = 14  # columns of the text at the left
NARROWEST = 9  # columns below a frame that hold a reward and a value: "+1   1.52"
DIMMED = 0.3  # brightness left to frames after the game's end

Block = list[list[Segment]]  # the lines of a part of the strip, all of one width


class RolloutStrip(Widget):
    """Row `row` of a rollout: step and action above each frame, the reward earned on arriving and the value below.

    pixel_aspect: as in `FrameView`; narrower here, so that more frames fit.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rollout-strip--label",
        "rollout-strip--selected",
        "rollout-strip--best",
        "rollout-strip--cursor",
        "rollout-strip--mark",
        "rollout-strip--faint",
        "rollout-strip--reward",
        "rollout-strip--muted",
    }
    DEFAULT_CSS = """
    RolloutStrip {
        width: 1fr;
        height: 1fr;
        min-height: 4;
    }
    RolloutStrip > .rollout-strip--label {
        color: $text;
    }
    RolloutStrip > .rollout-strip--selected {
        color: $primary;
        text-style: bold;
    }
    RolloutStrip > .rollout-strip--best {
        color: $text-success;
    }
    RolloutStrip > .rollout-strip--cursor {
        background: $primary;
        color: $text;
        text-style: bold;
    }
    RolloutStrip > .rollout-strip--mark {
        color: $primary;
    }
    RolloutStrip > .rollout-strip--faint {
        color: $primary 35%;
    }
    RolloutStrip > .rollout-strip--reward {
        color: $text-warning;
        text-style: bold;
    }
    RolloutStrip > .rollout-strip--muted {
        color: $text-muted;
    }
    """

    class Chosen(Message):
        """A frame was clicked.

        strip: the strip that it belongs to; step: the frame's index, 0 for the present.
        """

        def __init__(self, strip: RolloutStrip, step: int):
            super().__init__()
            self.strip = strip
            self.step = step

        @property
        def control(self) -> RolloutStrip:
            return self.strip

    def __init__(self, pixel_aspect: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.pixel_aspect = pixel_aspect
        self._rollout: Rollout | None = None
        self._row = 0
        self._label = ""
        self._action_names: tuple[str, ...] = ()
        self._cursor: int | None = None
        self._selected = False
        self._best = False
        self._end: int | None = None  # the frame with which the game ends
        self._first = 0  # the leftmost frame in view
        self._blocks: dict[int, Block] = {}  # for each frame its picture, and the line below it
        self._lines: list[Strip] | None = None
        self._drawn_size = Size()

    def show(
        self,
        rollout: Rollout,
        row: int,
        label: str,
        *,
        cursor: int | None = None,
        selected: bool = False,
        best: bool = False,
        action_names: Sequence[str] = (),
    ) -> None:
        """Show row `row`; the strip scrolls until frame `cursor` is in view, and marks it.

        A strip that is not selected marks its cursor faintly, so that strips one above the other can be given the
        same cursor and scroll together. With `action_names`, the action that led to a frame stands above it.
        Raises IndexError where there is no such row or frame.
        """
        if not 0 <= row < len(rollout):
            raise IndexError(f"there is no row {row} among {len(rollout)}")
        if cursor is not None and not 0 <= cursor <= rollout.horizon:
            raise IndexError(f"there is no frame {cursor} in a rollout of {rollout.horizon} steps")
        if rollout is not self._rollout or row != self._row:
            self._rollout, self._row = rollout, row
            self._forget()
            over = np.flatnonzero(np.cumprod(rollout.continues[row]) < 0.5)
            self._end = int(over[0]) + 1 if len(over) else None
        self._label, self._action_names = label, tuple(action_names)
        self._cursor, self._selected, self._best = cursor, selected, best
        self._lines = None
        self.refresh()

    def _frame_size(self, rollout: Rollout) -> tuple[int, int]:
        """(columns, rows) of a small frame."""
        height, width = rollout.frames.shape[2:4]
        rows = max(1, self.size.height - 2)
        return cells.fit(height, width, max(1, self.size.width), rows, self.pixel_aspect)

    def _pitch(self, rollout: Rollout) -> int:
        """Columns from one frame to the next."""
        return max(self._frame_size(rollout)[0], NARROWEST) + 1

    def _visible(self, rollout: Rollout) -> range:
        """Frames in view; scrolls no further than it must to hold the cursor."""
        count = rollout.horizon + 1
        fitting = max(1, min(count, (self.size.width - SIDE) // self._pitch(rollout)))
        if self._cursor is not None:
            ahead = min(1, fitting - 1)  # the frame after the cursor stays in view too, and the one before it
            self._first = min(max(self._first, self._cursor + ahead - fitting + 1), self._cursor - ahead)
        self._first = max(0, min(self._first, count - fitting))
        return range(self._first, self._first + fitting)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._forget()

    def _forget(self) -> None:
        """What is drawn holds no more."""
        self._blocks.clear()
        self._lines = None

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self._rollout is None or offset.x < SIDE:
            return
        visible = self._visible(self._rollout)
        place = (offset.x - SIDE) // self._pitch(self._rollout)
        if place < len(visible):
            self.post_message(self.Chosen(self, visible[place]))

    def render_line(self, y: int) -> Strip:
        if self._rollout is None:
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        if self._drawn_size != self.size:  # lines are asked for before the resize event comes
            self._forget()
            self._drawn_size = self.size
        if self._lines is None:
            self._lines = self._draw(self._rollout)
        return self._lines[y]

    def _draw(self, rollout: Rollout) -> list[Strip]:
        width, height = self.size
        visible = self._visible(rollout)
        blocks = [self._side(rollout), self._gap(visible[0] - 1, visible[0])]
        for frame in visible:
            if frame not in self._blocks:
                self._blocks[frame] = [*self._picture(rollout, frame), self._footing(rollout, frame)]
            blocks += [[[self._heading(rollout, frame)], *self._blocks[frame]], self._gap(frame, frame + 1)]
        lines = [[segment for block in blocks for segment in block[y]] for y in range(height)]
        base = self.visual_style.rich_style
        drawn = [Strip(line).adjust_cell_length(width, base) for line in lines]
        if visible[0] > 0:
            drawn[0] = overwritten(drawn[0], SIDE - 1, Segment("‹", self._style("muted")))
        if visible[-1] < rollout.horizon:
            drawn[0] = overwritten(drawn[0], width - 1, Segment("›", self._style("muted")))
        return drawn

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"rollout-strip--{name}")

    def _gap(self, left: int, right: int) -> Block:
        """The column between two frames, or at either end."""
        segment = Segment(" ", self.visual_style.rich_style)
        if self._cursor in (left, right):
            side = "▌" if self._cursor == left else "▐"
            segment = Segment(side, self._style("mark" if self._selected else "faint"))
        return [[segment]] * self.size.height

    def _side(self, rollout: Rollout) -> Block:
        """The text at the left: the label, and what this future brings."""
        height = self.size.height
        lines = [(f"{'▸' if self._selected else ' '} {self._label}", "selected" if self._selected else "label")]
        if self._best:
            lines.append(("  ★ best", "best"))
        total = signed(float(rollout.rewards[self._row].sum()))
        lines.append((f"  reward {total}", "reward") if total else ("  no reward", "muted"))
        if self._end is not None:
            lines.append((f"  ends at {self._end}", "muted"))
        lines += [("", "label")] * height
        if height > 1:
            lines[height - 1] = ("reward value", "muted")
        return [[Segment(exactly(text, SIDE - 1), self._style(name))] for text, name in lines[:height]]

    def _heading(self, rollout: Rollout, frame: int) -> Segment:
        words = ["now" if frame == 0 else str(frame)]
        if frame and self._action_names:
            words.append(sign(self._action_names[rollout.actions[self._row, frame - 1]]))
        if self._end is not None and frame >= self._end:
            words = [*words, "end"] if frame == self._end else ["end"]
        here = frame == self._cursor and self._selected
        text = exactly(" ".join(words), self._pitch(rollout) - 1, centre=True)
        return Segment(text, self._style("cursor" if here else "muted"))

    def _footing(self, rollout: Rollout, frame: int) -> list[Segment]:
        width = self._pitch(rollout) - 1
        if self._end is not None and frame > self._end:
            return [Segment(" " * width, self.visual_style.rich_style)]
        reward = float(rollout.rewards[self._row, frame - 1]) if frame else 0.0
        earned = signed(reward)
        value = exactly(brief(float(rollout.values[self._row, frame])), width - len(earned), right=True)
        return [Segment(earned, self._style("reward")), Segment(value, self._style("muted"))]

    def _picture(self, rollout: Rollout, frame: int) -> Block:
        """The small frame, in the lines that the heading and the footing leave."""
        height, width = self.size.height - 2, self._pitch(rollout) - 1
        if height < 1:
            return []
        columns, rows = self._frame_size(rollout)
        pixels = cells.resize(rollout.frames[self._row, frame], columns, rows)
        if self._end is not None and frame > self._end:
            background = np.array(self.background_colors[1].rgb, np.float32)
            pixels = (background + DIMMED * (pixels - background)).astype(np.uint8)
        style = self.visual_style.rich_style
        left = (width - columns) // 2
        drawn = [strip.crop_pad(columns, left, width - columns - left, style) for strip in cells.to_strips(pixels)]
        drawn += [Strip.blank(width, style)] * (height - rows)
        return [list(strip) for strip in drawn]


def overwritten(strip: Strip, at: int, segment: Segment) -> Strip:
    """The strip with this segment in the place of what was there, where it has that place."""
    if not 0 <= at < strip.cell_length:
        return strip
    width = segment.cell_length
    return Strip.join([strip.crop(0, at), Strip([segment], width), strip.crop(at + width)])
