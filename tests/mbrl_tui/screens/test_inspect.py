"""Looking about in what is imagined."""

import numpy as np
import pytest
from inspected import SIZE, said, strips, view

from mbrl_tui.dream.sight import Lens
from mbrl_tui.screens import inspect
from mbrl_tui.screens.action_menu import ActionMenu
from mbrl_tui.screens.futures import Futures
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.key_hints import hints_for
from mbrl_tui.widgets.rollout_strip import RolloutStrip


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


async def test_the_future_under_the_cursor_comes_into_view_when_all_take_more_room(open_app, inspecting, until):
    app = open_app("watch")
    async with app.run_test(size=(120, 48)) as pilot:
        inspection = await inspecting(pilot)
        await pilot.press(*["down"] * 4)
        futures = app.screen.query_one(Futures)
        assert not futures.max_scroll_y
        inspection.toggle_truth()
        while (task := inspection.next_task()) is not None:
            task.keep(task.run())
        app.screen.show()  # once, as of when the last truth is known: what it shows is laid out after it
        await until(lambda: futures.max_scroll_y)
        dream, truth = [strip for strip in app.screen.query(RolloutStrip) if strip.display][-2:]
        assert truth.has_class("truth")
        await until(lambda: futures.region.contains_region(dream.region.union(truth.region)))


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


async def test_what_the_menu_stands_on_is_imagined_before_it_is_chosen(open_app, agent, inspecting, looking, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        tree = inspection.tree
        await pilot.press("down", *["right"] * 4, "b")
        await until(lambda: tree.foreseen is not None and tree.is_whole(tree.foreseen))
        await pilot.press("home", "down")
        await until(lambda: tree.foreseen.given[-1] == 1 and tree.is_whole(tree.foreseen))
        foreseen, asked = tree.foreseen, len(agent.tape)
        assert tree.visible == tree.roots
        await pilot.press("enter")
        await looking(app)
        assert inspection.here is foreseen
        assert len(agent.tape) == asked
        await pilot.press("right", "b")
        await until(lambda: tree.foreseen is not None)
        await pilot.press("escape")
        await looking(app)
        assert tree.foreseen is None
        assert inspection.here is foreseen
        assert not foreseen.children


async def test_the_choice_holds_where_the_menu_opened_though_a_look_moves_the_cursor(
    open_app, hazy, inspecting, looking, until
):
    app = open_app("watch", lambda: hazy)
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        root = inspection.here
        await pilot.press(*["right"] * 6)
        await looking(app)
        inspection.look()  # it is computed while the menu is open
        await pilot.press("b")
        await until(lambda: inspection.here is not root)
        await pilot.press("home", "enter")
        await looking(app)
        assert (inspection.here.parent, inspection.here.at, inspection.here.given[-1]) == (root, 6, 0)


async def test_a_branch_that_takes_its_time_has_its_place_meanwhile(open_app, agent, inspecting, looking, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        agent.may_look.clear()
        await pilot.press("right", "b", "enter")
        await until(lambda: len(strips(app)) == 6)
        assert inspection.here.rollout is None
        agent.may_look.set()
        await looking(app)
        assert inspection.here.rollout is not None


async def test_a_branch_that_comes_at_once_is_not_shown_before(open_app, inspecting, looking, monkeypatch):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        inspection = await inspecting(pilot)
        shown = []
        monkeypatch.setattr(app.screen, "show", lambda: shown.append(inspection.here.rollout))
        monkeypatch.setattr(inspect, "PATIENCE", 60.0)
        await pilot.press("right", "b", "enter")
        await looking(app)
        assert inspection.here.parent is not None
        assert shown[-1] is inspection.here.rollout
        assert all(rollout is not None for rollout in shown)


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
