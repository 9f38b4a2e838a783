import threading

import pytest
from textual.widgets._footer import FooterKey

from agents.errors import UserError
from mbrl_tui.messages import AgentFailed, AgentLoaded
from mbrl_tui.play import players
from mbrl_tui.play.match import Mode
from mbrl_tui.screens.board_view import BoardView
from mbrl_tui.screens.help import SECTIONS, HelpScreen
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.mode_menu import ModeMenu
from mbrl_tui.terminal.key_releases import KeyReleased

SIZE = (120, 40)


async def test_the_first_picture_is_there_before_the_agent(open_app, agent, time, until, notice):
    may_load = threading.Event()

    def load():
        assert may_load.wait(10)
        return agent

    seen = []
    app = open_app("watch", load)
    async with app.run_test(size=SIZE, message_hook=seen.append):
        await time.pass_frames(10)
        assert app.screen.query_one("#notice").display
        assert notice(app) == "loading tape …"
        assert app.screen._stage._views[0]._frame.shape == (210, 160, 3)
        assert app.screen.match.board.game.frame == 0
        may_load.set()
        await until(lambda: app.screen.agent)
        assert notice(app) == ""
        await time.pass_frames(8)
        assert app.screen.match.board.game.frame == 8
        assert any(isinstance(message, AgentLoaded) for message in seen)


async def test_the_game_waits_for_a_slow_agent_and_the_screen_does_not(open_app, agent, time, until, monkeypatch):
    monkeypatch.setattr(players, "SLOW", -1.0)
    may_act, act = threading.Event(), agent.act
    monkeypatch.setattr(agent, "act", lambda moment: act(moment) if may_act.wait(10) else None)
    app = open_app("watch", lambda: agent)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: app.screen.agent)
        game = app.screen.match.board.game
        await time.pass_frames(20)
        assert game.frame == 0
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        may_act.set()
        for decision in range(1, 4):
            await until(lambda decision=decision: len(agent.tape) > decision - 1)
            while game.frame < 4 * decision:
                await time.pass_frames(1)
        assert agent.tape[:3] == [("act", 0), ("act", 4), ("act", 8)]


async def test_solo_does_not_wait_for_the_agent(open_app, agent, time):
    may_load = threading.Event()
    app = open_app("solo", lambda: may_load.wait(10) and agent)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("space")
        await time.pass_frames(5)
        assert app.screen.match.board.game.frame == 5
        assert not app.screen.match.board.game.needs_fire
        may_load.set()


@pytest.mark.parametrize("mode", ["watch", "versus", "duet"])
async def test_without_its_agent_a_mode_says_so_and_can_be_left(open_app, time, until, mode, notice):
    def load():
        raise UserError("There is no agent called 'tape'. See mbrl runs list.")

    seen = []
    app = open_app(mode, load)
    async with app.run_test(size=SIZE, message_hook=seen.append) as pilot:
        await until(lambda: any(isinstance(message, AgentFailed) for message in seen))
        await pilot.pause()
        assert "There is no agent called 'tape'. See mbrl runs list." in notice(app)
        assert "q quit" in notice(app)
        await time.pass_frames(4)
        assert app.screen.match.board.game.frame == 0
        await pilot.press("q")
    assert app.return_code == 0


async def test_without_its_agent_solo_goes_on(open_app, time, until):
    def load():
        raise UserError("The checkpoint is [damaged].")

    app = open_app("solo", load)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: app._notifications)
        assert [each.message for each in app._notifications] == ["The checkpoint is [damaged]."]
        await time.pass_frames(4)
        assert app.screen.match.board.game.frame == 4
        await pilot.press("p")
        await pilot.pause()
        told = str(app.screen.query_one("#said").render())
        assert told == "Look-ahead needs an agent: The checkpoint is [damaged]."
        await pilot.press("full_stop")
        assert app.screen.inspection.match.board.game.frame == 8


async def test_an_agent_of_another_game_is_refused(open_app, agent, until, notice):
    app = open_app("watch", lambda: agent, game="pong")
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: "trained on pong" in notice(app))
        assert app.screen.match.board.decision is None  # nobody plays
        await pilot.press("q")


async def test_held_keys_move_the_paddle_in_solo(open_app, time, facts):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        for key, action in (("space", "FIRE"), ("left", "LEFT"), ("d", "RIGHT"), ("A", "LEFT")):
            await pilot.press(key)
            await time.pass_frames(1)
            assert facts(app)["pressed"] == action
        await time.pass_seconds(1)
        assert facts(app)["pressed"] == "NOOP"


async def test_a_reported_release_ends_the_press(open_app, time, facts):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("left")
        app.screen.post_message(KeyReleased("x"))  # from now on releases are trusted
        await pilot.pause()
        await time.pass_seconds(1)
        assert facts(app)["pressed"] == "LEFT"
        app.screen.post_message(KeyReleased("left"))
        await pilot.pause()
        await time.pass_frames(1)
        assert facts(app)["pressed"] == "NOOP"


async def test_keys_are_let_go_when_another_screen_takes_them(open_app, time, facts):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        app.screen.post_message(KeyReleased("x"))
        await pilot.press("left", "question_mark", "escape")
        await time.pass_frames(1)
        assert facts(app)["pressed"] == "NOOP"


