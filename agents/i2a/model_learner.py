"""Training the environment model on games that were played by others (Weber et al. 2017, section 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from agents.errors import TrainingDiverged
from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import EnvironmentModel, moving_parts
from agents.i2a.trunks import WHOLE, Places
from agents.layers import autocast
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.replay.sequences import SequenceReplay


@dataclass(frozen=True)
class Phase:
    """How the model learns until a share of its updates is done.

    part: steps predicted one after another of parts of frames around what moves, in most updates.
    whole: the same of whole frames with rewards and ends, in one update of `every`; in all for models that need those.
    """

    until: float
    part: int
    whole: int
    every: int


# Who cannot yet do one step learns nothing from several.
PHASES = (Phase(0.12, 1, 1, 8), Phase(0.3, 2, 2, 8), Phase(0.5, 3, 4, 8), Phase(0.75, 5, 4, 3), Phase(1.0, 5, 10, 2))
LARGEST_PART = 16
"""Cells on a side of a part, at most."""
PART_ROWS = 3
"""So many more steps are predicted in an update on parts, which are that much smaller."""
WARM_UP = 100
"""Updates over which the learning rate grows."""
GRADIENT_CLIP = 1.0
CALIBRATION = 4_000
"""Frames from which the model learns what is usual."""


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
        frames = replay.sample(CALIBRATION, 1, random).frames[0]
        self.model.calibrate(torch.from_numpy(frames).to(self.parameters[0].device))

    def learn(self, replay: SequenceReplay, random: np.random.Generator) -> dict[str, float]:
        """One update; gives its metrics. Raises TrainingDiverged where a number is not finite."""
        phase, device = self.phase, self.parameters[0].device
        whole = self.config.model_kind != "local" or self.updates % phase.every == 0
        unroll = phase.whole if whole else phase.part
        rows = self.config.model_rows * (1 if whole else PART_ROWS)
        sequences = replay.sample(max(1, rows // unroll), self.model.stack + unroll, random)
        batch = {name: torch.from_numpy(column).to(device) for name, column in vars(sequences).items()}
        places = WHOLE if whole else self._moving_parts(batch["frames"], unroll, random)
        with autocast(device, self.precision):
            loss, parts = self.model.loss(**batch, places=places)
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

    def _moving_parts(self, frames: torch.Tensor, unroll: int, random: np.random.Generator) -> Places:
        """Parts large enough for what moves to stay inside for `unroll` steps."""
        cells = self.model.usual.shape[:2]
        size = min(*cells, 8 + 2 * unroll, LARGEST_PART)
        chances = torch.from_numpy(random.random((frames.shape[1], *cells), np.float32)).to(frames.device)
        return moving_parts(frames[self.model.stack - 1 :], size, chances)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers, as `adam.<parameter>/<slot>`."""
        return optimizer_tensors(self.optimizer, "adam.")

    def restore(self, tensors: dict[str, torch.Tensor], updates: int) -> None:
        """Become the learner that was saved, but for its model."""
        load_optimizer(self.optimizer, tensors, "adam.")
        self.updates = updates
