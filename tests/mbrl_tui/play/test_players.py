import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.envs.atari import AtariGame, action_names
from agents.envs.settings import AtariSettings
from agents.interfaces import ImaginativeAgent, PerceivingAgent
from mbrl_tui.play.players import KEY_DIRECTIONS, AgentPlayer, HumanPlayer, held_action

BREAKOUT = ("NOOP", "FIRE", "RIGHT", "LEFT")
FREEWAY = ("NOOP", "UP", "DOWN")
SEAQUEST = action_names("seaquest")  # all eighteen
PONG = ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")


@pytest.mark.parametrize(
    ("held", "names", "needs_fire", "action"),
    [
        (set(), BREAKOUT, False, "NOOP"),
        ({"left"}, BREAKOUT, False, "LEFT"),
        ({"a"}, BREAKOUT, False, "LEFT"),
        ({"d"}, BREAKOUT, False, "RIGHT"),
        ({"space"}, BREAKOUT, False, "FIRE"),
        ({"left", "right"}, BREAKOUT, False, "NOOP"),
        # Breakout has no LEFTFIRE: what counts is whether the ball waits to be fired.
        ({"left", "space"}, BREAKOUT, False, "LEFT"),
        ({"left", "space"}, BREAKOUT, True, "FIRE"),
        ({"left"}, BREAKOUT, True, "LEFT"),
        ({"left", "space"}, PONG, True, "LEFTFIRE"),
        # Pong's paddle goes up and down, but ALE calls it right and left.
        ({"up"}, PONG, False, "RIGHT"),
        ({"down", "space"}, PONG, False, "LEFTFIRE"),
        ({"q"}, BREAKOUT, False, "NOOP"),
    ],
)
def test_held_keys_become_the_nearest_action(held, names, needs_fire, action):
    assert names[held_action(frozenset(held), names, needs_fire)] == action


def test_held_keys_combine_where_the_game_has_a_word_for_it():
    names = SEAQUEST
    assert names[held_action(frozenset({"up", "d", "space"}), names, False)] == "UPRIGHTFIRE"
    assert names[held_action(frozenset({"w", "left"}), names, False)] == "UPLEFT"
    assert names[held_action(frozenset({"w", "s", "left"}), names, False)] == "LEFT"


@given(held=st.frozensets(st.sampled_from([*KEY_DIRECTIONS, "x"])), needs_fire=st.booleans())
@pytest.mark.parametrize("names", [BREAKOUT, PONG, FREEWAY, SEAQUEST])
def test_any_held_keys_are_some_action_of_any_game(names, held, needs_fire):
    pressed = names[held_action(held, names, needs_fire)]
    if not held & KEY_DIRECTIONS.keys():
        assert pressed == "NOOP"
    if "FIRE" in pressed:
        assert "space" in held


def test_a_person_acts_by_the_keys_of_that_time():
    human = HumanPlayer(lambda now: frozenset({"left"}) if now < 1 else frozenset())
    assert human.action(BREAKOUT, False, 0.5) == BREAKOUT.index("LEFT")
    assert human.action(BREAKOUT, False, 1.5) == BREAKOUT.index("NOOP")


def test_fire_is_pressed_for_the_agent_only_where_the_settings_say_so(agent):
    waiting = AtariGame("breakout", AtariSettings(fire=False)).moment()
    assert waiting.needs_fire
    forced = AgentPlayer(agent, fire=True, label="tape").decide(waiting)
    own = AgentPlayer(agent, fire=False, label="tape").decide(waiting)
    assert (forced.action, forced.forced) == (BREAKOUT.index("FIRE"), True)
    assert (own.action, own.forced) == (BREAKOUT.index("RIGHT"), False)
    assert np.array_equal(forced.action_values, own.action_values)


def test_fire_is_not_pressed_when_the_ball_is_in_play(agent):
    playing = AtariGame("breakout", AtariSettings(fire=True)).moment()
    assert not AgentPlayer(agent, fire=True, label="tape").decide(playing).forced


def test_an_agent_can_be_asked_anything_and_says_what_it_offers(agent, hazy):
    player = AgentPlayer(agent, fire=True, label="tape")
    moment = AtariGame("breakout").moment()
    assert player.ask(lambda agent: agent.imagine(moment, 3, np.array([[2]]))).actions[0, 0] == 2
    assert agent.tape == [("imagine", 0, 3, [[2]])]
    able = AgentPlayer(hazy, fire=True, label="hazy")
    assert able.offers(PerceivingAgent)
    assert not able.offers(ImaginativeAgent)


def test_two_threads_are_answered_one_at_a_time(agent):
    player = AgentPlayer(agent, fire=True, label="tape")
    moment = AtariGame("breakout").moment()
    agent.may_look.clear()
    looking = threading.Thread(target=player.ask, args=(lambda agent: agent.imagine(moment, 2),))
    looking.start()
    while not player.busy:
        pass
    deciding = threading.Thread(target=player.decide, args=(moment,))
    deciding.start()
    deciding.join(0.05)
    assert agent.tape == []
    agent.may_look.set()
    looking.join()
    deciding.join()
    assert [kind for kind, *_ in agent.tape] == ["imagine", "act"]
    assert not player.busy
