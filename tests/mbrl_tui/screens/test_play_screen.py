import threading

import numpy as np
import pytest

from agents.errors import UserError
from mbrl_tui.messages import AgentFailed, AgentLoaded, Decided, Imagined, LookAheadChanged
from mbrl_tui.play.match import Mode
from mbrl_tui.screens.board_view import BoardView
from mbrl_tui.screens.help import HelpScreen
from mbrl_tui.screens.look_ahead_panel import LookAheadPanel
from mbrl_tui.screens.mode_menu import ModeMenu
from mbrl_tui.screens.panels import Facts
from mbrl_tui.terminal.key_releases import KeyReleased
from mbrl_tui.widgets.rollout_strip import RolloutStrip

SIZE = (120, 40)
NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


def facts(app) -> dict[str, str]:
    """What the panel beside the picture says."""
    lines = str(app.screen.query_one(Facts).render()).splitlines()
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}


def notice(app) -> str:
    """What is announced across the boards."""
    widget = app.screen.query_one("#notice")
    return str(widget.render()) if widget.display else ""


def look_ahead(app):
    return app.screen.query_one(LookAheadPanel).look_ahead


@pytest.fixture
def playing(until):
    async def playing(app) -> None:
        """Wait for the agent."""
        await until(lambda: app.screen.match.ready and app.screen.agent)

    return playing


@pytest.fixture
def looking(until):
    async def looking(app) -> None:
        """Wait until everything is imagined and shown."""
        await until(lambda: look_ahead(app) and look_ahead(app).complete and not app.screen.match.board.undecided)

    return looking


async def test_the_first_picture_is_there_before_the_agent(open_app, agent, time, until):
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
async def test_without_its_agent_a_mode_says_so_and_can_be_left(open_app, time, until, mode):
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
        told = str(app.screen.query_one("#model").render())
        assert told == "Look-ahead needs an agent: The checkpoint is [damaged]."
        await pilot.press("full_stop")
        assert app.screen.match.board.game.frame == 8


async def test_an_agent_of_another_game_is_refused(open_app, agent, until):
    app = open_app("watch", lambda: agent, game="pong")
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: "trained on pong" in notice(app))
        await pilot.press("q")


async def test_held_keys_move_the_paddle_in_solo(open_app, time):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        for key, action in (("space", "FIRE"), ("left", "LEFT"), ("d", "RIGHT"), ("A", "LEFT")):
            await pilot.press(key)
            await time.pass_frames(1)
            assert facts(app)["pressed"] == action
        await time.pass_seconds(1)
        assert facts(app)["pressed"] == "NOOP"


async def test_a_reported_release_ends_the_press(open_app, time):
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


async def test_keys_are_let_go_when_another_screen_takes_them(open_app, time):
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


async def test_tab_hands_the_paddle_over_in_duet(open_app, time, playing):
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


async def test_help_names_every_key_and_every_fact(open_app, time, playing):
    app = open_app("versus")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        named = facts(app)
        keys = {binding.key_display or key for key, binding in app.screen._bindings if binding.show}
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        text = "\n".join(str(part.render()) for part in app.screen.query("Static"))
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
        assert app.screen.paused


async def test_restart_begins_a_new_game(open_app, time, playing):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(20)
        await pilot.press("r")
        assert (app.screen.match.board.game.frame, facts(app)["seed"]) == (0, "4")
        await time.pass_frames(2)
        assert app.screen.match.board.game.frame == 2


async def test_when_the_game_is_over_it_says_so_and_r_begins_again(open_app, time, playing):
    app = open_app("watch", frame_cap=40)
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(50)
        assert app.screen.match.board.game.frame == 40
        assert notice(app) == "Game over\n0 points\n\nr again · q quit"
        await pilot.press("p")
        assert not app.screen.paused
        await pilot.press("r")
        assert notice(app) == ""
        await time.pass_frames(3)
        assert app.screen.match.board.game.frame == 3


