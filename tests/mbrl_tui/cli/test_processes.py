"""Trainings as real processes: Ctrl-C, `--detach`, and what others see and do meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.runs.directory import RunDirectory

Mbrl = Callable[..., Any]
StartMbrl = Callable[..., "subprocess.Popen[str]"]


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def trains_past(name: str, step: int) -> bool:
    runs = {run.path.name: run for run in RunDirectory.all()}
    return name in runs and runs[name].read_status().step >= step


def test_ctrl_c_saves_and_resume_reaches_the_total(
    mbrl: Mbrl, start_mbrl: StartMbrl, home: Path, tiny_options: list[str]
) -> None:
    process = start_mbrl("train", "breakout", "--run", "mine", "--seed", "3", "--sticky", "0.25", *tiny_options)
    wait_until(lambda: trains_past("mine", 40))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    run = RunDirectory.open("mine")
    status = run.read_status()
    assert status.state == "stopped"
    assert run.last_checkpoint()[0] == status.step  # type: ignore[index]
    assert out.endswith(f"Saved and stopped at step {status.step:,}. Go on: mbrl train --resume mine\n")

    total = status.step + 30
    answer = mbrl("train", "--resume", "mine", "--steps", str(total))
    assert answer.code == 0
    assert f"Finished at step {total:,}" in answer.out
    config = run.read_config()
    assert (config.game, config.agent, config.seed, config.steps) == ("breakout", "dqn", 3, total)
    assert config.settings["sticky"] == 0.25
    steps = [line["step"] for line in run.read_metrics()]
    assert steps == sorted(steps)
    assert steps[-1] == total


def test_a_detached_run_outlives_its_parent_and_is_stopped_by_name(
    mbrl: Mbrl, start_mbrl: StartMbrl, home: Path, tiny_options: list[str]
) -> None:
    parent = start_mbrl("train", "breakout", "--detach", *tiny_options)
    out, err = parent.communicate(timeout=120)
    assert (parent.returncode, err) == (0, "")
    assert "mbrl runs show breakout-dqn-1" in out
    assert "mbrl runs stop breakout-dqn-1" in out
    run = RunDirectory.open("breakout-dqn-1")
    wait_until(lambda: run.read_status().step > 0)
    pid = run.read_status().pid
    try:
        assert pid != parent.pid
        assert os.getsid(pid) == pid  # a session of its own: the terminal's end does not reach it
        (seen,) = json.loads(mbrl("runs", "list", "--json").out)
        assert (seen["name"], seen["state"]) == ("breakout-dqn-1", "running")

        for again in (("train", "--resume", "breakout-dqn-1"), ("train", "--resume", "breakout-dqn-1", "--detach")):
            answer = mbrl(*again)
            assert answer.code == 1
            assert answer.err == (
                "mbrl: Run 'breakout-dqn-1' is being trained. Stop it first: mbrl runs stop breakout-dqn-1\n"
            )
        refused = mbrl("runs", "remove", "breakout-dqn-1", "--yes")
        assert (refused.code, run.read_status().state) == (1, "running")

        stopped = mbrl("runs", "stop", "breakout-dqn-1")
    finally:
        if run.is_training():
            os.kill(pid, signal.SIGKILL)
    status = run.read_status()
    assert stopped.code == 0
    assert status.state == "stopped"
    assert run.last_checkpoint()[0] == status.step  # type: ignore[index]
    assert f"stopped at step {status.step:,}" in stopped.out
    assert run.log.read_text() == f"stopped at step {status.step:,}\n"


def test_a_detached_run_that_fails_at_once_says_why(
    mbrl: Mbrl, home: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in RunDirectory(tiny).checkpoint_folders():
        (folder / "weights.safetensors").write_bytes(b"")
    answer = mbrl("train", "--resume", "tiny", "--steps", "100", "--detach")
    assert answer.code == 1
    assert "No checkpoint of tiny can be read" in answer.err
    assert str(tiny / "log.txt") in answer.err
    assert answer.err.count("\n") == 1
    assert RunDirectory(tiny).read_status().state == "failed"
