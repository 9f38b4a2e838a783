"""Checkpoints: whole or not there, complete, and none the worse for what happened before."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tape_trainer import GAMES, TapeTrainer

from agents.errors import UserError
from agents.runs.checkpoint import (
    check_tensors,
    load_config,
    load_tensors,
    restore_latest,
    save_checkpoint,
    save_tensors,
)
from agents.runs.directory import RunDirectory

NewRun = Callable[..., RunDirectory]


def advance(trainer: TapeTrainer, steps: int) -> None:
    for _ in trainer.train(trainer.step + steps):
        pass


def saved(run: RunDirectory, *steps: int) -> TapeTrainer:
    """A trainer that saved a checkpoint after each of these numbers of steps."""
    trainer = TapeTrainer()
    for target in steps:
        advance(trainer, target - trainer.step)
        save_checkpoint(run, trainer)
    return trainer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def limited() -> Iterator[None]:
    """Files longer than 10 kB cannot be written, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Fewer rows than the replay holds, exactly as many, and more: the oldest are overwritten.
@pytest.mark.parametrize("steps", [0, 20, 120, 122, 350])
def test_a_trainer_comes_back_as_it_was(new_run: NewRun, steps: int) -> None:
    run = new_run()
    trainer = saved(run, steps)
    again = TapeTrainer()
    assert restore_latest(run, again) == run.checkpoints / f"step-{steps:012d}"
    again.assert_whole()
    assert (again.step, again.stretches) == (steps, trainer.stretches)


def test_without_a_checkpoint_there_is_nothing_to_restore(new_run: NewRun) -> None:
    trainer = TapeTrainer()
    assert restore_latest(new_run(), trainer) is None
    assert trainer.step == 0


def test_two_checkpoints_are_kept_with_their_frames_and_no_others(new_run: NewRun) -> None:
    run = new_run()
    saved(run, 40, 200, 300, 330)
    assert names(run.checkpoints) == ["step-000000000300", "step-000000000330"]
    needed = set()
    for folder in run.checkpoint_folders():
        needed.update(json.loads((folder / "training.json").read_text())["replay_files"])
    assert set(names(run.replay)) == needed


def test_saving_at_the_same_step_leaves_the_checkpoint_that_stands(new_run: NewRun) -> None:
    run = new_run()
    trainer = saved(run, 40)
    before = (run.checkpoints / "step-000000000040" / "weights.safetensors").stat().st_ino
    save_checkpoint(run, trainer)
    assert (run.checkpoints / "step-000000000040" / "weights.safetensors").stat().st_ino == before


def test_what_is_learnt_without_a_step_is_saved_too(new_run: NewRun) -> None:
    """A trainer that reads what others have played, and has yet to begin itself."""
    run, trainer = new_run(), TapeTrainer()
    for lesson in range(1, 12):
        trainer.stretches = [(0, lesson)]
        save_checkpoint(run, trainer)
        save_checkpoint(run, trainer)  # it has not moved since
    assert names(run.checkpoints) == ["step-000000000000-000000009", "step-000000000000-000000010"]
    again = TapeTrainer()
    restore_latest(run, again)
    assert again.stretches == [(0, 11)]
    assert run.last_checkpoint() is not None
    assert run.last_checkpoint()[0] == 0


@pytest.mark.parametrize(
    "file", ["weights.safetensors", "training.safetensors", "training.json", "frames"], ids=lambda file: file
)
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "other"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(new_run: NewRun, file: str, damage: str) -> None:
    run = new_run()
    saved(run, 40, 80)
    newest = run.checkpoints / "step-000000000080"
    path = newest / file
    if file == "frames":  # that only the newest needs
        files = [
            json.loads((folder / "training.json").read_text())["replay_files"] for folder in run.checkpoint_folders()
        ]
        path = run.replay / next(name for name in files[0] if name not in files[1])
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "other": b"[1]"}[damage])

    trainer = TapeTrainer()
    assert restore_latest(run, trainer) == run.checkpoints / "step-000000000040"
    trainer.assert_whole()
    # The damaged one stands in nobody's way, and what comes next can be saved and restored.
    assert names(run.checkpoints) == ["damaged-step-000000000080", "step-000000000040"]
    advance(trainer, 60)
    save_checkpoint(run, trainer)
    again = TapeTrainer()
    restore_latest(run, again)
    again.assert_whole()
    assert again.step == 100


