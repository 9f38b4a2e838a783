"""Who decides slowly thinks of the next decision while the last one is shown, and plays no other game by it."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.records import Decision
from mbrl_tui.play import players
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer


class Thinker:
    """Lends a `TapeAgent` a rule that depends on all that it remembers; it decides while it may.

    threads: in which it was asked.
    """

    def __init__(self, tape):
        self._tape = tape
        self.may_act = threading.Event()
        self.may_act.set()
        self.threads: list[threading.Thread] = []
        self.fails_at: int | None = None

    def __getattr__(self, name):
        return getattr(self._tape, name)

    def act(self, moment):
        assert self.may_act.wait(10)
        if moment.snapshot.frame == self.fails_at:
            raise UserError("it cannot be told")
        self.threads.append(threading.current_thread())
        told = self._tape.act(moment)
        seen = sum(int(picture.sum()) + (action or 0) for action, picture in moment.memory)
        return Decision(seen % 4, told.value, np.eye(4, dtype=np.float32)[seen % 4])


@pytest.fixture
def thinker(agent):
    return Thinker(agent)


@pytest.fixture
def begin(thinker):
    def begin(mode: Mode, keys: tuple[str, ...] = (), **settings) -> Match:
        player = AgentPlayer(thinker, fire=True, label="thinker")
        return Match("breakout", mode, HumanPlayer(lambda now: frozenset(keys)), player, AtariSettings(**settings), 3)

    return begin


@pytest.fixture
def slow(monkeypatch):
    """Every decision is a slow one."""
    monkeypatch.setattr(players, "SLOW", -1.0)


def play(match: Match, ticks: int) -> None:
    """As the screen does."""
    for _ in range(ticks):
        wait_until(match.prepare)
        match.tick(0.0, live=True)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def finish_thoughts(match: Match) -> None:
    match.agent.think(lambda: None).result()


def decided(thinker: Thinker) -> list[int]:
    return [frame for kind, frame in thinker.tape if kind == "act"]


@pytest.mark.parametrize(("mode", "sticky"), [(Mode.WATCH, 0.0), (Mode.WATCH, 0.25), (Mode.VERSUS, 0.0)])
def test_a_slow_agent_plays_the_very_game_of_a_quick_one(begin, thinker, monkeypatch, same_instant, mode, sticky):
    quick = begin(mode, sticky=sticky)
    play(quick, 600)
    assert set(thinker.threads) == {threading.current_thread()}
    expected = decided(thinker)
    thinker.threads.clear()
    thinker.tape.clear()
    monkeypatch.setattr(players, "SLOW", -1.0)
    slow = begin(mode, sticky=sticky)
    play(slow, 600)
    assert same_instant(quick.board.game, slow.board.game)
    assert slow.board.pressed == quick.board.pressed
    assert slow.board.timeline.values == quick.board.timeline.values
    memories = [match.board.moment().memory for match in (slow, quick)]
    assert [action for action, _ in memories[0]] == [action for action, _ in memories[1]]
    finish_thoughts(slow)
    # Each decision once, at most one that is still to come, and all in the agent's own thread.
    assert decided(thinker)[: len(expected)] == expected
    assert len(decided(thinker)) <= len(expected) + 1
    assert threading.current_thread() not in thinker.threads


def test_it_decides_while_its_last_choice_is_shown_and_the_game_waits_rather_than_the_screen(begin, thinker, slow):
    match = begin(Mode.WATCH)
    play(match, 1)
    finish_thoughts(match)
    thinker.may_act.clear()
    for _ in range(7):
        assert match.prepare()
        match.tick(0.0, live=True)
    assert not match.prepare()  # the decision at frame 4 was there in time, that at 8 is not
    assert match.board.game.frame == 8
    moment = match.board.moment()  # who pauses now is shown what is thought of, and does not wait for it either
    thinker.may_act.set()
    play(match, 1)
    assert match.board.game.frame == 9
    finish_thoughts(match)
    assert decided(thinker) == [0, 4, 8, 12]
    assert match.agent.decide(moment).value == match.board.decision.value


def test_a_step_of_the_inspector_thinks_of_nothing_beyond_it(begin, thinker, slow):
    match = begin(Mode.WATCH)
    for _ in range(3):
        match.step(0.0)
    finish_thoughts(match)
    assert decided(thinker) == [0, 4, 8]


def test_who_looks_on_holds_no_game_up_and_tells_later_what_it_thinks(begin, thinker, slow):
    match = begin(Mode.DUET, keys=("left",))
    thinker.may_act.clear()
    for _ in range(13):
        assert match.prepare()
        match.tick(0.0, live=True)
    assert match.board.pressed == [match.action_names.index("LEFT")] * 13
    assert match.board.decision is None
    thinker.may_act.set()
    finish_thoughts(match)
    play(match, 1)
    assert match.board.decision.value == pytest.approx(1.5)  # of frame 0; it was asked about no other meanwhile
    play(match, 3)
    finish_thoughts(match)
    play(match, 1)
    assert match.board.decision.value == pytest.approx(1.516)
    # What it remembers holds every decision of the person.
    assert [action for action, _ in match.board.moment().memory] == [None, *match.board.pressed[3::4]]


def test_an_old_opinion_never_replaces_a_decision(begin, thinker, slow):
    match = begin(Mode.DUET, keys=("left",))
    play(match, 4)
    finish_thoughts(match)  # of frame 0, which nobody has asked for
    match.hand_over()
    play(match, 40)
    match.hand_over()
    value = match.board.decision.value
    thinker.may_act.clear()
    play(match, 4)
    assert match.board.decision.value == value
    decision = Decision(2, 99.0, np.eye(4, dtype=np.float32)[2])
    match.board.decide(decision)  # as the inspector does
    thinker.may_act.set()
    finish_thoughts(match)
    match.prepare()
    assert match.board.decision is decision


def test_who_is_handed_the_paddle_in_mid_decision_presses_what_was_pressed_until_it_has_decided(begin, thinker, slow):
    match = begin(Mode.DUET, keys=("left",))
    play(match, 5)
    finish_thoughts(match)
    match.hand_over()
    play(match, 4)
    left = match.action_names.index("LEFT")
    assert match.board.pressed[:8] == [left] * 8
    assert match.board.pressed[8] == match.board.decision.action
    assert 8 in decided(thinker)


def test_the_paddle_can_be_handed_over_and_back_while_the_game_waits(begin, thinker, slow):
    match = begin(Mode.DUET, keys=("left",))
    match.hand_over()
    play(match, 4)
    finish_thoughts(match)
    play(match, 1)
    thinker.may_act.clear()
    play(match, 3)
    assert not match.prepare()
    match.hand_over()
    for _ in range(8):
        assert match.prepare()
        match.tick(0.0, live=True)
    assert match.board.pressed[8:] == [match.action_names.index("LEFT")] * 8
    thinker.may_act.set()


def test_what_the_agent_would_have_done_next_is_not_told_once_a_person_plays(begin, thinker, slow):
    match = begin(Mode.DUET, keys=("left",))
    match.hand_over()
    play(match, 5)
    finish_thoughts(match)
    decision = match.board.decision
    thinker.may_act.clear()
    match.hand_over()
    play(match, 8)
    assert match.board.decision is decision
    thinker.may_act.set()


def test_what_was_thought_of_is_dropped_where_something_else_is_pressed(begin, thinker, slow):
    match = begin(Mode.WATCH)
    play(match, 9)
    finish_thoughts(match)  # frame 12, if it is left to itself
    other = (match.board.action + 1) % 4
    for _ in range(3):
        match.board.tick(0.0, other)
    thinker.tape.clear()
    play(match, 20)
    assert decided(thinker)[0] == 12
    actions = [action for action, _ in match.board.moment().memory]
    assert actions[1:] == match.board.pressed[3::4]


@pytest.mark.parametrize("holds", [True, False])
def test_a_new_game_knows_nothing_of_what_was_thought_in_the_last(begin, thinker, slow, holds):
    match = begin(Mode.DUET, keys=("left",))
    if holds:
        match.hand_over()
    play(match, 1)
    thinker.may_act.clear()
    play(match, 4 if not holds else 3)
    match.restart()
    thinker.may_act.set()
    finish_thoughts(match)
    match.prepare()
    assert match.board.decision is None
    play(match, 40)
    assert [action for action, _ in match.board.moment().memory] == [None, *match.board.pressed[3::4]]


def test_another_agent_knows_nothing_of_what_was_thought_by_the_last(begin, thinker, slow):
    match = begin(Mode.DUET)
    thinker.may_act.clear()
    play(match, 2)
    last = match.agent
    match.seat(AgentPlayer(thinker, fire=True, label="another"))
    thinker.may_act.set()
    last.think(lambda: None).result()
    match.prepare()
    assert match.board.decision is None


def test_a_game_that_ends_with_the_decision_is_not_thought_beyond(begin, thinker, slow):
    match = begin(Mode.WATCH, frame_cap=16)
    play(match, 30)
    assert match.over
    assert match.board.game.frame == 16
    finish_thoughts(match)
    assert decided(thinker) == [0, 4, 8, 12]


def test_what_fails_in_a_thought_is_told_when_it_is_needed(begin, thinker, slow):
    match = begin(Mode.WATCH)
    thinker.fails_at = 8
    play(match, 8)
    with pytest.raises(UserError, match="it cannot be told"):
        play(match, 1)


def test_one_slow_decision_is_chance_and_two_are_not(begin, thinker, monkeypatch):
    monkeypatch.setattr(players, "SLOW", 1 / 60)
    clock = iter([0.0, 0.02, 1.0, 1.01, 2.0, 2.02, 3.0, 3.03])
    monkeypatch.setattr(players.time, "perf_counter", lambda: next(clock))
    game = begin(Mode.WATCH).board.game
    player = AgentPlayer(thinker, fire=True, label="")
    for slow in (False, False, False, True):
        moment = game.moment(())
        player.decide(moment)
        assert player.slow is slow
    player.decide(moment)  # it knows: that it is not asked again makes it no quicker
    assert player.slow
