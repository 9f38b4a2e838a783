"""Windows in which the model was wrong come again, others are not forgotten, and a resumed learner draws the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import LARGEST, EnvironmentModel
from agents.i2a.model_learner import SURPRISE_EXPONENT, SURPRISING, ModelLearner
from agents.replay.sequences import SequenceReplay
from tests.agents.i2a.sliding_dot import SIZE, play

GAMES, ROWS = 4, 60
CONFIG = I2AConfig(model_rows=16, model_updates=100)


def replay_of_games(first: np.ndarray | None = None) -> SequenceReplay:
    """Games of the sliding dot; `first` (ROWS, GAMES) says where others begin."""
    frames, actions, rewards, none, _, _ = (column.numpy() for column in play(np.random.default_rng(0), ROWS, GAMES))
    replay = SequenceReplay(ROWS * GAMES, GAMES, (SIZE, SIZE), np.uint8)
    for t in range(ROWS):
        replay.add(
            frames=frames[t],
            actions=actions[t],
            rewards=rewards[t],
            first=(none if first is None else first)[t],
            ends=0,
        )
    return replay


def learner() -> ModelLearner:
    torch.manual_seed(0)
    return ModelLearner(CONFIG, EnvironmentModel("local", 8, 2, 2, (SIZE, SIZE)), torch.float32)


def test_half_of_the_windows_are_those_that_were_wrong() -> None:
    replay, made, random = replay_of_games(), learner(), np.random.default_rng(1)
    made.learn(replay, random)
    assert made.surprise is not None
    made.surprise.set(np.arange(made.surprise.size), 0.0)
    made.surprise.set(np.array([10 * GAMES + 3, 57 * GAMES + 1]), np.array([1.0, 1.0]))
    rows, games = made._draw(replay, 1_000, 3, random)
    drawn = list(zip(rows.tolist(), games.tolist(), strict=True))
    assert abs(drawn.count((10, 3)) - 250) < 50
    assert drawn[: int(1_000 * SURPRISING)].count((57, 1)) + drawn.count((10, 3)) >= 500
    assert len(set(drawn)) > 150  # of 232: the rest is drawn uniformly


def test_a_window_that_would_pass_the_end_begins_earlier() -> None:
    replay, made, random = replay_of_games(), learner(), np.random.default_rng(1)
    made.learn(replay, random)
    assert made.surprise is not None
    made.surprise.set(np.arange(made.surprise.size), 0.0)
    made.surprise.set(np.array([57 * GAMES + 1]), np.array([1.0]))
    rows, games = made._draw(replay, 10, 12, random)
    assert (rows[:5].tolist(), games[:5].tolist()) == ([ROWS - 12] * 5, [1] * 5)
    assert replay.windows(rows, games, 12).frames.shape == (12, 10, SIZE, SIZE)
    assert made.surprise.total == 0  # it is not drawn again


def test_a_window_that_teaches_nothing_is_not_drawn_for_its_surprise() -> None:
    first = np.zeros((ROWS, GAMES), bool)
    first[:, 0] = True  # one of the games begins in every row: nothing of it can be predicted
    replay, made, random = replay_of_games(first), learner(), np.random.default_rng(1)
    for _ in range(30):
        made.learn(replay, random)
    assert made.surprise is not None
    surprise = made.surprise.weights.reshape(ROWS, GAMES)
    assert (surprise[:, 0] == 0).all()
    assert (surprise[:, 1:] > 0).mean() > 0.5


def test_what_cannot_be_foreseen_is_not_drawn_for_ever() -> None:
    """Of one game, every picture is noise."""
    replay, made, random = replay_of_games(), learner(), np.random.default_rng(1)
    replay.columns["frames"][:, 2] = random.integers(0, 255, replay.columns["frames"][:, 2].shape)
    for _ in range(30):
        made.learn(replay, random)
    assert made.surprise is not None
    surprise = made.surprise.weights.reshape(ROWS, GAMES)
    assert surprise.max() == pytest.approx(LARGEST**SURPRISE_EXPONENT)
    assert np.median(surprise[:, 2][surprise[:, 2] > 0]) == pytest.approx(surprise.max())


def test_a_resumed_learner_learns_what_the_other_would_have() -> None:
    replay, one, random = replay_of_games(), learner(), np.random.default_rng(1)
    for _ in range(5):
        one.learn(replay, random)
    two = learner()
    two.model.load_state_dict(one.model.state_dict())
    two.restore({name: tensor.clone() for name, tensor in one.tensors().items()}, one.updates)
    again = np.random.default_rng()
    again.bit_generator.state = random.bit_generator.state
    for _ in range(3):
        assert one.learn(replay, random) == two.learn(replay, again)


def test_nothing_is_kept_of_windows_once_all_is_learnt() -> None:
    replay, made = replay_of_games(), learner()
    made.config = replace(CONFIG, model_updates=2)
    for _ in range(2):
        made.learn(replay, np.random.default_rng(1))
    assert "surprise" not in made.tensors()
