import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from mbrl_tui.terminal import cells
from mbrl_tui.widgets.frame_view import FrameView


class RecordedView(FrameView):
    """Keeps what it asks to be repainted; None stands for all of it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.refreshed: list[Region | None] = []

    def refresh(self, *regions, **kwargs):
        self.refreshed += regions or [None]
        return super().refresh(*regions, **kwargs)


class Show(App):
    CSS = "FrameView { background: #102030; color: #ffffff; }"

    def compose(self) -> ComposeResult:
        yield RecordedView()

    @property
    def view(self) -> RecordedView:
        return self.query_one(RecordedView)

    def lines(self) -> list:
        return [self.view.render_line(y) for y in range(self.view.size.height)]


async def test_every_line_has_the_width_of_the_widget(breakout_frames):
    app = Show()
    for size in ((120, 40), (61, 21), (20, 30), (3, 2), (1, 1)):
        async with app.run_test(size=size) as pilot:
            for caption in ("", "a caption much longer than any of the terminals here are wide: " + 80 * "x"):
                for frame in (None, breakout_frames[0]):
                    app.view.show(frame, caption)
                    await pilot.pause()
                    assert [line.cell_length for line in app.lines()] == [size[0]] * size[1]
        app = Show()


async def test_the_picture_is_centred_and_as_large_as_fits(breakout_frames):
    async with Show().run_test(size=(120, 40)) as pilot:
        view = pilot.app.view
        view.show(breakout_frames[0])
        columns, rows = cells.fit(210, 160, 120, 40, view.pixel_aspect)
        assert rows == 40
        background = pilot.app.lines()[20]._segments
        left, right = len(background[0].text), len(background[-1].text)
        assert left + columns + right == 120
        assert abs(left - right) <= 1


async def test_only_lines_that_changed_are_converted_and_repainted(breakout_frames, monkeypatch):
    async with Show().run_test(size=(120, 40)) as pilot:
        view = pilot.app.view
        view.show(breakout_frames[0])
        await pilot.pause()
        converted = []
        to_strips = cells.to_strips
        monkeypatch.setattr(cells, "to_strips", lambda pixels: converted.append(len(pixels) // 2) or to_strips(pixels))
        shown = breakout_frames[0].copy()
        shown[100:104, 80:82] = (200, 72, 72)
        view.refreshed.clear()
        view.show(shown)
        columns, rows = cells.fit(210, 160, 120, 40, view.pixel_aspect)
        differ = cells.resize(shown, columns, rows) != cells.resize(breakout_frames[0], columns, rows)
        changed = np.flatnonzero(differ.reshape(rows, -1).any(1)).tolist()
        assert 1 <= len(changed) <= 3
        assert view.refreshed == [Region(0, row, 120, 1) for row in changed]
        assert converted == [len(changed)]


async def test_the_same_frame_again_repaints_nothing(breakout_frames):
    async with Show().run_test(size=(120, 40)) as pilot:
        view = pilot.app.view
        view.show(breakout_frames[0], "one")
        await pilot.pause()
        view.refreshed.clear()
        view.show(breakout_frames[0].copy(), "one")
        assert view.refreshed == []
        view.show(breakout_frames[0].copy(), "two")
        assert view.refreshed == [Region(0, 39, 120, 1)]


async def test_what_is_repainted_adds_up_to_what_is_painted_anew(breakout_frames):
    async with Show().run_test(size=(90, 30)) as pilot:
        for frame in breakout_frames:
            pilot.app.view.show(frame)
        await pilot.pause()
        step_by_step = pilot.app.lines()
        painted = pilot.app.view.render_lines(Region(0, 0, 90, 30))
    async with Show().run_test(size=(90, 30)) as pilot:
        pilot.app.view.show(breakout_frames[-1])
        await pilot.pause()
        assert pilot.app.lines() == step_by_step
        assert pilot.app.view.render_lines(Region(0, 0, 90, 30)) == painted


async def test_a_resized_terminal_gets_a_resized_picture(breakout_frames):
    async with Show().run_test(size=(120, 40)) as pilot:
        pilot.app.view.show(breakout_frames[0])
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert [line.cell_length for line in pilot.app.lines()] == [60] * 20
        columns, _ = cells.fit(210, 160, 60, 20, pilot.app.view.pixel_aspect)
        left = (60 - columns) // 2
        assert all(line._segments[0].text == " " * left for line in pilot.app.lines())


async def test_a_frame_of_another_shape_takes_its_place(breakout_frames):
    async with Show().run_test(size=(80, 24)) as pilot:
        view = pilot.app.view
        view.show(breakout_frames[0])
        view.show(np.full((64, 64, 3), 85, np.uint8))
        await pilot.pause()
        columns, _ = cells.fit(64, 64, 80, 24, view.pixel_aspect)
        widths = [[len(segment.text) for segment in line] for line in pilot.app.lines()]
        assert all(width[1] == columns for width in widths)


async def test_nothing_shows_the_caption_alone_in_the_middle(breakout_frames):
    async with Show().run_test(size=(40, 11)) as pilot:
        pilot.app.view.show(breakout_frames[0], "watch")
        pilot.app.view.show(None, "no game")
        await pilot.pause()
        texts = [line.text for line in pilot.app.lines()]
        assert texts[5].strip() == "no game"
        assert all(not text.strip() for y, text in enumerate(texts) if y != 5)


async def test_a_caption_has_the_last_line_to_itself(breakout_frames):
    async with Show().run_test(size=(40, 11)) as pilot:
        pilot.app.view.show(breakout_frames[0], "level\n1")
        await pilot.pause()
        assert pilot.app.lines()[-1].text == "level 1".center(40)


async def test_a_frame_may_come_before_the_widget_has_a_size(breakout_frames):
    app = Show()

    class Early(App):
        def compose(self) -> ComposeResult:
            view = RecordedView()
            view.show(breakout_frames[0])
            yield view

    app = Early()
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        assert any("▀" in app.query_one(RecordedView).render_line(y).text for y in range(20))


@pytest.mark.parametrize("theme", ["textual-light", "nord"])
async def test_the_room_beside_the_picture_follows_the_theme(breakout_frames, theme):
    class Themed(App):
        CSS = "FrameView { background: $panel; }"

        def compose(self) -> ComposeResult:
            yield FrameView()

    app = Themed()
    async with app.run_test(size=(80, 20)) as pilot:
        app.query_one(FrameView).show(breakout_frames[0])
        app.theme = theme
        await pilot.pause()
        line = app.query_one(FrameView).render_lines(Region(0, 5, 80, 1))[0]
        assert line._segments[0].style.bgcolor.name == app.get_css_variables()["panel"].lower()
