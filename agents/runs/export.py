"""A trained agent by itself: the two files of a checkpoint that playing needs, to keep or to send."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from agents.errors import UserError
from agents.files import told_plainly, write_atomically
from agents.runs.checkpoint import load_config, load_tensors, save_tensors


def export_checkpoint(source: Path, target: Path, half: bool = True) -> int:
    """Write config.json and weights.safetensors of the checkpoint at `source` into the folder `target`.

    half: weights as float16, at half the size; they are turned back into float32 when loaded.
    Gives the bytes written. Raises UserError where `target` holds a checkpoint already or cannot be written.
    """
    config, weights = load_config(source), load_tensors(source / "weights.safetensors")
    if (target / "weights.safetensors").exists():
        raise UserError(f"{target} holds a checkpoint already. Choose another folder, or remove that one first.")
    if half:
        weights = {name: _half(name, tensor) for name, tensor in weights.items()}
    with told_plainly(target):
        target.mkdir(parents=True, exist_ok=True)
    save_tensors(target / "weights.safetensors", weights)
    write_atomically(target / "config.json", json.dumps(config, indent=2) + "\n")
    return sum(path.stat().st_size for path in target.iterdir())


def _half(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    if not torch.isfinite(halved).all():
        raise UserError(f"The weights {name} are too large for half precision. Export with --full.")
    return halved
