"""A home for runs of a test's own, and a run whose training takes no time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tape_trainer import TapeTrainer

from agents.runs import runner
from agents.runs.directory import RunConfig, RunDirectory


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the power may fail cannot be tested here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MBRL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def new_run(home: Path) -> Callable[..., RunDirectory]:
    """Makes a run called `name`."""

    def make(name: str = "mine", steps: int = 100) -> RunDirectory:
        return RunDirectory.create(RunConfig(name, "breakout", "dqn", 0, steps, "cpu", settings={}, algorithm={}))

    return make


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> list[TapeTrainer]:
    """What `run_training` trains in this test, in order: a `TapeTrainer` each time."""
    made: list[TapeTrainer] = []

    def build(config: RunConfig) -> TapeTrainer:
        made.append(TapeTrainer())
        return made[-1]

    monkeypatch.setattr(runner, "build_trainer", build)
    return made
