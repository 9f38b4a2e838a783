from dataclasses import replace

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from agents.records import Rollout
from mbrl_tui.terminal import cells
from mbrl_tui.widgets.drift_meter import NOTHING, Level, Mark
from mbrl_tui.widgets.rollout_strip import SIDE, Annotations, RolloutStrip
from mbrl_tui.widgets.rollout_strips import RolloutStrips

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


class Show(App):
    CSS = "RolloutStrip { height: 10; }"

    def __init__(self):
        super().__init__()
        self.chosen: list[tuple[RolloutStrip, int]] = []

    def compose(self) -> ComposeResult:
        with RolloutStrips():
            yield RolloutStrip()
            yield RolloutStrip(id="other")

    @property
    def strip(self) -> RolloutStrip:
        return self.query(RolloutStrip).first()

    def texts(self) -> list[str]:
        """The lines, without the marks of the cursor."""
        marks = str.maketrans("▌▐", "  ")
        return [self.strip.render_line(y).text.translate(marks) for y in range(self.strip.size.height)]

    def on_rollout_strip_chosen(self, message: RolloutStrip.Chosen) -> None:
        self.chosen.append((message.strip, message.step))


def style_of(strip: RolloutStrip, y: int, text: str):
    return next(segment.style for segment in strip.render_line(y) if text in segment.text)


@pytest.mark.parametrize("size", [(200, 30), (80, 20), (23, 20), (8, 20), (1, 20)])
async def test_every_line_has_the_width_of_the_widget(eventful, size):
    async with Show().run_test(size=size) as pilot:
        strip = pilot.app.strip
        for height in (1, 2, 3, 5, 10):
            strip.styles.height = strip.styles.min_height = height
            for cursor in (None, 15):
                strip.show(eventful, 3, "LEFT", cursor=cursor, selected=True, best=True, action_names=NAMES)
                await pilot.pause()
                assert strip.size == (size[0], height)
                assert [strip.render_line(y).cell_length for y in range(height)] == [size[0]] * height


async def test_steps_and_actions_stand_above_the_frames(rollout):
    async with Show().run_test(size=(120, 24)) as pilot:
        pilot.app.strip.show(rollout, 2, "RIGHT", cursor=0, action_names=NAMES)
        await pilot.pause()
        heading = pilot.app.texts()[0].split()
        signs = dict(zip(range(4), "·●→←", strict=True))
        expected = ["RIGHT", "now"]
        for frame in range(1, 8):
            expected += [str(frame), signs[int(rollout.actions[2, frame - 1])]]
        assert heading[: len(expected)] == expected


async def test_rewards_are_bright_where_they_are_earned_and_blank_elsewhere(eventful):
    async with Show().run_test(size=(250, 24)) as pilot:
        strip = pilot.app.strip
        strip.show(eventful, 2, "RIGHT")
        await pilot.pause()
        footing = pilot.app.texts()[-1]
        pitch = strip._pitch(strip._rollout)
        below = [footing[SIDE + frame * pitch : SIDE + (frame + 1) * pitch].split() for frame in range(16)]
        values = [f"{value:.2f}" for value in eventful.values[2]]
        assert below == [
            ([reward] if (reward := {7: "+4", 10: "+7"}.get(frame)) else []) + [values[frame]] for frame in range(16)
        ]
        assert style_of(strip, 9, "+4").bold
        assert pilot.app.texts()[1].split()[:2] == ["reward", "+11"]


async def test_the_strip_scrolls_to_hold_the_cursor_in_view(rollout):
    async with Show().run_test(size=(80, 24)) as pilot:
        strip = pilot.app.strip
        for cursor in [*range(16), *range(15, -1, -1), 15, 0, 8]:
            strip.show(rollout, 0, "NOOP", cursor=cursor, selected=True)
            await pilot.pause()
            heading = pilot.app.texts()[0]
            shown = [word for word in heading.removeprefix("▸ NOOP").split() if word not in "‹›"]
            wanted = "now" if cursor == 0 else str(cursor)
            assert wanted in shown
            assert style_of(strip, 0, wanted).bold
            assert ("‹" in heading) == ("now" not in shown)
            assert ("›" in heading) == ("15" not in shown)


async def test_the_strip_scrolls_no_further_than_it_must(rollout):
    async with Show().run_test(size=(80, 24)) as pilot:
        strip = pilot.app.strip
        strip.show(rollout, 0, "NOOP", cursor=15)
        await pilot.pause()
        at_the_end = pilot.app.texts()[0]
        strip.show(rollout, 0, "NOOP", cursor=14)
        await pilot.pause()
        assert pilot.app.texts()[0] == at_the_end


