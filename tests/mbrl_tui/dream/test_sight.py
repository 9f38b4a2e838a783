from dataclasses import replace

import numpy as np
import pytest

from agents.errors import UserError
from agents.records import Decision
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.sight import Lens
from mbrl_tui.screens.lens_view import look_through


@pytest.fixture
def thoughtful(hazy, match, emulator) -> Inspection:
    """An inspection of an agent that can tell what it decides by."""

    def saliency(moment):
        weight = np.zeros((210, 160), np.float32)
        weight[100:110, 80:90] = 1
        return weight

    hazy.saliency = saliency
    hazy.deliberate = lambda moment: (
        hazy.imagine(moment, 3, np.arange(4)[:, None]),
        Decision(3, 1.0, np.full(4, 0.25, np.float32)),
    )
    return Inspection(match, lambda: emulator)


def test_what_decides_is_looked_at_as_long_as_nothing_else_is(thoughtful, work_off):
    assert thoughtful.lens is Lens.SALIENCY
    assert look_through(thoughtful).words == "…"
    work_off(thoughtful)
    frame = look_through(thoughtful).frame.astype(int).sum(-1)
    assert frame[100:110, 80:90].min() > frame[:100].max()


def test_the_very_futures_that_decide_and_the_decision_without_them(thoughtful, work_off):
    thoughtful.lens = Lens.REASONS
    assert look_through(thoughtful).frame is None
    work_off(thoughtful)
    picture = look_through(thoughtful)
    assert picture.title == "the 4 futures that decide"
    assert picture.frame.shape == (4 * 214, 4 * 164, 3)
    decided = thoughtful.match.action_names[thoughtful.match.board.decision.action]
    assert picture.words == f"decides {decided}; without these LEFT"


def test_fire_that_the_game_presses_is_not_said_to_be_decided(thoughtful, work_off):
    thoughtful.lens = Lens.REASONS
    work_off(thoughtful)
    board = thoughtful.match.board
    board.decide(replace(board.decision, action=1, forced=True))
    assert look_through(thoughtful).words == "FIRE is pressed for it; without these LEFT"


def test_what_cannot_be_seen_is_told_and_not_asked_again(thoughtful, hazy):
    def refuse(moment):
        raise UserError("It plans: there is no gradient.")

    hazy.saliency = refuse
    while (task := thoughtful.next_task()) is not None:
        try:
            task.keep(task.run())
        except UserError as error:
            task.fail(str(error))
    picture = look_through(thoughtful)
    assert (picture.frame, picture.words) == (None, "It plans: there is no gradient.")


def test_the_lens_survives_a_step_of_the_game(thoughtful, work_off):
    thoughtful.lens = Lens.CODE
    work_off(thoughtful)
    thoughtful.step_on()
    assert thoughtful.advance(0.0)
    assert thoughtful.lens is Lens.CODE
    assert look_through(thoughtful).frame is None
    work_off(thoughtful)
    assert look_through(thoughtful).frame is not None


def test_two_futures_are_compared_at_the_same_step(thoughtful, work_off):
    work_off(thoughtful)
    thoughtful.move_row(3)
    thoughtful.mark()
    thoughtful.move_time(4)
    assert look_through(thoughtful).title == "RIGHT +4"
    same = look_through(thoughtful).frame
    assert (same == same[..., :1]).all()  # compared with itself: no heat
    thoughtful.move_row(1)
    other = look_through(thoughtful).frame
    assert not (other == other[..., :1]).all()
