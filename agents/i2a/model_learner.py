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
from agents.replay.priorities import SumTree
from agents.replay.sequences import SequenceReplay


@dataclass(frozen=True)
class Phase:
    """Until a share of the updates is done, so many steps are predicted one after another."""

    until: float
    unroll: int


# Who cannot yet do one step learns nothing from several.
PHASES = (Phase(0.3, 1), Phase(0.5, 2), Phase(0.8, 5), Phase(1.0, 10))
WARM_UP = 100
"""Updates over which the learning rate grows."""
GRADIENT_CLIP = 1.0
SURPRISING = 0.5
"""Share of the windows that are drawn by how wrong they were when they were last seen: most steps of a game are soon
known, and what is hard in it is rare. The others are drawn uniformly, so that nothing is forgotten. No weights make up
for it, as they do in prioritised replay: what is said to be likely is so in such a mixture, not in the game."""
SURPRISE_EXPONENT = 0.7
"""α, as of prioritised replay (Schaul et al. 2016, section 3.3)."""
CALIBRATION = 4_000
"""Windows of three frames from which the model learns what is usual."""


class ModelLearner:
    """Draws windows of games from a replay, and trains the model to predict them from its own frames."""

    def __init__(self, config: I2AConfig, model: EnvironmentModel, precision: torch.dtype):
        self.config, self.model, self.precision = config, model, precision
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.Adam(model.named_parameters(), config.model_learning_rate, fused=True)
        self.updates = 0
        self.surprise: SumTree | None = None  # of the windows of the replay, once there is one

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
        rows, games = self._draw(replay, max(1, self.config.model_rows // unroll), self.model.stack + unroll, random)
        sequences = replay.windows(rows, games, self.model.stack + unroll)
        batch = {name: torch.from_numpy(column).to(device) for name, column in vars(sequences).items()}
        with autocast(device, self.precision):
            loss, parts, wrong = self.model.loss(**batch)
        set_gradients(self.parameters, torch.autograd.grad(loss, self.parameters, materialize_grads=True))
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_CLIP).item()
        metrics = {name: part.item() for name, part in parts.items()} | {"loss": loss.item(), "unroll": float(unroll)}
        if not all(math.isfinite(number) for number in (norm, *metrics.values())):
            raise TrainingDiverged("A loss of the environment model was not finite: try a smaller model_learning_rate.")
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.model_learning_rate * min(1.0, (self.updates + 1) / WARM_UP) * (1 - self.done)
        self.optimizer.step()
        self.updates += 1
        assert self.surprise is not None
        surprise = (wrong.float() / unroll) ** SURPRISE_EXPONENT
        self.surprise.set(replay.slots_of(rows, games), surprise.cpu().numpy())  # as saved: resuming is exact
        return metrics

    def _draw(
        self, replay: SequenceReplay, count: int, length: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first rows and the games (B,) of `count` windows."""
        if self.surprise is None:
            self.surprise = SumTree(replay.rows * replay.num_games)
        rows, games = replay.draw(count, length, random)
        chosen = round(count * SURPRISING) if self.surprise.total > 0 else 0
        slots = self.surprise.find(random.random(chosen) * self.surprise.total)
        surprising, games[:chosen] = replay.places_of(slots)
        # What was the start of a shorter window may be that of no longer one: it is not drawn again.
        last = replay.added - length
        self.surprise.set(slots[surprising > last], 0.0)
        rows[:chosen] = np.minimum(surprising, last)
        return rows, games

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers, as `adam.<parameter>/<slot>`, and how wrong each window was, as `surprise`."""
        tensors = optimizer_tensors(self.optimizer, "adam.")
        if self.surprise is not None and self.done < 1:
            tensors["surprise"] = torch.from_numpy(self.surprise.weights.astype(np.float32))
        return tensors

    def restore(self, tensors: dict[str, torch.Tensor], updates: int) -> None:
        """Become the learner that was saved, but for its model."""
        load_optimizer(self.optimizer, tensors, "adam.")
        self.updates = updates
        if "surprise" in tensors:
            surprise = tensors["surprise"].numpy()
            self.surprise = SumTree(len(surprise))
            self.surprise.set(np.arange(len(surprise)), surprise)
