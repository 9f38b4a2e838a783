"""Training by parallelised Q-learning: no replay, no target network (Gallici et al. 2025, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.errors import check_finite
from agents.interfaces import Games, GameSteps
from agents.layers import as_saved, autocast, channels_last, from_saved, network_input, precision_for
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.pqn.config import PQNConfig
from agents.pqn.network import build_network
from agents.records import Update
from agents.returns import game_returns
from agents.scores import Scores


@dataclass(frozen=True)
class Played:
    """The B transitions of some steps of all games; steps that only began a new game are left out.

    seen (B, …): the observations as the network takes them. actions (B,) int64, as really taken. returns (B,) float32.
    """

    seen: torch.Tensor
    actions: torch.Tensor
    returns: torch.Tensor


class PQNTrainer:
    """Plays and learns (implements `Trainer`). What was learnt from is forgotten.

    All that it does follows from the config, the seed, and how the machine computes: the precision that was found
    faster when training began, which a resumed training keeps, and the number of threads.
    """

    def __init__(self, config: PQNConfig, games: Games, seed: int = 0, device: torch.device | None = None):
        self.config, self.games = config, games
        self.device = device or torch.device("cpu")
        torch.manual_seed(seed)
        network = build_network(len(games.action_names), games.stack, games.frame_shape)
        self.network = channels_last(network).to(self.device)
        self._parameters = list(self.network.parameters())
        self.optimizer = torch.optim.RAdam(self.network.named_parameters(), config.learning_rate)
        self.random = np.random.default_rng(seed)
        self.step, self.updates = 0, 0
        self.scores = Scores(games.num_games, config.solved_at)
        rows = max(1, config.num_games * config.n_step // config.batches)
        self.precision = precision_for(self.network, games, rows, self.device)

    @property
    def epsilon(self) -> float:
        """ε now: linear from start to end over `epsilon_steps`."""
        c = self.config
        done = min(1.0, self.step / max(1, c.epsilon_steps))
        return c.epsilon_start + done * (c.epsilon_end - c.epsilon_start)

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` environment steps, or until the game is solved; the games begin anew.

        Yields after every step of the games and after every update. What was played and not yet learnt from when
        training stopped is not learnt from any more.
        """
        seen = self._perceive(self.games.reset(seed=int(self.random.integers(2**31))))
        self.scores.begin()
        while self.step < total_steps and not self.scores.solved:
            states, values, taken = [seen], [], []
            for _ in range(self.config.n_step):
                chosen, best = self._explore(seen)
                steps = self.games.step(chosen)
                seen = self._perceive(steps.observations)
                states.append(seen)
                values.append(best)
                taken.append(steps)
                self.step += self.games.num_games
                yield Update(self.step, self.updates, scores=self.scores.add(steps))
            values.append(self._values(seen).amax(-1))
            for metrics in self.learn(self._played(states[:-1], torch.stack(values), taken)):
                yield Update(self.step, self.updates, metrics)

    def _perceive(self, observations: np.ndarray) -> torch.Tensor:
        return network_input(observations, self.device, self.precision)

    def _values(self, seen: torch.Tensor) -> torch.Tensor:
        """Q(o, ·) (N, A), through which no gradient flows."""
        with torch.no_grad(), autocast(self.device, self.precision):
            values: torch.Tensor = self.network(seen)
        return values

    def _explore(self, seen: torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
        """ε-greedy actions (N,) int64, and the values of the greedy ones (N,)."""
        best, greedy = self._values(seen).max(-1)
        count = len(greedy)
        random_actions = self.random.integers(0, len(self.games.action_names), count)
        explores = self.random.random(count) < self.epsilon
        return np.where(explores, random_actions, greedy.cpu().numpy()), best

    def _played(self, states: list[torch.Tensor], values: torch.Tensor, taken: list[GameSteps]) -> Played:
        """What was played: states (n of N rows), values (n + 1, N) of their best actions, and the steps taken."""
        returns, counts = game_returns(taken, values, self.config.discount, self.config.lambda_)
        actions = torch.from_numpy(np.stack([steps.actions for steps in taken])).to(self.device)
        rows = torch.nonzero(counts.flatten()).flatten()
        return Played(torch.cat(states)[rows], actions.flatten()[rows], returns.flatten()[rows])

    def learn(self, played: Played) -> Iterator[dict[str, float]]:
        """The updates from what was played, one after another; gives the metrics of each.

        Raises TrainingDiverged where a number is not finite.
        """
        for _ in range(self.config.epochs):
            for rows in np.array_split(self.random.permutation(len(played.actions)), self.config.batches):
                if len(rows):
                    part = torch.from_numpy(rows).to(self.device)
                    yield self._descend(played.seen[part], played.actions[part], played.returns[part])

    def _descend(self, seen: torch.Tensor, actions: torch.Tensor, returns: torch.Tensor) -> dict[str, float]:
        with autocast(self.device, self.precision):
            values = self.network(seen)
        q = values.gather(-1, actions[:, None]).squeeze(-1)
        loss = 0.5 * (q - returns).square().mean()
        set_gradients(self._parameters, torch.autograd.grad(loss, self._parameters))
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.config.gradient_clip).item()
        metrics = {"loss": loss.item(), "q": q.mean().item(), "gradient": norm, "epsilon": self.epsilon}
        finite = all(math.isfinite(number) for number in metrics.values())
        check_finite(finite, self.step, "the loss or its gradient")
        self.optimizer.step()
        whole = torch.nn.utils.get_total_norm(self._parameters)
        check_finite(bool(whole.isfinite()), self.step, "a weight of the network")
        self.updates += 1
        return metrics

    # -- saving ----------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, torch.Tensor]:
        """The network that acts."""
        return self.network.state_dict()

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers, as `radam.<parameter>/<slot>`."""
        return optimizer_tensors(self.optimizer, "radam.")

    def training_counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return {
            "step": self.step,
            "updates": self.updates,
            "recent_scores": list(self.scores.recent),
            "precision": as_saved(self.device, self.precision),
            "random": self.random.bit_generator.state,
        }

    def save_replay(self, folder: Path) -> list[str]:
        return []

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        """As `Trainer.start_from`."""
        self.network.load_state_dict(weights)
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
        self.network.load_state_dict(weights)
        load_optimizer(self.optimizer, tensors, "radam.")
        self.step, self.updates = counters["step"], counters["updates"]
        self.scores.begin(counters["recent_scores"])
        self.precision = from_saved(counters["precision"], self.device, self.precision)
        self.random.bit_generator.state = counters["random"]
