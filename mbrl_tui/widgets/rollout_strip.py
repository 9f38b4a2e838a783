"""One imagined future as a strip of small frames, the present at its left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from agents.imagination import is_over
from agents.records import Rollout
from mbrl_tui.terminal import cells
from mbrl_tui.widgets.action_signs import sign
from mbrl_tui.widgets.drift_meter import NOTHING, Level, Mark
from mbrl_tui.widgets.rollout_strips import RolloutStrips
from mbrl_tui.widgets.small_pictures import Tone
from mbrl_tui.widgets.writing import brief, exactly, share, signed

SIDE = 15  # columns of the text at the left
NARROWEST = 9  # columns below a frame that hold a reward and a value: "+1   1.52"
BARE = 5  # the same, of frames without numbers: a heading "12 →●"
DIMMED = 0.3  # brightness left to frames after the game's end
SHARED = 0.5  # the same, of frames that belong to another future too
UNTRUE = 0.75  # the same, of frames that are not to be trusted, whose colours go too

Block = list[list[Segment]]  # the lines of a part of the strip, all of one width


@dataclass(frozen=True)
class Annotations:
    """What else there is to say of a future.

    indent:  how deep in a tree its label stands.
    since:   frames before it belong to another future too, and are dimmed.
    parted:  from this frame on it is not to be trusted, and grey; None: as far as is known, it is.
    marks:   of each frame how far it is from the truth; empty: no such line.
    heading: a line with steps and actions. numbers: one with rewards and values. detail: one with how likely the game
        goes on, and how much the model doubts.
    least:   columns that a frame takes at least, so that strips one above the other can stand in line.
    note:    words for the side.
    """

    indent: int = 0
    since: int = 0
    parted: int | None = None
    marks: tuple[Mark, ...] = ()
    heading: bool = True
    numbers: bool = True
    detail: bool = False
    least: int = BARE
    note: str = ""


PLAIN = Annotations()


class RolloutStrip(Widget):
    """Row `row` of a rollout: step and action above each frame, the reward earned on arriving and the value below. It
    stands in `RolloutStrips`.

    pixel_aspect: as in `FrameView`; narrower here, so that more frames fit.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    RolloutStrip {
        width: 1fr;
        height: 1fr;
        min-height: 4;
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
        self._annotations = PLAIN
        self._end: int | None = None  # the frame with which the game ends
        self._first = 0  # the leftmost frame in view
        self._window = range(0)  # the frames that are drawn
        self._blocks: dict[int, Block] = {}  # for each frame its picture, and the line below it
        self._lines: list[Strip] | None = None
        self._drawn_size = Size()  # for which the lines are drawn; to ask a widget for its size takes long

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
        annotations: Annotations = PLAIN,
    ) -> None:
        """Show row `row`; the strip scrolls until frame `cursor` is in view, and marks it.

        A strip that is not selected marks its cursor faintly, in its first line, so that strips one above the other
        can be given the same cursor and scroll together. With `action_names`, the action that led to a frame stands
        above it.
        Raises IndexError where there is no such row or frame.
        """
        if not 0 <= row < len(rollout):
            raise IndexError(f"there is no row {row} among {len(rollout)}")
        if cursor is not None and not 0 <= cursor <= rollout.horizon:
            raise IndexError(f"there is no frame {cursor} in a rollout of {rollout.horizon} steps")
        look = (label, tuple(action_names), selected, best)
        same = look == (self._label, self._action_names, self._selected, self._best)
        if rollout is not self._rollout or row != self._row or annotations != self._annotations:
            same = False
            self._rollout, self._row, self._annotations = rollout, row, annotations
            self._forget()
            over = np.flatnonzero(is_over(np.cumprod(rollout.continues[row])))
            self._end = int(over[0]) + 1 if len(over) else None
        moved, self._cursor = cursor != self._cursor, cursor
        self._label, self._action_names, self._selected, self._best = look
        if same and self._lines and not moved:
            return
        if same and self._lines and not selected and self._visible(rollout) == self._window:
            # Of a cursor that moves elsewhere this strip shows a faint mark in its first line alone.
            self._lines[0] = self._draw(rollout, 1)[0]
            self.refresh(Region(0, 0, self.size.width, 1))
            return
        self._lines = None
        self.refresh()

    def wait(self, label: str, selected: bool, indent: int) -> None:
        """Show nothing but a label: its rollout is still to come."""
        self._rollout, self._label, self._selected = None, label, selected
        self._annotations, self._lines = Annotations(indent=indent), None
        self.refresh()

    def _frame_size(self, rollout: Rollout) -> tuple[int, int]:
        """(columns, rows) of a small frame."""
        height, width = rollout.frames.shape[2:4]
        rows = max(1, self._drawn_size.height - self._annotations.heading - len(self._footings))
        return cells.fit(height, width, max(1, self._drawn_size.width), rows, self.pixel_aspect)

    def _pitch(self, rollout: Rollout) -> int:
        """Columns from one frame to the next."""
        least = max(self._annotations.least, NARROWEST if self._annotations.numbers else BARE)
        return max(self._frame_size(rollout)[0], least) + 1

    @property
    def _footings(self) -> list[str]:
        """The words at the side of the lines below the frames, from the top."""
        lines = {"reward value": self._annotations.numbers, "goes on doubt": self._annotations.detail}
        return [words for words, shown in lines.items() if shown] + ["drift"] * bool(self._annotations.marks)

    def _visible(self, rollout: Rollout) -> range:
        """Frames in view; scrolls no further than it must to hold the cursor."""
        count = rollout.horizon + 1
        fitting = max(1, min(count, (self._drawn_size.width - SIDE) // self._pitch(rollout)))
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
            line = [Segment(self._title, self._style("muted"))] if y == 0 else []
            return Strip(line).adjust_cell_length(self.size.width, self.visual_style.rich_style)
        if self._drawn_size != self.size:  # lines are asked for before the resize event comes
            self._forget()
            self._drawn_size = self.size
        if self._lines is None:
            self._lines = self._draw(self._rollout, self.size.height)
        return self._lines[y]

    def _draw(self, rollout: Rollout, count: int) -> list[Strip]:
        """The first `count` lines."""
        width = self._drawn_size.width
        self._window = visible = self._visible(rollout)
        blocks = [self._side(rollout), self._gap(visible[0] - 1, visible[0])]
        for frame in visible:
            if frame not in self._blocks:
                self._blocks[frame] = [*self._picture(rollout, frame), *self._below(rollout, frame)]
            above = [[self._heading(rollout, frame)]] if self._annotations.heading else []
            blocks += [[*above, *self._blocks[frame]], self._gap(frame, frame + 1)]
        lines = [[segment for block in blocks for segment in block[y]] for y in range(count)]
        base = self.visual_style.rich_style
        drawn = [Strip(line).adjust_cell_length(width, base) for line in lines]
        if visible[0] > 0:
            drawn[0] = overwritten(drawn[0], SIDE - 1, Segment("‹", self._style("muted")))
        if visible[-1] < rollout.horizon:
            drawn[0] = overwritten(drawn[0], width - 1, Segment("›", self._style("muted")))
        return drawn

    @property
    def _strips(self) -> RolloutStrips:
        assert isinstance(self.parent, RolloutStrips)
        return self.parent

    def _style(self, part: str) -> Style:
        return self._strips.look(part)

    def _gap(self, left: int, right: int) -> Block:
        """The column between two frames, or at either end."""
        segment = Segment(" ", self.visual_style.rich_style)
        if right == self._annotations.parted:
            lost = self._style("lost")
            return [[Segment("╳", lost)], *[[Segment("│", lost)]] * (self._drawn_size.height - 1)]
        if self._cursor in (left, right):
            side = "▌" if self._cursor == left else "▐"
            if not self._selected:
                return [[Segment(side, self._style("faint"))], *[[segment]] * (self._drawn_size.height - 1)]
            segment = Segment(side, self._style("mark"))
        return [[segment]] * self._drawn_size.height

    @property
    def _title(self) -> str:
        """The label in its place in the tree; nothing where nothing was ever shown."""
        indent = self._annotations.indent
        label = "  " * (indent - 1) + "└ " * (indent > 0) + self._label
        return f"{'▸' if self._selected else ' '} {label}" if self._label else ""

    def _side(self, rollout: Rollout) -> Block:
        """The text at the left: the label, and what this future brings."""
        height, notes = self._drawn_size.height, self._annotations
        lines = [(self._title, "selected" if self._selected else "label")]
        if self._best:
            lines.append(("  ★ best", "best"))
        if notes.note:
            lines.append((f"  {notes.note}", "lost" if notes.parted is not None else "true"))
        if notes.numbers:
            total = signed(float(rollout.rewards[self._row].sum()))
            lines.append((f"  reward {total}", "reward") if total else ("  no reward", "muted"))
        if self._end is not None:
            lines.append((f"  ends at {self._end}", "muted"))
        footings = self._footings if height > 1 else []
        above = max(1, height - len(footings))
        lines = (lines + [("", "label")] * height)[:above] + [(words, "muted") for words in footings]
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

    def _below(self, rollout: Rollout, frame: int) -> Block:
        """The lines below a frame."""
        width, notes = self._pitch(rollout) - 1, self._annotations
        lines = []
        if notes.numbers:
            reward = signed(float(rollout.rewards[self._row, frame - 1])) if frame else ""
            lines.append(self._pair(reward, "reward", brief(float(rollout.values[self._row, frame])), width))
        if notes.detail:
            goes_on, doubt = "", ""
            if frame:
                goes_on = share(float(rollout.continues[self._row, frame - 1]))
                doubt = brief(float(rollout.uncertainty[self._row, frame - 1]))
            lines.append(self._pair(goes_on, "muted", doubt, width))
        if self._end is not None and frame > self._end:
            lines = [[Segment(" " * width, self.visual_style.rich_style)] for _ in lines]
        if notes.marks:
            lines.append([self._drift(notes.marks[frame] if frame < len(notes.marks) else NOTHING, width)])
        return lines

    def _pair(self, left: str, style: str, right: str, width: int) -> list[Segment]:
        right = exactly(right, max(0, width - len(left)), right=True)
        return [Segment(left, self._style(style)), Segment(right, self._style("muted"))]

    def _drift(self, mark: Mark, width: int) -> Segment:
        text = f"{mark.bar} {mark.word}" if len(mark.word) + 2 <= width else mark.word
        style = "muted" if mark.level is Level.NONE else mark.level.value
        return Segment(exactly(text, width, centre=True), self._style(style))

    def _picture(self, rollout: Rollout, frame: int) -> Block:
        """The small frame, in the lines that the heading and the footing leave."""
        height = self._drawn_size.height - self._annotations.heading - len(self._footings)
        width = self._pitch(rollout) - 1
        if height < 1:
            return []
        columns, rows = self._frame_size(rollout)
        style, left = self.visual_style.rich_style, (width - columns) // 2
        before, after = ([Segment(" " * room, style)] * (room > 0) for room in (left, width - columns - left))
        picture = self._strips.pictures.of(rollout, self._row, frame, columns, rows, self._tone(frame))
        return [[*before, *line, *after] for line in picture] + [[Segment(" " * width, style)]] * (height - rows)

    def _tone(self, frame: int) -> Tone:
        """Dimmed towards the background where a frame is not this future's own, or not there any more."""
        parted = self._annotations.parted
        untrue = parted is not None and frame >= parted
        ended = self._end is not None and frame > self._end
        left = DIMMED if ended else UNTRUE if untrue else 1.0
        left = min(left, SHARED if frame < self._annotations.since else 1.0)
        return Tone(untrue) if left == 1.0 else Tone(untrue, left, self.background_colors[1].rgb)


def overwritten(strip: Strip, at: int, segment: Segment) -> Strip:
    """The strip with this segment in the place of what was there, where it has that place."""
    if not 0 <= at < strip.cell_length:
        return strip
    width = segment.cell_length
    return Strip.join([strip.crop(0, at), Strip([segment], width), strip.crop(at + width)])
