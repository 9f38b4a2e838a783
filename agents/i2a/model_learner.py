"""Training the environment model on games that were played by others (Weber et al. 2017, section 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from agents.errors import TrainingDiverged
from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import EnvironmentModel
from agents.layers import autocast
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.replay.sequences import SequenceReplay


@dataclass(frozen=True)
class Phase:
    """Until a share of the updates is done, so many steps are predicted one after another."""

    until: float
    unroll: int


# Who cannot yet do one step learns nothing from several.
PHASES = (Phase(0.4, 1), Phase(0.6, 2), Phase(0.85, 5), Phase(1.0, 10))
WARM_UP = 100
"""Updates over which the learning rate grows."""
GRADIENT_CLIP = 1.0
CALIBRATION = 4_000
"""Windows of three frames from which the model learns what is usual."""


class ModelLearner:
    """Draws windows of games from a replay, and trains the model to predict them from its own frames."""

    def __init__(self, config: I2AConfig, model: EnvironmentModel, precision: torch.dtype):
        self.config, self.model, self.precision = config, model, precision
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.Adam(model.named_parameters(), config.model_learning_rate, fused=True)
        self.updates = 0

    @property
    def done(self) -> float:
        """The share of the updates that are done."""
        return min(1.0, self.updates / max(1, self.config.model_updates))

    @property
    def phase(self) -> Phase:
        return next(phase for phase in PHASES if self.done <= phase.until)

    def calibrate(self, replay: SequenceReplay, random: np.random.Generator) -> None:
        """Learn what is usual from windows in which no game begins."""
        windows = replay.sample(CALIBRATION, 3, random)
        whole = ~windows.first[1:].any(0)
        self.model.calibrate(torch.from_numpy(windows.frames[:, whole]).to(self.parameters[0].device))

    def learn(self, replay: SequenceReplay, random: np.random.Generator) -> dict[str, float]:
        """One update; gives its metrics. Raises TrainingDiverged where a number is not finite."""
        phase, device = self.phase, self.parameters[0].device
        unroll = phase.unroll
        sequences = replay.sample(max(1, self.config.model_rows // unroll), self.model.stack + unroll, random)
        batch = {name: torch.from_numpy(column).to(device) for name, column in vars(sequences).items()}
        with autocast(device, self.precision):
            loss, parts = self.model.loss(**batch)
        set_gradients(self.parameters, torch.autograd.grad(loss, self.parameters, materialize_grads=True))
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_CLIP).item()
        metrics = {name: part.item() for name, part in parts.items()} | {"loss": loss.item(), "unroll": float(unroll)}
        if not all(math.isfinite(number) for number in (norm, *metrics.values())):
            raise TrainingDiverged("A loss of the environment model was not finite: try a smaller model_learning_rate.")
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.model_learning_rate * min(1.0, (self.updates + 1) / WARM_UP) * (1 - self.done)
        self.optimizer.step()
        self.updates += 1
        return metrics

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers, as `adam.<parameter>/<slot>`."""
        return optimizer_tensors(self.optimizer, "adam.")

    def restore(self, tensors: dict[str, torch.Tensor], updates: int) -> None:
        """Become the learner that was saved, but for its model."""
        load_optimizer(self.optimizer, tensors, "adam.")
        self.updates = updates
