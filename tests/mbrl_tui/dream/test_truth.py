import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.errors import UserError
from agents.records import Moment
from mbrl_tui.dream.truth import moment_after, tell


@pytest.fixture
def game() -> AtariGame:
    """In mid-game, with the ball in the open and on its way up."""
    game = AtariGame("breakout", seed=3)
    for step in range(30):
        game.step(1 if game.needs_fire else 2 + step // 3 % 2)
    return game


def test_the_truth_is_what_happens_when_the_actions_are_played(game, hazy, emulator):
    dreamt = hazy.imagine(game.moment(), 12)
    truth = tell(emulator, "breakout", game.moment(), dreamt)
    for k, action in enumerate(dreamt.actions[0]):
        earned = game.step(int(action)).reward
        assert np.array_equal(truth.rollout.frames[0, k + 1], game.screen)
        assert truth.rollout.rewards[0, k] == earned


def test_a_dream_parts_from_the_truth_where_the_ball_is_lost(game, hazy, emulator):
    truth = tell(emulator, "breakout", game.moment(), hazy.imagine(game.moment(), 12))
    assert truth.ball_lost == truth.parted
    assert truth.parted > hazy.clear
    assert not truth.comparison(hazy.clear).parted
    assert truth.comparison(truth.parted).parted
    assert truth.comparison(0) is None
    assert truth.comparison(13) is None


def test_a_true_dream_never_parts(game, hazy, emulator):
    hazy.clear = 99
    truth = tell(emulator, "breakout", game.moment(), hazy.imagine(game.moment(), 12))
    assert (truth.parted, truth.ball_lost, truth.ends) == (None, None, None)
    assert all(comparison.squared_error == 0 for comparison in truth.comparisons)


def test_nothing_is_compared_after_the_games_end(emulator, hazy):
    game = AtariGame("breakout", seed=3)
    while not game.over:
        last = game.moment()
        game.step(1 if game.needs_fire else 0)
    truth = tell(emulator, "breakout", last, hazy.imagine(last, 5, np.zeros((1, 5), np.int64)))
    assert truth.ends == 1
    assert len(truth.comparisons) == 1
    assert truth.rollout.horizon == 5


def test_a_moment_after_some_actions_is_that_of_the_game(game, emulator, same_instant):
    moment = moment_after(emulator, game.moment(), (2, 2, 3))
    for action in (2, 2, 3):
        game.step(action)
    assert np.array_equal(moment.observation, game.observation)
    other = AtariGame("breakout")
    other.restore(moment.snapshot)
    for one in (game, other):  # a restored emulator draws its next frame
        one.step(3)
    assert same_instant(game, other)


def test_without_an_emulator_state_there_is_no_truth(game, hazy, emulator):
    dreamt = hazy.imagine(game.moment(), 2)
    with pytest.raises(UserError, match="no emulator state"):
        tell(emulator, "breakout", Moment(game.observation, game.screen), dreamt)
