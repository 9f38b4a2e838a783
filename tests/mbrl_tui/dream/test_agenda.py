"""What is computed when, and what becomes of answers that come late."""

import numpy as np
import pytest

from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.dream.tree import Kind
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer
from mbrl_tui.screens.lens_view import look_through


@pytest.fixture
def asked_to_look(inspection, work_off):
    """An inspection whose next task is a look at reality at step 9, and that task."""
    work_off(inspection)
    inspection.move_time(9)
    inspection.look()
    return inspection, inspection.next_task()


def work_in_vain(inspection: Inspection) -> int:
    """Does all there is to do, as the screen's thread does, where some of it fails."""
    done = 0
    while (task := inspection.next_task()) is not None:
        try:
            result = task.run()
        except UserError as error:
            task.fail(str(error))
        else:
            task.keep(result)
        done += 1
        assert done < 1_000
    return done


def test_a_look_that_comes_after_the_horizon_shrank_is_dropped(asked_to_look, work_off):
    inspection, look = asked_to_look
    result = look.run()
    inspection.change_horizon(-6)
    look.keep(result)
    work_off(inspection)
    assert [branch for branch in inspection.tree.branches if branch.kind is Kind.LOOK] == []
    assert {branch.rollout.horizon for branch in inspection.tree.branches} == {9}


def test_a_look_that_comes_after_the_cursor_left_does_not_call_it_back(asked_to_look, work_off):
    inspection, look = asked_to_look
    result = look.run()
    inspection.move_row(2)
    elsewhere = inspection.here
    look.keep(result)
    work_off(inspection)
    assert inspection.here is elsewhere
    assert [child.label for child in inspection.tree.roots[0].children] == ["9 looked"]


def test_a_look_that_comes_after_a_fold_leaves_the_cursor_where_it_can_move(inspection, work_off):
    work_off(inspection)
    inspection.move_time(4)
    inspection.branch(1)
    work_off(inspection)
    inspection.move_time(3)
    inspection.look()
    look = inspection.next_task()
    result = look.run()
    inspection.move_row(-1)
    inspection.toggle_fold()
    look.keep(result)
    assert inspection.here is inspection.tree.roots[0]
    inspection.move_row(1)
    assert inspection.here is inspection.tree.roots[1]


def test_a_look_waits_for_the_future_that_is_to_look(inspection, work_off):
    work_off(inspection)
    inspection.move_time(5)
    inspection.change_horizon(1)  # all is imagined anew
    inspection.look()
    work_off(inspection)
    assert (inspection.here.kind, inspection.here.rollout.horizon) == (Kind.LOOK, 16)


def test_a_newer_wish_to_look_outlasts_the_older_one(asked_to_look, work_off):
    inspection, look = asked_to_look
    result = look.run()
    inspection.move_time(-4)
    inspection.look()
    look.keep(result)
    work_off(inspection)
    assert sorted(child.label for child in inspection.tree.roots[0].children) == ["5 looked", "9 looked"]
    assert inspection.here.label == "5 looked"


def test_looking_twice_at_one_step_grows_one_future(inspection, work_off):
    work_off(inspection)
    for _ in range(2):
        inspection.go_to(inspection.tree.roots[0], 4)
        inspection.look()
        work_off(inspection)
    assert [child.label for child in inspection.tree.roots[0].children] == ["4 looked"]
    assert inspection.here.label == "4 looked"


def test_a_decision_for_a_game_that_was_begun_anew_meanwhile_is_not_taken(dreaming, emulator):
    player = AgentPlayer(dreaming, True, "d")
    match = Match("breakout", Mode.WATCH, HumanPlayer(lambda now: frozenset()), player, AtariSettings(), 3)
    task = Inspection(match, lambda: emulator).next_task()
    result = task.run()
    match.restart()
    task.keep(result)
    assert match.board.decision is None
    assert match.board.undecided


def test_an_agent_that_cannot_decide_is_asked_once(inspection, hazy, monkeypatch):
    def refuse(moment):
        raise UserError("It cannot say.")

    monkeypatch.setattr(hazy, "act", refuse)
    inspection.match.board._decided_at = None
    inspection.step_on()
    assert work_in_vain(inspection) < 10
    assert inspection.reason == "It cannot say."
    inspection.step_on()
    assert work_in_vain(inspection) == 0
    assert not inspection.advance(0.0)


@pytest.mark.parametrize("by", [10, -6])
def test_draws_and_looks_keep_to_the_actions_of_their_parent_at_every_horizon(inspection, work_off, by):
    work_off(inspection)
    parent = inspection.here
    inspection.toggle_samples()
    inspection.move_time(4)
    inspection.look()
    work_off(inspection)
    assert sorted({child.kind for child in parent.children}) == sorted([Kind.SAMPLE, Kind.LOOK])
    inspection.change_horizon(by)
    inspection.go_to(parent.children[-1], 0)
    work_off(inspection)
    for child in parent.children:
        assert child.actions == parent.actions
        assert len(child.actions) == 15 + by
    draws = [child.rollout.rewards for child in parent.children if child.draw is not None]
    assert len({rewards.tobytes() for rewards in draws}) == 4


def test_what_was_said_of_one_future_is_said_of_no_other(inspection, work_off):
    inspection.go_to_parting()
    work_off(inspection)
    said = inspection.said
    assert "part at step" in said
    inspection.move_row(1)
    assert inspection.said == ""
    inspection.move_row(-1)
    assert inspection.said == said
    inspection.change_horizon(1)
    assert inspection.said == ""


@pytest.fixture
def near_the_end(hazy):
    """An inspection of a game that is over five decisions ahead; the agent's model does not know that."""
    settings = AtariSettings(frame_cap=140)
    player = AgentPlayer(hazy, True, "h")
    match = Match("breakout", Mode.WATCH, HumanPlayer(lambda now: frozenset()), player, settings, 3)
    for _ in range(30):
        match.step(0.0)
    return Inspection(match, lambda: EmulatorModel("breakout", settings))


def test_there_is_no_looking_after_the_real_games_end(near_the_end):
    work_in_vain(near_the_end)
    near_the_end.move_time(7)
    near_the_end.look()
    work_in_vain(near_the_end)
    assert near_the_end.said == "The real game is over at step 5: there is nothing to look at from there on."
    assert not near_the_end.here.children
    near_the_end.lens = Lens.BELIEF
    work_in_vain(near_the_end)
    assert (look_through(near_the_end).frame, look_through(near_the_end).words) == (None, near_the_end.said)
    near_the_end.move_time(-4)
    work_in_vain(near_the_end)
    assert look_through(near_the_end).frame is not None  # before it, there is


def test_a_decision_that_is_no_number_is_found_out(inspection, work_off, hazy):
    work_off(inspection)
    assert not inspection.decision_broken
    act = hazy.act

    def dazed(moment):
        decision = act(moment)
        decision.probabilities[2] = np.nan
        return decision

    hazy.act = dazed
    inspection.take()
    assert inspection.advance(0.0)
    work_off(inspection)
    assert inspection.decision_broken
