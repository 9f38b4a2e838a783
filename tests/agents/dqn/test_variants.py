"""The parts that compose: each learns what is known, alone and together, and resumes exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corridor import TINY, Corridor, run, saved

from agents.catalogue import find_checkpoint, load_agent
from agents.dqn.config import ATARI, DQNConfig, config_for
from agents.dqn.train import DQNTrainer
from agents.envs.cartpole import CartPoleGames
from agents.errors import TrainingDiverged, UserError
from agents.records import Moment
from agents.runs.directory import RunConfig, RunDirectory
from agents.runs.runner import Pace, run_training
from agents.scores import RECENT_GAMES
from agents.settings import from_json

TOGETHER = {"dueling": True, "prioritised": True, "double": True, "n_step": 2}
EVERYTHING = TOGETHER | {"batch_norm": True}


def trainer_of(seed: int = 0, **changes: Any) -> DQNTrainer:
    return DQNTrainer(dataclasses.replace(TINY, **changes), CartPoleGames(TINY.num_games), seed)


# -- what each learns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variant",
    [
        {"dueling": True},
        {"prioritised": True},
        {"double": True},
        {"target_network": False},
        {"optimizer": "sgd", "learning_rate": 1e-2},
        {"updates_per_episode": 2},
        TOGETHER,  # without batch normalisation, which needs more than one observation to tell them apart
    ],
    ids=lambda variant: "+".join(variant),
)
def test_it_learns_the_values_of_a_task_that_is_known(variant: dict[str, Any]) -> None:
    config = dataclasses.replace(TINY, **({"learning_rate": 3e-3, "batch_size": 32, "steps": 1_500} | variant))
    trainer = DQNTrainer(config, Corridor())
    run(trainer, 1_500)
    with torch.no_grad():
        values = trainer.online(torch.ones(1, 1, 1))[0]
    assert values.tolist() == pytest.approx([0.0, 1.0], abs=0.05)


# -- schedules ------------------------------------------------------------------------------------------------


def test_updates_after_each_episode() -> None:
    """The lesson's schedule: nothing is learnt while games go on, then so many updates for each that ended."""
    trainer = trainer_of(updates_per_episode=7)
    ended = updates = 0
    for update in trainer.train(400):
        if update.metrics:
            updates += 1
        elif update.step >= TINY.learning_starts:
            assert updates == 7 * ended
            ended += len(update.scores)
    assert trainer.updates == updates > 20


