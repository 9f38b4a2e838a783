"""The command line in this process and in processes of their own, with a home of its own."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mbrl_tui.cli.main import main

TINY = {"num_games": 2, "batch_size": 8, "learning_starts": 20, "replay_capacity": 400, "replay_ratio": 1}
TINY_OPTIONS = [option for name, value in TINY.items() for option in ("--set", f"{name}={value}")]


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MBRL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def mbrl(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`mbrl` in this process."""

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def start_mbrl(home: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `mbrl` in a process of its own."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mbrl_tui.cli.main", *arguments],
            env=os.environ | {"MBRL_HOME": str(home), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell starts what goes on in the background, these tests for one, with Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with the run `tiny`, which `mbrl train` trained to its end, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setenv("MBRL_HOME", str(folder))
        assert main(["train", "breakout", "--run", "tiny", "--steps", "60", *TINY_OPTIONS]) == 0
    return folder, printed.getvalue()


@pytest.fixture
def trained_home(trained: tuple[Path, str]) -> Path:
    return trained[0]


@pytest.fixture
def training_output(trained: tuple[Path, str]) -> str:
    return trained[1]


@pytest.fixture
def tiny(home: Path, trained_home: Path) -> Path:
    """The folder of the run `tiny` in this test's home: a copy, to do with as one likes."""
    shutil.copytree(trained_home, home)
    return home / "runs" / "tiny"


@pytest.fixture
def shared_tiny(home: Path, trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the run `tiny`, which all tests share: to be looked at only."""
    monkeypatch.setenv("MBRL_HOME", str(trained_home))
    return trained_home / "runs" / "tiny"


@pytest.fixture
def tiny_options() -> list[str]:
    return list(TINY_OPTIONS)
