"""Dyna: the model is learnt from what was played, and what it imagines teaches."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from corridor import TINY, Corridor, run

from agents.algorithms import check_trainable
from agents.dqn.config import DQNConfig
from agents.dqn.dyna import WARM_UP, Dyna
from agents.dqn.train import DQNTrainer
from agents.envs.cartpole import CartPoleGames
from agents.errors import TrainingDiverged, UserError
from agents.replay.frames import FrameReplay

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def played() -> FrameReplay:
    """CartPole played at random, from four games."""
    games, replay = CartPoleGames(4), FrameReplay(4_000, 4, (4,), np.float32, stack=1)
    random, observations = np.random.default_rng(0), games.reset(0)
    for _ in range(800):
        steps = games.step(random.integers(0, 2, 4))
        replay.add_steps(observations, steps)
        observations = steps.observations
    return replay


@pytest.fixture(scope="module")
def dyna(played: FrameReplay) -> Dyna:
    torch.manual_seed(0)
    learnt, random = Dyna(played, 2, CPU), np.random.default_rng(0)
    for _ in range(500):
        learnt.learn(random)
    return learnt


def test_it_warms_up_before_anything_is_imagined(played: FrameReplay) -> None:
    dyna, random = Dyna(played, 2, CPU), np.random.default_rng(0)
    dyna.learn(random)
    assert dyna.updates == WARM_UP
    dyna.learn(random)
    assert dyna.updates == WARM_UP + 1


def test_what_it_imagines_is_what_the_game_would_do(dyna: Dyna) -> None:
    imagined = dyna.imagine(300, 0.9, np.random.default_rng(1))
    env = CartPoleGames(1)._envs[0].unwrapped
    env.reset(seed=0)
    ended, expected = [], []
    for state, action in zip(imagined.observations[:, 0], imagined.actions, strict=True):
        env.state, env.steps_beyond_terminated = state.astype(np.float64), None
        after, _, terminated, _, _ = env.step(int(action))
        expected.append(after)
        ended.append(terminated)
    moved = np.abs(np.array(expected) - imagined.observations[:, 0]).mean(0)
    errors = np.abs(np.array(expected) - imagined.next_observations[:, 0]).mean(0)
    assert (errors < 0.15 * moved).all()
    np.testing.assert_allclose(imagined.returns, 1, atol=0.15)
    # Where the game ends nothing is bootstrapped; else γ.
    assert np.median(np.abs(imagined.discounts - np.where(ended, 0, 0.9))) < 0.02
    assert imagined.discounts[np.array(ended)].mean() < 0.4
    assert set(imagined.actions) == {0, 1}


def test_states_are_real_ones_and_actions_any(dyna: Dyna, played: FrameReplay) -> None:
    imagined = dyna.imagine(64, 0.9, np.random.default_rng(2))
    met = {state.tobytes() for state in played.frames[: played.added].reshape(-1, 4)}
    assert all(state.tobytes() in met for state in imagined.observations[:, 0])
    assert imagined.observations.shape == imagined.next_observations.shape == (64, 1, 4)
    assert [column.dtype for column in vars(imagined).values()] == [
        *(np.float32, np.int64, np.float32, np.float32, np.float32),
    ]


def trainer_of(**changes: Any) -> DQNTrainer:
    return DQNTrainer(dataclasses.replace(TINY, **changes), CartPoleGames(TINY.num_games), 0)


def test_each_update_on_real_steps_is_followed_by_so_many_on_imagined_ones() -> None:
    trainer = trainer_of(dyna=3)
    run(trainer, TINY.learning_starts - 2)
    for k in (1, 2):
        metrics = trainer.learn()
        assert trainer.updates == 4 * k
    assert set(metrics) == {"loss", "q", "gradient", "epsilon", "model"}


def test_imagined_steps_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one real update in which nothing is learnt, the values of a known task come by imagination alone."""
    config = dataclasses.replace(TINY, learning_rate=3e-3, batch_size=32, dyna=4)
    trainer = DQNTrainer(config, Corridor())
    learn_from = trainer._learn_from
    imagine = trainer.dyna.imagine
    imagining: list[bool] = []

    def only_imagined(batch: Any, weights: Any) -> Any:
        if imagining:
            imagining.clear()
            return learn_from(batch, weights)
        return {}, np.zeros(len(weights), np.float32)

    def mark(*arguments: Any) -> Any:
        imagining.append(True)
        return imagine(*arguments)

    monkeypatch.setattr(trainer, "_learn_from", only_imagined)
    monkeypatch.setattr(trainer.dyna, "imagine", mark)
    run(trainer, 600)
    with torch.no_grad():
        values = trainer.online(torch.ones(1, 1, 1))[0]
    assert values.tolist() == pytest.approx([0.0, 1.0], abs=0.1)


def test_a_model_that_breaks_stops_the_training() -> None:
    trainer = trainer_of(dyna=1)
    run(trainer, TINY.learning_starts + 2)
    with torch.no_grad():
        trainer.dyna.model.residual.bias.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="the model's loss"):
        trainer.learn()


@pytest.mark.parametrize(("shape", "stack"), [((84, 84), 1), ((4,), 4)])
def test_it_is_for_states_of_numbers(shape: tuple[int, ...], stack: int) -> None:
    with pytest.raises(ValueError, match="pictures"):
        Dyna(FrameReplay(100, 2, shape, np.float32, stack), 2, CPU)


def test_pictures_are_refused_before_a_run_begins() -> None:
    check_trainable("dqn", "breakout", DQNConfig())
    check_trainable("dqn", "cartpole", DQNConfig(dyna=1))
    with pytest.raises(UserError, match="dyna is for cartpole alone"):
        check_trainable("dqn", "breakout", DQNConfig(dyna=1))
