"""A run's folder: made whole or not at all, read whatever became of it."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import UserError
from agents.runs.directory import RunConfig, RunDirectory, Status, home

NewRun = Callable[..., RunDirectory]


def test_a_run_is_read_as_it_was_written(new_run: NewRun) -> None:
    run = new_run("mine", steps=7)
    run.write_status(Status("stopped", step=5, score=1.5))
    again = RunDirectory.open("mine")
    assert again.read_config().steps == 7
    assert again.read_status() == Status("stopped", step=5, score=1.5)


def test_home_is_where_the_user_says_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MBRL_HOME", "beside")
    assert home() == tmp_path / "beside"  # a detached trainer works in another folder
    monkeypatch.delenv("MBRL_HOME")
    assert home().is_absolute()
    assert home() != tmp_path / "beside"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "-x", "a b", "a\n", "x" * 65])
def test_a_name_that_is_no_plain_folder_is_refused(new_run: NewRun, home: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a run"):
        new_run(name)
    with pytest.raises(UserError, match="There is no run"):
        RunDirectory.open(name)
    assert not home.exists()


def test_a_name_is_taken_once(new_run: NewRun) -> None:
    run = new_run("mine", steps=7)
    with pytest.raises(UserError, match=r"already.*--resume mine"):
        new_run("mine", steps=9)
    assert run.read_config().steps == 7
    assert RunDirectory.free_name("breakout", "dqn") == "breakout-dqn-1"
    new_run("breakout-dqn-1")
    assert RunDirectory.free_name("breakout", "dqn") == "breakout-dqn-2"


def test_of_two_who_take_a_name_at_once_one_is_told(
    new_run: NewRun, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("mine", steps=7)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda path: False)  # as it was a moment ago
        with pytest.raises(UserError, match=r"already.*--resume mine"):
            new_run("mine", steps=9)
    assert run.read_config().steps == 7
    assert [path.name for path in (home / "runs").iterdir()] == ["mine"]


def test_a_run_that_is_not_there_is_told_with_those_that_are(new_run: NewRun) -> None:
    with pytest.raises(UserError, match="mbrl train"):
        RunDirectory.open("mien")
    new_run("mine")
    with pytest.raises(UserError, match=r"'mien'.*mine"):
        RunDirectory.open("mien")


def test_a_full_disk_leaves_no_half_a_run(new_run: NewRun, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"No space left.*Free some space"):
            new_run("mine")
    assert list((home / "runs").iterdir()) == []
    assert new_run("mine").read_status().state == "starting"


def test_all_runs_are_listed_the_newest_first(new_run: NewRun, home: Path) -> None:
    assert RunDirectory.all() == []
    for age, name in enumerate(["new", "old", "older"]):
        os.utime(new_run(name).path, (time.time() - age, time.time() - age))
    (home / "runs" / "no-run").mkdir()
    (home / "runs" / ".new-half-made-1").mkdir()
    (home / "runs" / ".new-half-made-1" / "run.json").write_text("{}")
    assert [run.path.name for run in RunDirectory.all()] == ["new", "old", "older"]


def test_one_trainer_holds_the_lock_and_everybody_sees_it(new_run: NewRun) -> None:
    run = new_run()
    assert not run.is_training()
    with run.lock():
        assert run.is_training()
        assert RunDirectory.open("mine").is_training()
    assert not run.is_training()


def test_a_run_that_says_it_runs_and_does_not_has_crashed(new_run: NewRun) -> None:
    run = new_run()
    run.write_status(Status("running", step=5, steps_per_second=9.0))
    with run.lock():
        assert run.read_status().state == "running"
    assert run.read_status() == Status("crashed", step=5, steps_per_second=0.0)
    run.write_status(Status("starting"))
    assert run.read_status().state == "starting"  # its trainer takes the lock in a moment
    long_ago = time.time() - 60
    os.utime(run.path / "status.json", (long_ago, long_ago))
    assert run.read_status().state == "crashed"


def test_a_run_is_removed_but_not_while_it_is_trained(new_run: NewRun, home: Path) -> None:
    run = new_run()
    with run.lock(), pytest.raises(UserError, match="Stop it first: mbrl runs stop mine"):
        run.remove()
    assert RunDirectory.open("mine").read_config().name == "mine"
    run.remove()
    assert list((home / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "{}", '{"state": 3}', '{"state": "x", "unknown": 1}', "\xff\xfe"]
)
def test_a_damaged_file_is_told_in_one_line(new_run: NewRun, content: str) -> None:
    run = new_run()
    (run.path / "status.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"status.json is damaged.*mbrl runs remove mine") as caught:
        run.read_status()
    assert "\n" not in str(caught.value)


def test_the_stop_request_is_kept_until_it_is_forgotten(new_run: NewRun) -> None:
    run = new_run()
    assert not run.asked_to_stop()
    run.ask_to_stop()
    assert RunDirectory.open("mine").asked_to_stop()
    run.forget_stop()
    run.forget_stop()
    assert not run.asked_to_stop()


def test_the_newest_checkpoint_is_the_one_with_most_steps(new_run: NewRun) -> None:
    run = new_run()
    assert run.last_checkpoint() is None
    for name in ("step-000000000020", "step-000000000100", ".step-000000000200", "damaged-step-000000000300"):
        (run.checkpoints / name).mkdir()
    checkpoint = run.last_checkpoint()
    assert checkpoint is not None
    assert checkpoint[0] == 100
    assert [folder.name for folder in run.checkpoint_folders()] == ["step-000000000100", "step-000000000020"]


# A run writes metrics at rising steps. Now and then it dies, with or without half a line, and goes on from a
# checkpoint at an earlier step.
events = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(1, 50)),
        st.tuples(st.just("die"), st.floats(0, 1)),
        st.tuples(st.just("die torn"), st.floats(0, 1)),
    ),
    max_size=30,
)


@given(events)
@settings(max_examples=30, deadline=None)
def test_metrics_are_the_run_as_it_went(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, float]]
) -> None:
    run = RunDirectory(tmp_path_factory.mktemp("run"))
    run.begin_metrics(0)
    step, lived = 0, []
    for event, amount in events:
        if event == "log":
            step += int(amount)
            run.append_metrics({"step": step, "loss": 0.5})
            lived.append(step)
            continue
        if event == "die torn":
            with (run.path / "metrics.jsonl").open("a") as file:
                file.write(json.dumps({"step": step + 1, "loss": 0.5})[: int(amount * 20)])
        step = int(step * amount)
        lived = [kept for kept in lived if kept <= step]
        run.begin_metrics(step)
    assert [line["step"] for line in run.read_metrics()] == lived


def test_metrics_survive_rubbish(new_run: NewRun) -> None:
    run = new_run()
    assert run.read_metrics() == []
    run.append_metrics({"step": 1})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(b'\x00\x00\xff\n17\n[]\n"x"\n{}\n')
    run.begin_metrics(1)
    run.append_metrics({"step": 2})
    assert [line["step"] for line in run.read_metrics()] == [1, 2]


def test_the_config_of_another_version_is_refused(new_run: NewRun) -> None:
    run = new_run()
    config = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(config | {"later": 1}))
    with pytest.raises(UserError, match="'later' is unknown"):
        run.read_config()


def test_a_config_keeps_every_field(new_run: NewRun) -> None:
    config = RunConfig("mine", "pong", "dqn", 3, 9, "cuda", {"sticky": 0.25}, {"n_step": 3}, created=12.5)
    assert RunDirectory.create(config).read_config() == config


def test_removing_survives_an_earlier_removal_that_was_cut_short(new_run: NewRun, home: Path) -> None:
    (home / "runs" / ".removed-mine").mkdir(parents=True)
    (home / "runs" / ".removed-mine" / "left").write_text("")
    new_run().remove()
    assert list((home / "runs").iterdir()) == []


def test_pictures_are_kept_until_there_are_too_many(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.runs.directory.PICTURES_KEPT", 3)
    run = new_run("mine")
    for step in range(5):
        picture = np.zeros((4, 6, 3), np.uint8)
        picture[:, :, 0] = 50 * step  # red
        run.save_picture(f"{step:04d}", picture)
    assert sorted(path.name for path in run.pictures.iterdir()) == ["0002.png", "0003.png", "0004.png"]
    read = cv2.imread(str(run.pictures / "0004.png"))
    assert read.shape == (4, 6, 3)
    assert (read == (0, 0, 200)).all()  # OpenCV reads blue first
