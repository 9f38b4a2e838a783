"""Algorithm 1 of Mnih et al. 2015, over many games at a time."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from agents.dqn.config import DQNConfig
from agents.dqn.network import build_network
from agents.dqn.targets import double_q_targets, q_targets
from agents.errors import TrainingDiverged
from agents.interfaces import Games
from agents.layers import Workers, autocast, channels_last, faster_precision, network_input
from agents.records import Transitions, Update
from agents.replay.frames import FrameReplay

SMALLEST_PART = 64
"""Samples below which the part of a batch is not worth a gradient of its own."""


class DQNTrainer:
    """Plays, remembers, learns (implements `Trainer`).

    All that it does follows from the config, the seed, and how the machine computes: the precision that was found
    faster when training began, which a resumed training keeps, and the number of threads.
    """

    def __init__(self, config: DQNConfig, games: Games, seed: int = 0, device: torch.device | None = None):
        self.config, self.games, self.seed = config, games, seed
        self.device = device or torch.device("cpu")
        torch.manual_seed(seed)
        self.online = channels_last(build_network(len(games.action_names), games.stack, games.frame_shape)).to(
            self.device
        )
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.Adam(
            self.online.parameters(), config.learning_rate, eps=config.adam_epsilon, fused=True
        )
        self.replay = FrameReplay(
            config.replay_capacity, games.num_games, games.frame_shape, games.frame_dtype, games.stack
        )
        self.random = np.random.default_rng(seed)
        self.step = 0
        self.updates = 0
        self._samples_owed = 0.0
        # On a CPU the parts of a batch are independent work for independent threads, which beats threads that
        # meet after every layer; a GPU wants the batch whole.
        most = min(config.batch_size // SMALLEST_PART, torch.get_num_threads())
        self._workers = Workers(max(1, most) if self.device.type == "cpu" else 1)
        blank = np.zeros((config.batch_size, games.stack, *games.frame_shape), games.frame_dtype)
        self.precision = faster_precision(
            self.device, lambda dtype: self.online(network_input(blank, self.device, dtype))
        )

    @property
    def epsilon(self) -> float:
        """ε now: linear from start to end over `epsilon_steps`, counted from where learning starts."""
        c = self.config
        done = min(1.0, max(0, self.step - c.learning_starts) / max(1, c.epsilon_steps))
        return c.epsilon_start + done * (c.epsilon_end - c.epsilon_start)

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` environment steps; yields after every step of the games.

        The games begin anew: a resumed run keeps its replay, but not the games that were being played.
        """
        observations = self.games.reset(seed=int(self.random.integers(2**31)))
        self.replay.break_off()
        scores = np.zeros(self.games.num_games)
        while self.step < total_steps:
            steps = self.games.step(self._explore(observations))
            self.replay.add(observations, steps)
            observations = steps.observations
            self.step += self.games.num_games
            scores += steps.rewards
            over = steps.terminated | steps.truncated
            ended = tuple(scores[over].tolist())
            scores[over] = 0
            metrics: dict[str, float] = {}
            if self.step >= self.config.learning_starts and self.replay.ready(self.config.n_step):
                self._samples_owed += self.games.num_games * self.config.replay_ratio
                while self._samples_owed >= self.config.batch_size:
                    self._samples_owed -= self.config.batch_size
                    metrics = self.learn()
            yield Update(self.step, self.updates, metrics, ended)

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
        """One update on one batch; gives its metrics. Raises TrainingDiverged where a number is not finite."""
        c = self.config
        batch = self.replay.sample(c.batch_size, c.n_step, c.discount, self.random)
        parts = list(self._workers.map(self._gradient, self._split(batch)))
        loss, q = sum(part[0] for part in parts), sum(part[1] for part in parts)
        for k, parameter in enumerate(self.online.parameters()):
            parameter.grad = functools.reduce(torch.add, (part[2][k] for part in parts))
        norm = torch.nn.utils.clip_grad_norm_(self.online.parameters(), c.gradient_clip).item()
        metrics = {"loss": loss, "q": q, "gradient": norm, "epsilon": self.epsilon}
        if not all(math.isfinite(number) for number in metrics.values()):
            raise TrainingDiverged(f"At step {self.step:,} the loss or its gradient was not a finite number.")
        self.optimizer.step()
        self.updates += 1
        if self.updates % c.target_period == 0:
            self.target.load_state_dict(self.online.state_dict())
        return metrics

    def _split(self, batch: Transitions) -> list[Transitions]:
        """The batch in as many parts as there are workers."""
        columns = [np.array_split(column, self._workers.count) for column in vars(batch).values()]
        return [Transitions(*part) for part in zip(*columns, strict=True) if len(part[0])]

    def _gradient(self, batch: Transitions) -> tuple[float, float, tuple[torch.Tensor, ...]]:
        """Loss, mean Q and gradient of a part of a batch, each divided by the size of the whole batch."""
        with torch.no_grad(), autocast(self.device, self.precision):
            target = self._targets(batch)
        with autocast(self.device, self.precision):
            values = self.online(self._input(batch.observations))  # (B, A)
        taken = torch.from_numpy(batch.actions).to(self.device)
        q = values.gather(-1, taken[:, None]).squeeze(-1)
        # Nature clips the TD error to ±1; that is a Huber loss.
        loss = F.smooth_l1_loss(q, target, reduction="sum") / self.config.batch_size
        gradient = torch.autograd.grad(loss, list(self.online.parameters()))
        return loss.item(), q.detach().sum().item() / self.config.batch_size, gradient

    def _targets(self, batch: Transitions) -> torch.Tensor:
        """(B,) float32."""
        returns = torch.from_numpy(batch.returns).to(self.device)
        discounts = torch.from_numpy(batch.discounts).to(self.device)
        after = self._input(batch.next_observations)
        if self.config.double:
            return double_q_targets(returns, discounts, self.target(after), self.online(after))
        return q_targets(returns, discounts, self.target(after))

    def _input(self, observations: np.ndarray) -> torch.Tensor:
        return network_input(observations, self.device, self.precision)

    # -- saving ----------------------------------------------------------

    def weights(self) -> dict[str, torch.Tensor]:
        """The network that acts."""
        return self.online.state_dict()

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Every other tensor that resuming needs: `target.…`, `adam.<parameter>.<slot>`, `replay.…`."""
        tensors = {f"target.{name}": tensor for name, tensor in self.target.state_dict().items()}
        tensors |= {f"replay.{name}": torch.from_numpy(column) for name, column in self.replay.state().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{slot}": tensor for slot, tensor in slots.items()}
        return tensors

    def training_counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return {
            "step": self.step,
            "updates": self.updates,
            "samples_owed": self._samples_owed,
            "replay_added": self.replay.added,
            "precision": [self.device.type, str(self.precision).removeprefix("torch.")],
            "random": self.random.bit_generator.state,
        }

    def save_replay(self, folder: Path) -> list[str]:
        return self.replay.save_frames(folder)

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
        self.target.load_state_dict(with_prefix(tensors, "target."))
        adam: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in with_prefix(tensors, "adam.").items():
            number, slot = name.split(".")
            adam.setdefault(int(number), {})[slot] = tensor.clone()  # the optimizer goes on writing into it
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": adam, "param_groups": groups})
        columns = {name: tensor.numpy() for name, tensor in with_prefix(tensors, "replay.").items()}
        self.replay.load(replay_folder, replay_files, columns, counters["replay_added"])
        self.step, self.updates = counters["step"], counters["updates"]
        self._samples_owed = counters["samples_owed"]
        self.random.bit_generator.state = counters["random"]
        device, precision = counters.get("precision", ("", ""))
        if device == self.device.type:
            self.precision = getattr(torch, precision)


def with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
