"""The folder of one training run, and the folder of all of them.

<home>/runs/<name>/
    run.json        what is trained, and how (`RunConfig`); written once, but for the steps to reach and the device
    status.json     how it stands (`Status`); replaced every few seconds
    metrics.jsonl   one line every few seconds; append-only
    log.txt         what a detached trainer printed
    lock            held by the trainer for as long as it lives
    stop            there when somebody asked the trainer to save and end
    replay/         frames of the replay, shared by the checkpoints
    checkpoints/    step-000000123456/, the newest last
    pictures/       what an algorithm shows of itself now and then, as PNG; the newest `PICTURES_KEPT`
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import filelock
import platformdirs

from agents.errors import UserError
from agents.files import told_plainly, write_atomically
from agents.settings import from_json

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

PICTURES_KEPT = 200

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""A run's name: a folder anywhere, and no option of a command."""


@dataclass(frozen=True)
class RunConfig:
    """What is trained, and how; `algorithm` and `settings` are the fields of its config and of AtariSettings.

    CartPole has no settings: there they are empty. start_from: a checkpoint with whose weights the run begins, or "".
    """

    name: str
    game: str
    agent: str
    seed: int
    steps: int
    device: str
    settings: dict[str, Any]
    algorithm: dict[str, Any]
    created: float = field(default_factory=time.time)
    start_from: str = ""


@dataclass(frozen=True)
class Status:
    """How a run stands. state: starting, running, stopped, finished or failed; crashed is seen from outside."""

    state: str
    step: int = 0
    score: float | None = None
    steps_per_second: float = 0.0
    checkpoint_time: float | None = None
    trained_seconds: float = 0.0
    message: str = ""
    pid: int = 0


def home() -> Path:
    """Where runs are kept: MBRL_HOME, or the user's own data folder. Absolute: a detached trainer works elsewhere."""
    chosen = os.environ.get("MBRL_HOME") or platformdirs.user_data_dir("mbrl", appauthor=False)
    return Path(chosen).expanduser().absolute()


