"""Algorithm 1 of Mnih et al. 2015, over many games at a time."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from agents.dqn.config import DQNConfig
from agents.dqn.dyna import Dyna
from agents.dqn.network import build_network
from agents.dqn.targets import double_q_targets, q_targets
from agents.errors import check_finite
from agents.interfaces import Games
from agents.layers import (
    Workers,
    as_saved,
    autocast,
    channels_last,
    from_saved,
    has_batch_norm,
    network_input,
    precision_for,
)
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.records import Transitions, Update
from agents.replay.frames import Draw, FrameReplay, UniformSampler
from agents.replay.priorities import PrioritisedSampler, Sampler, importance_weights
from agents.scores import Scores
from agents.tensors import from_columns, to_columns, with_prefix

SMALLEST_PART = 64
"""Samples below which the part of a batch is not worth a gradient of its own."""


@dataclass(frozen=True)
class Part:
    """A part of a batch of B, with what each transition counts for: weights (B,) float32."""

    transitions: Transitions
    weights: np.ndarray


@dataclass(frozen=True)
class Learnt:
    """What a part of a batch taught. errors: (B,) float32, δ = target − Q; gradient: of each parameter."""

    loss: float
    q: float
    errors: np.ndarray
    gradient: tuple[torch.Tensor, ...]


class DQNTrainer:
    """Plays, remembers, learns (implements `Trainer`).

    All that it does follows from the config, the seed, and how the machine computes: the precision that was found
    faster when training began, which a resumed training keeps, and the number of threads.
    """

    def __init__(self, config: DQNConfig, games: Games, seed: int = 0, device: torch.device | None = None):
        self.config, self.games, self.seed = config, games, seed
        self.device = device or torch.device("cpu")
        torch.manual_seed(seed)
        network = build_network(len(games.action_names), games.stack, games.frame_shape, config)
        # In eval mode but for the gradient: to act, and to bootstrap, is to use what batch normalisation has learnt.
        self.online = channels_last(network).to(self.device).eval()
        self.target = copy.deepcopy(self.online).requires_grad_(False) if config.target_network else self.online
        self._parameters = list(self.online.parameters())
        self._weights = [tensor for tensor in self.online.state_dict().values() if tensor.is_floating_point()]
        self.optimizer = build_optimizer(config, self.online)
        self.replay = FrameReplay(
            config.replay_capacity, games.num_games, games.frame_shape, games.frame_dtype, games.stack
        )
        self.sampler = build_sampler(config, self.replay)
        self.dyna = Dyna(self.replay, len(games.action_names), self.device) if config.dyna else None
        self.random = np.random.default_rng(seed)
        self.step = 0
        self.updates = 0
        self._samples_owed = 0.0
        self.scores = Scores(games.num_games, config.solved_at)
        # On a CPU the parts of a batch are independent work for independent threads, which beats threads that
        # meet after every layer; a GPU wants the batch whole, and so does batch normalisation.
        whole = self.device.type != "cpu" or has_batch_norm(self.online)
        most = min(config.batch_size // SMALLEST_PART, torch.get_num_threads())
        self._workers = Workers(1 if whole else max(1, most))
        self.precision = precision_for(self.online, games, config.batch_size, self.device)

    @property
    def epsilon(self) -> float:
        """ε now: linear from start to end over `epsilon_steps`, counted from where learning starts."""
        c = self.config
        done = min(1.0, max(0, self.step - c.learning_starts) / max(1, c.epsilon_steps))
        return c.epsilon_start + done * (c.epsilon_end - c.epsilon_start)

    @property
    def importance(self) -> float:
        """β now: linear to 1 at the last step (Schaul et al. 2016, section 3.4)."""
        c = self.config
        return c.importance_start + min(1.0, self.step / c.steps) * (1 - c.importance_start)

    @property
    def learning_rate(self) -> float:
        """Of the optimizer now: linear over the steps of the config."""
        c = self.config
        return c.learning_rate * (1 - min(1.0, self.step / c.steps) * (1 - c.learning_rate_end))

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` environment steps, or until the game is solved.

        Yields after every step of the games and after every update. The games begin anew: a resumed run keeps its
        replay, but not the games that were being played.
        """
        observations = self.games.reset(seed=int(self.random.integers(2**31)))
        self.replay.break_off()
        self.scores.begin()
        while self.step < total_steps and not self.scores.solved:
            steps = self.games.step(self._explore(observations))
            self.replay.add_steps(observations, steps)
            observations = steps.observations
            self.step += self.games.num_games
            ended = self.scores.add(steps)
            self._samples_owed += self._samples_due(len(ended))
            yield Update(self.step, self.updates, scores=ended)
            while self._samples_owed >= self.config.batch_size:
                self._samples_owed -= self.config.batch_size
                metrics = self.learn()
                yield Update(self.step, self.updates, metrics)

    def _samples_due(self, ended: int) -> float:
        """Samples to learn from for a step of the games in which `ended` of them came to their end."""
        c = self.config
        # Who goes on from trained weights has done many steps, and remembers none.
        enough = min(c.learning_starts, self.replay.rows * self.replay.num_games)
        if self.step < c.learning_starts or len(self.replay) < enough or not self.sampler.ready():
            return 0.0
        if c.updates_per_episode:
            return ended * c.updates_per_episode * c.batch_size
        return self.games.num_games * c.replay_ratio

    def _explore(self, observations: np.ndarray) -> np.ndarray:
        """ε-greedy actions (N,) for observations (N, stack, *frame)."""
        random_actions = self.random.integers(0, len(self.games.action_names), self.games.num_games)
        explores = self.random.random(self.games.num_games) < self.epsilon
        if explores.all():
            return random_actions
        with torch.inference_mode(), autocast(self.device, self.precision):
            greedy = self.online(self._input(observations)).argmax(-1).cpu().numpy()
        return np.where(explores, random_actions, greedy)

    def learn(self) -> dict[str, float]:
        """One update on real steps, and those on imagined ones; gives the metrics of the first.

        Raises TrainingDiverged where a number is not finite.
        """
        c = self.config
        draw = self.sampler.draw(c.batch_size, self.random)
        metrics, errors = self._learn_from(*self._batch(draw))
        self.sampler.update(draw, errors)
        if self.dyna is not None:
            metrics["model"] = self.dyna.learn(self.random)
            check_finite(math.isfinite(metrics["model"]), self.step, "the model's loss")
            for _ in range(c.dyna):
                imagined = self.dyna.imagine(c.batch_size, c.discount, self.random)
                self._learn_from(imagined, np.ones(c.batch_size, np.float32))
        return metrics

    def _learn_from(self, batch: Transitions, weights: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
        """One update of the network; gives its metrics, and δ = target − Q (B,) of each transition."""
        c = self.config
        parts = self._split(batch, weights)
        targets = list(self._workers.map(self._targets, parts))
        self.online.train()
        learnt = list(self._workers.map(self._gradient, zip(parts, targets, strict=True)))
        self.online.eval()
        loss, q = sum(part.loss for part in learnt), sum(part.q for part in learnt)
        gradients = zip(*(part.gradient for part in learnt), strict=True)
        set_gradients(self._parameters, (functools.reduce(torch.add, parts) for parts in gradients))
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, c.gradient_clip).item()
        metrics = {"loss": loss, "q": q, "gradient": norm, "epsilon": self.epsilon}
        finite = all(math.isfinite(number) for number in metrics.values())
        check_finite(finite, self.step, "the loss or its gradient")
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.optimizer.step()
        whole = torch.nn.utils.get_total_norm(self._weights)
        check_finite(bool(whole.isfinite()), self.step, "a weight of the network")
        self.updates += 1
        if self.target is not self.online and self.updates % c.target_period == 0:
            self.target.load_state_dict(self.online.state_dict())
        return metrics, np.concatenate([part.errors for part in learnt])

    def _batch(self, draw: Draw) -> tuple[Transitions, np.ndarray]:
        """What was drawn, and what each transition counts for (B,)."""
        batch = self.replay.transitions(draw, self.config.n_step, self.config.discount)
        return batch, importance_weights(draw.probabilities, self.importance)

    def _split(self, batch: Transitions, weights: np.ndarray) -> list[Part]:
        """A batch in as many parts as there are workers."""
        columns = [np.array_split(column, self._workers.count) for column in (*vars(batch).values(), weights)]
        rows = [part for part in zip(*columns, strict=True) if len(part[0])]
        return [Part(Transitions(*columns), weights) for *columns, weights in rows]

    def _targets(self, part: Part) -> torch.Tensor:
        """(B,) float32."""
        batch = part.transitions
        returns = torch.from_numpy(batch.returns).to(self.device)
        discounts = torch.from_numpy(batch.discounts).to(self.device)
        with torch.no_grad(), autocast(self.device, self.precision):
            after = self._input(batch.next_observations)
            if self.config.double:
                return double_q_targets(returns, discounts, self.target(after), self.online(after))
            return q_targets(returns, discounts, self.target(after))

    def _gradient(self, part_and_target: tuple[Part, torch.Tensor]) -> Learnt:
        """What a part of a batch teaches; loss, mean Q and gradient divided by the size of the whole batch."""
        part, target = part_and_target
        with autocast(self.device, self.precision):
            values = self.online(self._input(part.transitions.observations))  # (B, A)
        taken = torch.from_numpy(part.transitions.actions).to(self.device)
        weights = torch.from_numpy(part.weights).to(self.device)
        q = values.gather(-1, taken[:, None]).squeeze(-1)
        errors = F.smooth_l1_loss(q, target, reduction="none") if self.config.huber else 0.5 * (q - target).square()
        loss = (weights * errors).sum() / self.config.batch_size
        gradient = torch.autograd.grad(loss, self._parameters)
        mean = q.detach().sum().item() / self.config.batch_size
        return Learnt(loss.item(), mean, (target - q.detach()).cpu().numpy(), gradient)

    def _input(self, observations: np.ndarray) -> torch.Tensor:
        return network_input(observations, self.device, self.precision)

    # -- saving ----------------------------------------------------------

    def weights(self) -> dict[str, torch.Tensor]:
        """The network that acts."""
        return self.online.state_dict()

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Every other tensor that resuming needs: `target.…`, `adam.<parameter>/<slot>` or `sgd.…`, of the replay
        and its sampler `replay.…` and `sampler.…`, and of what imagines `dyna.…`.
        """
        tensors = from_columns(self.replay.state(), "replay.") | from_columns(self.sampler.state(), "sampler.")
        tensors |= optimizer_tensors(self.optimizer, f"{self.config.optimizer}.")
        if self.target is not self.online:
            tensors |= {f"target.{name}": tensor for name, tensor in self.target.state_dict().items()}
        if self.dyna is not None:
            tensors |= {f"dyna.{name}": tensor for name, tensor in self.dyna.tensors().items()}
        return tensors

    def training_counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return {
            "step": self.step,
            "updates": self.updates,
            "samples_owed": self._samples_owed,
            "model_updates": self.dyna.updates if self.dyna is not None else 0,
            "recent_scores": list(self.scores.recent),
            "replay_added": self.replay.added,
            "precision": as_saved(self.device, self.precision),
            "random": self.random.bit_generator.state,
        }

    def save_replay(self, folder: Path) -> list[str]:
        return self.replay.save_frames(folder)

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        """As `Trainer.start_from`."""
        self.online.load_state_dict(weights)
        self.target.load_state_dict(weights)
        self.step = step

    def restore(
        self,
        weights: dict[str, torch.Tensor],
        tensors: dict[str, torch.Tensor],
        counters: dict[str, Any],
        replay_folder: Path,
        replay_files: list[str],
    ) -> None:
        """Become the trainer that was saved. Raises ValueError or RuntimeError where the parts do not fit."""
        self.online.load_state_dict(weights)
        if self.target is not self.online:
            self.target.load_state_dict(with_prefix(tensors, "target."))
        load_optimizer(self.optimizer, tensors, f"{self.config.optimizer}.")
        self.replay.load(replay_folder, replay_files, to_columns(tensors, "replay."), counters["replay_added"])
        self.sampler.load(to_columns(tensors, "sampler."))
        if self.dyna is not None:
            self.dyna.restore(with_prefix(tensors, "dyna."), counters["model_updates"])
        self.step, self.updates = counters["step"], counters["updates"]
        self._samples_owed = counters["samples_owed"]
        self.scores.begin(counters.get("recent_scores", ()))
        self.random.bit_generator.state = counters["random"]
        self.precision = from_saved(counters.get("precision", ("", "")), self.device, self.precision)


def build_optimizer(config: DQNConfig, network: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer that the config names."""
    parameters, rate = network.named_parameters(), config.learning_rate
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=config.momentum, fused=True)
    return torch.optim.Adam(parameters, rate, eps=config.adam_epsilon, fused=True)


def build_sampler(config: DQNConfig, replay: FrameReplay) -> Sampler:
    """The sampler that the config chooses."""
    if config.prioritised:
        return PrioritisedSampler(replay, config.n_step, config.priority_exponent)
    return UniformSampler(replay, config.n_step)