async def test_pausing_looks_ahead_through_every_action(open_app, agent, time, playing, looking):
    seen = []
    app = open_app("watch")
    async with app.run_test(size=SIZE, message_hook=seen.append) as pilot:
        await playing(app)
        await time.pass_frames(41)
        agent.tape.clear()
        await pilot.press("p")
        await looking(app)
        await pilot.pause()
        assert app.screen.match.board.game.frame == 44  # a pause waits for the decision to be played out
        assert facts(app)["speed"] == "paused"
        assert ("act", 44) in agent.tape
        rows = [first for kind, *_, first in agent.tape if kind == "imagine"]
        assert sorted(rows, key=str) == sorted([None, [[0]], [[1]], [[2]], [[3]]], key=str)
        told = str(app.screen.query_one("#model").render())
        assert told.startswith("10 decisions through the emulator: the game's own future\nreturn ")
        kinds = {type(message) for message in seen}
        assert {Decided, Imagined, LookAheadChanged} <= kinds
        await time.pass_frames(20)
        assert app.screen.match.board.game.frame == 44


async def test_the_cursor_moves_in_time_and_between_actions(open_app, time, playing, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        view = app.screen._stage._views[0]
        assert view._caption == "now"
        await pilot.press("down", "down", "right", "right", "right")
        await pilot.pause()
        look = look_ahead(app)
        assert (look.row, look.step) == (2, 3)
        assert view._caption == "imagined +3"
        assert np.array_equal(view._frame, look.futures[2].frames[0, 3])
        await pilot.press("left", "up")
        await pilot.pause()
        assert (look.row, look.step) == (1, 2)
        selected = [strip._selected for strip in app.screen.query(RolloutStrip)]
        assert selected == [False, True, False, False, False]


async def test_a_click_on_a_frame_moves_the_cursor_there(open_app, time, playing, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        strip = app.screen.query(RolloutStrip)[3]
        strip.post_message(RolloutStrip.Chosen(strip, 4))
        await pilot.pause()
        assert (look_ahead(app).row, look_ahead(app).step) == (3, 4)


async def test_the_best_futures_are_marked(open_app, time, playing, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        await pilot.pause()
        marked = {row for row, strip in enumerate(app.screen.query(RolloutStrip)) if strip._best}
        assert marked == look_ahead(app).best
        assert 0 < len(marked) < 5


async def test_the_horizon_grows_and_shrinks_within_its_limits(open_app, agent, time, playing, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        await pilot.press("plus", "plus")
        await looking(app)
        assert look_ahead(app).horizon == 12
        assert {future.horizon for future in look_ahead(app).futures} == {12}
        await pilot.press(*["minus"] * 20)
        await looking(app)
        assert look_ahead(app).horizon == 1
        assert app.screen.match.board.game.frame == 40


async def test_enter_takes_the_first_action_for_one_decision_and_looks_anew(open_app, time, playing, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        await pilot.press("down", "down", "down", "down", "right")
        future = look_ahead(app).futures[4]
        await pilot.press("enter")
        game = app.screen.match.board.game
        assert game.frame == 44
        assert facts(app)["pressed"] == "LEFT"
        assert np.array_equal(game.screen, future.frames[0, 1])  # the future came true
        await looking(app)
        assert look_ahead(app).moment.snapshot.frame == 44
        assert (look_ahead(app).row, look_ahead(app).step) == (4, 1)


async def test_a_full_stop_steps_the_agents_own_choice(open_app, agent, time, playing, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        choice = app.screen.match.board.decision.action
        await pilot.press("full_stop")
        assert app.screen.match.board.game.frame == 44
        assert app.screen.match.board.action == choice
        await looking(app)
        assert [entry for entry in agent.tape if entry[0] == "act"] == [("act", frame) for frame in range(0, 48, 4)]


async def test_a_full_stop_in_solo_plays_the_held_key(open_app, time):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p", "full_stop")
        assert facts(app)["pressed"] == "NOOP"
        await pilot.press("left", "full_stop")
        assert facts(app)["pressed"] == "LEFT"
        assert app.screen.match.board.game.frame == 8


@pytest.mark.parametrize("key", ["escape", "p", "i"])
async def test_back_to_play_where_the_game_stood(open_app, agent, time, playing, looking, key):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("i")
        await looking(app)
        await pilot.press("right", key)
        await time.pass_frames(8)
        assert app.screen.match.board.game.frame == 48
        assert not app.screen.query_one(LookAheadPanel).display
        assert [entry for entry in agent.tape if entry[0] == "act"] == [("act", frame) for frame in range(0, 48, 4)]


async def test_the_screen_answers_while_the_agent_looks_ahead(open_app, agent, time, playing, looking, until):
    """A newer wish replaces an older one, and steps wait for the agent's decision, not the screen for them."""
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        agent.may_look.clear()
        await pilot.press("p")
        await until(lambda: not app.screen.match.board.undecided)
        await until(lambda: app.screen.match.agent.busy)
        await pilot.press("down", "down", "plus", "plus", "plus")
        assert (look_ahead(app).row, look_ahead(app).horizon) == (2, 13)
        await pilot.press("full_stop")
        assert app.screen.match.board.game.frame == 44
        await pilot.press("full_stop")  # the agent has not decided yet
        assert app.screen.match.board.game.frame == 44
        agent.may_look.set()
        await until(lambda: app.screen.match.board.game.frame == 48)
        await looking(app)
        looked = [entry for entry in agent.tape if entry[0] == "imagine" and entry[1] == 40]
        assert len(looked) == 1  # of all the wishes for frame 40, the one future that had begun
        assert {future.horizon for future in look_ahead(app).futures} == {13}


async def test_the_game_waits_for_an_agent_that_still_looks_ahead(open_app, agent, time, playing, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        agent.may_look.clear()
        await pilot.press("p")
        await until(lambda: not app.screen.match.board.undecided and app.screen.match.agent.busy)
        await pilot.press("escape")
        await time.pass_frames(5)
        assert app.screen.match.board.game.frame == 40
        agent.may_look.set()
        await until(lambda: not app.screen.match.agent.busy)
        await time.pass_frames(5)
        assert app.screen.match.board.game.frame == 45


async def test_in_versus_the_agents_board_is_looked_into(open_app, time, playing, looking):
    app = open_app("versus")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await looking(app)
        await pilot.pause()
        agents = app.screen.match.boards[1].game
        assert np.array_equal(look_ahead(app).moment.screen, agents.screen)
        assert [view.display for view in app.screen.query(BoardView)] == [True, False]
        await pilot.press("down", "enter")
        assert [board.game.frame for board in app.screen.match.boards] == [44, 44]


async def test_looking_ahead_leaves_the_real_game_untouched(open_app, agent, time, playing, looking, same_instant):
    """300 random keys in the pause; then this game and one that nobody looked into go on identically."""
    app = open_app("watch")
    random = np.random.default_rng(0)
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(60)
        match = app.screen.match
        other = type(match)("breakout", match.mode, match.board.human, match.agent, app.screen.settings, seed=3)
        for _ in range(60):
            other.tick(0.0)
        await pilot.press("p")
        await looking(app)
        keys = random.choice(["left", "right", "up", "down", "plus", "minus"], 300, p=[0.2, 0.3, 0.2, 0.2, 0.05, 0.05])
        for at in range(0, 300, 50):
            for key in keys[at : at + 50].tolist():
                app.simulate_key(key)
            await pilot.pause()
            await looking(app)
            assert same_instant(match.board.game, other.board.game)
        await pilot.press("escape")
        for _ in range(30):
            await time.pass_frames(1)
            other.tick(0.0)
            assert same_instant(match.board.game, other.board.game)


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
