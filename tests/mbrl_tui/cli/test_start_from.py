"""`mbrl train --start-from`: a new run that goes on from trained weights, for every algorithm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.catalogue import find_checkpoint
from agents.dqn.train import DQNTrainer
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


def test_who_was_killed_at_once_needs_nothing_of_what_it_started_from(
    mbrl: Mbrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"]))
    weights = load_weights(find_checkpoint("first").folder)

    def fail(trainer: DQNTrainer, total_steps: int) -> None:
        raise MemoryError("no more of it")

    with monkeypatch.context() as patch:
        patch.setattr(DQNTrainer, "train", fail)
        assert mbrl("train", "--start-from", "first", "--run", "second", "--steps", "12").code == 1
    shutil.rmtree(RunDirectory.open("first").path)
    second = find_checkpoint("second")
    assert second.step == 8
    for name, tensor in load_weights(second.folder).items():
        assert tensor.equal(weights[name])
    assert mbrl("train", "--resume", "second", "--steps", "8").code == 1  # they were done before
    train(mbrl, "--resume", "second")
    assert find_checkpoint("second").step == 12


def test_a_replay_fills_before_anything_is_learnt_from_it(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "40", *sets(SMALL["dqn"]))
    starts = ["--start-from", "first", "--run", "second", "--steps", "80", *sets("learning_starts=30 replay_ratio=1")]
    train(mbrl, *starts)
    counters = json.loads((find_checkpoint("second").folder / "training.json").read_text())["counters"]
    assert counters["updates"] == (80 - 40 - 30 + 2) * 1 // 4


def test_learning_starts_no_sooner_than_it_is_told_however_small_the_replay(mbrl: Mbrl) -> None:
    small = sets(SMALL["dqn"].replace("learning_starts=4", "learning_starts=100 replay_capacity=66"))
    train(mbrl, "breakout", "--run", "first", "--steps", "98", *small)
    counters = json.loads((find_checkpoint("first").folder / "training.json").read_text())["counters"]
    assert counters["updates"] == 0


def test_a_dreamer_is_as_far_as_its_steps_say_and_its_slow_critic_as_its_critic(mbrl: Mbrl, tmp_path: Path) -> None:
    # No update in so few steps.
    options = sets(DREAMER.replace("replay_ratio=2", "replay_ratio=0.01").replace("pretrain=1", "pretrain=7"))
    train(mbrl, "breakout", "--agent", "dreamer", "--run", "first", "--steps", "24", *options)
    changes = sets("replay_ratio=2 target_period=1000 learning_starts=8")
    train(mbrl, "--start-from", "first", "--run", "second", "--steps", "26", *changes)
    folder = find_checkpoint("second").folder
    # (24 − 8) steps × 2 samples a step, 2 × 4 samples an update, after those that came before any step.
    assert json.loads((folder / "training.json").read_text())["counters"]["updates"] == 7 + 4
    training, weights = load_tensors(folder / "training.safetensors"), load_weights(folder)
    slow = {name: tensor for name, tensor in training.items() if name.startswith("target.")}
    assert slow
    for name, tensor in slow.items():
        assert tensor.equal(weights[f"behaviour.critic.{name.removeprefix('target.')}"]), name


def test_an_agent_of_cartpole_and_a_reader_of_other_weights_go_on_too(mbrl: Mbrl, tmp_path: Path) -> None:
    small = sets("num_games=2 batch_size=4 learning_starts=4 n_step=1")
    train(mbrl, "cartpole", "--run", "pole", "--steps", "8", *small)
    train(mbrl, "--start-from", "pole", "--run", "on", "--steps", "16")
    assert find_checkpoint("on").step == 16
    train(mbrl, "breakout", "--agent", "dreamer", "--run", "dreamt", "--steps", "8", *sets(DREAMER))
    plans = sets("plan_candidates=4 plan_elites=2 plan_iterations=1 plan_horizon=2")
    train(mbrl, "--start-from", "planet:dreamt", "--run", "planned", "--steps", "12", *plans)
    assert find_checkpoint("planned").agent == "planet"


def test_a_path_is_found_from_wherever_the_trainer_works(
    mbrl: Mbrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"]))
    export_checkpoint(find_checkpoint("first").folder, tmp_path / "handed")
    monkeypatch.chdir(tmp_path)
    for named in ("handed", "./handed/weights.safetensors", "dqn:handed/config.json"):
        lasting = find_checkpoint(named).lasting_name
        monkeypatch.chdir("/")
        assert find_checkpoint(lasting).folder == tmp_path / "handed"
        monkeypatch.chdir(tmp_path)


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


MISTAKES: list[tuple[list[str], str]] = [
    (["--start-from", "nobody"], "There is no agent, run or checkpoint folder called 'nobody'"),
    (["pong", "--start-from", "first"], "'first' plays breakout, not pong"),
    (["--start-from", "first", "--agent", "a2c"], "'first' is an agent of dqn: leave out --agent a2c"),
    (["--start-from", "first"], "has done 8 steps. Train on: mbrl train breakout --start-from first --steps 16"),
    (["--start-from", "first", "--steps", "99", "--set", "dueling=true"], "does not fit these settings: leave out"),
    (["--start-from", "first", "--steps", "99", "--model", "none"], "'first' has all its parts: leave out --model"),
    (["--resume", "first", "--start-from", "first"], "With --resume, leave out --start-from"),
    (["breakout", "--start-from", "a2c"], "Train on: mbrl train breakout --start-from a2c --steps 6000"),
    (["--start-from", "breakout-dreamer", "--agent", "planet"], "give --start-from planet:breakout-dreamer"),
    (["--start-from", "breakout-dreamer", "--set", "from_agent=gone"], "from the games of 'gone'. There is no agent"),
]


def test_what_cannot_be_started_is_told_in_one_line_and_leaves_no_trace(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"]))
    for options, words in MISTAKES:
        answer = mbrl("train", *options)
        assert answer.code == 1
        assert words in answer.err
        assert len(answer.err.strip().splitlines()) == 1
    assert [run.path.name for run in RunDirectory.all()] == ["first"]


@pytest.mark.parametrize(
    "change", ["rollout_policy=first", "policy_steps=20", "model_updates=0", "collect=400", "collect_per_update=9"]
)
def test_an_i2a_has_its_first_stages_behind_it(change: str, mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--agent", "i2a", "--run", "first", "--steps", "12", *sets(SMALL["i2a"]))
    answer = mbrl("train", "--start-from", "first", "--steps", "24", "--set", change)
    assert answer.code == 1
    assert f"{change.partition('=')[0]} is settled once training has begun" in answer.err


def test_who_has_not_begun_is_no_start(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"]))
    folder = find_checkpoint("first").folder
    config = json.loads((folder / "config.json").read_text())
    for step, words in ((0, "has done no steps yet"), (None, "does not say how many steps were done"), ("8", "steps")):
        (folder / "config.json").write_text(json.dumps(config | {"step": step}))
        answer = mbrl("train", "--start-from", "first", "--run", "second", "--steps", "24")
        assert answer.code == 1
        assert words in answer.err


def test_the_settings_of_what_goes_on_are_listed_and_shown(mbrl: Mbrl) -> None:
    train(mbrl, "breakout", "--run", "first", "--steps", "8", *sets(SMALL["dqn"] + " discount=0.75"))
    assert "0.75" in mbrl("train", "--settings", "--start-from", "first").out
    train(mbrl, "--start-from", "first", "--run", "second", "--steps", "12")
    assert "started from" in mbrl("runs", "show", "second").out
