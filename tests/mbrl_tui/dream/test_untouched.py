"""However much is inspected, the real game and the agent's memory of it stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.catalogue import ALGORITHMS
from agents.dreamer.agent import DreamerAgent
from agents.dreamer.behaviour import Behaviour
from agents.dreamer.config import DreamerConfig
from agents.dreamer.world_model import WorldModel
from agents.envs.atari import action_names
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.interfaces import Agent
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer

DEEDS = {
    "left": lambda i: i.move_time(-1),
    "right": lambda i: i.move_time(3),
    "up": lambda i: i.move_row(-1),
    "down": lambda i: i.move_row(1),
    "play": lambda i: i.play_on(),
    "branch": lambda i: i.branch(i.step % 4),
    "draws": lambda i: i.toggle_samples(),
    "more": lambda i: i.change_samples(1),
    "fewer": lambda i: i.change_samples(-1),
    "fold": lambda i: i.toggle_fold(),
    "prune": lambda i: i.prune(),
    "shorter": lambda i: i.change_horizon(-3),
    "longer": lambda i: i.change_horizon(2),
    "mark": lambda i: i.mark(),
    "truth": lambda i: i.toggle_truth(),
    "lens": lambda i: i.next_lens(),
    "parting": lambda i: i.go_to_parting(),
    "look": lambda i: i.look(),
}


def do(inspection: Inspection, deed: str) -> None:
    if deed == "work":
        task = inspection.next_task()
        if task is not None:
            task.keep(task.run())
    else:
        DEEDS[deed](inspection)
    tree = inspection.tree
    assert inspection.here in tree.visible
    assert 0 <= inspection.seen <= inspection.step <= tree.horizon
    assert inspection.frame.shape == (210, 160, 3)


def played(agent: Agent, settings: AtariSettings, steps: int) -> Match:
    player = AgentPlayer(agent, True, "agent")
    match = Match("breakout", Mode.WATCH, HumanPlayer(lambda now: frozenset()), player, settings, 3)
    for _ in range(steps):
        match.step(0.0)
    return match


def test_a_real_memory_is_used_and_left_alone(same_instant):
    """Of an agent that dreams of what it remembers; `test_the_memory_is_used_and_left_alone` has one that does not."""
    torch.manual_seed(0)
    config, settings = DreamerConfig(), ALGORITHMS["dreamer"].settings_for("breakout")
    model, behaviour = WorldModel(config, 4, settings.frame_shape), Behaviour(config, 4)
    torch.nn.init.normal_(behaviour.actor.last.weight)  # zero at first: it would have no opinion
    agent = DreamerAgent(model, behaviour, action_names("breakout"), settings)
    match, again = (played(agent, settings, 8) for _ in range(2))
    inspection = Inspection(match, lambda: EmulatorModel("breakout", settings))
    inspection.change_horizon(-12)
    for deed in ("work", "right", "look", "work", "draws", "work", "branch", "work"):
        do(inspection, deed)
    assert len(inspection.tree.branches) > 6
    assert same_instant(match.board.game, again.board.game)
    one, other = (agent.imagine(one.board.moment(), 3) for one in (match, again))
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.uncertainty, other.uncertainty)
    forgetful = agent.imagine(replace(match.board.moment(), memory=None), 3)
    assert not np.allclose(one.uncertainty, forgetful.uncertainty)


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_five_hundred_inspections_leave_the_real_game_untouched(hazy, same_instant, sticky):
    settings = AtariSettings(sticky=sticky)
    agent = type(hazy)(EmulatorModel("breakout", settings))
    match, other = (played(agent, settings, 30) for _ in range(2))
    inspection = Inspection(match, lambda: agent.emulator)
    random = np.random.default_rng(0)
    deeds = [*DEEDS, "work", "work", "work", "work"]
    inspection.change_horizon(-11)  # enough to be wrong in, and soon imagined
    for _ in range(500 if sticky else 100):
        do(inspection, deeds[random.integers(len(deeds))])
        if len(inspection.tree.branches) > 25:
            inspection.renew()
    assert same_instant(match.board.game, other.board.game)
    for _ in range(25):
        for one in (match, other):
            one.step(0.0)
        assert same_instant(match.board.game, other.board.game)
        assert match.board.moment().memory == other.board.moment().memory
