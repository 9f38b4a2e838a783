import numpy as np

from agents.errors import UserError
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.dream.tree import Kind
from mbrl_tui.play.match import Match
from mbrl_tui.play.players import AgentPlayer


def test_what_is_wanted_most_comes_first(inspection, hazy):
    inspection.move_row(3)
    inspection.with_truth = True
    order = []
    while (task := inspection.next_task()) is not None:
        task.keep(task.run())
        board, tree = inspection.match.board, inspection.tree
        told = sum(branch.truth is not None for branch in tree.roots)
        order.append((board.undecided, len(tree.missing()), told))
    # The futures of all actions as one batch, with the decision, and so the agent's own; then what is true of each.
    assert order == [(False, 0, 0), *[(False, 0, told) for told in range(1, 6)]]
    assert [asked[1] for asked in hazy.asked] == [[[0], [1], [2], [3]]]
    own, same = inspection.tree.roots[0], inspection.tree.roots[1 + inspection.match.board.decision.action]
    assert own.rollout is same.rollout
    alone = hazy.imagine(inspection.tree.moment, 15)
    assert np.array_equal(own.rollout.actions, alone.actions)
    assert np.array_equal(own.rollout.frames, alone.frames)


def test_the_cursor_stays_within_time_and_futures(inspection, work_off):
    work_off(inspection)
    inspection.move_time(-1)
    inspection.move_row(-1)
    assert (inspection.step, inspection.here) == (0, inspection.tree.roots[0])
    inspection.move_time(99)
    inspection.move_row(99)
    assert (inspection.step, inspection.here) == (15, inspection.tree.roots[4])
    inspection.play_on()
    assert inspection.step == 0


def test_the_frame_is_the_present_until_its_future_comes(inspection, work_off):
    inspection.move_time(4)
    assert inspection.seen == 0
    assert np.array_equal(inspection.frame, inspection.match.board.game.screen)
    work_off(inspection)
    assert inspection.seen == 4
    assert np.array_equal(inspection.frame, inspection.here.rollout.frames[0, 4])


def test_a_branch_is_imagined_and_shares_what_comes_before_it(inspection, work_off):
    work_off(inspection)
    inspection.move_time(6)
    parent = inspection.here
    inspection.branch(1)
    work_off(inspection)
    child = inspection.here
    assert child.parent is parent
    assert np.array_equal(child.rollout.frames[:, :7], parent.rollout.frames[:, :7])
    assert child.rollout.actions[0, 6] == 1


def test_nothing_branches_off_the_last_frame(inspection, work_off):
    assert not inspection.can_branch  # nothing is there yet
    work_off(inspection)
    inspection.move_time(15)
    assert not inspection.can_branch
    inspection.branch(1)
    assert len(inspection.tree.branches) == 5


def test_draws_come_of_one_question_and_differ(inspection, work_off, hazy):
    work_off(inspection)
    hazy.asked.clear()
    inspection.toggle_samples()
    work_off(inspection)
    draws = inspection.here.children
    assert len(hazy.asked) == 1
    assert [draw.kind for draw in draws] == [Kind.SAMPLE] * 4
    assert len({float(draw.rollout.rewards.sum()) for draw in draws}) == 4
    assert {draw.actions for draw in draws} == {inspection.here.actions}
    inspection.change_samples(1)
    work_off(inspection)
    assert len(inspection.here.children) == 5
    inspection.move_row(2)
    inspection.toggle_samples()
    assert inspection.here is inspection.tree.roots[0]
    assert not inspection.here.children


def test_a_branch_of_a_draw_keeps_what_was_drawn(inspection, work_off):
    work_off(inspection)
    inspection.toggle_samples()
    work_off(inspection)
    inspection.move_row(3)
    draw = inspection.here
    inspection.move_time(5)
    inspection.branch(0)
    work_off(inspection)
    assert np.array_equal(inspection.here.rollout.rewards[0, :5], draw.rollout.rewards[0, :5])


def test_a_new_horizon_keeps_the_eye_where_it_can_be(inspection, work_off):
    work_off(inspection)
    inspection.move_time(10)
    inspection.branch(1)
    inspection.change_horizon(-7)
    assert (inspection.step, inspection.here) == (8, inspection.tree.roots[0])
    work_off(inspection)
    assert {branch.rollout.horizon for branch in inspection.tree.branches} == {8}
    inspection.change_horizon(99)
    work_off(inspection)
    assert {branch.rollout.horizon for branch in inspection.tree.branches} == {50}


def test_an_answer_that_is_no_longer_wanted_is_not_kept(inspection):
    late = inspection.next_task()
    inspection.change_horizon(1)
    late.keep(late.run())
    assert inspection.here.rollout is None


def test_where_dream_and_truth_part(inspection, work_off, hazy):
    inspection.go_to_parting()
    assert inspection.said == "finding out what really happens …"
    work_off(inspection)
    parted = inspection.here.truth.parted
    assert inspection.step == parted > hazy.clear
    assert inspection.said == f"dream and truth part at step {parted}; the ball is lost at step {parted}"
    inspection.move_row(1)
    inspection.move_time(-99)
    work_off(inspection)
    assert inspection.step == 0  # it was asked for once, of another


def test_a_true_dream_is_said_to_be_true(inspection, work_off, hazy):
    hazy.clear = 99
    inspection.go_to_parting()
    work_off(inspection)
    assert inspection.said == "this dream stays true for all of its 15 steps"


