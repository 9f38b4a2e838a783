import numpy as np
import pytest

from mbrl_tui.messages import Decided, Imagined, LookAheadChanged
from mbrl_tui.screens.board_view import BoardView
from mbrl_tui.screens.look_ahead_panel import LookAheadPanel
from mbrl_tui.widgets.rollout_strip import RolloutStrip

SIZE = (120, 40)


async def test_pausing_looks_ahead_through_every_action(open_app, agent, time, playing, looking, facts, look_ahead):
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
        assert told == "10 decisions through the emulator: the game's own future"
        own, best = look_ahead(app).returns[0], max(look_ahead(app).returns)
        assert app.screen.query_one(LookAheadPanel).border_subtitle == f"return {own:.3f} of agent · best {best:.3f}"
        kinds = {type(message) for message in seen}
        assert {Decided, Imagined, LookAheadChanged} <= kinds
        await time.pass_frames(20)
        assert app.screen.match.board.game.frame == 44


async def test_the_cursor_moves_in_time_and_between_actions(open_app, time, playing, looking, look_ahead):
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


async def test_a_click_on_a_frame_moves_the_cursor_there(open_app, time, playing, looking, look_ahead):
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


async def test_the_best_futures_are_marked(open_app, time, playing, looking, look_ahead):
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


async def test_the_horizon_grows_and_shrinks_within_its_limits(open_app, agent, time, playing, looking, look_ahead):
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


async def test_enter_takes_the_first_action_and_looks_anew(open_app, time, playing, looking, facts, look_ahead):
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


async def test_a_full_stop_in_solo_plays_the_held_key(open_app, time, facts):
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


async def test_the_screen_answers_while_the_agent_looks(open_app, agent, time, playing, looking, until, look_ahead):
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


async def test_in_versus_the_agents_board_is_looked_into(open_app, time, playing, looking, look_ahead):
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
