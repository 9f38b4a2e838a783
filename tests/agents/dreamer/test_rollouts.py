"""What a learnt model expects of worlds whose rules are known: the right pictures and rewards, at the right times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dots import CELL, CELLS, TINY, DotGames, moved, picture, trainer_for

from agents.dreamer.agent import DreamerAgent
from agents.envs.settings import AtariSettings
from agents.interfaces import GameSteps
from agents.records import Moment, Rollout

MODEL_ALONE = replace(TINY, pretrain=10**9)  # its actions are chance from first to last: the actor never learns
SIDE = CELLS * CELL


class EchoGames(DotGames):
    """The dot is where the last action put it, on cell 1, 4 or 7, and pays its number, 0, 1 or 2, with that picture."""

    def step(self, actions: np.ndarray) -> GameSteps:
        began, none = self.over, np.zeros(self.num_games, bool)
        self.cell = np.where(began, self._anywhere(), 1 + 3 * actions)
        self.time = np.where(began, 0, self.time + 1)
        self.over = ~began & (self.time >= 16)
        rewards = np.where(began, 0, actions).astype(np.float32)
        return GameSteps(self.seen(), actions.astype(np.int64), rewards, none, self.over, none, began)


def learnt(games: DotGames, steps: int) -> DreamerAgent:
    trainer = trainer_for(MODEL_ALONE, games)
    list(trainer.train(steps))
    settings = AtariSettings(colour=True, stack=1, size=SIDE, fire=False)
    return DreamerAgent(trainer.model, trainer.behaviour, games.action_names, settings)


@pytest.fixture(scope="module")
def walker() -> DreamerAgent:
    return learnt(DotGames(), 4_000)


@pytest.fixture(scope="module")
def echo() -> DreamerAgent:
    return learnt(EchoGames(), 2_600)


def rollout(agent: DreamerAgent, cell: int, actions: list[int]) -> Rollout:
    frame = picture(cell)
    return agent.imagine(Moment(frame[None], frame), len(actions), np.array([actions]))


def shown(frame: np.ndarray) -> int:
    """The cell on which a picture shows the dot: the reddest."""
    middle = CELLS // 2 * CELL
    return int(frame[middle : middle + CELL, :, 0].reshape(CELL, CELLS, CELL).mean((0, 2)).argmax())


@pytest.mark.parametrize("seed", range(6))
def test_six_steps_of_a_dream_are_right(walker: DreamerAgent, seed: int) -> None:
    random = np.random.default_rng(seed)
    start, actions = int(random.integers(CELLS)), random.integers(0, 3, 6).tolist()
    true, cell = [], np.array([start])
    for action in actions:
        cell = moved(cell, np.array([action]))
        true.append(int(cell[0]))
    dreamt = rollout(walker, start, actions)
    assert [shown(frame) for frame in dreamt.frames[0, 1:]] == true
    for frame, where in zip(dreamt.frames[0, 1:], true, strict=True):
        assert np.abs(frame.astype(float) - picture(where)).mean() < 4  # of 255, over all pixels
    assert dreamt.rewards[0].tolist() == pytest.approx([float(cell == CELLS - 1) for cell in true], abs=0.35)


@pytest.mark.parametrize("actions", [[0, 1, 2, 1, 0, 2], [2, 0, 2, 0, 0, 1], [1, 1, 2, 2, 0, 0]])
def test_an_action_shows_in_the_next_picture_and_is_paid_with_it(echo: DreamerAgent, actions: list[int]) -> None:
    """No action repeats its forerunner's effect: one step too early or too late and every number here is another."""
    dreamt = rollout(echo, 0, actions)
    assert dreamt.actions[0].tolist() == actions
    assert [shown(frame) for frame in dreamt.frames[0, 1:]] == [1 + 3 * action for action in actions]
    assert dreamt.rewards[0].tolist() == pytest.approx(actions, abs=0.4)


def test_what_was_seen_belongs_to_the_action_that_led_there(echo: DreamerAgent) -> None:
    """Following a real game, the memory holds the picture that the last action made, and its reward."""
    memory = echo.begin(1)
    began, taken, cell = np.array([True]), np.array([0]), 0
    for action in (2, 0, 1, 2):
        memory = echo.observe(memory, picture(cell)[None, None], taken, began)
        taken, began, cell = np.array([action]), np.array([False]), 1 + 3 * action
    memory = echo.observe(memory, picture(cell)[None, None], taken, began)
    with torch.inference_mode():
        assert float(echo.model.rewards(memory.features)) == pytest.approx(2, abs=0.4)
