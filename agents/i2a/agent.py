"""A trained I2A: decides by what it imagines, and shows it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from agents.a2c.agent import likeliest
from agents.a2c.network import FLOAT32
from agents.envs.atari import Snapshot
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.i2a.cells import to_cells
from agents.i2a.config import I2AConfig
from agents.i2a.models import LearntModel, PerfectModel
from agents.i2a.network import I2AParts
from agents.i2a.rollouts import Imagination, RolloutPolicy, Rollouts, copies
from agents.imagination import Begun, Recall, unroll
from agents.interfaces import Memoryless, MixableModel
from agents.layers import channels_last, halve_where_faster, network_input
from agents.records import Decision, Moment, Rollout

MANY = 64
"""Rows that pass through a layer of the environment model at a time, about: things and cells of every future."""


@dataclass(frozen=True)
class _Decided:
    """What was decided at a moment, and the futures of every action by which; None for an agent that imagines none."""

    moment: Moment
    decision: Decision
    begun: Begun | None


class I2AAgent(Memoryless):
    """Implements `Agent`, `ImaginativeAgent`, `DeliberatingAgent` and `EmulatingAgent`.

    From an action on, it imagines with its rollout policy: what `imagine` shows of every action is what it decides by.
    Without a model (`config.model` none) it looks ahead through the emulator, as agents without a model do.
    """

    def __init__(
        self,
        parts: I2AParts,
        config: I2AConfig,
        emulator: EmulatorModel,
        settings: AtariSettings,
        device: torch.device | None = None,
    ):
        self.device = device or torch.device("cpu")
        self.parts = channels_last(copy.deepcopy(parts)).to(self.device).eval()
        self.config, self.emulator, self.settings = config, emulator, settings
        self.action_names = emulator.action_names
        perfect, learnt = PerfectModel(emulator, self.device), self.parts.environment_model
        # All but what training computes in float32 whatever its precision: the last layers, and who will miss.
        halve_where_faster(self.parts.rollout_policy, *FLOAT32)
        if learnt is not None:
            halve_where_faster(learnt, "expect", "quarter", "choose", "draw", "look", "heads", "misses", rows=MANY)
        self._model: LearntModel | PerfectModel = LearntModel(learnt, settings) if learnt is not None else perfect
        fire = emulator.fire_action if settings.fire else None
        self._rollout_policy = RolloutPolicy(self.parts.rollout_policy, fire)
        self._imagination = Imagination(
            *(self._model, self._rollout_policy, len(self.action_names)),
            *(config.horizon, config.discount, config.life_cost),
        )
        self._decided: _Decided | None = None  # who looks ahead from a moment asks several times what is decided there
        self._recall = Recall()

    # -- deciding --------------------------------------------------------------------------------------------

    def _copies(self, observations: np.ndarray) -> Rollouts:
        return copies(observations, len(self.action_names), self.config.horizon, self.device)

    def _roll_out(self, observations: np.ndarray) -> Rollouts:
        """Of many games at a time, without snapshots."""
        return self._copies(observations) if self.config.model == "none" else self._imagination.roll_out(observations)

    def _judge(self, observations: np.ndarray, rollouts: Rollouts) -> tuple[np.ndarray, np.ndarray]:
        """The policy (B, A) and the values (B,), float32, of observations (B, S, h, w) and what follows from them."""
        present = to_cells(torch.from_numpy(observations[:, -1]).to(self.device))
        blocks = network_input(observations, self.device)
        logits, values = self.parts.agent(blocks, present, rollouts.frames, rollouts.rewards, rollouts.returns)
        return logits.softmax(-1).cpu().numpy(), values.cpu().numpy()

    def _decide(self, moment: Moment, rollouts: Rollouts) -> Decision:
        probabilities, values = self._judge(moment.observation[None], rollouts)
        return Decision(int(probabilities[0].argmax()), float(values[0]), probabilities[0])

    @torch.inference_mode()
    def act(self, moment: Moment) -> Decision:
        return self._decided_at(moment).decision

    def _decided_at(self, moment: Moment) -> _Decided:
        if self._decided is None or self._decided.moment is not moment:
            if self.config.model == "none":
                rollouts, begun = self._copies(moment.observation[None]), None
            else:
                rollouts, begun = self._imagination.roll_out_from(self.world_model().start(moment, 1))
            self._decided = _Decided(moment, self._decide(moment, rollouts), begun)
        return self._decided

    @torch.inference_mode()
    def act_batch(self, observations: np.ndarray, memory: None) -> np.ndarray:
        """As `Agent.act_batch`. Raises UserError for an agent that imagines with the emulator."""
        return likeliest(self._judge(observations, self._roll_out(observations))[0])

    @property
    def needs_snapshots(self) -> bool:
        """As `EmulatingAgent.needs_snapshots`."""
        return isinstance(self._model, PerfectModel) and self.config.model != "none"

    @torch.inference_mode()
    def act_snapshots(self, observations: np.ndarray, snapshots: Sequence[Snapshot]) -> np.ndarray:
        """As `EmulatingAgent.act_snapshots`."""
        return likeliest(self._judge(observations, self._imagination.roll_out(observations, snapshots))[0])

    # -- looking ahead ---------------------------------------------------------------------------------------

    def world_model(self, seed: int | None = None) -> MixableModel:
        """The model that `imagine` unrolls; it knows one future only, whatever the seed."""
        return self._model if isinstance(self._model, LearntModel) else self.emulator

    @torch.inference_mode()
    def policy(self, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """The rollout policy's actions in states of that model, and what they are worth to its critic.

        The agent's own critic would have to roll out every action from every state. An agent that imagines nothing
        has no rollout policy, and judges for itself.
        """
        if self.config.model == "none":
            observations = self._model.observations(state)
            probabilities, values = self._judge(observations, self._copies(observations))
            actions = probabilities.argmax(1)
            fire = self._rollout_policy.fire_action
            actions = actions if fire is None else np.where(self._model.waits(state), fire, actions)
        else:
            actions, values = self._rollout_policy(self._model, state)
        return actions, np.where(self._model.over(state), 0, values).astype(np.float32)

    @torch.inference_mode()
    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        """As `Agent.imagine`: the agent chooses the first action where none is given, its rollout policy the others.

        The value of the present is the agent's own, those of what follows as `policy` has them.
        """
        decided = self._decided_at(moment)
        if actions is None:
            waits = isinstance(self._model, PerfectModel) and moment.needs_fire
            fire = self._rollout_policy.fire_action
            actions = np.array([[fire if waits and fire is not None else decided.decision.action]])
        begun = decided.begun if samples == 1 and np.array_equal(actions, self._every) else None
        rollout = unroll(self.world_model(), moment, horizon, self.policy, actions, samples, self._recall, begun)
        values = rollout.values.copy()
        values[:, 0] = decided.decision.value
        return replace(rollout, values=values)

    @property
    def _every(self) -> np.ndarray:
        """(A, 1) int64, every action as the first one."""
        return np.arange(len(self.action_names))[:, None]

    @torch.inference_mode()
    def deliberate(self, moment: Moment) -> tuple[Rollout, Decision]:
        """The very futures by which it decides here, one for each action, and what it would decide without them.

        Raises UserError for an agent that imagines nothing.
        """
        if self.config.model == "none":
            raise UserError("This agent imagines nothing: there are no futures by which it decides.")
        rollout = self.imagine(moment, self.config.horizon, self._every)
        return rollout, self._decide(moment, self._copies(moment.observation[None]))
