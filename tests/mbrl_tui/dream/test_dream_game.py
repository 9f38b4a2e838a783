import math

import numpy as np
import pytest

from agents.errors import UserError
from mbrl_tui.dream.dream_game import DreamGame
from mbrl_tui.play.players import AgentPlayer


@pytest.fixture
def moment(match):
    return match.board.moment()


@pytest.fixture
def player(dreaming) -> AgentPlayer:
    return AgentPlayer(dreaming, fire=True, label="dreaming")


def test_a_dream_goes_on_where_a_person_steps_in(player, dreaming, moment):
    dreamt = dreaming.imagine(moment, 5, np.array([[2, 2, 3, 0, 2]]))
    game = DreamGame(player, moment, (2, 2, 3))
    assert (game.step, game.woken, game.score) == (3, 3, 0)
    assert np.array_equal(game.frame, dreamt.frames[0, 3])
    game.advance(0)
    game.advance(2)
    assert np.array_equal(game.frame, dreamt.frames[0, 5])
    assert (game.reward, game.doubt) == (dreamt.rewards[0, 4], 5)
    assert game.score == pytest.approx(dreamt.rewards[0, 3:].sum())
    assert game.value == pytest.approx(dreamt.values[0, 5])


def test_the_agent_plays_where_nobody_else_does(player, dreaming, moment):
    game = DreamGame(player, moment)
    for _ in range(4):
        game.advance()
    assert np.array_equal(game.frame, dreaming.imagine(moment, 4).frames[0, 4])


@pytest.mark.parametrize(("continues", "steps"), [([0.4], 1), ([0.8, 0.8, 0.8, 0.8], 4), ([math.nan], 1)])
def test_a_dream_is_over_once_its_game_probably_is(player, moment, continuing, continues, steps):
    continuing(continues)
    game = DreamGame(player, moment)
    for _ in range(steps):
        assert not game.over
        game.advance(0)
    assert game.over
    with pytest.raises(RuntimeError, match="over"):
        game.advance(0)


@pytest.mark.parametrize(("continues", "ends"), [([0.9, 0.4], 2), ([0.8] * 6, 4), ([math.nan], 1)])
def test_a_dream_is_not_stepped_into_after_its_end(player, moment, continuing, continues, ends):
    continuing(continues)
    with pytest.raises(UserError, match=f"over at step {ends}"):
        DreamGame(player, moment, (0,) * 6)


def test_an_agent_without_a_model_cannot_be_dreamt_in(hazy, moment):
    with pytest.raises(UserError, match="no model"):
        DreamGame(AgentPlayer(hazy, fire=True, label="hazy"), moment)
