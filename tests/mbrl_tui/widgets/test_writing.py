from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mbrl_tui.widgets.action_signs import sign
from mbrl_tui.widgets.writing import brief, exactly, signed


@given(text=st.text(max_size=40), width=st.integers(-3, 60), centre=st.booleans(), right=st.booleans())
def test_text_takes_exactly_its_cells(text, width, centre, right):
    written = exactly(text, width, centre=centre, right=right)
    assert cell_len(written) == max(0, width)
    assert "\n" not in written


def test_text_is_placed_and_cut():
    assert exactly("ab", 5) == "ab   "
    assert exactly("ab", 5, right=True) == "   ab"
    assert exactly("ab", 5, centre=True) == " ab  "
    assert exactly("abcdef", 4) == "abc…"
    assert exactly("漢字漢字", 4) == "漢 …"
    assert exactly("two\nlines", 9) == "two lines"


NUMBERS = {0: "0.00", 1.524: "1.52", -1.524: "-1.52", 12.34: "12.3", 9.996: "10.0", 123.4: "123", 1234.5: "1234"}
NUMBERS |= {1e9: "1e+09", nan: "–", inf: "–"}


@pytest.mark.parametrize(("number", "written"), NUMBERS.items())
def test_numbers_are_brief(number, written):
    assert brief(number) == written


def test_rewards_have_a_sign():
    assert [signed(number) for number in (1, -20, 0.5, 1200, nan)] == ["+1", "−20", "+0.5", "+1200", "–"]
    assert [signed(number) for number in (0, 0.04, -0.04, 0.06, 3.96)] == ["", "", "", "+0.1", "+4"]


def test_actions_have_signs():
    names = ["NOOP", "FIRE", "LEFT", "RIGHTFIRE", "UPLEFTFIRE", "left", "push_cart"]
    assert [sign(name) for name in names] == ["·", "●", "←", "→●", "↖●", "←", "pu"]