def test_taking_plays_the_first_action(inspection, work_off):
    inspection.move_row(3)
    work_off(inspection)
    truth = inspection.here.rollout.frames[0, 1]
    inspection.take()
    assert inspection.advance(0.0)
    assert inspection.match.board.action == 2
    assert np.array_equal(inspection.match.board.game.screen, truth)
    assert inspection.here is inspection.tree.roots[3]
    assert inspection.here.rollout is None  # a new present
    assert not inspection.advance(0.0)


def test_going_along_plays_the_plan_one_decision_after_another(inspection, work_off, hazy):
    hazy.clear = 99
    inspection.move_row(4)
    work_off(inspection)
    inspection.move_time(7)
    plan, goal = inspection.here.actions[:7], inspection.frame
    inspection.go_along()
    for _ in range(7):
        while (task := inspection.next_task()) is not None:  # between two of them the agent decides, no more
            task.keep(task.run())
        assert inspection.advance(0.0)
    assert not inspection.advance(0.0)
    assert np.array_equal(inspection.match.board.game.screen, goal)
    assert inspection.match.board.game.frame == 4 * (30 + 7)
    assert plan[-1] == inspection.match.board.action
    assert inspection.step == 0


def test_a_step_waits_for_the_agents_decision(inspection, work_off):
    inspection.step_on()
    assert not inspection.advance(0.0)
    work_off(inspection)
    assert inspection.advance(0.0)


def test_a_look_at_reality_begins_a_future_of_its_own(inspection, work_off, hazy):
    work_off(inspection)
    assert not inspection.can_look  # the present is real
    inspection.move_time(9)
    parent = inspection.here
    assert parent.rollout.frames[0, 9, 93:189, 8:152].max() == 0  # the dream has lost sight
    inspection.look()
    task = inspection.next_task()
    task.keep(task.run())
    assert hazy.asked[-1] == ("perceive", list(parent.actions[:9]), 4 * 39)
    child = inspection.here
    assert (child.kind, child.parent, child.at) == (Kind.LOOK, parent, 9)
    assert child.start.moment.memory == 100 + inspection.tree.moment.memory
    work_off(inspection)
    assert child.rollout.horizon == 15
    assert np.array_equal(child.rollout.actions, parent.rollout.actions)
    inspection.with_truth = True
    work_off(inspection)
    assert np.array_equal(child.rollout.frames[0, 9], child.truth.rollout.frames[0, 9])
    assert child.truth.parted is None or child.truth.parted > parent.truth.parted


def test_what_a_look_would_tell_is_found_out_through_its_lens(inspection, work_off):
    work_off(inspection)
    assert Lens.BELIEF in inspection.lenses()
    assert not {Lens.SALIENCY, Lens.REASONS, Lens.COMPARED} & set(inspection.lenses())
    inspection.lens = Lens.CODE
    inspection.move_time(3)
    work_off(inspection)
    assert inspection.sight.perception(inspection.here, 3).surprise == 3
    assert inspection.sight.perception(inspection.here, 4) is None


def test_every_lens_can_be_reached(inspection):
    seen = [inspection.lens]
    for _ in range(5):
        inspection.next_lens()
        seen.append(inspection.lens)
    assert seen == [None, Lens.TRUTH, Lens.DIFFERENCE, Lens.BELIEF, Lens.CODE, Lens.TRUTH]
    inspection.mark()
    assert inspection.lens is Lens.COMPARED
    inspection.mark()
    assert (inspection.marked, inspection.lens) == (None, None)


def test_what_cannot_be_had_is_said(inspection, match, hazy, monkeypatch):
    def refuse(*arguments):
        raise UserError("This agent has learnt no model.")

    monkeypatch.setattr(hazy, "imagine", refuse)
    while (task := inspection.next_task()) is not None:
        try:
            task.keep(task.run())
        except UserError as error:
            task.fail(str(error))
    assert inspection.reason == "This agent has learnt no model."
    assert inspection.next_task() is None  # and it is not asked again
    match.board.agent = None
    assert Inspection(match, lambda: None, "there is none").reason == "Look-ahead needs an agent: there is none"


def test_after_the_end_there_is_nothing_ahead(inspection, work_off):
    while not inspection.match.over:
        inspection.step_on()
        while not inspection.advance(0.0):
            task = inspection.next_task()
            task.keep(task.run())
    assert "game is over" in inspection.reason
    assert inspection.next_task() is None
    inspection.step_on()
    assert not inspection.advance(0.0)


def test_the_memory_is_used_and_left_alone(inspection, work_off, hazy, match):
    """Imagining from here is imagining from the whole game played again up to here, however much was inspected."""
    work_off(inspection)
    inspection.move_time(5)
    inspection.look()
    work_off(inspection)
    again = Match(
        "breakout", match.mode, match.board.human, AgentPlayer(hazy, True, "again"), match.board.game.settings, 3
    )
    for _ in range(30):
        again.step(0.0)
    assert again.board.moment().memory == match.board.moment().memory == 31
    one, other = hazy.imagine(again.board.moment(), 15), hazy.imagine(match.board.moment(), 15)
    assert np.array_equal(one.frames, other.frames)


def test_a_broken_model_is_no_reason_to_stop(inspection, work_off, hazy):
    hazy.broken = True
    work_off(inspection)
    assert {branch.broken for branch in inspection.tree.branches} == {3}
    assert inspection.tree.best == frozenset()
