"""The cursor stays in the tree, whatever becomes of that; and a dream begins where it stands."""

import numpy as np
import pytest

from agents.envs.settings import AtariSettings
from agents.errors import UserError
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer


@pytest.fixture
def dreamer(dreaming, match, emulator) -> Inspection:
    """An inspection of an agent whose model can be stepped into."""
    match.seat(AgentPlayer(dreaming, fire=True, label="dreaming"))
    return Inspection(match, lambda: emulator)


def dream_here(inspection: Inspection):
    games = []
    task = inspection.dream(games.append, pytest.fail)
    task.keep(task.run())
    return games[0]


@pytest.mark.parametrize("by", [1, -1])
def test_a_branch_of_a_draw_goes_with_its_draw_and_the_cursor_goes_up(inspection, work_off, by):
    work_off(inspection)
    inspection.toggle_samples()
    work_off(inspection)
    inspection.move_row(2)
    inspection.move_time(5)
    inspection.branch(1)
    inspection.change_samples(by)
    assert inspection.here is inspection.tree.roots[0]
    inspection.move_row(1)
    assert inspection.here in inspection.tree.visible


def test_another_number_of_draws_leaves_the_cursor_on_an_ordinary_branch(inspection, work_off):
    work_off(inspection)
    inspection.move_time(5)
    inspection.branch(1)
    branch = inspection.here
    inspection.move_row(-1)
    inspection.toggle_samples()
    work_off(inspection)
    inspection.go_to(branch, 5)
    inspection.change_samples(1)
    assert inspection.here is branch


def test_a_mark_goes_with_its_future(inspection, work_off):
    work_off(inspection)
    inspection.move_time(5)
    inspection.branch(1)
    inspection.mark()
    assert inspection.lens is Lens.COMPARED
    inspection.prune()
    assert inspection.marked is None
    assert inspection.lens is not Lens.COMPARED


def test_without_an_agent_nothing_does_any_harm(emulator):
    match = Match("breakout", Mode.SOLO, HumanPlayer(lambda now: frozenset()), None, AtariSettings(), 3)
    inspection = Inspection(match, lambda: emulator, "none")
    for deed in (inspection.mark, inspection.look, inspection.take, inspection.go_along, inspection.toggle_samples):
        deed()
    assert inspection.marked is None
    assert inspection.dream(pytest.fail, pytest.fail) is None
    assert not any([inspection.can_look, inspection.can_draw, inspection.can_branch, inspection.can_dream])


def test_a_dream_below_two_looks_begins_where_the_cursor_stands(dreamer, work_off):
    work_off(dreamer)
    for step in (4, 8):
        dreamer.move_time(step - dreamer.step)
        dreamer.look()
        work_off(dreamer)
    assert dreamer.here.parent.parent is dreamer.tree.roots[0]
    for step, begun in ((2, 0), (6, 4), (8, 8), (9, 8)):
        dreamer.move_time(step - dreamer.step)
        game = dream_here(dreamer)
        assert np.array_equal(game.frame, dreamer.frame)
        assert game.woken == step - begun


def test_a_draw_cannot_be_stepped_into_and_says_so(dreamer, work_off):
    work_off(dreamer)
    dreamer.toggle_samples()
    work_off(dreamer)
    dreamer.move_row(1)
    assert not dreamer.can_dream
    with pytest.raises(UserError, match="draw"):
        dreamer.dream(pytest.fail, pytest.fail).run()


def test_a_dream_that_comes_after_a_step_of_the_game_is_not_kept(dreamer, work_off):
    work_off(dreamer)
    task = dreamer.dream(pytest.fail, pytest.fail)
    game = task.run()
    dreamer.take()
    assert dreamer.advance(0.0)
    task.keep(game)
