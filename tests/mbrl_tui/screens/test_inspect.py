import numpy as np
import pytest

from agents.envs.atari import AtariSettings
from agents.envs.emulator import EmulatorModel
from agents.errors import UserError
from agents.records import Moment
from mbrl_tui.dream.sight import Lens
from mbrl_tui.play.match import Match
from mbrl_tui.screens.action_menu import ActionMenu
from mbrl_tui.screens.dream import DreamScreen
from mbrl_tui.screens.futures import Futures
from mbrl_tui.screens.help import SECTIONS
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.key_hints import hints_for, lines
from mbrl_tui.screens.play import PlayScreen
from mbrl_tui.widgets.frame_view import FrameView
from mbrl_tui.widgets.rollout_strip import RolloutStrip

SIZE = (120, 40)


@pytest.fixture
def inspecting(time, playing, looking):
    """Plays for so many frames, then looks into the game."""

    async def inspecting(pilot, frames: int = 40):
        await playing(pilot.app)
        await time.pass_frames(frames)
        await pilot.press("p")
        await looking(pilot.app)
        await pilot.pause()
        return pilot.app.screen.inspection

    return inspecting


def strips(app) -> list[RolloutStrip]:
    """The dreams in view, from the top."""
    return [strip for strip in app.screen.query(RolloutStrip) if strip.display and not strip.has_class("truth")]


def view(app, name: str) -> FrameView:
    return app.screen.query_one(f"#{name}", FrameView)


def said(app) -> str:
    return str(app.screen.query_one("#said").render())


async def test_pausing_looks_ahead_through_every_action(open_app, agent, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot, 41)
        assert isinstance(app.screen, InspectScreen)
        assert inspection.match.board.game.frame == 44  # a pause waits for the decision to be played out
        assert ("act", 44) in agent.tape
        rows = [first for kind, *_, first in agent.tape if kind == "imagine"]
        assert rows == [[[0], [1], [2], [3]]]  # the agent's own choice is one of them
        assert said(app) == "15 decisions ahead through the emulator: not learnt, it is the game itself"
        assert [strip._label for strip in strips(app)] == ["agent", "NOOP", "FIRE", "RIGHT", "LEFT"]
        marked = {place for place, strip in enumerate(strips(app)) if strip._best}
        assert marked == {inspection.tree.roots.index(branch) for branch in inspection.tree.best} != set()


