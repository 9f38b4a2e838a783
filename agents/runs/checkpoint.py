"""Checkpoints: folders of safetensors and JSON, never pickle, whole or not there.

config.json             game, agent, settings, algorithm: enough to build the network
weights.safetensors     the network that acts: these two files are all that a shipped checkpoint needs
training.safetensors    everything else that resuming needs: optimizer, target network, replay columns
training.json           counters, random generators, the names of the replay's files
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from agents.errors import UserError
from agents.files import sync_folder, told_plainly, write_atomically
from agents.interfaces import Trainer
from agents.runs.directory import RunDirectory

if TYPE_CHECKING:
    import torch

FILES = ("weights.safetensors", "config.json")
"""What an agent by itself consists of; the last one last: without it, a folder is no checkpoint."""


class Unreadable(UserError):
    """A file could not be read here and now (no permission, a failing disk); it may be whole all the same."""


KEPT = 2
"""Checkpoints kept in a run: the newest, and one to fall back on."""


def save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors so that they are on the disk when this returns; `path` must not be in use yet.

    Raises UserError where that fails; nothing is left at `path` then.
    """
    from safetensors.torch import save_file

    with told_plainly(path):
        path.touch()
        mode = path.stat().st_mode  # as the user's umask has it; safetensors' own files only their owner can read
        try:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if not isinstance(error, safetensors.SafetensorError):
                raise
            # How it reports a full disk, in words only.
            raise OSError(errno.ENOSPC if "No space" in str(error) else errno.EIO, str(error)) from error
        path.chmod(stat.S_IMODE(mode))
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors. Raises UserError where the file is missing, damaged or something else."""
    from safetensors.torch import load_file

    check_tensors(path)
    try:
        return load_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise _damaged(path, error) from None


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """What acts, of the checkpoint in `folder`: float32, also where it was shipped in half precision.

    Raises UserError as `load_tensors` does.
    """
    weights = load_tensors(folder / "weights.safetensors")
    # What counts or looks up stays as it is.
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


def check_tensors(path: Path) -> None:
    """Raise UserError where `path` is missing, cut short or no file of tensors; quick: reads its header only."""
    if not path.is_file():
        raise UserError(f"There is no file {path}. Use another checkpoint.")
    try:
        # Read here, for safetensors calls a file missing whatever keeps it from being opened.
        with path.open("rb") as file:
            file.read(1)
        with safetensors.safe_open(path, framework="numpy"):
            pass
    except OSError as error:
        raise _unreadable(path, error) from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged, or is not a safetensors file ({error}). Use another checkpoint.")


def _unreadable(path: Path, error: OSError) -> Unreadable:
    return Unreadable(f"Cannot read {path}: {error.strerror or error}. Nothing was changed; try again.")


def load_config(folder: Path) -> dict[str, Any]:
    """The config.json of a checkpoint. Raises UserError where it is not one."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{folder} is no checkpoint: it holds no config.json.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}. Use another checkpoint.") from None
    wanted = {"game": str, "agent": str, "algorithm": dict, "settings": dict}
    if not isinstance(config, dict) or any(not isinstance(config.get(name), kind) for name, kind in wanted.items()):
        raise UserError(f"{path} does not describe an agent. Use another checkpoint.")
    step = config.setdefault("step", 0)
    if type(step) is not int or step < 0:
        raise UserError(f"{path} does not say how many steps were done: {step!r}. Use another checkpoint.")
    return config


