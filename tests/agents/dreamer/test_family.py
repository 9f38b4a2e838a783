"""Dreamer's family by name: what trains, what is saved, and what can be made of another's checkpoint."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from agents.catalogue import ALGORITHMS, build_trainer, find_checkpoint, load_agent
from agents.dreamer.config import PENDULUM, DreamerConfig
from agents.dreamer.planning import Planner
from agents.dreamer.train import DreamerTrainer
from agents.errors import UserError
from agents.evaluate import play_whole_games
from agents.interfaces import GameSteps
from agents.records import Moment
from agents.replay.sequences import SequenceReplay
from agents.runs.checkpoint import save_tensors
from agents.runs.directory import RunConfig

QUICK = {"batch_size": 4, "batch_length": 8, "replay_ratio": 2.0, "learning_starts": 60, "dreams": 8, "horizon": 3}
QUICK |= {"model_size": "tiny", "variables": 4, "classes": 4, "num_games": 2, "replay_capacity": 2_000, "steps": 140}
QUICK |= {"plan_horizon": 3, "plan_candidates": 6, "plan_elites": 2, "plan_iterations": 2, "pretrain": 1}


def trained(agent: str, game: str, folder: Path) -> Path:
    """A checkpoint after a training of a moment."""
    algorithm = asdict(ALGORITHMS[agent].config_for(game)) | QUICK
    trainer = build_trainer(RunConfig("mine", game, agent, 0, 140, "cpu", settings={}, algorithm=algorithm))
    assert isinstance(trainer, DreamerTrainer)
    updates = list(trainer.train(140))
    assert updates[-1].updates > 3
    folder.mkdir()
    save_tensors(folder / "weights.safetensors", trainer.weights())
    config = {"game": game, "agent": agent, "settings": {}, "algorithm": algorithm}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("agent", ["dreamer-v1", "planet"])
def test_actions_that_are_numbers_are_learnt_played_and_scored(agent: str, tmp_path: Path) -> None:
    folder = trained(agent, "pendulum", tmp_path / "checkpoint")
    player = load_agent(find_checkpoint(str(folder), "pendulum"))
    (score, other), _ = play_whole_games(player, "pendulum", 2, None, seed=3)
    assert -2_000 < score < 0
    assert score != other
    moment = Moment(np.zeros((1, 3), np.float32), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="has nothing to show"):
        player.imagine(moment, 3)
    with pytest.raises(UserError, match="are numbers"):
        player.act(moment)


@pytest.mark.parametrize("agent", ["dreamer", "dreamer-v1"])
def test_planet_plans_in_what_a_dreamer_has_learnt(agent: str, tmp_path: Path) -> None:
    folder = trained(agent, "cartpole", tmp_path / "checkpoint")
    own, planning = (find_checkpoint(f"{prefix}{folder}", "cartpole") for prefix in ("", "planet:"))
    assert (own.agent, planning.agent, planning.folder) == (agent, "planet", folder)
    actor, planner = load_agent(own), load_agent(planning)
    assert isinstance(planner.behaviour, Planner)
    weights = actor.model.state_dict()
    assert all(tensor.equal(weights[name]) for name, tensor in planner.model.state_dict().items())
    first, _ = play_whole_games(planner, "cartpole", 2, None, seed=1)
    assert first == play_whole_games(planner, "cartpole", 2, None, seed=1)[0]


def test_planet_can_make_nothing_of_a_dqn(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"game": "breakout", "agent": "dqn", "settings": {}, "algorithm": {}})
    )
    with pytest.raises(UserError, match=r"planet can make nothing of .*: it was trained by dqn"):
        find_checkpoint(f"planet:{tmp_path}")


def test_a_path_with_a_colon_is_a_path(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no agent, run or checkpoint folder called 'other:thing'"):
        find_checkpoint("other:thing")


@pytest.mark.parametrize(("agent", "game"), [("dqn", "pendulum"), ("dreamer", "cartpole-pixels")])
def test_what_does_not_fit_is_refused(agent: str, game: str) -> None:
    algorithm = asdict(ALGORITHMS[agent].config_for(game))
    with pytest.raises(UserError, match=game):
        build_trainer(RunConfig("mine", game, agent, 0, 10, "cpu", settings={}, algorithm=algorithm))


def test_configs_of_runs_that_are_older_than_the_family_mean_what_they_meant() -> None:
    config = DreamerConfig()
    assert (config.latents, config.actor_learner, config.reward_scale) == ("categorical", "reinforce", 1.0)


def test_each_game_has_its_config_of_the_first_dreamer() -> None:
    kind = ALGORITHMS["dreamer-v1"]
    assert kind.config_for("pendulum") == PENDULUM
    assert kind.config_for("breakout") == replace(
        DreamerConfig(), latents="gaussian", variables=30, actor_learner="dynamics", kl_scale=2.0, kl_balance=0.5
    )


def test_a_replay_keeps_actions_that_are_numbers() -> None:
    replay, none = SequenceReplay(40, 2, (3,), np.float32, action_size=2), np.zeros(2, bool)
    replay.add_first(np.zeros((2, 1, 3), np.float32))
    for step in range(1, 9):
        actions = np.array([[step / 10, -0.5], [step / 10, 0.5]], np.float32)
        began = np.array([step == 4, False])
        seen = np.full((2, 1, 3), step, np.float32)
        replay.add_steps(GameSteps(seen, actions, np.zeros(2, np.float32), none, none, none, began))
    batch = replay.sample(60, 4, np.random.default_rng(0))
    assert (batch.actions.shape, batch.actions.dtype) == ((4, 60, 2), np.float32)
    later = ~batch.first
    np.testing.assert_allclose(batch.actions[later][:, 0], batch.frames[later][:, 0] / 10)
    assert set(batch.actions[later][:, 1].tolist()) == {-0.5, 0.5}
    assert (batch.actions[batch.first] == 0).all()