async def test_frames_after_the_end_are_dimmed_and_called_the_end(eventful):
    async with Show().run_test(size=(250, 24)) as pilot:
        strip = pilot.app.strip
        strip.show(eventful, 3, "LEFT", action_names=NAMES)
        await pilot.pause()
        heading, *_, footing = pilot.app.texts()
        assert heading.split().count("end") == 15 - 6 + 1
        assert "7" not in heading.split()
        assert len(footing.split()) == 2 + 7  # its own words, and the values of frames 0 to 6
        before, after = brightness(strip, 6), brightness(strip, 7)
        assert after < 0.5 * before


async def test_a_doubtful_end_counts_from_where_it_is_likely(rollout):
    """A learnt model gives probabilities: 0.9 a step is a likely end after seven steps."""
    doubtful = replace(rollout, continues=np.full_like(rollout.continues, 0.9))
    async with Show().run_test(size=(250, 24)) as pilot:
        pilot.app.strip.show(doubtful, 0, "NOOP")
        await pilot.pause()
        assert "ends at 7" in "\n".join(pilot.app.texts())


def brightness(strip: RolloutStrip, frame: int) -> float:
    """Of the brightest cell of a frame."""
    at = SIDE + frame * strip._pitch(strip._rollout)
    return max(
        sum(segment.style.bgcolor.triplet)
        for y in range(1, strip.size.height - 1)
        for segment in strip.render_line(y).crop(at, at + strip._pitch(strip._rollout) - 1)
    )


async def test_thumbnails_are_made_once(rollout, monkeypatch):
    made = []
    resize = cells.resize
    monkeypatch.setattr(cells, "resize", lambda *arguments: made.append(1) or resize(*arguments))
    async with Show().run_test(size=(250, 24)) as pilot:
        for cursor in range(16):
            pilot.app.strip.show(rollout, 0, "NOOP", cursor=cursor)
            await pilot.pause()
        assert len(made) == 16
        pilot.app.strip.show(rollout, 1, "FIRE", cursor=0, annotations=Annotations(since=6))
        await pilot.pause()
        assert len(made) == 32
        pilot.app.theme = "textual-light"  # what is dimmed is dimmed towards the background
        await pilot.pause()
        pilot.app.texts()
        assert len(made) == 38


async def test_what_is_not_to_be_trusted_is_grey_and_a_line_marks_where_it_begins(rollout):
    async with Show().run_test(size=(250, 24)) as pilot:
        strip = pilot.app.strip
        marks = (NOTHING, *[Mark("▁", "0px", Level.TRUE)] * 4, *[Mark("█", "lost", Level.LOST)] * 11)
        strip.show(rollout, 0, "NOOP", annotations=Annotations(parted=5, marks=marks, note="parts at 5"))
        await pilot.pause()
        heading, *_, drift = pilot.app.texts()
        pitch = strip._pitch(rollout)
        assert heading.index("╳") == SIDE - 1 + 5 * pitch
        assert drift.replace("│", "").split() == ["drift", *["▁", "0px"] * 4, *["█", "lost"] * 11]
        assert colours(strip, 4) > 0
        assert colours(strip, 5) == 0
        assert "parts at 5" in "\n".join(pilot.app.texts())


def colours(strip: RolloutStrip, frame: int) -> int:
    """How far any cell of a frame is from grey."""
    at = SIDE + frame * strip._pitch(strip._rollout)
    triplets = [
        segment.style.bgcolor.triplet
        for y in range(2, strip.size.height - 2)
        for segment in strip.render_line(y).crop(at + 1, at + strip._pitch(strip._rollout) - 2)
    ]
    return max(max(triplet) - min(triplet) for triplet in triplets) // 16


async def test_frames_that_belong_to_another_future_too_are_dimmed(rollout):
    async with Show().run_test(size=(250, 24)) as pilot:
        strip = pilot.app.strip
        strip.show(rollout, 0, "4 NOOP", annotations=Annotations(indent=1, since=3))
        await pilot.pause()
        assert pilot.app.texts()[0].startswith("  └ 4 NOOP")
        assert brightness(strip, 2) < 0.7 * brightness(strip, 3)


async def test_however_the_cursor_moved_a_strip_looks_as_if_shown_at_once(rollout):
    random = np.random.default_rng(0)
    async with Show().run_test(size=(100, 24)) as pilot:
        strip, fresh = pilot.app.query(RolloutStrip)
        for _ in range(40):
            look = {"cursor": int(random.integers(16)), "selected": bool(random.random() < 0.2), "action_names": NAMES}
            strip.show(rollout, 0, "NOOP", **look)
            await pilot.pause()
            fresh._forget()
            fresh._first = strip._first
            fresh.show(rollout, 0, "NOOP", **look)
            await pilot.pause()
            assert [strip.render_line(y) for y in range(10)] == [fresh.render_line(y) for y in range(10)]


