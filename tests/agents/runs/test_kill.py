"""`kill -9` at any moment: nothing is torn, and training goes on from the last checkpoint."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from tape_trainer import TapeTrainer

from agents.dqn.config import DQNConfig
from agents.envs.settings import AtariSettings
from agents.runs import runner
from agents.runs.checkpoint import load_tensors, restore_latest
from agents.runs.directory import RunConfig, RunDirectory
from agents.runs.runner import Pace, run_training

# A server that has imported PyTorch already and forks: a process then costs a tenth of a second, not three.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["agents.runs.runner", "agents.dqn.train", "agents.envs.atari", "tape_trainer"])

WRITES = ((os, "replace"), (os, "rename"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (shutil, "rmtree"))
"""Every call that changes what is on the disk, but for writing into files that have no name yet."""

TINY = {"num_games": 2, "batch_size": 8, "learning_starts": 20, "replay_capacity": 200, "replay_ratio": 4.0}


def die_at_write(number: int) -> None:
    """Kill this process just before its `number`th call that changes the disk."""
    do_not_wait_for_the_disk()
    left = number

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    for module, name in WRITES:
        setattr(module, name, deadly(getattr(module, name)))


def do_not_wait_for_the_disk() -> None:
    os.fsync = lambda descriptor: None


def train_until_write(home: str, number: int) -> None:
    os.environ["MBRL_HOME"] = home
    runner.build_trainer = lambda config: TapeTrainer()
    die_at_write(number)
    run_training(RunDirectory.open("mine"), Pace(status=0, metrics=0, checkpoint=0))


def train_for_ever(home: str) -> None:
    do_not_wait_for_the_disk()
    os.environ["MBRL_HOME"] = home
    run_training(RunDirectory.open("mine"), Pace(status=0.02, metrics=0.02, checkpoint=0.2))


def start(target: Callable[..., None], *arguments: Any) -> multiprocessing.process.BaseProcess:
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def assert_nothing_is_torn(run: RunDirectory) -> None:
    assert run.read_status().state == "crashed"
    run.read_config()
    steps = [line["step"] for line in run.read_metrics()]
    assert steps == sorted(steps)
    for folder in run.checkpoint_folders():
        load_tensors(folder / "weights.safetensors")
        load_tensors(folder / "training.safetensors")
        for name in json.loads((folder / "training.json").read_text())["replay_files"]:
            assert (run.replay / name).is_file()
        json.loads((folder / "config.json").read_text())


def newest(run: RunDirectory) -> int:
    checkpoint = run.last_checkpoint()
    return checkpoint[0] if checkpoint else 0


def test_killed_before_any_write_of_a_checkpoint(home: Path, new_run: Callable[..., RunDirectory]) -> None:
    run = new_run(steps=10**9)
    step = 0
    # A checkpoint is about 25 writes. Each process begins where the last one left off, so the places differ.
    for number in [*range(1, 45, 3), 67]:
        process = start(train_until_write, str(home), number)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, f"not killed at write {number}"
        if run.read_status().state != "starting":  # it came as far as saying that it runs
            assert_nothing_is_torn(run)
        assert newest(run) >= step
        step = newest(run)
        trainer = TapeTrainer()
        restore_latest(run, trainer)
        trainer.assert_whole()
        assert trainer.step == step
    assert step > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_dqn_killed_at_a_random_moment_goes_on(home: Path, seed: int) -> None:
    algorithm = asdict(DQNConfig(**TINY))
    config = RunConfig("mine", "breakout", "dqn", seed, 10**9, "cpu", asdict(AtariSettings()), algorithm)
    run = RunDirectory.create(config)
    process = start(train_for_ever, str(home))
    deadline = time.monotonic() + 120
    while not run.last_checkpoint():
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.02)
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.kill()
    process.join(120)

    assert_nothing_is_torn(run)
    step = newest(run)
    lost = run.read_status().step - step
    run.write_config(replace(config, steps=step + 40))
    status = run_training(run)
    assert (status.state, status.step) == ("finished", step + 40)
    assert newest(run) == step + 40
    steps = [line["step"] for line in run.read_metrics()]
    assert steps == sorted(steps)
    assert lost < 2_000  # steps of a fifth of a second