class RunDirectory:
    """Reads and writes one run's folder; writes are whole or not there."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.replay = path / "replay"
        self.pictures = path / "pictures"
        self.log = path / "log.txt"

    @classmethod
    def create(cls, config: RunConfig) -> RunDirectory:
        """Make the folder of a new run. Raises UserError where the name is taken or cannot be a folder."""
        if not re.fullmatch(NAME, config.name):
            raise UserError(f"'{config.name}' cannot name a run: use letters, digits, '.', '_' and '-'.")
        run = cls(home() / "runs" / config.name)
        if run.path.exists():
            raise _taken(config.name)
        # Made beside its place and renamed: a full disk or a crash leaves no half a run under this name.
        draft = cls(run.path.with_name(f".new-{config.name}-{os.getpid()}"))
        with told_plainly(run.path):
            try:
                for folder in (draft.path, draft.checkpoints, draft.replay):
                    folder.mkdir(parents=True)
                draft.write_config(config)
                draft.write_status(Status("starting"))
                os.rename(draft.path, run.path)
            except BaseException as error:
                shutil.rmtree(draft.path, ignore_errors=True)
                if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise _taken(config.name) from None  # by another process, this very moment
                raise
        return run

    @classmethod
    def open(cls, name: str) -> RunDirectory:
        """The run called `name`. Raises UserError where there is none."""
        run = cls(home() / "runs" / name)
        if not re.fullmatch(NAME, name) or not (run.path / "run.json").is_file():
            others = [other.path.name for other in cls.all()]
            shown = difflib.get_close_matches(name, others) or others[:5]
            hint = f"There is {', '.join(shown)}." if shown else "Start one: mbrl train breakout --agent dqn"
            raise UserError(f"There is no run called '{name}'. {hint}")
        return run

    @classmethod
    def all(cls) -> list[RunDirectory]:
        """Every run, the newest first."""
        found: list[tuple[float, RunDirectory]] = []
        for path in (home() / "runs").glob("[!.]*/run.json"):
            with contextlib.suppress(OSError):  # removed meanwhile
                found.append((path.parent.stat().st_mtime, cls(path.parent)))
        return [run for _, run in sorted(found, key=lambda pair: pair[0], reverse=True)]

    @staticmethod
    def free_name(game: str, agent: str) -> str:
        """`breakout-dqn-1`, or the next number that is free."""
        number = 1
        while (home() / "runs" / f"{game}-{agent}-{number}").exists():
            number += 1
        return f"{game}-{agent}-{number}"

    # -- what the trainer writes and others read ------------------------------------------------------------

    def read_config(self) -> RunConfig:
        return self._read_json("run.json", RunConfig)

    def write_config(self, config: RunConfig) -> None:
        write_atomically(self.path / "run.json", json.dumps(dataclasses.asdict(config), indent=2))

    def read_status(self) -> Status:
        """As the trainer last wrote it; `crashed` where it says that it runs, and no trainer holds the lock."""
        status = self._read_json("status.json", Status)
        if status.state in ("starting", "running") and not self.is_training():
            # A detached trainer takes its lock moments after its folder appears.
            young = time.time() - (self.path / "status.json").stat().st_mtime < 30
            if status.state == "running" or not young:
                return dataclasses.replace(status, state="crashed", steps_per_second=0.0)
        return status

    def write_status(self, status: Status) -> None:
        write_atomically(self.path / "status.json", json.dumps(dataclasses.asdict(status)))

    def _read_json(self, name: str, kind: type[T]) -> T:
        path = self.path / name
        try:
            return from_json(kind, json.loads(path.read_text()))
        except (OSError, ValueError, UserError) as error:
            reason = str(error).rstrip(".")
            raise UserError(
                f"{path} is damaged: {reason}. To be rid of it: mbrl runs remove {self.path.name}"
            ) from None

    def append_metrics(self, line: dict[str, Any]) -> None:
        with told_plainly(self.path), (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def begin_metrics(self, step: int) -> None:
        """Say that training goes on from `step`: what was written past it belongs to a lost stretch."""
        path = self.path / "metrics.jsonl"
        with told_plainly(path):
            torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
            if torn:
                with path.open("a") as file:
                    file.write("\n")
        self.append_metrics({"resumed_from": step, "time": time.time()})

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of the run as it went, without lost stretches and torn lines, the oldest first."""
        path = self.path / "metrics.jsonl"
        lines: list[dict[str, Any]] = []
        for text in path.read_text(errors="replace").splitlines() if path.exists() else ():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if not isinstance(line, dict):
                continue
            if "resumed_from" in line:
                lines = [kept for kept in lines if kept["step"] <= line["resumed_from"]]
            elif "step" in line:
                lines.append(line)
        return lines

    # -- one trainer at a time ------------------------------------------------------------------------------

    def lock(self) -> filelock.BaseFileLock:
        """Held by the trainer. The system lets go of it when the process dies, however it dies.

        Waited for a moment only: `is_training` holds it for less.
        """
        return filelock.FileLock(self.path / "lock", timeout=1)

    def is_training(self) -> bool:
        try:
            # Not at the first refusal: another process may be asking the same.
            with self.lock().acquire(timeout=0.1, poll_interval=0.02):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # a read-only folder: nobody can be training in it
            return False

    def ask_to_stop(self) -> None:
        with told_plainly(self.path):
            (self.path / "stop").touch()

    def asked_to_stop(self) -> bool:
        return (self.path / "stop").exists()

    def forget_stop(self) -> None:
        with told_plainly(self.path):
            (self.path / "stop").unlink(missing_ok=True)

    # -- checkpoints ----------------------------------------------------------------------------------------

    def checkpoint_folders(self) -> Iterator[Path]:
        """Finished checkpoints, the newest first."""
        yield from sorted(self.checkpoints.glob("step-*"), reverse=True)

    def last_checkpoint(self) -> tuple[int, float] | None:
        """The step of the newest checkpoint and the time of its saving; None where there is none."""
        for folder in self.checkpoint_folders():
            with contextlib.suppress(OSError, ValueError):
                return int(folder.name.split("-")[1]), folder.stat().st_mtime
        return None

    def save_picture(self, name: str, picture: np.ndarray) -> None:
        """Keep a picture (h, w, 3) uint8 as pictures/<name>.png; the oldest go where there are too many."""
        import cv2  # too heavy for those who only look at runs

        with told_plainly(self.pictures):
            self.pictures.mkdir(exist_ok=True)
            _, encoded = cv2.imencode(".png", picture[:, :, ::-1])
            write_atomically(self.pictures / f"{name}.png", encoded.tobytes())
            for path in sorted(self.pictures.glob("*.png"))[:-PICTURES_KEPT]:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the run, checkpoints and all. Raises UserError while it is being trained."""
        gone = self.path.with_name(f".removed-{self.path.name}")
        with told_plainly(self.path):
            shutil.rmtree(gone, ignore_errors=True)
            try:
                with self.lock():
                    os.rename(self.path, gone)  # at once, so that no half of it is ever seen
            except filelock.Timeout:
                raise being_trained(self) from None
            shutil.rmtree(gone)


def _taken(name: str) -> UserError:
    return UserError(f"There is a run called '{name}' already. Go on with it: mbrl train --resume {name}")


def being_trained(run: RunDirectory) -> UserError:
    """What to say where something cannot be done while `run` is trained."""
    return UserError(f"Run '{run.path.name}' is being trained. Stop it first: mbrl runs stop {run.path.name}")
