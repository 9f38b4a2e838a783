"""A match that an agent with a hazy model plays, and what it imagines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.envs.settings import AtariSettings
from agents.records import Rollout
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer

SEED = 3


@pytest.fixture
def match(hazy) -> Match:
    """Thirty decisions of a game that the hazy agent plays."""
    player = AgentPlayer(hazy, fire=True, label="hazy")
    match = Match("breakout", Mode.WATCH, HumanPlayer(lambda now: frozenset()), player, AtariSettings(), SEED)
    for _ in range(30):
        match.step(0.0)
    return match


@pytest.fixture
def inspection(match, emulator) -> Inspection:
    return Inspection(match, lambda: emulator)


@pytest.fixture
def work_off():
    """Does all there is to do, as the screen's thread does, and gives how many tasks that were."""

    def work_off(inspection: Inspection) -> int:
        done = 0
        while (task := inspection.next_task()) is not None:
            task.keep(task.run())
            done += 1
            assert done < 1_000
        return done

    return work_off


@pytest.fixture
def future():
    """Makes a rollout of one row; frame k is grey of brightness k."""

    def future(rewards, values, continues=None, actions=None) -> Rollout:
        horizon = len(rewards)
        brightness = np.arange(horizon + 1, dtype=np.uint8)[None, :, None, None, None]
        return Rollout(
            frames=np.broadcast_to(brightness, (1, horizon + 1, 2, 2, 3)),
            actions=np.array([actions or [0] * horizon], np.int64),
            rewards=np.array([rewards], np.float32),
            continues=np.array([continues or [1] * horizon], np.float32),
            values=np.array([values], np.float32),
            uncertainty=np.zeros((1, horizon), np.float32),
            model="emulator",
        )

    return future


@pytest.fixture
def stacked():
    """Makes one rollout of several rows."""

    def stacked(*rollouts: Rollout) -> Rollout:
        names = ("frames", "actions", "rewards", "continues", "values", "uncertainty")
        return replace(rollouts[0], **{name: np.concatenate([getattr(r, name) for r in rollouts]) for name in names})

    return stacked
