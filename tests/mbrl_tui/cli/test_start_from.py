"""`mbrl train --start-from`: a new run that goes on from trained weights, for every algorithm."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.catalogue import find_checkpoint
from agents.runs.checkpoint import load_config, load_tensors, load_weights
from agents.runs.directory import RunDirectory
from agents.runs.export import export_checkpoint

Mbrl = Callable[..., Any]

I2A = "num_games=2 n_step=2 collect=40 model_updates=2 model_rows=4 from_agent= policy_steps=8"
DREAMER = "num_games=2 batch_size=2 batch_length=4 overshoot=0 learning_starts=8 pretrain=1 kl_warmup=0 dreams=4"
DREAMER += " ppo_batches=1 horizon=3 replay_ratio=2 from_agent= collect=0 replay_capacity=400"
SMALL = {
    "a2c": "num_games=2 n_step=2",
    "dqn": "num_games=2 batch_size=4 learning_starts=4 n_step=1 target_period=1000 epsilon_steps=100",
    "dreamer": DREAMER,
    "i2a": I2A,
    "planet": DREAMER + " plan_candidates=4 plan_elites=2 plan_iterations=1 plan_horizon=2",
    "pqn": "num_games=2 n_step=2 batches=1 epochs=1",
}
STILL = ["model_learning_rate", "actor_learning_rate", "critic_learning_rate"]


def sets(text: str) -> list[str]:
    return [word for setting in text.split() for word in ("--set", setting)]


def train(mbrl: Mbrl, *options: str) -> None:
    answer = mbrl("train", *options)
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("agent", SMALL)
def test_a_run_goes_on_from_the_weights_of_another_and_counts_its_steps(agent: str, mbrl: Mbrl, tmp_path: Path) -> None:
    train(mbrl, "breakout", "--agent", agent, "--run", "first", "--steps", "24", *sets(SMALL[agent]))
    first = find_checkpoint("first")
    # From what is handed about: half precision, and nothing but what acts.
    export_checkpoint(first.folder, tmp_path / "handed")
    shutil.rmtree(RunDirectory.open("first").path)
    rates = STILL if agent in ("dreamer", "planet") else ["learning_rate"]
    still = sets(" ".join(f"{rate}=0" for rate in rates))
    train(mbrl, "--start-from", str(tmp_path / "handed"), "--run", "second", "--steps", "36", *still)
    second = find_checkpoint("second")
    assert (first.step, second.step) == (24, 36)
    before, after = load_weights(tmp_path / "handed"), load_weights(second.folder)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.equal(after[name]), name
    lines = [line["step"] for line in RunDirectory.open("second").read_metrics()]
    assert all(24 < step <= 36 for step in lines)
    # Who resumes needs nothing but the run.
    shutil.rmtree(tmp_path / "handed")
    train(mbrl, "--resume", "second", "--steps", "40")
    assert find_checkpoint("second").step == 40


def test_what_was_set_counts_and_what_was_not_is_as_it_was(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"] + " discount=0.9"), "--sticky", "0.1")
    train(mbrl, "breakout", "--start-from", "first", "--run", "second", "--steps", "12", *sets("n_step=2"))
    first, second = (load_config(find_checkpoint(name).folder) for name in ("first", "second"))
    assert second["settings"] == first["settings"]
    assert second["algorithm"] == first["algorithm"] | {"n_step": 2, "steps": 12}


def test_exploration_goes_on_where_it_was(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "80", *sets(SMALL["dqn"]))
    train(mbrl, "--start-from", "first", "--run", "second", "--steps", "92", *sets("learning_starts=4"))
    epsilons = [line["epsilon"] for line in RunDirectory.open("second").read_metrics() if "epsilon" in line]
    assert epsilons
    assert max(epsilons) < 0.3  # 80 of 100 steps had been done


def test_the_targets_begin_as_the_network(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "24", *sets(SMALL["dqn"]))
    train(mbrl, "--start-from", "first", "--run", "second", "--steps", "32", *sets("learning_rate=0"))
    weights, training = (
        load_tensors(find_checkpoint("second").folder / f"{name}.safetensors") for name in ("weights", "training")
    )
    for name, tensor in weights.items():
        assert tensor.equal(training[f"target.{name}"]), name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start-from", "nobody"], "There is no agent, run or checkpoint folder called 'nobody'"),
        (["pong", "--start-from", "first"], "'first' plays breakout, not pong"),
        (["--start-from", "first", "--agent", "a2c"], "'first' was trained by dqn: leave out --agent a2c"),
        (["--start-from", "first"], "'first' has done 8 steps. Train on: mbrl train --start-from first --steps 16"),
        (["--start-from", "first", "--steps", "99", "--set", "dueling=true"], "do not fit"),
        (["--start-from", "first", "--steps", "99", "--model", "none"], "Only i2a has such parts"),
        (["--resume", "first", "--start-from", "first"], "With --resume, leave out --start-from"),
    ],
)
def test_what_cannot_be_started_is_told_in_one_line_and_leaves_no_trace(
    options: list[str], words: str, mbrl: Mbrl
) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"]))
    answer = mbrl("train", *options)
    assert answer.code == 1
    assert words in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert [run.path.name for run in RunDirectory.all()] == ["first"]
