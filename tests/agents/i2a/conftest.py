"""A training of seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from agents.catalogue import ALGORITHMS
from agents.envs.atari import AtariGames
from agents.envs.emulator import EmulatorModel
from agents.envs.guided import GuidedGames
from agents.envs.separate import SeparateGames
from agents.i2a.config import I2AConfig
from agents.i2a.train import I2ATrainer

TINY = I2AConfig(
    num_games=2, n_step=2, horizon=2, rollout_channels=4, rollout_units=8, model_width=4, model_rows=6, model_choices=8,
    collect=40, collect_per_update=3, model_updates=6, policy_steps=12, steps=24,
)  # fmt: skip
SETTINGS = ALGORITHMS["i2a"].settings_for("breakout")

BuildTrainer = Callable[..., I2ATrainer]


@pytest.fixture
def build_trainer() -> BuildTrainer:
    """A trainer of Breakout, which has changes to `TINY`."""

    def build(seed: int = 0, handed: dict[str, torch.Tensor] | None = None, **changes) -> I2ATrainer:
        config = dataclasses.replace(TINY, **changes)
        kind = SeparateGames if config.model == "emulator" else AtariGames
        trainer = I2ATrainer(
            *(config, kind("breakout", 2, SETTINGS), SETTINGS, EmulatorModel("breakout", SETTINGS)),
            guide=lambda: GuidedGames(None, SETTINGS, "breakout", 2, SETTINGS, (1.0,)),
            handed=lambda: handed or {},
            seed=seed,
        )
        trainer._compute_in(torch.float32)  # what is chosen by measurement differs from time to time
        return trainer

    return build