def test_importance_rises_to_one() -> None:
    trainer = trainer_of(importance_start=0.4, steps=1_000)
    seen = []
    for step in (0, 500, 1_000, 2_000):
        trainer.step = step
        seen.append(trainer.importance)
    assert seen == pytest.approx([0.4, 0.7, 1.0, 1.0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_learning_rate_falls_to_its_share_over_all_steps(optimizer: str) -> None:
    trainer = trainer_of(steps=200, learning_rate=1e-3, learning_rate_end=0.25, learning_starts=20, optimizer=optimizer)
    rates = {}
    for update in trainer.train(200):
        if update.metrics:
            rates[update.step] = trainer.optimizer.param_groups[0]["lr"]
    assert min(rates) < 60
    for step, rate in rates.items():
        assert rate == pytest.approx(1e-3 * (1 - 0.75 * step / 200))
    assert rates[max(rates)] == pytest.approx(2.5e-4)


def test_training_ends_when_the_game_is_solved(tmp_path: Path) -> None:
    quick = {"solved_at": 8.0, "learning_starts": 100_000}  # no game of CartPole is shorter
    trainer = trainer_of(**quick)
    games = sum(len(update.scores) for update in trainer.train(100_000))
    assert RECENT_GAMES <= games < RECENT_GAMES + TINY.num_games
    resumed = trainer_of(**quick)
    resumed.restore(*saved(trainer, tmp_path))
    assert run(resumed, 100_000) == []
    trainer.scores.solved_at = 501.0
    assert not trainer.scores.solved


# -- what enters an update ------------------------------------------------------------------------------------


def test_importance_weights_scale_what_a_transition_teaches() -> None:
    trainer = trainer_of(prioritised=True, importance_start=1.0)
    run(trainer, 60)
    drawn = trainer.sampler.draw(8, trainer.random)
    even = dataclasses.replace(drawn, probabilities=np.ones(8))
    uneven = dataclasses.replace(drawn, probabilities=np.array([1.0] + [1e12] * 7))  # weights 1 and 1e-12, 7 times
    first = dataclasses.replace(drawn, rows=drawn.rows[:1], games=drawn.games[:1], probabilities=np.ones(1))

    def loss(draw: Any) -> float:
        (part,) = trainer._split(*trainer._batch(draw))
        return trainer._gradient((part, trainer._targets(part))).loss

    assert loss(uneven) == pytest.approx(loss(first), rel=1e-5)
    assert loss(even) > loss(first)


def test_errors_of_an_update_become_priorities() -> None:
    trainer = trainer_of(prioritised=True, priority_exponent=1.0)
    run(trainer, 60)
    before = trainer.sampler.state()["priorities"].copy()
    trainer.learn()
    after = trainer.sampler.state()["priorities"]
    changed = after != before
    assert 0 < changed.sum() <= TINY.batch_size
    # On CartPole |δ| is about the reward of 1 in the beginning.
    assert ((after[changed] > 0) & (after[changed] < 3)).all()


def test_without_a_target_network_there_is_none_to_save() -> None:
    trainer = trainer_of(target_network=False)
    run(trainer, 60)
    assert trainer.target is trainer.online
    assert not any(name.startswith("target.") for name in trainer.training_tensors())
    assert any(name.startswith("target.") for name in trainer_of().training_tensors())


def test_batch_normalisation_gathers_from_learning_only() -> None:
    trainer = trainer_of(batch_norm=True, double=True)
    norm = trainer.online.encoder.norm1
    run(trainer, TINY.learning_starts - 2)
    assert norm.num_batches_tracked == 0
    trainer.learn()
    assert norm.num_batches_tracked == 1  # once: not for the targets, for which Double asks the network again
    gathered = norm.running_mean.clone()
    assert gathered.any()
    trainer.step = 10_000  # ε is at its end: the network acts
    trainer._explore(trainer.games.reset(0))
    trainer._targets(trainer._split(*trainer._batch(trainer.sampler.draw(8, trainer.random)))[0])
    assert torch.equal(norm.running_mean, gathered)
    assert torch.equal(trainer.target.encoder.norm1.running_mean, torch.zeros_like(gathered))
    while trainer.updates % TINY.target_period:
        trainer.learn()
    assert torch.equal(trainer.target.encoder.norm1.running_mean, norm.running_mean)
    assert trainer.target.encoder.norm1.running_mean.any()


def test_batch_normalisation_sees_batches_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    large = {"batch_size": 256, "replay_capacity": 1_000}
    assert trainer_of(**large)._workers.count == 4
    assert trainer_of(**large, batch_norm=True)._workers.count == 1


# -- resuming -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variant",
    [
        {"prioritised": True},
        {"dyna": 2},
        EVERYTHING,
        {"target_network": False, "optimizer": "sgd", "updates_per_episode": 5},
    ],
    ids=lambda variant: "+".join(variant),
)
def test_a_resumed_training_goes_on_exactly(variant: dict[str, Any], tmp_path: Path) -> None:
    trainer = trainer_of(**variant)
    run(trainer, 500)  # the ring of 400 has gone round
    resumed = trainer_of(seed=5, **variant)
    resumed.restore(*saved(trainer, tmp_path))
    for one in (trainer, resumed):
        run(one, 700)
    assert trainer.updates > 100
    for name, tensor in (trainer.weights() | trainer.training_tensors()).items():
        assert torch.equal(tensor, (resumed.weights() | resumed.training_tensors())[name]), name
    assert trainer.training_counters() == resumed.training_counters()


def test_a_run_that_is_older_than_some_settings_goes_on(tmp_path: Path) -> None:
    trainer = trainer_of()
    run(trainer, 100)
    weights, tensors, counters, folder, files = saved(trainer, tmp_path)
    assert {name.split(".")[0] for name in tensors} == {"target", "adam", "replay"}
    older = {name: value for name, value in counters.items() if name != "recent_scores"}
    first = {"steps", "num_games", "batch_size", "replay_ratio", "replay_capacity", "learning_starts", "discount",
             "n_step", "double", "target_period", "learning_rate", "adam_epsilon", "gradient_clip", "epsilon_start",
             "epsilon_end", "epsilon_steps"}  # fmt: skip
    config = from_json(DQNConfig, {name: value for name, value in vars(TINY).items() if name in first})
    assert config == TINY
    resumed = DQNTrainer(config, CartPoleGames(2))
    resumed.restore(weights, tensors, older, folder, files)
    for one in (trainer, resumed):
        run(one, 160)
    assert torch.equal(trainer.online.head.weight, resumed.online.head.weight)


# -- numbers that break ---------------------------------------------------------------------------------------


def test_a_weight_that_is_not_finite_stops_training() -> None:
    """One step of infinite length from finite numbers: neither the loss nor its gradient tells."""
    trainer = trainer_of(optimizer="sgd", learning_rate=1e38, gradient_clip=1e30)
    with pytest.raises(TrainingDiverged, match="a weight of the network was not a finite number"):
        run(trainer, 200)


def test_the_last_good_checkpoint_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBRL_HOME", str(tmp_path))
    config = dataclasses.replace(TINY, optimizer="sgd", learning_rate=1e38, gradient_clip=1e30)
    described = RunConfig("doomed", "cartpole", "dqn", 0, 200, "cpu", {}, dataclasses.asdict(config))
    run_directory = RunDirectory.create(described)
    with pytest.raises(TrainingDiverged, match="The last checkpoint stands"):
        run_training(run_directory, Pace(checkpoint=0))
    status = run_directory.read_status()
    assert status.state == "failed"
    assert "not a finite number" in status.message
    saved_at = run_directory.last_checkpoint()
    assert saved_at
    assert 0 < saved_at[0] <= status.step
    agent = load_agent(find_checkpoint("doomed"))
    decision = agent.act(Moment(np.zeros((1, 4), np.float32), np.zeros((1, 1, 3), np.uint8)))
    assert np.isfinite(decision.value)


def test_what_is_not_finite_never_becomes_a_priority() -> None:
    trainer = trainer_of(prioritised=True)
    run(trainer, 60)
    before = trainer.sampler.state()["priorities"].copy()
    trainer.replay.rewards[:] = np.inf
    with pytest.raises(TrainingDiverged, match="the loss or its gradient"):
        trainer.learn()
    np.testing.assert_array_equal(trainer.sampler.state()["priorities"], before)


# -- settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"optimizer": "rmsprop"}, "optimizer must be adam or sgd, not 'rmsprop'"),
        ({"priority_exponent": 1.5}, "priority_exponent must be a number from 0 to 1"),
        ({"importance_start": -0.1}, "importance_start"),
        ({"momentum": 2.0}, "momentum"),
        ({"channels": 0}, "channels"),
        ({"updates_per_episode": -1}, "updates_per_episode"),
        ({"solved_at": float("nan")}, "solved_at"),
        ({"batch_norm": True, "batch_size": 1}, "batch_size with batch_norm must be a number of at least 2"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        dataclasses.replace(TINY, **wrong)


def test_games_have_the_settings_that_suit_them() -> None:
    assert config_for("breakout") == config_for("pong") == ATARI
    state, pixels = config_for("cartpole"), config_for("cartpole-pixels")
    assert state.batch_norm
    assert pixels.batch_norm
    assert state.steps < 1_000_000 > pixels.steps
    assert 475 <= state.solved_at <= 500
    assert 200 <= pixels.solved_at <= 500
