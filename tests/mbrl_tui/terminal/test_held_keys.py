from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mbrl_tui.terminal.keys import AXES, REPETITION, SHORTEST, TAP, HeldKeys

KEYS = ["left", "right", "a", "d", "up", "down", "space", "x"]
FRAME = 1 / 60


def test_a_tap_holds_its_key_for_a_moment():
    keys = HeldKeys()
    keys.press("left", 10.0)
    assert keys.held(10.0) == {"left"}
    assert keys.held(10.0 + 0.99 * TAP) == {"left"}
    assert keys.held(10.0 + TAP) == frozenset()


@given(interval=st.floats(0.02, 0.1), presses=st.integers(2, 40))
def test_repetitions_hold_without_a_gap_and_end_soon_after_the_last(interval, presses):
    keys, begin = HeldKeys(), 5.0
    for press in range(presses):
        now = begin + press * interval
        if press > 1:
            assert keys.held(now - 1e-6) == {"left"}
        keys.press("left", now)
        assert keys.held(now) == {"left"}
    assert keys.held(now + 2 * interval + SHORTEST) == frozenset()


@given(delay=st.floats(0.2, 0.7), interval=st.floats(0.025, 0.06), held=st.integers(2, 60))
def test_a_held_key_pauses_at_most_once_before_its_repetitions(delay, interval, held):
    """What a keyboard sends: a press, after its delay the first repetition, then all the others."""
    presses = [0.0] + [delay + count * interval for count in range(held)]
    keys, down = HeldKeys(), []
    for frame in range(int(presses[-1] / FRAME)):
        while presses and presses[0] <= frame * FRAME:
            keys.press("left", presses.pop(0))
        down.append("left" in keys.held(frame * FRAME))
    stops = sum(before and not after for before, after in pairwise(down))
    assert stops <= 1


@pytest.mark.parametrize("interval", [0.06, 0.1, REPETITION, 0.118])
def test_tapping_fast_runs_on(interval):
    keys = HeldKeys()
    for tap in range(10):
        if tap:
            assert keys.held(tap * interval - 1e-6) == {"right"}
        keys.press("right", tap * interval)


@pytest.mark.parametrize(("first", "second"), [("left", "right"), ("a", "d"), ("right", "a"), ("up", "down")])
def test_the_opposite_key_takes_over_at_once_and_for_good(first, second):
    keys = HeldKeys()
    keys.press(first, 0.0)
    keys.press(second, 0.01)
    assert keys.held(0.01) == {second}
    assert keys.held(0.01 + TAP) == frozenset()


def test_firing_does_not_stop_a_move():
    keys = HeldKeys()
    keys.press("left", 0.0)
    keys.press("space", 0.01)
    keys.press("up", 0.02)
    assert keys.held(0.03) == {"left", "space", "up"}


def test_reported_releases_make_holding_exact():
    keys = HeldKeys()
    keys.press("left", 0.0)
    keys.release("left", 0.05)
    assert keys.held(0.05) == frozenset()
    keys.press("left", 1.0)
    assert keys.held(60.0) == {"left"}
    keys.release("left", 60.0)
    assert keys.held(60.0) == frozenset()


def test_with_releases_the_other_key_comes_back_when_the_later_one_is_let_go():
    keys = HeldKeys()
    keys.release("x", 0.0)
    keys.press("left", 1.0)
    keys.press("right", 2.0)
    keys.press("left", 2.5)  # the keyboard repeats the key that was pressed first
    assert keys.held(3.0) == {"right"}
    keys.release("right", 4.0)
    assert keys.held(4.0) == {"left"}


def test_the_first_release_reported_keeps_other_keys_down():
    keys = HeldKeys()
    keys.press("left", 0.0)
    keys.press("space", 0.02)
    keys.release("space", 0.1)
    assert keys.held(9.0) == {"left"}


def test_a_release_of_a_key_that_is_not_down_is_nothing():
    keys = HeldKeys()
    keys.release("left", 0.0)
    assert keys.held(0.0) == frozenset()


def test_clearing_lets_go_of_everything():
    keys = HeldKeys()
    keys.release("x", 0.0)
    keys.press("left", 1.0)
    keys.press("space", 1.0)
    keys.clear()
    assert keys.held(1.0) == frozenset()


class AnyInput(RuleBasedStateMachine):
    """Whatever comes, in whatever order: at most one key of an axis, and only keys that were pressed."""

    def __init__(self):
        super().__init__()
        self.keys, self.now = HeldKeys(), 0.0
        self.last_press: dict[str, float] = {}
        self.releases = False

    @rule(key=st.sampled_from(KEYS))
    def press(self, key):
        self.keys.press(key, self.now)
        self.last_press[key] = self.now
        assert key in self.keys.held(self.now) or self.releases

    @rule(key=st.sampled_from(KEYS))
    def release(self, key):
        self.keys.release(key, self.now)
        self.last_press.pop(key, None)
        self.releases = True
        assert key not in self.keys.held(self.now)

    @rule(seconds=st.floats(0, 1))
    def wait(self, seconds):
        before = self.keys.held(self.now)
        self.now += seconds
        if not self.releases:
            assert self.keys.held(self.now) <= before  # time alone presses nothing

    @invariant()
    def sound(self):
        held = self.keys.held(self.now)
        assert held <= set(self.last_press)
        for axis in AXES:
            assert len(held & axis) <= 1
        if not self.releases:
            longest = max(TAP, 2 * REPETITION)
            assert all(self.now - self.last_press[key] < longest for key in held)


TestAnyInput = AnyInput.TestCase
