"""From the inspector back into the real game, or on into a dream; and what stands in the way."""

import numpy as np
import pytest
from inspected import SIZE, said, strips, view

from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.records import Moment
from mbrl_tui.play.match import Match
from mbrl_tui.screens.action_menu import ActionMenu
from mbrl_tui.screens.dream import DreamScreen
from mbrl_tui.screens.futures import Futures
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.key_hints import lines
from mbrl_tui.screens.play import PlayScreen


async def test_enter_takes_the_first_action_and_looks_anew(open_app, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("down", "down", "down", "down", "right")
        future = inspection.here.rollout
        await pilot.press("enter")
        game = inspection.match.board.game
        assert game.frame == 44
        assert inspection.match.board.action == 3
        assert np.array_equal(game.screen, future.frames[0, 1])  # the future came true
        await looking(app)
        assert inspection.tree.moment.snapshot.frame == 44
        assert (inspection.here, inspection.step) == (inspection.tree.roots[4], 1)


async def test_a_whole_plan_is_played(open_app, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("down", *["right"] * 5)
        goal = inspection.frame
        await pilot.press("g")
        await looking(app)
        assert inspection.match.board.game.frame == 60
        assert np.array_equal(inspection.match.board.game.screen, goal)


async def test_a_plan_that_is_left_is_played_no_further(open_app, agent, time, inspecting, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        play, player = app.screen_stack[-2], inspection.agent
        agent.may_look.clear()
        await pilot.press("plus")  # something is being imagined
        await until(lambda: player.busy)
        await pilot.press("g", "escape")
        frame = inspection.match.board.game.frame
        agent.may_look.set()
        await until(lambda: not player.busy)
        await pilot.pause()
        assert app.screen is play
        assert inspection.match.board.game.frame == frame
        await pilot.press("p")
        assert app.screen.inspection is not inspection
        await until(lambda: not app.screen.inspection.tree.missing())


async def test_a_full_stop_steps_the_agents_own_choice(open_app, agent, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        choice = inspection.match.board.decision.action
        await pilot.press("full_stop")
        assert inspection.match.board.game.frame == 44
        assert inspection.match.board.action == choice
        await looking(app)
        assert [entry for entry in agent.tape if entry[0] == "act"] == [("act", frame) for frame in range(0, 48, 4)]


async def test_without_an_agent_the_game_can_be_stepped_and_it_says_so(open_app, time):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        await pilot.pause()
        assert said(app) == "Look-ahead needs an agent: start again with --agent NAME"
        inspection = app.screen.inspection
        await pilot.press("full_stop")
        assert inspection.match.board.action == 0
        await pilot.press("left", "full_stop")
        assert inspection.match.board.action == 3
        assert inspection.match.board.game.frame == 8


async def test_an_agent_without_a_model_says_so(open_app, agent, time, playing, until, monkeypatch):
    def refuse(*arguments, **named):
        raise UserError("This agent has learnt no model.")

    monkeypatch.setattr(agent, "imagine", refuse)
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        await pilot.press("p")
        await until(lambda: app.screen.inspection.reason)
        await pilot.pause()
        assert said(app) == "This agent has learnt no model."
        await pilot.press("d", "b", "s", "n", "g", "enter", "right")  # nothing to do, and no harm done
        await pilot.press("full_stop")
        assert app.screen.inspection.match.board.game.frame == 44


async def test_a_model_that_gives_no_numbers_is_called_broken(open_app, hazy, inspecting):
    hazy.broken = True
    app = open_app("watch", lambda: hazy)
    async with app.run_test(size=SIZE) as pilot:
        await inspecting(pilot)
        assert "no number at step 3" in said(app)
        assert strips(app)[2]._annotations.note == "no number 3"


async def test_a_horizon_past_the_end_says_where_the_game_ends(open_app, agent, inspecting):
    short = type(agent)(EmulatorModel("breakout", AtariSettings(frame_cap=56)))
    app = open_app("watch", lambda: short, frame_cap=56)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        assert inspection.here.rollout.continues[0].tolist() == [1, 1, 1] + [0] * 12
        text = "\n".join(strips(app)[0].render_line(y).text for y in range(8))
        assert "ends at 4" in text
        await pilot.press(*["full_stop"] * 4)
        await pilot.pause()
        assert isinstance(app.screen, PlayScreen)  # which tells the result


@pytest.mark.parametrize("key", ["escape", "p", "i"])
async def test_back_to_play_where_the_game_stood(open_app, agent, time, inspecting, key):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("right", key)
        await time.pass_frames(8)
        assert isinstance(app.screen, PlayScreen)
        assert inspection.match.board.game.frame == 48
        assert [entry for entry in agent.tape if entry[0] == "act"] == [("act", frame) for frame in range(0, 48, 4)]


async def test_the_screen_answers_while_the_agent_looks(open_app, agent, waiting_for, looking, until):
    """A newer wish replaces an older one, and steps wait for the agent's decision, not the screen for them."""
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await waiting_for(pilot)
        await pilot.press("down", "down", "plus", "plus", "plus")
        assert (inspection.here, inspection.tree.horizon) == (inspection.tree.roots[2], 18)
        agent.may_look.set()
        await looking(app)
        looked = [entry[2] for entry in agent.tape if entry[0] == "imagine"]
        assert looked == [15, 18]  # of all the wishes in between, none
        await pilot.press("full_stop", "full_stop")
        await until(lambda: inspection.match.board.game.frame == 48)


async def test_the_game_waits_for_an_agent_that_still_looks_ahead(open_app, agent, time, waiting_for, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await waiting_for(pilot)
        board, player = inspection.match.board, inspection.agent
        await pilot.press("escape")
        await time.pass_frames(5)
        assert board.game.frame == 40
        agent.may_look.set()
        await until(lambda: not player.busy)
        await time.pass_frames(5)
        assert board.game.frame == 45


async def test_in_versus_the_agents_board_is_looked_into(open_app, inspecting):
    app = open_app("versus")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        agents = inspection.match.boards[1].game
        assert np.array_equal(inspection.tree.moment.screen, agents.screen)
        assert np.array_equal(view(app, "present")._frame, agents.screen)
        await pilot.press("down", "enter")
        assert [board.game.frame for board in inspection.match.boards] == [44, 44]


async def test_stepping_into_the_dream_leaves_the_real_game_where_it_was(open_app, dreaming, inspecting, until):
    app = open_app("watch", lambda: dreaming)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        before = inspection.match.board.game.snapshot()
        await pilot.press("right", "right", "d")
        await until(lambda: isinstance(app.screen, DreamScreen))
        game = app.screen.game
        assert game.woken == 2
        assert game.step >= 2
        await pilot.press("tab")
        for _ in range(10):
            app.screen.tick()
        await pilot.press("p")
        held = game.step
        assert held >= 12
        app.screen.tick()
        assert game.step == held
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, InspectScreen)
        after = inspection.match.board.game.snapshot()
        assert (after.frame, after.score, after.lives) == (before.frame, before.score, before.lives)
        assert np.array_equal(after.observation, before.observation)


async def test_an_agent_that_cannot_be_dreamt_in_says_so(open_app, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await inspecting(pilot)
        await pilot.press("d")
        await looking(app)
        assert isinstance(app.screen, InspectScreen)
        assert any("no model" in notice.message for notice in app._notifications)


async def test_inspecting_leaves_the_real_game_untouched(
    open_app, dreaming, time, inspecting, looking, same_instant, until
):
    """500 random keys; then this game and one that nobody looked into go on identically."""
    sticky = EmulatorModel("breakout", AtariSettings(sticky=0.25))
    app = open_app("watch", lambda: type(dreaming)(sticky), sticky=0.25)
    random = np.random.default_rng(0)
    async with app.run_test(size=(80, 24)) as pilot:
        inspection = await inspecting(pilot, 60)
        match = inspection.match
        other = Match("breakout", match.mode, match.board.human, match.agent, match.board.game.settings, seed=3)
        for _ in range(60):
            other.tick(0.0)
        await pilot.press(*["minus"] * 11)
        keys = [*["left", "right", "right", "up", "down", "plus", "minus"], *"tvcfxsny", "end", "home", "space"]
        keys += ["left_square_bracket", "right_square_bracket"]
        for _ in range(4):
            for key in random.choice(keys, 125).tolist():
                app.simulate_key(key)
            await looking(app)
            inspection.go_to(inspection.tree.roots[0], 0)  # not on a draw, of which nobody can dream
            await pilot.press("home", "b")  # nor running
            assert isinstance(app.screen, ActionMenu)
            await pilot.press("enter")
            await looking(app)
            await pilot.press("d")
            await until(lambda: isinstance(app.screen, DreamScreen))
            app.screen.tick()
            await pilot.press("escape")
            await until(lambda: isinstance(app.screen, InspectScreen))
        assert same_instant(match.board.game, other.board.game)
        await pilot.press("escape")
        for _ in range(30):
            await time.pass_frames(1)
            other.tick(0.0)
            assert same_instant(match.board.game, other.board.game)


async def test_too_small_a_terminal_says_so(open_app, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await inspecting(pilot)
        await pilot.resize_terminal(50, 18)
        await pilot.pause()
        assert app.screen.query_one("#too-small").display
        assert not app.screen.query_one(Futures).display
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert app.screen.query_one(Futures).display


def test_hints_fill_lines_and_break_between_keys():
    hints = [("a", "one"), ("b", "two"), ("c", "three")]
    assert lines(hints, 12) == [hints[:2], hints[2:]]
    assert lines(hints, 100) == [hints]
    assert lines(hints, 1) == [[hint] for hint in hints]


def test_moments_without_an_emulator_have_no_truth(hazy):
    with pytest.raises(UserError, match="no emulator state"):
        hazy.emulator.start(Moment(np.zeros(1), np.zeros((2, 2, 3), np.uint8)), 1)
