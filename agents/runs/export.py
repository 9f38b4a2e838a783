"""A trained agent by itself: the two files of a checkpoint that playing needs, to keep or to send."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import torch

from agents.errors import UserError
from agents.files import sync_folder, told_plainly, write_atomically
from agents.runs.checkpoint import FILES, load_config, load_tensors, save_tensors


def export_checkpoint(source: Path, target: Path, half: bool = True) -> int:
    """Write config.json and weights.safetensors of the checkpoint at `source` into the folder `target`.

    half: weights as float16, at half the size; they are turned back into float32 when loaded.
    Gives the bytes written. Raises UserError where `target` holds a file of that name or cannot be written;
    it then holds what it held.
    """
    config, weights = load_config(source), load_tensors(source / "weights.safetensors")
    for name in FILES:
        if os.path.lexists(target / name):
            raise UserError(f"{target} holds a {name} already. Choose another folder, or remove that file first.")
    if half:
        weights = {name: _half(name, tensor) for name, tensor in weights.items()}
    with told_plainly(target):
        made = not target.exists()
        target.mkdir(parents=True, exist_ok=True)
        draft = target / f".export-{os.getpid()}"  # inside, not beside: `target` may be a disk of its own
        try:
            draft.mkdir()
            save_tensors(draft / "weights.safetensors", weights)
            write_atomically(draft / "config.json", json.dumps(config, indent=2) + "\n")
            for name in FILES:
                os.rename(draft / name, target / name)
            draft.rmdir()
        except BaseException:
            for path in (target / name for name in FILES):
                path.unlink(missing_ok=True)
            shutil.rmtree(draft, ignore_errors=True)
            if made:
                with contextlib.suppress(OSError):
                    target.rmdir()
            raise
        sync_folder(target)
        return sum((target / name).stat().st_size for name in FILES)


def _half(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    if not torch.isfinite(halved).all():
        raise UserError(f"The weights {name} are too large for half precision. Export with --full.")
    return halved
