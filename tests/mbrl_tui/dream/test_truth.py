import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.records import Moment
from mbrl_tui.dream.truth import moment_after, tell
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer


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


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_the_truth_comes_true_with_luck_and_over_a_lost_life(agent, sticky):
    """Sticky actions fall as foretold, FIRE is pressed where a life begins, and the match goes the same way."""
    settings = AtariSettings(sticky=sticky)
    agent = type(agent)(EmulatorModel("breakout", settings))
    player = AgentPlayer(agent, True, "tape")
    match = Match("breakout", Mode.WATCH, HumanPlayer(lambda now: frozenset()), player, settings, 3)
    match.step(0.0)
    moments = []
    while match.board.game.lives == 5:
        moments.append(match.board.moment())
        match.step(0.0, 0)
    moment = moments[-8]
    truth = tell(agent.emulator, "breakout", moment, agent.imagine(moment, 24, np.zeros((1, 10), np.int64)))
    actions = truth.rollout.actions[0].tolist()
    assert 1 in actions[10:]  # FIRE
    match.board.game.restore(moment.snapshot)
    for step, action in enumerate(actions, start=1):
        match.step(0.0, action)
        assert np.array_equal(match.board.game.screen, truth.rollout.frames[0, step])
    assert match.board.game.lives == 4


def test_there_is_no_moment_after_the_games_end(emulator):
    settings = AtariSettings(frame_cap=8)
    game = AtariGame("breakout", settings)
    short = EmulatorModel("breakout", settings)
    assert moment_after(short, game.moment(), (2,)).snapshot.frame == 4
    with pytest.raises(UserError, match="over at step 2"):
        moment_after(short, game.moment(), (2, 2, 2))


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