def test_where_all_are_damaged_nothing_is_touched(new_run: NewRun) -> None:
    run = new_run()
    saved(run, 40, 80)
    for folder in run.checkpoint_folders():
        (folder / "weights.safetensors").write_bytes(b"")
    before = names(run.checkpoints), names(run.replay)
    with pytest.raises(UserError, match="No checkpoint of mine can be read"):
        restore_latest(run, TapeTrainer())
    assert (names(run.checkpoints), names(run.replay)) == before


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no memory"), OSError(errno.EIO, "I/O"), MemoryError()])
def test_a_restore_that_fails_for_another_reason_blames_no_checkpoint(new_run: NewRun, error: Exception) -> None:
    run = new_run()
    saved(run, 40, 80)
    before = names(run.checkpoints), names(run.replay)
    trainer = TapeTrainer()

    def fail(*arguments: object) -> None:
        raise error

    trainer.restore = fail  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        restore_latest(run, trainer)
    assert (names(run.checkpoints), names(run.replay)) == before


@pytest.mark.parametrize("file", ["training.json", "weights.safetensors"])
def test_a_file_that_cannot_be_opened_is_not_taken_for_damaged(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    run = new_run()
    saved(run, 40, 80)
    before = names(run.checkpoints), names(run.replay)
    open_ = Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == file:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open_(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=f"Cannot read .*{file}: Too many open files"):
        restore_latest(run, TapeTrainer())
    assert (names(run.checkpoints), names(run.replay)) == before


def test_frames_of_a_lost_stretch_are_not_taken_for_the_new_ones(new_run: NewRun) -> None:
    run = new_run()
    trainer = saved(run, 40)
    advance(trainer, 40)
    trainer.save_replay(run.replay)  # and here it dies, before its checkpoint stands
    again = TapeTrainer()
    restore_latest(run, again)
    advance(again, 40)  # the same rows, other frames
    save_checkpoint(run, again)
    last = TapeTrainer()
    restore_latest(run, last)
    last.assert_whole()


def test_frames_from_before_the_first_checkpoint_are_forgotten_too(new_run: NewRun) -> None:
    run = new_run()
    trainer = TapeTrainer()
    advance(trainer, 40)
    trainer.save_replay(run.replay)
    assert restore_latest(run, TapeTrainer()) is None
    assert names(run.replay) == []


def test_what_a_crash_left_is_cleared_away(new_run: NewRun) -> None:
    run = new_run()
    saved(run, 40)
    (run.checkpoints / ".step-000000000080").mkdir()
    (run.checkpoints / ".step-000000000080" / "weights.safetensors").write_bytes(b"half")
    (run.replay / ".frames-half").write_bytes(b"half")
    restore_latest(run, TapeTrainer())
    assert names(run.checkpoints) == ["step-000000000040"]
    assert not any(name.startswith(".") for name in names(run.replay))


def test_a_full_disk_costs_only_the_new_checkpoint(new_run: NewRun, limited: None) -> None:
    run = new_run()
    trainer = saved(run, 40)
    trainer.weights = lambda: {"step": torch.zeros(10_000)}  # type: ignore[method-assign]
    advance(trainer, 40)
    with pytest.raises(UserError, match=r"Cannot write .*weights.safetensors"):
        save_checkpoint(run, trainer)
    assert names(run.checkpoints) == ["step-000000000040"]
    again = TapeTrainer()
    restore_latest(run, again)
    assert again.step == 40


def test_tensors_that_cannot_be_written_leave_no_file(tmp_path: Path, limited: None) -> None:
    with pytest.raises(UserError, match="Cannot write"):
        save_tensors(tmp_path / "x.safetensors", {"x": torch.zeros(10_000)})
    assert names(tmp_path) == []


@pytest.mark.parametrize("read", [load_tensors, check_tensors])
@pytest.mark.parametrize("content", [b"", b"no tensors at all, but some words", b"\x80\x04\x95pickle", None])
def test_what_is_no_file_of_tensors_is_told(
    tmp_path: Path, read: Callable[[Path], object], content: bytes | None
) -> None:
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="Use another checkpoint") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [load_tensors, check_tensors])
def test_tensors_cut_short_at_any_length_are_told(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"x": torch.arange(10)})
    whole = path.read_bytes()
    read(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            read(path)


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "{}", '{"game": 3, "agent": "dqn", "algorithm": {}, "settings": {}}']
)
def test_a_folder_that_describes_no_agent_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"no checkpoint|Use another checkpoint"):
        load_config(tmp_path)


def test_a_checkpoint_says_what_it_holds(new_run: NewRun) -> None:
    run = new_run()
    saved(run, 10 * GAMES)
    folder = run.checkpoints / "step-000000000020"
    assert load_config(folder) == {"game": "breakout", "agent": "dqn", "settings": {}, "algorithm": {}, "step": 20}
    assert names(folder) == ["config.json", "training.json", "training.safetensors", "weights.safetensors"]