def save_checkpoint(run: RunDirectory, trainer: Trainer) -> Path:
    """Save all that resuming needs; gives the checkpoint's folder. Older ones go when the new one stands.

    Where the trainer has not moved since its last checkpoint, that one stands and nothing is written.
    """
    counters, name = trainer.training_counters(), f"step-{trainer.step:012d}"
    newest = next(run.checkpoint_folders(), None)
    if newest is not None and newest.name.startswith(name):
        with contextlib.suppress(UserError):  # a damaged one is no reason not to save
            if _read_training(newest)["counters"] == json.loads(json.dumps(counters)):
                return newest
        # It has moved without a step of its own: it learns from what others have played.
        _, _, earlier = newest.name.removeprefix("step-").partition("-")
        name += f"-{int(earlier or 0) + 1:09d}"
    final, temporary = run.checkpoints / name, run.checkpoints / f".{name}"
    config = run.read_config()
    described = {
        "game": config.game,
        "agent": config.agent,
        "settings": config.settings,
        "algorithm": config.algorithm,
        "step": trainer.step,
    }
    replay_files = trainer.save_replay(run.replay)
    with told_plainly(temporary):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            write_atomically(temporary / "config.json", json.dumps(described, indent=2))
            save_tensors(temporary / "weights.safetensors", trainer.weights())
            save_tensors(temporary / "training.safetensors", trainer.training_tensors())
            training = {"counters": counters, "replay_files": replay_files}
            write_atomically(temporary / "training.json", json.dumps(training))
            sync_folder(temporary)
            os.replace(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(run.checkpoints)
    _forget_old(run)
    return final


def _forget_old(run: RunDirectory) -> None:
    """Remove checkpoints past those that are kept, what a crash left half written, and replay files of neither."""
    folders = list(run.checkpoint_folders())
    for number, folder in enumerate(folders[KEPT:]):
        with contextlib.suppress(OSError):  # out of sight at once: no half of it is ever taken for a checkpoint
            os.rename(folder, run.checkpoints / f".forgotten-{number}-{folder.name}")
    for left in run.checkpoints.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
    needed: set[str] = set()
    for folder in folders[:KEPT]:
        try:
            needed.update(_read_training(folder)["replay_files"])
        except Unreadable:  # nobody can tell what it needs
            return
        except UserError:  # a damaged checkpoint needs nothing
            continue
    for path in run.replay.iterdir():
        if path.name not in needed:
            with contextlib.suppress(OSError):
                path.unlink()


def _read_training(folder: Path) -> dict[str, Any]:
    path = folder / "training.json"
    try:
        training = json.loads(path.read_text())
    except (FileNotFoundError, IsADirectoryError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not isinstance(training, dict) or not training.keys() >= {"counters", "replay_files"}:
        raise UserError(f"{path} does not describe a training.")
    return training


def restore_latest(run: RunDirectory, trainer: Trainer) -> Path | None:
    """Put the trainer where the newest checkpoint was; None where there is none yet.

    A damaged newest checkpoint is passed over for the one before it, and set aside as `damaged-step-…`. What
    belongs to no checkpoint is removed: a file of frames is known by the rows that it holds, and those of a lost
    stretch would be taken for the ones that come next. Raises UserError where all checkpoints are damaged.

    What says nothing about the checkpoint (no memory, a disk that fails) is raised, and nothing is changed.
    """
    import torch

    problem: Exception | None = None
    damaged: list[Path] = []
    for folder in run.checkpoint_folders():
        try:
            training = _read_training(folder)
            trainer.restore(
                load_tensors(folder / "weights.safetensors"),
                load_tensors(folder / "training.safetensors"),
                training["counters"],
                run.replay,
                training["replay_files"],
            )
        except (Unreadable, torch.OutOfMemoryError):
            raise
        except (UserError, ValueError, KeyError, FileNotFoundError, RuntimeError) as error:
            problem = error
            damaged.append(folder)
            continue
        with told_plainly(run.checkpoints):
            for broken in damaged:
                aside = broken.with_name(f"damaged-{broken.name}")
                shutil.rmtree(aside, ignore_errors=True)
                os.rename(broken, aside)
        _forget_old(run)
        return folder
    if problem is not None:
        raise UserError(f"No checkpoint of {run.path.name} can be read ({problem}). Start a new run.")
    _forget_old(run)
    return None
