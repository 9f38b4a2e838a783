"""How the screens look; `pytest --snapshot-update` accepts a new look."""

import pytest

from mbrl_tui.screens.inspect import InspectScreen

SIZE = (120, 40)


@pytest.fixture
def after(time, until, looking):
    """A game that was played for so many frames, then some keys, each after all that the one before asked for."""

    def after(frames: int, *keys: str, hand_over: bool = False):
        async def run(pilot) -> None:
            app = pilot.app
            await until(lambda: app.screen.match.ready)
            if hand_over:
                await pilot.press("tab")
            for _ in range(frames):
                await time.pass_frames(1)
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
                if isinstance(app.screen, InspectScreen) and app.screen.inspection.tree is not None:
                    await looking(app)
            for _ in range(3):  # laid out, the chosen future brought into view, painted
                await pilot.pause()

        return run

    return after


def test_watch(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=SIZE, run_before=after(120))


def test_versus(snap_compare, open_app, after):
    assert snap_compare(open_app("versus"), terminal_size=SIZE, run_before=after(120))


def test_duet(snap_compare, open_app, after):
    assert snap_compare(open_app("duet"), terminal_size=SIZE, run_before=after(120, hand_over=True))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_inspecting(snap_compare, open_app, after, hazy, size):
    keys = ("p", "down", "down", "right", "right", "b", "enter", "n")
    assert snap_compare(open_app("watch", lambda: hazy), terminal_size=size, run_before=after(120, *keys))


def test_inspecting_through_the_emulator(snap_compare, open_app, after):
    keys = ("p", "t", "v", "right", "right")
    assert snap_compare(open_app("watch"), terminal_size=SIZE, run_before=after(120, *keys))


def test_inspecting_in_a_small_terminal(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=(60, 20), run_before=after(120, "p", "right"))


def test_inspecting_without_an_agent(snap_compare, open_app, after):
    assert snap_compare(open_app("solo", None), terminal_size=SIZE, run_before=after(8, "p"))


def test_game_over(snap_compare, open_app, after):
    assert snap_compare(open_app("versus", frame_cap=40), terminal_size=SIZE, run_before=after(50))


def test_modes(snap_compare, open_app, after):
    assert snap_compare(open_app("duet"), terminal_size=SIZE, run_before=after(8, "m"))


def test_help(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=SIZE, run_before=after(8, "question_mark"))


def test_too_small(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=(59, 30), run_before=after(4))
