"""How the screens look; `pytest --snapshot-update` accepts a new look."""

import pytest

SIZE = (120, 40)


@pytest.fixture
def after(time, until):
    """A game that was played for so many frames, then some keys."""

    def after(frames: int, *keys: str, hand_over: bool = False):
        async def run(pilot) -> None:
            app = pilot.app
            await until(lambda: app.screen.match.ready)
            if hand_over:
                await pilot.press("tab")
            for _ in range(frames):
                await time.pass_frames(1)
            play = app.screen
            await pilot.press(*keys)
            look_ahead = play._looking.look_ahead
            await until(lambda: look_ahead is None or (look_ahead.complete and not play.match.board.undecided))
            await pilot.pause()

        return run

    return after


def test_watch(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=SIZE, run_before=after(120))


def test_versus(snap_compare, open_app, after):
    assert snap_compare(open_app("versus"), terminal_size=SIZE, run_before=after(120))


def test_duet(snap_compare, open_app, after):
    assert snap_compare(open_app("duet"), terminal_size=SIZE, run_before=after(120, hand_over=True))


def test_paused(snap_compare, open_app, after):
    keys = ("p", "down", "down", "right", "right")
    assert snap_compare(open_app("watch"), terminal_size=SIZE, run_before=after(120, *keys))


def test_paused_in_a_small_terminal(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=(60, 20), run_before=after(120, "p", "right"))


def test_paused_without_an_agent(snap_compare, open_app, after):
    assert snap_compare(open_app("solo", None), terminal_size=SIZE, run_before=after(8, "p"))


def test_game_over(snap_compare, open_app, after):
    assert snap_compare(open_app("versus", frame_cap=40), terminal_size=SIZE, run_before=after(50))


def test_modes(snap_compare, open_app, after):
    assert snap_compare(open_app("duet"), terminal_size=SIZE, run_before=after(8, "m"))


def test_help(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=SIZE, run_before=after(8, "question_mark"))


def test_too_small(snap_compare, open_app, after):
    assert snap_compare(open_app("watch"), terminal_size=(59, 30), run_before=after(4))
