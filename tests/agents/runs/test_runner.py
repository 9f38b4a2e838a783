"""The runner: logs, saves, stops, and goes on; one trainer to a run."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator

import filelock
import pytest
from tape_trainer import TapeTrainer

from agents.errors import TrainingDiverged, UserError
from agents.records import Update
from agents.runs.directory import RunConfig, RunDirectory, Status
from agents.runs.runner import STOP_SIGNALS, Pace, run_training

NewRun = Callable[..., RunDirectory]
OFTEN = Pace(status=0, metrics=0, checkpoint=1_000)


def test_a_run_ends_saved_and_finished(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=100)
    told: list[tuple[Status, dict[str, float]]] = []
    status = run_training(run, OFTEN, lambda status, metrics: told.append((status, metrics)))
    assert status == run.read_status()
    assert (status.state, status.step, status.pid) == ("finished", 100, os.getpid())
    assert run.last_checkpoint() is not None
    assert run.last_checkpoint()[0] == 100  # type: ignore[index]
    assert status.checkpoint_time == run.last_checkpoint()[1]  # type: ignore[index]
    steps = [line["step"] for line in run.read_metrics()]
    assert steps == sorted(steps)
    assert steps[-1] == 100
    assert told[0][0].state == "running"
    assert told[0][0].step == 0
    assert told[1][1] == {"loss": 0.5}
    assert told[-1] == (status, {"loss": 1 / 100})


def test_the_score_is_the_mean_of_the_last_100_games(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    status = run_training(new_run(steps=400))
    # A game of score n ends at every even step n; of 2, 4, … 400 the last hundred are 202 … 400.
    assert status.score == pytest.approx(301)


def test_metrics_are_means_since_the_last_line(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=8)
    run_training(run, Pace(status=0, metrics=1_000, checkpoint=1_000))
    (line,) = run.read_metrics()
    assert line["loss"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 6 + 1 / 8) / 4)
    assert line["score"] == pytest.approx(5)
    run.write_config(with_steps(run, 12))
    run_training(run)
    assert run.read_metrics()[-1]["loss"] == pytest.approx((1 / 10 + 1 / 12) / 2)


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Tests that were begun in the background, or under nohup, ignore some signals; training would rightly too."""
    at_start = {number: signal.signal(number, signal.default_int_handler) for number in STOP_SIGNALS}
    yield
    for number, handler in at_start.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_after_a_save_and_it_goes_on_from_there(
    new_run: NewRun, tape: list[TapeTrainer], number: signal.Signals
) -> None:
    run = new_run(steps=10**9)
    messages: list[str] = []
    sent: list[int] = []

    def interrupt(status: Status, metrics: dict[str, float]) -> None:
        messages.append(status.message)
        if status.step >= 40 and not sent:
            sent.append(status.step)
            signal.raise_signal(number)

    before = signal.getsignal(number)
    status = run_training(run, OFTEN, interrupt)
    assert signal.getsignal(number) is before
    assert status.state == "stopped"
    assert "saving" in messages
    assert run.last_checkpoint()[0] == status.step  # type: ignore[index]

    total = status.step + 100
    run.write_config(with_steps(run, total))
    assert run_training(run, OFTEN).step == total
    tape[-1].assert_whole()
    assert len(tape[-1].stretches) == 2


def with_steps(run: RunDirectory, steps: int) -> RunConfig:
    return dataclasses.replace(run.read_config(), steps=steps)


def test_a_second_ctrl_c_does_not_wait(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=10**9)

    def interrupt(status: Status, metrics: dict[str, float]) -> None:
        if status.step >= 40:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_training(run, OFTEN, interrupt)
    assert run.read_status().state == "crashed"
    assert run.last_checkpoint() is None


def test_a_signal_that_is_ignored_stays_ignored(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=100)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        status = run_training(run, OFTEN, lambda status, metrics: signal.raise_signal(signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert status.state == "finished"


def test_somebody_else_can_ask_it_to_stop(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=10**9)
    run.ask_to_stop()  # long ago, of a trainer that died: forgotten
    asked = itertools.count()

    def ask(status: Status, metrics: dict[str, float]) -> None:
        assert next(asked) or not run.asked_to_stop()
        RunDirectory.open("mine").ask_to_stop()

    assert run_training(run, OFTEN, ask).state == "stopped"


def test_checkpoints_come_in_time(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=10)
    seen: set[int] = set()

    def look(status: Status, metrics: dict[str, float]) -> None:
        seen.update([run.last_checkpoint()[0]] if run.last_checkpoint() else [])  # type: ignore[index]

    run_training(run, Pace(status=0, metrics=1_000, checkpoint=0), look)
    assert seen == {2, 4, 6, 8, 10}


def test_two_trainers_of_one_run_are_refused(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run()
    with run.lock(), pytest.raises(UserError, match="is being trained"):
        run_training(run)
    assert tape == []
    assert run.read_status().state == "starting"


def test_a_folder_in_which_nothing_can_be_locked_is_told(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run()
    (run.path / "lock").mkdir()
    with pytest.raises(UserError, match=r"Cannot write .*mine: "):
        run_training(run)
    assert tape == []


def test_looking_at_a_run_does_not_keep_its_trainer_out(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=20)
    look = filelock.FileLock(run.path / "lock", thread_local=False)
    look.acquire()  # as `is_training` does, for an instant
    threading.Timer(0.2, look.release).start()
    assert run_training(run).state == "finished"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TrainingDiverged("At step 20 the loss was not finite."), "At step 20 the loss was not finite."),
        (MemoryError(), "Training failed: MemoryError"),
        (RuntimeError("out of memory\nand a long story"), "Training failed: out of memory"),
        (OSError(5, "Input/output error"), r"Training failed: \[Errno 5\] Input/output error"),
    ],
)
def test_a_failure_is_told_and_the_last_checkpoint_stands(
    new_run: NewRun, tape: list[TapeTrainer], monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    run = new_run(steps=20)
    run_training(run)
    run.write_config(with_steps(run, 100))
    train = TapeTrainer.train

    def fail(self: TapeTrainer, total_steps: int) -> Iterator[Update]:
        yield from itertools.islice(train(self, total_steps), 3)
        raise error

    monkeypatch.setattr(TapeTrainer, "train", fail)
    with pytest.raises(UserError, match=f"^{message}$"):
        run_training(run)
    status = run.read_status()
    assert (status.state, status.step) == ("failed", 26)
    assert status.message
    assert run.last_checkpoint()[0] == 20  # type: ignore[index]
    assert not run.is_training()


def test_a_bug_is_not_dressed_up(new_run: NewRun, tape: list[TapeTrainer], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: TapeTrainer, total_steps: int) -> Iterator[Update]:
        raise IndexError("a bug")
        yield

    monkeypatch.setattr(TapeTrainer, "train", broken)
    with pytest.raises(IndexError):
        run_training(new_run())


def test_what_was_known_before_is_shown_until_games_end_again(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=20)
    before = run_training(run)
    run.write_config(with_steps(run, 40))
    told: list[Status] = []
    after = run_training(run, OFTEN, lambda status, metrics: told.append(status))
    assert told[0].score == before.score
    assert after.score == pytest.approx(31)  # of 22, 24, … 40
    assert after.trained_seconds > before.trained_seconds


def test_speed_is_that_of_training_not_of_making_ready(new_run: NewRun, tape: list[TapeTrainer]) -> None:
    run = new_run(steps=60)
    run_training(run, OFTEN)
    speeds = [line["steps_per_second"] for line in run.read_metrics()]
    assert all(speed > 0 for speed in speeds)
    assert run.read_status().steps_per_second == 0  # it no longer runs
