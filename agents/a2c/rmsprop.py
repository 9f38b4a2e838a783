"""RMSProp as the paper has it; PyTorch's own adds ε outside the root and begins with a mean of 0."""

from __future__ import annotations

import torch


class RMSProp(torch.optim.Optimizer):
    """g ← α g + (1 − α) Δθ²;  θ ← θ − η Δθ / √(g + ε)  (Mnih et al. 2016, eqs. 8 and 9).

    parameters: by their names.
    g begins at 1: while it is not yet known how large gradients are, steps are small.
    """

    def __init__(self, parameters: dict[str, torch.nn.Parameter], lr: float, decay: float, epsilon: float):
        super().__init__(parameters.items(), {"lr": lr, "decay": decay, "epsilon": epsilon})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["square_mean"] = torch.ones_like(parameter)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            gradients = [parameter.grad for parameter in moved]
            means = [self.state[parameter]["square_mean"] for parameter in moved]
            torch._foreach_mul_(means, group["decay"])
            torch._foreach_addcmul_(means, gradients, gradients, value=1 - group["decay"])
            roots = torch._foreach_sqrt(torch._foreach_add(means, group["epsilon"]))
            torch._foreach_addcdiv_(moved, gradients, roots, value=-group["lr"])