async def test_the_agent_plays_sixty_frames_a_second(open_app, agent, time, playing, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        begin = time.now()
        await pilot.press("f3")
        for _ in range(60):
            await time.pass_frames(1)
            await until(lambda: not app.screen._painting)
        assert app.screen.match.board.game.frame == 60
        assert time.now() - begin == pytest.approx(1, abs=0.02)
        assert agent.tape == [("act", frame) for frame in range(0, 60, 4)]
        told = str(app.screen.query_one("#meter").render())
        assert float(told.split()[0]) == pytest.approx(60, abs=0.2)
        assert told.endswith("frames a second · 4.2 ms of work for each")


@pytest.mark.parametrize(("key", "frames"), [("plus", 120), ("minus", 30)])
async def test_speed(open_app, time, playing, key, frames):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await pilot.press(key)
        await time.pass_frames(1)
        begin, first = time.now(), app.screen.match.board.game.frame
        while time.now() < begin + 0.999:
            await time.pass_frames(1)
        assert app.screen.match.board.game.frame - first == pytest.approx(frames, abs=2)


async def test_tab_hands_the_paddle_over_in_duet(open_app, time, playing, facts):
    app = open_app("duet")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(8)
        assert facts(app)["paddle"] == "you"
        assert app.screen.match.board.game.needs_fire
        await pilot.press("tab")
        await time.pass_frames(4)
        assert facts(app)["paddle"] == "the agent"
        assert facts(app)["pressed"] == "FIRE"
        assert app.screen.match.board.game.frame == 12
        await pilot.press("tab", "left")
        await time.pass_frames(1)
        assert facts(app)["pressed"] == "LEFT"


async def test_the_mode_menu_begins_another_match(open_app, time, playing):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(8)
        await pilot.press("m")
        assert isinstance(app.screen, ModeMenu)
        held = app.screen_stack[1].match.board.game.frame
        await time.pass_frames(8)
        assert app.screen_stack[1].match.board.game.frame == held  # the game waits
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert app.screen.match.mode is Mode.VERSUS
        assert [view.display for view in app.screen.query(BoardView)] == [True, True]
        await time.pass_frames(4)
        assert [board.game.frame for board in app.screen.match.boards] == [4, 4]
        await pilot.press("m", "escape")
        assert app.screen.match.mode is Mode.VERSUS


async def test_the_footer_is_built_anew_where_its_keys_change_and_only_there(open_app, time, playing, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await pilot.pause()
        keys = [*app.screen.query(FooterKey)]
        assert keys
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, HelpScreen))
        await pilot.pause()
        assert [*app.screen.query(FooterKey)] == keys
        app.screen._change_mode(Mode.DUET)  # TAB has a meaning now
        await until(lambda: len(app.screen.query(FooterKey)) == len(keys) + 1)
        app.screen._change_mode(Mode.WATCH)
        await until(lambda: len(app.screen.query(FooterKey)) == len(keys))
        assert not set(app.screen.query(FooterKey)) & set(keys)


async def test_help_names_every_key_and_every_fact(open_app, time, playing, facts):
    app = open_app("versus")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        named = facts(app)
        keys = {binding.key_display or key for key, binding in app.screen._bindings if binding.show}
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = "\n".join(" ".join(row) for rows in SECTIONS.values() for row in rows)
        for name in named:
            assert name in text
        for key in keys - {"?"}:
            for sign in key.upper().replace("⏎", "ENTER").split("/"):
                assert sign in text.upper(), key
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.match.mode is Mode.VERSUS


@pytest.mark.parametrize("keys", [("question_mark", "enter", "enter", "enter"), ("m", "enter", "enter", "escape", "q")])
async def test_closing_a_screen_twice_leaves_the_game(open_app, keys):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        for key in keys[:-1]:
            app.simulate_key(key)  # faster than the screen answers
        await pilot.pause()
        await pilot.press("p")
        assert isinstance(app.screen, InspectScreen)


async def test_restart_begins_a_new_game(open_app, time, playing, facts):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(20)
        await pilot.press("r")
        assert (app.screen.match.board.game.frame, facts(app)["seed"]) == (0, "4")
        await time.pass_frames(2)
        assert app.screen.match.board.game.frame == 2


async def test_when_the_game_is_over_it_says_so_and_r_begins_again(open_app, time, playing, notice):
    app = open_app("watch", frame_cap=40)
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(50)
        assert app.screen.match.board.game.frame == 40
        assert notice(app) == "Game over\n0 points\n\nr again · q quit"
        await pilot.press("p")
        assert not isinstance(app.screen, InspectScreen)
        await pilot.press("r")
        assert notice(app) == ""
        await time.pass_frames(3)
        assert app.screen.match.board.game.frame == 3


async def test_resizing_in_mid_game(open_app, time, playing):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        for size in ((200, 60), (60, 20), (59, 30), (80, 24), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            frame = app.screen.match.board.game.frame
            await time.pass_frames(4)
            too_small = size[0] < 60
            assert app.screen.query_one("#too-small").display == too_small
            assert app.screen.query(BoardView)[0].display != too_small
            assert app.screen.match.board.game.frame == frame + (0 if too_small else 4)
        assert "59×30" in str(app.screen.query_one("#too-small").render())


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quitting(open_app, playing, key):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await pilot.press(key)
    assert app.return_code == 0
