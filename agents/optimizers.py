"""The state of optimizers as named tensors, to be saved beside weights and restored."""

from __future__ import annotations

import torch


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, torch.Tensor]:
    """What `optimizer` remembers of each parameter, as `<prefix><parameter>.<slot>`."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}{number}.{slot}": tensor for number, slots in state.items() for slot, tensor in slots.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Become the optimizer whose tensors were saved under `prefix`."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in with_prefix(tensors, prefix).items():
        number, slot = name.split(".")
        state.setdefault(int(number), {})[slot] = tensor.clone()  # the optimizer goes on writing into it
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
