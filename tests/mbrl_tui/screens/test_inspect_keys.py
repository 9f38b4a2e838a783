"""Every key and every number of the inspector, in whatever state it is."""

import re
from itertools import repeat

import numpy as np
import pytest
from inspected import SIZE, said

from agents.envs.settings import AtariSettings
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer
from mbrl_tui.screens.dream import DreamScreen
from mbrl_tui.screens.help import INSPECTOR, SECTIONS
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.inspect_facts import facts_of
from mbrl_tui.screens.key_hints import hints_for
from mbrl_tui.widgets.drift_meter import drift_marks

SIGNS = {
    "←→": (["left", "right"], "←/→"),
    "↑↓": (["up", "down"], "↑/↓"),
    "␣": (["space"], "SPACE"),
    "[]": (["left_square_bracket", "right_square_bracket"], "]"),
    "+−": (["plus", "minus"], "−"),
    "⏎": (["enter"], "ENTER"),
    "esc": (["escape"], "ESC"),
    "?": (["question_mark"], "?"),
    ".": (["full_stop"], "."),
}
"""What a hint shows of keys, the names by which they are bound, and how the help calls them."""
LEAVING = {"escape", "p", "i", "question_mark", "q"}


def bound() -> list[str]:
    return [key for binding in InspectScreen.BINDINGS for key in binding.key.split(",")]


@pytest.fixture
def states(dreaming, emulator):
    """Inspections in which other keys do something: grown, at the end, without an agent, without a model."""

    def made(agent, grow=True) -> Inspection:
        player = AgentPlayer(agent, True, "a") if agent is not None else None
        mode = Mode.WATCH if agent is not None else Mode.SOLO
        match = Match("breakout", mode, HumanPlayer(lambda now: frozenset()), player, AtariSettings(), 3)
        inspection = Inspection(match, lambda: emulator, "none")
        while grow and (task := inspection.next_task()) is not None:
            task.keep(task.run())
        return inspection

    grown = made(dreaming)
    grown.move_time(3)
    grown.toggle_samples()
    grown.branch(1)
    at_the_end = made(dreaming)
    at_the_end.move_time(99)
    refused = made(dreaming)
    refused.reason = "no model"
    return {
        "fresh": made(dreaming, grow=False),
        "present": made(dreaming),
        "grown": grown,
        "end": at_the_end,
        "alone": made(None),
        "refused": refused,
    }


def shown(inspection: Inspection) -> set[str]:
    return {sign for sign, _ in hints_for(inspection)}


def test_hints_are_the_keys_that_do_something_now(states):
    always = {"?", "esc", "q"}
    assert shown(states["alone"]) == shown(states["refused"]) == always | {"."}
    assert not {"b", "y", "s", "⏎", "g"} & shown(states["fresh"])
    assert {"b", "s", "d", "⏎", "g"} < shown(states["present"])
    assert not {"y", "x", "f", "[]"} & shown(states["present"])
    assert {"x", "f", "[]"} < shown(states["grown"])
    assert "b" not in shown(states["end"])


def test_every_hint_is_bound_and_in_the_help(states):
    named = {word for keys, _ in SECTIONS[INSPECTOR] for word in re.split(r"[\s,]+", keys)}
    signs = set().union(*map(shown, states.values()))
    assert {"␣", "+−", "[]", "n", "t", "v", "b", "s", "c", "x", "f", "g", "d"} < signs
    for sign in signs:
        keys, word = SIGNS.get(sign, ([sign], sign))
        assert set(keys) <= set(bound())
        assert word in named


def test_every_number_is_in_the_help(states):
    named = [part for keys, _ in SECTIONS["What you see"] for part in keys.split(", ")]
    inspection = states["present"]
    inspection.toggle_truth()
    inspection.toggle_samples()
    inspection.next_lens()
    while (task := inspection.next_task()) is not None:
        task.keep(task.run())
    inspection.move_time(9)
    for name, _ in facts_of(inspection):
        assert any(part.startswith(name) for part in named), name
    words = {re.sub(r"\d+px", "", mark.word) for mark in drift_marks(inspection.here.truth, 15)}
    for word in words | {"hidden", "no ball", "false", "paddle", "bricks", "stays true", "no number", "ends at"} - {""}:
        assert any(part.startswith(word) for part in named), word


async def test_no_key_does_harm_without_an_agent(open_app):
    app = open_app("solo", None)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("p")
        for key in bound():
            if key not in LEAVING:
                await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, InspectScreen)
        assert said(app) == "Look-ahead needs an agent: start again with --agent NAME"
        assert app.screen.inspection.match.board.game.frame == 4  # the one step


@pytest.mark.parametrize("broken", [False, True])
async def test_no_key_does_harm_twice_over(open_app, dreaming, inspecting, looking, broken):
    """Whatever is pressed after whatever, nothing breaks; in a model that gives no numbers neither."""
    dreaming.broken = broken
    app = open_app("watch", lambda: dreaming)
    keys = [key for key in bound() if key not in LEAVING]
    random = np.random.default_rng(1)
    async with app.run_test(size=SIZE) as pilot:
        await inspecting(pilot)
        await pilot.press(*["minus"] * 11)
        for key in random.permutation(keys * 2).tolist():
            app.simulate_key(key)
            await pilot.pause()
            if not isinstance(app.screen, InspectScreen):  # a menu, or a dream
                await pilot.press("escape")
        await pilot.press("escape") if isinstance(app.screen, DreamScreen) else None
        await looking(app)
        assert app.screen.inspection.here in app.screen.inspection.tree.visible


async def test_a_dream_past_its_end_says_where_that_is(open_app, dreaming, inspecting, looking, continuing):
    continuing(repeat(0.8))
    app = open_app("watch", lambda: dreaming)
    async with app.run_test(size=SIZE) as pilot:
        await inspecting(pilot)
        await pilot.press(*["right"] * 8, "d")
        await looking(app)
        await pilot.pause()
        assert isinstance(app.screen, InspectScreen)
        assert any("over at step 4" in notice.message for notice in app._notifications)


async def test_a_wish_to_dream_outlasts_what_is_being_computed(open_app, agent, waiting_for, until):
    app = open_app("watch")
    async with app.run_test(size=SIZE) as pilot:
        await waiting_for(pilot)
        await pilot.press("d")
        assert not app._notifications
        agent.may_look.set()
        await until(lambda: any("no model" in notice.message for notice in app._notifications))
