from dataclasses import replace

import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.records import Moment, Rollout
from mbrl_tui.play.lookahead import LookAhead, discounted_return

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


def future(rewards, values, continues=None, actions=None) -> Rollout:
    """One row; frame k is grey of brightness k."""
    horizon = len(rewards)
    return Rollout(
        frames=np.broadcast_to(
            np.arange(horizon + 1, dtype=np.uint8)[None, :, None, None, None], (1, horizon + 1, 2, 2, 3)
        ),
        actions=np.array([actions or [0] * horizon], np.int64),
        rewards=np.array([rewards], np.float32),
        continues=np.array([continues or [1] * horizon], np.float32),
        values=np.array([values], np.float32),
        uncertainty=np.zeros((1, horizon), np.float32),
        model="emulator",
    )


def look_ahead(horizon: int = 2) -> LookAhead:
    screen = np.full((2, 2, 3), 99, np.uint8)
    return LookAhead(Moment(np.zeros((4, 84, 84), np.uint8), screen), NAMES, horizon)


def test_the_return_is_discounted_rewards_and_the_last_value():
    # 1 + 0.5·2 + 0.25·8
    assert discounted_return(future([1, 2], [9, 9, 8]), 0, 0.5) == pytest.approx(4)


def test_the_return_counts_nothing_after_the_end():
    # The reward on the way to the end counts; the second one and the value do so by the chance to see them.
    assert discounted_return(future([1, 2], [9, 9, 8], continues=[0.5, 0.5]), 0, 0.5) == pytest.approx(1 + 0.5 + 0.5)
    assert discounted_return(future([1, 2], [9, 9, 8], continues=[0, 1]), 0) == pytest.approx(1)


def test_the_return_is_of_the_row_asked_for():
    one, other = future([1, 0], [0, 0, 0]), future([0, 0], [0, 0, 100])
    both = replace(
        one,
        **{
            name: np.concatenate([getattr(one, name), getattr(other, name)])
            for name in ("frames", "actions", "rewards", "continues", "values", "uncertainty")
        },
    )
    assert discounted_return(both, 0, 0.9) == pytest.approx(1)
    assert discounted_return(both, 1, 0.9) == pytest.approx(81)


def test_there_is_a_future_of_the_agents_own_choice_and_one_for_each_action():
    look = look_ahead()
    assert look.labels == ("agent", *NAMES)
    assert look.actions == (None, 0, 1, 2, 3)


def test_the_best_future_is_known_when_all_have_come():
    look = look_ahead()
    for row, value in enumerate((1, 3, 2, 3)):
        look.futures[row] = future([0, 0], [0, 0, value])
    assert look.best == frozenset()
    assert not look.complete
    look.futures[4] = future([0, 0], [0, 0, 0])
    assert look.complete
    assert look.best == {1, 3}


def test_the_cursor_stays_within_the_futures():
    look = look_ahead(horizon=2)
    look.move_time(-1)
    assert look.step == 0
    look.move_time(5)
    assert look.step == 2
    look.move_row(-1)
    assert look.row == 0
    look.move_row(9)
    assert look.row == 4


def test_the_frame_under_the_cursor_is_the_present_until_its_future_comes():
    look = look_ahead()
    look.move_time(2)
    assert (look.frame[0, 0, 0], look.seen) == (99, 0)
    look.futures[0] = future([0, 0], [0, 0, 0])
    assert (look.frame[0, 0, 0], look.seen) == (2, 2)


def test_what_a_future_begins_with():
    look = look_ahead()
    assert look.first_action is None  # the agent has not said yet
    look.futures[0] = future([0, 0], [0, 0, 0], actions=[3, 0])
    assert look.first_action == 3
    look.move_row(2)
    assert look.first_action == 1


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (3, 3), (50, 50), (51, 50)])
def test_renewing_keeps_the_view_within_the_horizon(asked, given):
    look = look_ahead(horizon=5)
    look.futures[0] = future([0] * 5, [0] * 6)
    look.move_time(4)
    look.move_row(2)
    moment = AtariGame("breakout").moment()
    renewed = look.renewed(moment, asked)
    assert renewed.moment is moment
    assert renewed.horizon == given
    assert (renewed.row, renewed.step) == (2, min(4, given))
    assert renewed.futures == [None] * 5
    assert renewed.model is None


def test_a_fresh_look_ahead_has_no_futures_of_another():
    one, other = look_ahead(), look_ahead()
    one.futures[0] = future([0, 0], [0, 0, 0])
    assert one.model == "emulator"
    assert other.futures == [None] * 5
