"""Training the environment model on games that were played by others (Weber et al. 2017, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from agents.errors import TrainingDiverged
from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import LARGEST, EnvironmentModel, capped
from agents.i2a.finding import ground_of
from agents.i2a.misses import SOON
from agents.layers import autocast
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.replay.priorities import SumTree
from agents.replay.sequences import SequenceReplay
from agents.tensors import with_prefix


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
known, and what is hard in it is rare. Others are drawn uniformly, so that nothing is forgotten. Weights make up for it,
as in prioritised replay: or what seldom happens would be foreseen as if it often did."""
SURPRISE_EXPONENT = 0.7
"""α, as of prioritised replay (Schaul et al. 2016, section 3.3)."""
ENDING = 0.25
"""Share of the windows that lead to the loss of a life or the end of a game. Whoever plays well seldom misses the ball:
a model that has hardly seen it has the paddle hit every one."""
LAST = 10
"""Such windows end less than so many steps before the loss, or with it."""
CHUNK = 64
"""Rows of a replay that are read at a time."""
CALIBRATION = 4_000
"""Windows of three frames from which the model learns what is usual, and what is ground."""


class Surprises:
    """Draws windows of a replay, some of them by how wrong they were when they were last seen, some before a loss, and
    says how much each is to count, so that but for those before a loss all count as if drawn uniformly (Veach and
    Guibas 1995, section 3: multiple importance sampling by the balance heuristic)."""

    def __init__(self, size: int):
        self.tree = SumTree(size)

    def draw(
        self, replay: SequenceReplay, count: int, length: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first rows and the games (B,) of `count` windows, and their weights (B,) float32, about 1 on average."""
        rows, games = replay.draw(count, length, random)
        last = replay.added - length
        # What was the start of a shorter window may be that of no longer one: it is drawn no more.
        over, every = np.arange(last + 1, replay.added)[:, None], np.arange(replay.num_games)
        self.tree.set(replay.slots_of(over, every).flatten(), 0.0)
        total = self.tree.total
        known, ending = round(count * SURPRISING) if total > 0 else 0, int(count * ENDING) if replay.ends else 0
        rows[:known], games[:known] = replay.places_of(self.tree.find(random.random(known) * total))
        weights = np.ones(count, np.float32)
        if known:
            # How often each is drawn, beside how often it would be if all were drawn uniformly.
            windows, share = (last - replay.oldest + 1) * replay.num_games, known / (count - ending)
            often = self.tree.weights[replay.slots_of(rows, games)] / total * windows
            weights[:] = 1 / (1 - share + share * often)
        before = slice(known, known + ending)
        if ending:
            lost, games[before] = replay.draw_ends(ending, 1, random)
            rows[before] = np.clip(lost - random.integers(0, LAST, ending) - length + 1, replay.oldest, last)
            weights[before] = 1
        return rows, games, weights

    def forget(self, slots: np.ndarray) -> None:
        """Windows that begin in these slots (K,) are others by now."""
        self.tree.set(slots, 0.0)

    def note(self, slots: np.ndarray, wrong: torch.Tensor) -> None:
        """How wrong (B,) windows are that begin in these slots (B,) of the replay: as saved, so resuming is exact."""
        self.tree.set(slots, (wrong.float() ** SURPRISE_EXPONENT).cpu().numpy())


class ModelLearner:
    """Trains the model on windows of games from a replay: to draw them step by step from its own frames, and, where it
    chooses where things go, to know that of many more, one step from real frames."""

    def __init__(self, config: I2AConfig, model: EnvironmentModel, precision: torch.dtype):
        self.config, self.model, self.precision = config, model, precision
        # Who will miss is learnt apart, of all updates by the last.
        named = {name: part for name, part in model.named_parameters() if not name.startswith("misses.")}
        self.parameters = list(named.values())
        self.optimizer = torch.optim.Adam(named.items(), config.model_learning_rate, fused=True)
        self.updates = 0
        # At what was drawn of the windows of the replay, and at where things went in them; once there is a replay.
        self.surprises: dict[str, Surprises] = {}

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    @property
    def done(self) -> float:
        """The share of the updates that are done."""
        return min(1.0, self.updates / max(1, self.config.model_updates))

    @property
    def phase(self) -> Phase:
        return next(phase for phase in PHASES if self.done <= phase.until)

    def calibrate(self, replay: SequenceReplay, random: np.random.Generator) -> None:
        """Learn what is usual, and what is ground, from windows in which no game begins; what goes as one, from all."""
        windows = replay.sample(CALIBRATION, 3, random)
        whole = ~windows.first[1:].any(0)
        frames = torch.from_numpy(windows.frames[:, whole]).to(self.device)
        self.model.calibrate(frames)
        self.model.tiles.learn(lambda: self._steps(replay), ground_of(frames))

    def _steps(self, replay: SequenceReplay) -> Iterator[torch.Tensor]:
        """All real frames in the replay, (3, N, h, w) uint8 at a time, each after the one before."""
        every = np.arange(replay.num_games)
        for row in range(replay.oldest, replay.added - 2, CHUNK):
            windows = self._windows(replay, np.full_like(every, row), every, min(CHUNK + 2, replay.added - row))
            whole = ~(windows["first"][1:-1] | windows["first"][2:])
            later = len(whole)
            yield torch.stack([windows["frames"][by : by + later][whole] for by in range(3)])

    def forget(self, slots: np.ndarray) -> None:
        """How wrong it was of what these slots (K,) of the replay held before."""
        for windows in self.surprises.values():
            windows.forget(slots)

    def learn(self, replay: SequenceReplay, random: np.random.Generator) -> dict[str, float]:
        """One update; gives its metrics. The last one also learns which balls are missed, of all in the replay: a
        minute. Raises TrainingDiverged where a number is not finite."""
        if not self.surprises:
            size, kinds = replay.rows * replay.num_games, ("pictures", "moves") if self._chooses else ("pictures",)
            self.surprises = {name: Surprises(size) for name in kinds}
        loss, metrics = self._drawing(replay, random)
        if self._chooses:
            surprise = self._choosing(replay, random)
            loss, metrics = loss + surprise, metrics | {"choices": surprise.item()}
        set_gradients(self.parameters, torch.autograd.grad(loss, self.parameters, materialize_grads=True))
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_CLIP).item()
        metrics |= {"loss": loss.item(), "unroll": float(self.phase.unroll)}
        if not all(math.isfinite(number) for number in (norm, *metrics.values())):
            raise TrainingDiverged("A loss of the environment model was not finite: try a smaller model_learning_rate.")
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.model_learning_rate * min(1.0, (self.updates + 1) / WARM_UP) * (1 - self.done)
        self.optimizer.step()
        self.updates += 1
        if self.done == 1:
            self.model.misses.learn(*self.falls(replay), random)
        return metrics

    @property
    def _chooses(self) -> bool:
        return self.model.chooses and self.config.model_choices > 0

    def _drawing(self, replay: SequenceReplay, random: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of windows that are drawn step by step, and its parts."""
        unroll = self.phase.unroll
        length = self.model.stack + unroll
        count = max(1, self.config.model_rows // unroll)
        rows, games, weights = self.surprises["pictures"].draw(replay, count, length, random)
        batch = self._windows(replay, rows, games, length)
        with autocast(self.device, self.precision):
            loss, parts, wrong = self.model.loss(**batch, weights=torch.from_numpy(weights).to(self.device))
        self.surprises["pictures"].note(replay.slots_of(rows, games), wrong / unroll)
        return loss, {name: part.item() for name, part in parts.items()}

    def _choosing(self, replay: SequenceReplay, random: np.random.Generator) -> torch.Tensor:
        """The mean surprise at where things went in one step, of which nothing is drawn."""
        length = self.model.stack + 1
        rows, games, weights = self.surprises["moves"].draw(replay, self.config.model_choices, length, random)
        batch = self._windows(replay, rows, games, length)
        with autocast(self.device, self.precision):
            surprise = self.model.surprise(batch["frames"], batch["actions"], batch["first"])
        self.surprises["moves"].note(replay.slots_of(rows, games), surprise.detach().clamp(max=LARGEST))
        return (capped(surprise) * torch.from_numpy(weights).to(self.device)).mean()

    @torch.no_grad()
    def falls(self, replay: SequenceReplay) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All balls in the replay that were about to reach the edge: (K, S, 5), (K,), (K,) as `Misses.learn` has them.

        One was missed whose life, or game, was lost within `SOON` steps. Where a game was cut off, nobody knows.
        """
        columns: dict[str, list[torch.Tensor]] = {"seen": [], "actions": [], "first": [], "alive": []}
        every = np.arange(replay.num_games)
        for row in range(replay.oldest, replay.added, CHUNK):
            windows = self._windows(replay, np.full_like(every, row), every, min(CHUNK, replay.added - row))
            windows["seen"] = self.model.misses.read(windows["frames"])
            for name, column in columns.items():
                column.append(windows[name])
        seen, actions, first, alive = (torch.cat(column) for column in columns.values())  # (T, N, …)
        stack = self.model.stack
        steps = max(0, len(seen) - stack - SOON + 1)  # of each game, those of which it is known what came of them

        def later(rows: torch.Tensor, by: int) -> torch.Tensor:
            return rows[by : by + steps]

        whole = ~torch.stack([later(first, by) for by in range(1, stack + 1)]).any(0)
        lost, begun = torch.zeros_like(whole), torch.zeros_like(whole)
        for by in range(stack, stack + SOON):
            begun |= later(first, by)
            lost |= (later(alive, by) == 0) & ~begun
        stacks = torch.stack([later(seen, by) for by in range(stack)], 2)  # (steps, N, S, 5)
        whole &= (lost | ~begun) & self.model.misses.falling(stacks.flatten(0, 1)).view_as(whole)
        return stacks[whole], later(actions, stack)[whole], lost[whole].float()

    def _windows(
        self, replay: SequenceReplay, rows: np.ndarray, games: np.ndarray, length: int
    ) -> dict[str, torch.Tensor]:
        columns = vars(replay.windows(rows, games, length))
        return {name: torch.from_numpy(column).to(self.device) for name, column in columns.items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers, `adam.<parameter>/<slot>`, and how wrong each window was, `surprise.…`."""
        tensors = optimizer_tensors(self.optimizer, "adam.")
        if self.done < 1:
            for name, windows in self.surprises.items():
                tensors[f"surprise.{name}"] = torch.from_numpy(windows.tree.weights.astype(np.float32))
        return tensors

    def restore(self, tensors: dict[str, torch.Tensor], updates: int) -> None:
        """Become the learner that was saved, but for its model."""
        load_optimizer(self.optimizer, tensors, "adam.")
        self.updates = updates
        for name, surprise in with_prefix(tensors, "surprise.").items():
            self.surprises[name] = Surprises(len(surprise))
            self.surprises[name].tree.set(np.arange(len(surprise)), surprise.numpy())
