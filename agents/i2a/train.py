"""Three stages, one run: the environment model, the rollout policy, the agent (Weber et al. 2017, section 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.a2c.learner import ActorCriticLearner, Seen
from agents.envs.emulator import EmulatorModel
from agents.envs.guided import Guided
from agents.envs.separate import SeparateGames
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.i2a.cells import to_cells
from agents.i2a.colours import ColourCount
from agents.i2a.config import I2AConfig
from agents.i2a.model_learner import PHASES, ModelLearner
from agents.i2a.models import LearntModel, PerfectModel
from agents.i2a.network import I2AParts
from agents.i2a.rollouts import Imagination, RolloutPolicy, copies
from agents.interfaces import Games, GameSteps
from agents.layers import as_saved, channels_last, from_saved, network_input, precision_for
from agents.records import Update
from agents.replay.sequences import SequenceReplay
from agents.tensors import from_columns, to_columns, with_prefix

COLOUR_PERIOD = 20
"""Steps of all games between two looks at the colours of their screens."""

Handed = Callable[[], dict[str, torch.Tensor]]
"""The weights of parts that were trained in other runs."""


class I2ATrainer:
    """Implements `Trainer`.

        1  environment model   games of others are collected, the model learns them      no steps of its own
        2  rollout policy      an A2C                                                     `policy_steps` steps
        3  agent               an A2C that sees rollouts; the model is frozen, and the    the rest
                               rollout policy learns from nothing but the agent's policy

    A stage whose result was handed in is left out.

    games:    `SeparateGames` where the emulator imagines, any others else. settings: how they are played and seen.
    guide:    makes the games of others, for stage 1, which go on as `config.collect_per_update` says.
    handed:   gives the weights that were handed in.
    All that it does follows from the config, the seed, and how the machine computes.
    """

    def __init__(
        self,
        config: I2AConfig,
        games: Games,
        settings: AtariSettings,
        emulator: EmulatorModel,
        guide: Callable[[], Guided],
        handed: Handed,
        seed: int = 0,
        device: torch.device | None = None,
    ):
        self.config, self.games, self.settings, self._guide, self._handed = config, games, settings, guide, handed
        self.device = device or torch.device("cpu")
        torch.manual_seed(seed)
        self.num_actions = len(games.action_names)
        self._check(games)
        parts = I2AParts(config, self.num_actions, games.stack, games.frame_shape)
        self.parts = channels_last(parts).to(self.device)
        if self.parts.environment_model is not None:
            self.parts.environment_model.requires_grad_(False)  # but for stage 1, in which it asks for gradients
        self.random = np.random.default_rng(seed)
        rows = config.num_games * config.n_step
        self.precision = precision_for(self.parts.rollout_policy, games, rows, self.device)
        self._build_learners(emulator)
        self.replay: SequenceReplay | None = None
        self._guided: Guided | None = None
        self.collected, self.has_begun = 0, False

    def _check(self, games: Games) -> None:
        """Raises UserError where the environment model could not be trained, before anything is played."""
        c = self.config
        if not self.learns_model:
            return
        if c.model_kind == "local" and games.stack < 2:
            raise UserError("One frame does not show what moves: leave stack as it is, or set model_kind=convlstm.")
        needed = (games.stack + PHASES[-1].unroll) * c.num_games
        if c.collect < needed:
            raise UserError(f"collect must be at least {needed:,} with {c.num_games} games, not {c.collect:,}.")

    def _build_learners(self, emulator: EmulatorModel) -> None:
        c, parts = self.config, self.parts
        learnt = parts.environment_model if self.learns_model else None
        self.model_learner = None if learnt is None else ModelLearner(c, learnt, self.precision)
        own = dict(parts.rollout_policy.named_parameters())
        self.policy_learner = ActorCriticLearner(
            *(c.for_rollouts(), self.games, parts.rollout_policy, own, self._see, self.random, self.precision),
            reuses=True,
        )
        # Its learning rate falls over its own steps alone.
        own_steps = max(1, c.steps - (c.policy_steps if self.learns_policy else 0))
        of_agent = replace(c, steps=own_steps, policy_steps=0)
        named = {f"agent.{name}": parameter for name, parameter in parts.agent.named_parameters()}
        distilled = {f"rollout_policy.{name}": parameter for name, parameter in own.items()}
        # Of the rollout policy only the layer of its logits: its critic, which says what a rollout's end is worth, must
        # find the features that it has learnt from.
        distilled = {name: parameter for name, parameter in distilled.items() if "heads.policy" in name}
        self.learner = ActorCriticLearner(
            *(of_agent, self.games, parts.agent, named | (distilled if self.imagines else {})),
            *(self._see_and_imagine, self.random, self.precision),
            auxiliary=self._distillation if self.imagines else None,
        )
        if parts.environment_model is not None:
            model: LearntModel | PerfectModel = LearntModel(parts.environment_model, self.settings, self.precision)
        else:
            model = PerfectModel(emulator, self.device)
        fire = emulator.fire_action if self.settings.fire else None
        self.rollout_policy = RolloutPolicy(parts.rollout_policy, fire, self.precision)
        self.imagination = Imagination(model, self.rollout_policy, self.num_actions, c.horizon, c.discount, c.life_cost)

    @property
    def imagines(self) -> bool:
        return self.config.model != "none"

    @property
    def learns_model(self) -> bool:
        """Whether there is a stage 1."""
        return self.config.model == "learnt" and not self.config.environment_model

    @property
    def learns_policy(self) -> bool:
        """Whether there is a stage 2."""
        return self.config.trains_policy

    @property
    def step(self) -> int:
        return self.policy_learner.step + self.learner.step

    @property
    def updates(self) -> int:
        of_model = self.model_learner.updates if self.model_learner else 0
        return of_model + self.policy_learner.updates + self.learner.updates

    # -- the stages ------------------------------------------------------------------------------------------

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` environment steps, those of the rollout policy among them; the games begin anew."""
        if not self.has_begun:
            self._take(self._handed())
            self.has_begun = True
        self._guided = None
        if self.model_learner is not None and self.model_learner.done < 1:
            yield from self._collect()
            yield from self._learn_model()
        self.replay = self._guided = None
        if self.learns_policy:
            until = min(total_steps, self.config.policy_steps)
            yield from self._told(self.policy_learner.train(until), 2.0)
        self._begin_warm()
        if self.step < total_steps:
            yield from self._told(self.learner.train(total_steps - self.policy_learner.step), 3.0)

    def _take(self, handed: dict[str, torch.Tensor]) -> None:
        """Raises UserError where a part that was handed in is not what it is now."""
        own = self.parts.state_dict()
        named = {name.split(".")[0] for name in handed}
        expected = {name: own[name].shape for name in own if name.split(".")[0] in named}
        # A model of before there were tiles has none.
        handed = {name: own[name] for name in expected if name.startswith("environment_model.tiles.")} | handed
        if expected != {name: tensor.shape for name, tensor in handed.items()}:
            parts = " and ".join(sorted(named)).replace("_", " ")
            raise UserError(f"The {parts} of another run does not fit this version: train it anew.")
        self.parts.load_state_dict(handed, strict=False)

    def _begin_warm(self) -> None:
        if self.config.begins_as_policy and self.learner.step == 0:
            self.parts.begin_as_rollout_policy(self.config.trust)

    def _told(self, updates: Iterator[Update], stage: float) -> Iterator[Update]:
        for update in updates:
            metrics = dict(update.metrics) | {"stage": stage} if update.metrics else update.metrics
            yield replace(update, step=self.step, updates=self.updates, metrics=metrics)

    def _new_replay(self) -> SequenceReplay:
        games, rows = self.games, self.config.collect + 2 * self.config.num_games
        return SequenceReplay(rows, games.num_games, games.frame_shape, games.frame_dtype)

    def _collect(self) -> Iterator[Update]:
        """Fill the replay with games of others, and count the colours of their screens."""
        if self.collected >= self.config.collect:
            return
        assert self.parts.environment_model is not None
        self.replay = self.replay or self._new_replay()
        colours = ColourCount(self.settings)
        while self.collected < self.config.collect:
            games, steps = self._look_on(self.replay)
            if self.collected // self.games.num_games % COLOUR_PERIOD == 1:
                colours.add(steps.observations[:, -1], games.screens)
            yield Update(self.step, self.updates, {"borrowed": float(self.collected), "stage": 1.0})
        self.parts.environment_model.colours.copy_(torch.from_numpy(colours.table()))

    def _look_on(self, replay: SequenceReplay) -> tuple[Guided, GameSteps]:
        """One step of the games of others, which begin anew where a training goes on."""
        if self._guided is None:
            self._guided = self._guide()
            self._forget_next(replay)
            replay.add_first(self._guided.reset(int(self.random.integers(2**31))))
        steps = self._guided.step(self.random)
        self._forget_next(replay)
        replay.add_steps(steps)
        self.collected += self.games.num_games
        return self._guided, steps

    def _forget_next(self, replay: SequenceReplay) -> None:
        """What is about to be overwritten."""
        if self.model_learner is not None:
            rows = np.full(replay.num_games, replay.added)
            self.model_learner.forget(replay.slots_of(rows, np.arange(replay.num_games)))

    def _let_others_go_on(self, replay: SequenceReplay, updates: int) -> Iterator[Update]:
        """So many steps as are due before so many updates of the model are done, of whole steps of all games."""
        count = self.games.num_games
        filled = math.ceil(self.config.collect / count) * count
        while self.collected + count <= filled + updates * self.config.collect_per_update:
            self._look_on(replay)
            yield Update(self.step, self.updates, {"borrowed": float(self.collected), "stage": 1.0})

    def _learn_model(self) -> Iterator[Update]:
        learner, model, replay = self.model_learner, self.parts.environment_model, self.replay
        assert learner is not None
        assert model is not None
        assert replay is not None
        if learner.updates == 0:
            learner.calibrate(replay, self.random)
        model.requires_grad_(True)
        try:
            while learner.done < 1:
                yield from self._let_others_go_on(replay, learner.updates + 1)
                metrics = learner.learn(replay, self.random)
                yield Update(self.step, self.updates, metrics | {"stage": 1.0})
        finally:
            model.requires_grad_(False)

    # -- what the networks are given -------------------------------------------------------------------------

    def _see(self, observations: np.ndarray) -> Seen:
        return (network_input(observations, self.device, self.precision),)

    def _see_and_imagine(self, observations: np.ndarray) -> Seen:
        """What `I2ANetwork` takes, of observations (N, S, h, w) as the games stand now."""
        if self.imagines:
            snapshots = self.games.snapshots() if isinstance(self.games, SeparateGames) else None
            rollouts = self.imagination.roll_out(observations, snapshots)
        else:
            rollouts = copies(observations, self.num_actions, self.config.horizon, self.device)
        present = to_cells(torch.from_numpy(observations[:, -1]).to(self.device))
        return *self._see(observations), present, rollouts.frames, rollouts.rewards, rollouts.returns

    def _distillation(self, seen: Seen, logits: torch.Tensor) -> torch.Tensor:
        """−Σ_a π(a | o) log π̂(a | o), which draws the rollout policy to the agent's and leaves the agent alone."""
        own, _ = self.parts.rollout_policy(seen[0])
        cross_entropy = -(logits.detach().softmax(-1) * own.log_softmax(-1)).sum(-1).mean()
        return self.config.distillation_scale * cross_entropy

    # -- saving ----------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, torch.Tensor]:
        """All that imagines and acts: `environment_model.…`, `rollout_policy.…`, `agent.…`."""
        self._begin_warm()  # who watches before the last stage sees the rollout policy play
        return self.parts.state_dict()

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Every other tensor that resuming needs: of the optimizers `model.…`, `policy.…`, `own.…`; `replay.…`."""
        of_model = self.model_learner.tensors() if self.model_learner else {}
        groups = {"model": of_model, "policy": self.policy_learner.tensors(), "own": self.learner.tensors()}
        if self.replay is not None:
            groups["replay"] = from_columns(self.replay.state(), "")
        return {f"{group}.{name}": tensor for group, own in groups.items() for name, tensor in own.items()}

    def training_counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return {
            "has_begun": self.has_begun,
            "collected": self.collected,
            "model_updates": self.model_learner.updates if self.model_learner else 0,
            "policy": self.policy_learner.counters(),
            "own": self.learner.counters(),
            "replay_added": self.replay.added if self.replay is not None else None,
            "precision": as_saved(self.device, self.precision),
            "random": self.random.bit_generator.state,
        }

    def save_replay(self, folder: Path) -> list[str]:
        return self.replay.save_frames(folder) if self.replay is not None else []

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        """As `Trainer.start_from`; the environment model is one that has been learnt."""
        self.parts.load_state_dict(weights)
        self.has_begun = True
        if self.model_learner is not None:
            self.model_learner.updates = max(1, self.config.model_updates)
        self.policy_learner.step = min(step, self.config.policy_steps) if self.learns_policy else 0
        self.learner.step = step - self.policy_learner.step

    def restore(
        self,
        weights: dict[str, torch.Tensor],
        tensors: dict[str, torch.Tensor],
        counters: dict[str, Any],
        replay_folder: Path,
        replay_files: list[str],
    ) -> None:
        """Become the trainer that was saved. Raises ValueError or RuntimeError where the parts do not fit."""
        self.parts.load_state_dict(weights)
        self.has_begun, self.collected = counters["has_begun"], counters["collected"]
        if self.model_learner is not None:
            self.model_learner.restore(with_prefix(tensors, "model."), counters["model_updates"])
        self.policy_learner.restore(with_prefix(tensors, "policy."), counters["policy"])
        self.learner.restore(with_prefix(tensors, "own."), counters["own"])
        if counters["replay_added"] is not None:
            self.replay = self._new_replay()
            self.replay.load(replay_folder, replay_files, to_columns(tensors, "replay."), counters["replay_added"])
        self.random.bit_generator.state = counters["random"]
        self._compute_in(from_saved(counters["precision"], self.device, self.precision))

    def _compute_in(self, precision: torch.dtype) -> None:
        """Of all parts: what one of them hands on, another one reads."""
        self.precision = self.policy_learner.precision = self.learner.precision = precision
        if self.model_learner is not None:
            self.model_learner.precision = precision
        self.rollout_policy.precision = precision
        if isinstance(self.imagination.model, LearntModel):
            self.imagination.model.precision = precision
