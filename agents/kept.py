"""What a network computed to choose is not computed again to learn from the same observations.

To keep the graphs of the choices and descend through them would do the same, but in one small backward pass for each
instead of a large one, which takes longer than to compute all anew. While learning, what was kept and what it was
joined to are both in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

Layers = list[torch.Tensor]
"""What the convolutions and fully connected layers of a network gave, in the order of their calls, each (B, …)."""


class Keep(TorchFunctionMode):
    """Within this context, what these layers give is kept in `layers`; no gradient flows into it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: Layers = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in _KINDS:
            self.layers.append(result.detach())
        return result


class Reuse(TorchFunctionMode):
    """Within this context, these layers give what they gave in `calls`, one call's rows after another's.

    The same network must have been called with the same observations and the same weights: nothing is computed, but
    gradients flow as if it were, the same to the last bit. Of what follows a layer only a ReLU may be in place, which
    twice is as once. Padding is given as numbers. Raises RuntimeError where another number of layers is called.
    """

    def __init__(self, calls: Sequence[Layers]):
        super().__init__()
        self._known = [list(outputs) for outputs in zip(*calls, strict=True)][::-1]  # of the layers, the last first

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function not in _KINDS:
            return function(*args, **(kwargs or {}))
        if not self._known:
            raise RuntimeError("more layers are called than were kept")
        known = self._known.pop()
        dtype = known[0].dtype  # autocast's choice
        x, weight, bias, *geometry = _KINDS[function](*args, **(kwargs or {}))
        bias = None if bias is None else bias.to(dtype)
        return _Known.apply(x.to(dtype), weight.to(dtype), bias, known, *geometry)

    def __exit__(self, kind: Any, *error: Any) -> None:
        super().__exit__(kind, *error)
        if kind is None and self._known:
            raise RuntimeError("fewer layers are called than were kept")


class _Known(torch.autograd.Function):
    """A layer whose output is known already; its gradients are PyTorch's own."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        known: list[torch.Tensor],
        *geometry: Any,
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return torch.cat(known)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        if ctx.geometry:
            stride, padding, dilation, groups = ctx.geometry
            gradients = torch.ops.aten.convolution_backward(
                *(gradient, x, weight, weight.shape[:1], stride, padding, dilation, False, (0, 0), groups, needed)
            )
        else:
            rows = gradient.flatten(0, -2)
            gradients = (
                gradient @ weight if needed[0] else None,
                rows.T @ x.flatten(0, -2) if needed[1] else None,
                rows.sum(0) if needed[2] else None,
            )
        return (*gradients, None, *(None for _ in ctx.geometry))


def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> tuple[Any, ...]:
    return input, weight, bias


def _convolution(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> tuple[Any, ...]:
    pairs = ((value, value) if isinstance(value, int) else value for value in (stride, padding, dilation))
    return input, weight, bias, *pairs, groups


_KINDS = {F.linear: _linear, F.conv2d: _convolution}
"""The layers' functions, and what tells their arguments apart."""