async def test_the_game_stands_still_meanwhile(open_app, time, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await time.pass_frames(20)
        assert inspection.match.board.game.frame == 40


async def test_the_cursor_moves_in_time_and_between_futures(open_app, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        assert view(app, "imagined").border_title == "imagined"
        await pilot.press("down", "down", "right", "right", "right")
        assert (inspection.here, inspection.step) == (inspection.tree.roots[2], 3)
        assert view(app, "imagined").border_title == "imagined +3"
        assert np.array_equal(view(app, "imagined")._frame, inspection.here.rollout.frames[0, 3])
        assert np.array_equal(view(app, "present")._frame, inspection.match.board.game.screen)
        await pilot.press("left", "up")
        assert (inspection.here, inspection.step) == (inspection.tree.roots[1], 2)
        assert [strip._selected for strip in strips(app)] == [False, True, False, False, False]
        await pilot.press("end")
        assert inspection.step == 15
        await pilot.press("home")
        assert inspection.step == 0


async def test_a_click_on_a_frame_moves_the_cursor_there(open_app, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        strip = strips(app)[3]
        strip.post_message(RolloutStrip.Chosen(strip, 4))
        await pilot.pause()
        assert (inspection.here, inspection.step) == (inspection.tree.roots[3], 4)


async def test_the_future_plays_and_stops(open_app, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("space")
        for _ in range(17):
            app.screen._run_on()
        assert inspection.step >= 1  # it began again after step 15
        await pilot.press("space")
        step = inspection.step
        await pilot.pause(0.4)
        assert inspection.step == step


async def test_a_branch_grows_from_the_menu_and_is_seen_below_its_parent(open_app, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("down", *["right"] * 4, "b")
        assert isinstance(app.screen, ActionMenu)
        await pilot.press("home", "down", "enter")
        await looking(app)
        await pilot.pause()
        assert inspection.here.given[-1] == 1
        assert inspection.here.at == 4
        assert [strip._label for strip in strips(app)] == ["agent", "NOOP", "5 FIRE", "FIRE", "RIGHT", "LEFT"]
        await pilot.press("f")
        assert [strip._label for strip in strips(app)][1] == "NOOP (+1)"
        await pilot.press("f", "down", "x")
        await pilot.pause()
        assert len(strips(app)) == 5


async def test_thinking_better_of_a_branch_changes_nothing(open_app, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("b", "escape")
        await pilot.pause()
        assert isinstance(app.screen, InspectScreen)
        assert len(inspection.tree.branches) == 5


async def test_truth_stands_below_every_future(open_app, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("t", "right")
        await looking(app)
        await pilot.pause()
        assert all(branch.truth is not None for branch in inspection.tree.roots)
        below = [strip for strip in app.screen.query(".truth") if strip.display]
        assert len(below) == 5
        assert view(app, "lens").border_title == "difference +1"
        # The emulator dreams the truth: nothing is grey, and the ball is where it should be.
        assert all(strip._annotations.parted is None for strip in strips(app))
        assert strips(app)[0]._annotations.marks[1].word in ("0px", "hidden", "no ball")
        await pilot.press("t")
        await pilot.pause()
        assert not [strip for strip in app.screen.query(".truth") if strip.display]


async def test_from_play_to_where_it_goes_wrong_in_two_keys(open_app, hazy, inspecting, looking):
    app = open_app("watch", lambda: hazy)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot, 120)
        assert ("n", "goes wrong") in hints_for(inspection)
        await pilot.press("n")
        await looking(app)
        await pilot.pause()
        parted = inspection.here.truth.parted
        assert inspection.step == parted > hazy.clear
        assert f"dream and truth part at step {parted}; the ball is lost at step {parted}" in said(app)
        assert strips(app)[0]._annotations.parted == parted


async def test_draws_of_a_stochastic_model(open_app, hazy, inspecting, looking):
    app = open_app("watch", lambda: hazy)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("s")
        await looking(app)
        await pilot.pause()
        assert [strip._label for strip in strips(app)][:5] == ["agent", "draw 1", "draw 2", "draw 3", "draw 4"]
        await pilot.press("right_square_bracket")
        await looking(app)
        assert len(inspection.here.children) == 5


async def test_looking_at_reality_grows_a_future(open_app, hazy, inspecting, looking):
    app = open_app("watch", lambda: hazy)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press(*["right"] * 6, "y")
        await looking(app)
        await pilot.pause()
        assert inspection.here.label == "6 looked"
        assert strips(app)[1]._annotations.since == 6


@pytest.mark.parametrize("lens", [Lens.TRUTH, Lens.DIFFERENCE, Lens.BELIEF, Lens.CODE, Lens.COMPARED])
async def test_every_lens_shows_something(open_app, hazy, inspecting, looking, lens):
    app = open_app("watch", lambda: hazy)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("c", "right", "right")
        while inspection.lens is not lens:
            await pilot.press("v")
        await looking(app)
        await pilot.pause()
        assert view(app, "lens")._frame is not None
        assert view(app, "lens").border_title


async def test_the_horizon_grows_and_shrinks_within_its_limits(open_app, inspecting, looking):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press("plus", "plus")
        await looking(app)
        assert {branch.rollout.horizon for branch in inspection.tree.roots} == {17}
        await pilot.press(*["minus"] * 20)
        await looking(app)
        assert inspection.tree.horizon == 1
        assert inspection.match.board.game.frame == 40


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


async def test_the_screen_answers_while_the_agent_looks(open_app, agent, time, playing, looking, until):
    """A newer wish replaces an older one, and steps wait for the agent's decision, not the screen for them."""
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        agent.may_look.clear()
        await pilot.press("p")
        inspection = app.screen.inspection
        await until(lambda: not inspection.match.board.undecided and inspection.agent.busy)
        await pilot.press("down", "down", "plus", "plus", "plus")
        assert (inspection.here, inspection.tree.horizon) == (inspection.tree.roots[2], 18)
        agent.may_look.set()
        await looking(app)
        looked = [entry[2] for entry in agent.tape if entry[0] == "imagine"]
        assert looked == [15, 18]  # of all the wishes in between, none
        await pilot.press("full_stop", "full_stop")
        await until(lambda: inspection.match.board.game.frame == 48)


async def test_the_game_waits_for_an_agent_that_still_looks_ahead(open_app, agent, time, playing, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await playing(app)
        await time.pass_frames(40)
        agent.may_look.clear()
        await pilot.press("p")
        board, player = app.screen.inspection.match.board, app.screen.inspection.agent
        await until(lambda: not board.undecided and player.busy)
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


async def test_stepping_into_the_dream_leaves_the_real_game_where_it_was(
    open_app, dreaming, inspecting, same_instant, looking
):
    app = open_app("watch", lambda: dreaming)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        before = inspection.match.board.game.snapshot()
        await pilot.press("right", "right", "d")
        assert isinstance(app.screen, DreamScreen)
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


async def test_an_agent_that_cannot_be_dreamt_in_says_so(open_app, inspecting):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await inspecting(pilot)
        await pilot.press("d")
        assert isinstance(app.screen, InspectScreen)
        assert any("no model" in notice.message for notice in app._notifications)


async def test_inspecting_leaves_the_real_game_untouched(open_app, time, inspecting, looking, same_instant):
    """500 random keys; then this game and one that nobody looked into go on identically."""
    app = open_app("watch")
    random = np.random.default_rng(0)
    async with app.run_test(size=(80, 24)) as pilot:
        inspection = await inspecting(pilot, 60)
        match = inspection.match
        other = Match("breakout", match.mode, match.board.human, match.agent, match.board.game.settings, seed=3)
        for _ in range(60):
            other.tick(0.0)
        await pilot.press(*["minus"] * 11)
        keys = [*["left", "right", "right", "up", "down", "plus", "minus"], *"tvcfxsn", "end", "home"]
        for key in random.choice(keys, 500).tolist():
            app.simulate_key(key)
        await looking(app)
        await pilot.press("home", "b", "enter")
        await looking(app)
        assert same_instant(match.board.game, other.board.game)
        await pilot.press("escape")
        for _ in range(30):
            await time.pass_frames(1)
            other.tick(0.0)
            assert same_instant(match.board.game, other.board.game)


async def test_a_game_can_be_entered_at_a_step(open_app, looking, until):
    app = open_app("watch", inspect_at=25)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, InspectScreen))
        await looking(app)
        assert app.screen.inspection.match.board.game.frame == 100
        await pilot.press("escape")
        assert isinstance(app.screen, PlayScreen)


async def test_an_agent_that_comes_late_is_looked_through_at_once(open_app, agent, until, looking):
    import threading

    may_load = threading.Event()
    app = open_app("solo", lambda: may_load.wait(10) and agent)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        await pilot.pause()
        assert "loading tape" in said(app)
        may_load.set()
        await until(lambda: app.screen.inspection.tree)
        await looking(app)


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


def test_every_key_on_the_screen_is_in_the_help(hazy):
    named = " ".join(keys for keys, _ in SECTIONS["Looking into a held game"])
    for key in "ntvbscygxfd.":
        assert key in named


def test_hints_fill_lines_and_break_between_keys():
    hints = [("a", "one"), ("b", "two"), ("c", "three")]
    assert lines(hints, 12) == [hints[:2], hints[2:]]
    assert lines(hints, 100) == [hints]
    assert lines(hints, 1) == [[hint] for hint in hints]


def test_moments_without_an_emulator_have_no_truth(hazy):
    with pytest.raises(UserError, match="no emulator state"):
        hazy.emulator.start(Moment(np.zeros(1), np.zeros((2, 2, 3), np.uint8)), 1)
