"""Gradients for optimizers that were not gathered by `backward`, and the state of optimizers as named tensors.

PyTorch's fused optimizers on a CPU walk through memory and look at no strides: a gradient or a moment that is laid
out otherwise than its parameter (channels first, channels last) reaches the wrong weights, without an error, and one
of another shape writes beyond its end. Everything here is therefore laid out, and checked, by its parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from agents.tensors import with_prefix


def set_gradients(parameters: Iterable[torch.nn.Parameter], gradients: Iterable[torch.Tensor]) -> None:
    """Give each parameter its gradient, for the next step of an optimizer."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = laid_out_as(parameter, gradient)


def laid_out_as(parameter: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers in the order in which those of `parameter` lie in memory. Raises ValueError for other shapes."""
    if tensor.shape != parameter.shape:
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} does not fit a weight of {tuple(parameter.shape)}")
    if tensor.stride() == parameter.stride():
        return tensor
    return torch.empty_like(parameter).copy_(tensor)


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, torch.Tensor]:
    """What `optimizer`, made with named parameters, remembers of each: `<prefix><parameter>/<slot>`."""
    return {
        f"{prefix}{name}/{slot}": tensor
        for name, parameter in _named(optimizer)
        for slot, tensor in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Become the optimizer whose tensors were saved under `prefix`. Raises ValueError where they are another's."""
    saved: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in with_prefix(tensors, prefix).items():
        name, named, slot = key.rpartition("/")
        if not named:
            raise ValueError("the optimizer's state was saved by an older version")
        saved.setdefault(name, {})[slot] = tensor
    parameters = dict(_named(optimizer))
    if saved and saved.keys() != parameters.keys():
        raise ValueError("the optimizer's state belongs to other weights")
    for name, slots in saved.items():
        parameter = parameters[name]
        # A number of its own (Adam's step) has no place in memory to mind. Clones: the optimizer writes into them.
        optimizer.state[parameter] = {
            slot: (laid_out_as(parameter, tensor) if tensor.dim() else tensor).clone() for slot, tensor in slots.items()
        }


def _named(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, torch.nn.Parameter]]:
    for group in optimizer.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)
