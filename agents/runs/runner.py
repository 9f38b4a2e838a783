"""Runs a trainer: logs, saves, stops. The trainer itself knows nothing of files."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import filelock

from agents.catalogue import build_trainer, start_trained
from agents.errors import UserError
from agents.files import told_plainly
from agents.interfaces import Trainer
from agents.records import Update
from agents.runs.checkpoint import restore_latest, save_checkpoint
from agents.runs.directory import RunDirectory, Status, being_trained

RECENT_GAMES = 100
"""Games over which a score is averaged."""
STOP_SECONDS = 0.25
"""Seconds between looks whether somebody asked to stop."""
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(frozen=True)
class Pace:
    """How often a run is written down, in seconds."""

    status: float = 2.0
    metrics: float = 10.0
    checkpoint: float = 300.0


def run_training(
    run: RunDirectory,
    pace: Pace | None = None,
    on_status: Callable[[Status, dict[str, float]], None] | None = None,
) -> Status:
    """Train until the run's steps are done or somebody asks to stop; gives the last status, saved.

    Begins at the newest checkpoint, where there is one, else at what the run starts from. SIGINT, SIGTERM, SIGHUP
    and the run's stop file end it after a save. on_status: called with the newest status and metrics every
    `pace.status` seconds, and once with the message "saving" before such an end.
    Raises UserError where the run is being trained already, or what it needs cannot be had; its status then
    says `failed`, and the last checkpoint stands.
    """
    with told_plainly(run.path):
        try:
            held = run.lock().acquire()
        except filelock.Timeout:
            raise being_trained(run) from None
    with held:
        run.forget_stop()
        with _stop_signals() as stopped:
            session = _Session(run, pace or Pace(), on_status or (lambda status, metrics: None))
            return session.train(lambda: stopped.is_set() or run.asked_to_stop())


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, a termination or the end of the terminal sets; a second Ctrl-C interrupts at once.

    A signal that is ignored (`nohup`) stays ignored.
    """
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        if stopped.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Session:
    """One stretch of training, from a checkpoint to a checkpoint."""

    def __init__(self, run: RunDirectory, pace: Pace, on_status: Callable[[Status, dict[str, float]], None]):
        self.run, self.pace, self.on_status = run, pace, on_status
        self.config = run.read_config()
        before = Status("starting")
        with contextlib.suppress(UserError):  # what it says is good to have, and no more
            before = run.read_status()
        self.trained_before, self.score_before = before.trained_seconds, before.score
        self.scores: deque[float] = deque(maxlen=RECENT_GAMES)
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.written: dict[str, float] = {}
        self.begin = self.rate_time = time.monotonic()
        self.rate_step = 0
        self.rate = 0.0

    def train(self, asked_to_stop: Callable[[], bool]) -> Status:
        trainer = None
        try:
            trainer = build_trainer(self.config)
            if restore_latest(self.run, trainer) is None and self.config.start_from:
                start_trained(trainer, self.config.start_from, self.config.game)
                save_checkpoint(self.run, trainer)  # from here on it needs nothing but itself
            self.run.begin_metrics(trainer.step)
            self.rate_step, self.rate_time = trainer.step, time.monotonic()
            self._report(trainer, "running")
            return self._loop(trainer, asked_to_stop)
        except (UserError, OSError, MemoryError, RuntimeError) as error:
            message = str(error) or type(error).__name__
            with contextlib.suppress(UserError):  # where the disk is full, the status cannot be written either
                self._report(trainer, "failed", message)
            if isinstance(error, UserError):
                raise
            raise UserError(f"Training failed: {message.splitlines()[0]}") from error

    def _loop(self, trainer: Trainer, asked_to_stop: Callable[[], bool]) -> Status:
        due = dict.fromkeys(("status", "stop", "metrics", "checkpoint"), time.monotonic())
        due["metrics"] += self.pace.metrics
        due["checkpoint"] += self.pace.checkpoint
        state = "finished"
        for update in trainer.train(self.config.steps):
            self._collect(update)
            if update.picture is not None:
                self.run.save_picture(f"{update.step:012d}-{update.updates:09d}", update.picture)
            now = time.monotonic()
            if now >= due["status"]:
                due["status"] = now + self.pace.status
                self._report(trainer, "running")
            if now >= due["stop"]:
                due["stop"] = now + STOP_SECONDS
                if asked_to_stop():
                    state = "stopped"
                    self._report(trainer, "running", "saving")
                    break
            if now >= due["metrics"]:
                due["metrics"] = now + self.pace.metrics
                self._write_metrics(trainer)
            if now >= due["checkpoint"]:
                save_checkpoint(self.run, trainer)
                due["checkpoint"] = time.monotonic() + self.pace.checkpoint
        self._write_metrics(trainer)
        save_checkpoint(self.run, trainer)
        return self._report(trainer, state)

    def _collect(self, update: Update) -> None:
        self.scores.extend(update.scores)
        for name, value in update.metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def _means(self) -> dict[str, float]:
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    @property
    def score(self) -> float | None:
        """Until a game has ended, what the last session left."""
        return sum(self.scores) / len(self.scores) if self.scores else self.score_before

    def _write_metrics(self, trainer: Trainer) -> None:
        line = {"step": trainer.step, "time": time.time(), "score": self.score, "steps_per_second": self.rate}
        self.run.append_metrics(line | self._means())
        self.written = self._means() or self.written
        self.sums, self.counts = {}, {}

    def _report(self, trainer: Trainer | None, state: str, message: str = "") -> Status:
        now = time.monotonic()
        step = trainer.step if trainer else self.run.read_status().step
        if trainer and now > self.rate_time and step > self.rate_step:
            rate = (step - self.rate_step) / (now - self.rate_time)
            # Smoothed over about ten reports, so that a person can read it.
            self.rate = rate if self.rate == 0 else 0.9 * self.rate + 0.1 * rate
            self.rate_time, self.rate_step = now, step
        saved = self.run.last_checkpoint()
        status = Status(
            state=state,
            step=step,
            score=self.score,
            steps_per_second=self.rate if state == "running" else 0.0,
            checkpoint_time=saved[1] if saved else None,
            trained_seconds=self.trained_before + now - self.begin,
            message=message,
            pid=os.getpid(),
        )
        self.run.write_status(status)
        self.on_status(status, self._means() or self.written)
        return status
