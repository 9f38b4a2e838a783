"""Named tensors, as files hold them: groups under prefixes, and columns of numbers among them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch


def with_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def from_columns(columns: Mapping[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    """Columns of a replay or a sampler as tensors, which share their memory, under `prefix`."""
    return {f"{prefix}{name}": torch.from_numpy(column) for name, column in columns.items()}


def to_columns(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, np.ndarray]:
    """The way back."""
    return {name: tensor.numpy() for name, tensor in with_prefix(tensors, prefix).items()}
