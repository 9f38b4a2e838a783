"""How a game comes to be looked into, and what may happen meanwhile."""

import threading
import time as clock

import pytest
from inspected import SIZE, said
from textual import events

from agents.errors import UserError
from mbrl_tui.app import MbrlApp
from mbrl_tui.play.recording import Recording
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.mode_menu import ModeMenu
from mbrl_tui.screens.play import PlayScreen
from mbrl_tui.terminal.key_releases import KeyReleased


def told(app: MbrlApp) -> list[str]:
    """All notifications so far."""
    return [notice.message for notice in app._notifications]


async def test_a_game_can_be_entered_at_a_step(open_app, looking, until):
    app = open_app("watch", inspect_at=25)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, InspectScreen))
        await looking(app)
        assert app.screen.inspection.match.board.game.frame == 100
        await pilot.press("escape")
        assert isinstance(app.screen, PlayScreen)


@pytest.mark.parametrize(("at_step", "frame"), [(None, 148), (20, 80)])
async def test_a_saved_game_is_looked_into_again(
    open_app, inspecting, looking, until, tmp_path, monkeypatch, at_step, frame
):
    monkeypatch.setenv("MBRL_HOME", str(tmp_path))
    app = open_app("solo")
    async with app.run_test(size=SIZE) as pilot:
        app.screen.keys.press("space", app.screen.time.now())
        inspection = await inspecting(pilot, 146)
        played = inspection.match.board.game
        await pilot.press("ctrl+s")
        (path,) = (tmp_path / "games").glob("breakout-*.json")
        await until(lambda: any(f"mbrl inspect --replay {path}" in message for message in told(app)))
    recording = Recording.load(path)
    assert len(recording.actions) == played.frame == 148

    app = open_app("watch", inspect_at=at_step, replay=recording)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, InspectScreen))
        await looking(app)
        again = app.screen.inspection.match.board.game
        assert again.frame == frame
        assert (at_step is not None) or (again.screen == played.screen).all()
        await pilot.press("escape")
        assert isinstance(app.screen, PlayScreen)


async def test_a_game_that_cannot_be_saved(open_app, playing, until, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MBRL_HOME", str(tmp_path / "file"))
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await pilot.press("ctrl+s")
        await until(lambda: told(app))
        assert "Cannot write" in told(app)[0]
        assert isinstance(app.screen, PlayScreen)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


async def test_an_agent_that_comes_late_is_looked_through_at_once(open_app, agent, until, looking):
    may_load = threading.Event()
    app = open_app("solo", lambda: may_load.wait(10) and agent)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        await pilot.pause()
        assert "loading tape" in said(app)
        may_load.set()
        await until(lambda: app.screen.inspection.tree)
        await looking(app)


@pytest.fixture
def slow(agent, monkeypatch):
    """The agent decides when it is let, `slow.set()`; `slow.asked` counts how often it was asked."""
    may_act = threading.Event()
    act, may_act.asked = agent.act, 0

    def wait(moment):
        may_act.asked += 1
        assert may_act.wait(10)
        return act(moment)

    monkeypatch.setattr(agent, "act", wait)
    return may_act


async def test_a_game_on_its_way_to_a_step_is_not_touched(open_app, slow, until, looking):
    app = open_app("duet", inspect_at=25)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: slow.asked)
        play = app.screen
        match, holds = play.match, play.match.board.agent_holds
        await pilot.press("r", "m", "tab", "p")
        assert app.screen is play
        assert (play.match, match.seed, match.board.agent_holds) == (match, 3, holds)
        slow.set()
        await looking(app)
        assert match.board.game.frame == 100
        await pilot.press("escape", "r")
        assert match.seed == 4  # now it is the person's again


async def test_to_quit_does_not_wait_until_the_game_is_there(open_app, agent, slow, until):
    app = open_app("watch", inspect_at=5_000)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: slow.asked)
        await pilot.press("q")
        slow.set()
    asked = slow.asked
    clock.sleep(0.2)
    assert slow.asked <= asked + 1
    assert asked < 20


@pytest.mark.parametrize("cover", ["question_mark", "ctrl+p"])
async def test_what_covers_the_game_on_arrival_is_waited_for(open_app, slow, until, looking, cover):
    app = open_app("watch", inspect_at=25)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: slow.asked)
        play = app.screen
        await pilot.press(cover)
        await until(lambda: app.screen is not play)
        slow.set()
        await until(lambda: play.match.board.game.frame == 100)
        await until(lambda: play._arrived)
        assert app.screen is not play
        await pilot.press("escape")
        await looking(app)
        assert app.screen.inspection.match.board.game.frame == 100


async def test_an_agent_that_comes_while_help_is_open_is_looked_through_afterwards(open_app, agent, until, looking):
    may_load = threading.Event()
    app = open_app("solo", lambda: may_load.wait(10) and agent)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "question_mark")
        play = app.screen_stack[-3]
        may_load.set()
        await until(lambda: play.agent)
        await pilot.press("escape")
        await looking(app)
        assert app.screen.inspection.tree.roots[0].rollout is not None


async def test_an_agent_that_never_comes_is_said_not_to(open_app, until):
    may_load = threading.Event()

    def load():
        may_load.wait(10)
        raise UserError("There is no such agent.")

    app = open_app("solo", load)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        await pilot.pause()
        assert "loading tape" in said(app)
        may_load.set()
        await until(lambda: said(app) == "Look-ahead needs an agent: There is no such agent.")


async def test_an_agent_that_cannot_be_loaded_leaves_the_keys_to_the_person(open_app, until, notice):
    def load():
        raise UserError("There is no such agent.")

    app = open_app("watch", load, inspect_at=25)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: "no such agent" in notice(app))
        await pilot.press("m")
        assert isinstance(app.screen, ModeMenu)


async def test_keys_are_let_go_in_the_inspector_too(open_app, time):
    """Where the terminal reports releases, a key is down until its own; it must not stay down for ever."""
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        keys = app.screen.keys

        def held():
            return keys.held(time.now() + 60)

        await pilot.press("left")
        app.screen.post_message(KeyReleased("left"))
        await pilot.press("p", "left")
        assert held() == {"left"}
        app.screen.post_message(KeyReleased("left"))
        await pilot.pause()
        assert held() == set()
        await pilot.press("left")
        app.screen.post_message(events.AppBlur())
        await pilot.pause()
        assert held() == set()
        await pilot.press("left", "escape")
        await pilot.pause()
        assert held() == set()
