"""Training an A2C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.a2c.config import A2CConfig
from agents.a2c.learner import ActorCriticLearner, Seen
from agents.a2c.network import build_network
from agents.interfaces import Games
from agents.layers import channels_last, network_input, precision_for
from agents.records import Update


class A2CTrainer:
    """Plays and learns (implements `Trainer`). There is no replay: what was learnt from is forgotten.

    All that it does follows from the config, the seed, and how the machine computes: the precision that was found
    faster when training began, which a resumed training keeps, and the number of threads.
    """

    def __init__(self, config: A2CConfig, games: Games, seed: int = 0, device: torch.device | None = None):
        self.config, self.games = config, games
        self.device = device or torch.device("cpu")
        torch.manual_seed(seed)
        network = build_network(len(games.action_names), games.stack, games.frame_shape, config)
        self.network = channels_last(network).to(self.device)
        self.random = np.random.default_rng(seed)
        self.learner = ActorCriticLearner(
            *(config, games, self.network, dict(self.network.named_parameters()), self._perceive, self.random),
            precision=precision_for(self.network, games, config.num_games * config.n_step, self.device),
            reuses=True,
        )

    def _perceive(self, observations: np.ndarray) -> Seen:
        return (network_input(observations, self.device, self.learner.precision),)

    @property
    def step(self) -> int:
        return self.learner.step

    @property
    def updates(self) -> int:
        return self.learner.updates

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` environment steps, or until the game is solved; the games begin anew."""
        return self.learner.train(total_steps)

    def weights(self) -> dict[str, torch.Tensor]:
        """The network that acts."""
        return self.network.state_dict()

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers."""
        return self.learner.tensors()

    def training_counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return self.learner.counters() | {"random": self.random.bit_generator.state}

    def save_replay(self, folder: Path) -> list[str]:
        return []

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        """As `Trainer.start_from`."""
        self.network.load_state_dict(weights)
        self.learner.step = step

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
        self.learner.restore(tensors, counters)
        self.random.bit_generator.state = counters["random"]