async def test_a_strip_without_words_is_all_picture(rollout):
    async with Show().run_test(size=(250, 24)) as pilot:
        strip = pilot.app.strip
        strip.show(rollout, 0, "really", annotations=Annotations(heading=False, numbers=False))
        await pilot.pause()
        assert strip._frame_size(rollout)[1] == 10
        strip.show(rollout, 0, "all", annotations=Annotations(detail=True))
        await pilot.pause()
        assert strip._frame_size(rollout)[1] == 7
        assert [line.split()[:2] for line in pilot.app.texts()[-2:]] == [["reward", "value"], ["goes", "on"]]
        assert pilot.app.texts()[-1].split()[3:5] == ["100%", "0.00"]


async def test_a_click_tells_the_frame(rollout):
    async with Show().run_test(size=(81, 24)) as pilot:
        app = pilot.app
        app.strip.show(rollout, 0, "NOOP", cursor=15)
        other = app.query_one("#other", RolloutStrip)
        other.show(rollout, 1, "FIRE", cursor=0)
        await pilot.pause()
        first = int(app.texts()[0].split()[2])
        pitch = app.strip._pitch(rollout)
        await pilot.click(app.strip, offset=(SIDE + 3, 4))
        await pilot.click(app.strip, offset=(SIDE + 2 * pitch + 1, 0))
        await pilot.click(other, offset=(SIDE + pitch, 9))
        assert app.chosen == [(app.strip, first), (app.strip, first + 2), (other, 1)]
        await pilot.click(app.strip, offset=(3, 4))  # the words at the left are no frame
        await pilot.click(app.strip, offset=(80, 4))
        assert len(app.chosen) == 3


async def test_a_click_before_anything_is_shown_is_nothing():
    async with Show().run_test(size=(80, 24)) as pilot:
        await pilot.click(pilot.app.strip, offset=(SIDE + 3, 4))
        assert pilot.app.chosen == []


async def test_rows_and_frames_that_are_not_there_are_refused(rollout):
    async with Show().run_test() as pilot:
        with pytest.raises(IndexError, match="no row 4 among 4"):
            pilot.app.strip.show(rollout, 4, "x")
        with pytest.raises(IndexError, match="no frame 16 in a rollout of 15 steps"):
            pilot.app.strip.show(rollout, 0, "x", cursor=16)


async def test_a_longer_horizon_keeps_the_place(rollout):
    shorter = Rollout(
        rollout.frames[:, :9],
        *(getattr(rollout, name)[:, :8] for name in ("actions", "rewards", "continues")),
        rollout.values[:, :9],
        rollout.uncertainty[:, :8],
        rollout.model,
    )
    async with Show().run_test(size=(80, 24)) as pilot:
        strip = pilot.app.strip
        strip.show(shorter, 0, "NOOP", cursor=7)
        await pilot.pause()
        before = pilot.app.texts()[0].split()[2]
        strip.show(rollout, 0, "NOOP", cursor=7)
        await pilot.pause()
        assert pilot.app.texts()[0].split()[2] == before


async def test_numbers_of_any_size_fit(rollout):
    odd = replace(
        rollout,
        values=np.resize(np.float32([np.nan, np.inf, 1e9, -1e9, 0, -12345.6, 99.999, 9.9999]), (4, 16)),
        rewards=np.resize(np.float32([0, -20, 12345, 1e7, 0.25]), (4, 15)),
    )
    async with Show().run_test(size=(120, 24)) as pilot:
        pilot.app.strip.show(odd, 0, "NOOP")
        await pilot.pause()
        assert pilot.app.strip.render_lines(Region(0, 0, 120, 10))[-1].cell_length == 120
        assert {line.cell_length for line in (pilot.app.strip.render_line(y) for y in range(10))} == {120}


async def test_a_future_that_moves_to_another_strip_is_not_painted_anew(rollout, monkeypatch):
    async with Show().run_test(size=(120, 24)) as pilot:
        strip, other = pilot.app.query(RolloutStrip)
        strip.show(rollout, 0, "NOOP")
        await pilot.pause()
        painted = [strip.render_line(y).text for y in range(10)]
        monkeypatch.setattr(cells, "resize", None)  # nobody can paint any more
        other.show(rollout, 0, "NOOP")
        await pilot.pause()
        assert [other.render_line(y).text for y in range(10)] == painted
