"""A trained A2C: takes the likeliest action of its policy, looks ahead through the emulator."""

from __future__ import annotations

import numpy as np
import torch

from agents.a2c.network import ActorCritic
from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.errors import UserError
from agents.imagination import Recall, unroll
from agents.interfaces import Memoryless
from agents.layers import channels_last, network_input
from agents.records import Decision, Moment, Rollout
from agents.saliency import from_blocks, on_screen


def likeliest(probabilities: np.ndarray) -> np.ndarray:
    """The policy that takes the likeliest action of each row of probabilities (N, A) float32: the same shape."""
    return np.eye(probabilities.shape[1], dtype=np.float32)[probabilities.argmax(1)]


class A2CAgent(Memoryless):
    """Implements `ImaginativeAgent` and `SalientAgent`.

    A2C has learnt no model: it imagines through the emulator, and says so. To learn, its actions were drawn from its
    policy; to play, the likeliest ones do better, in Breakout by far.

    emulator: what it looks ahead through; None where the game is no Atari game.
    """

    def __init__(
        self,
        network: ActorCritic,
        action_names: tuple[str, ...],
        emulator: EmulatorModel | None = None,
        device: torch.device | None = None,
    ):
        self.device = device or torch.device("cpu")
        self.network = channels_last(network).to(self.device).eval()
        self.action_names = action_names
        self.emulator = emulator
        self._recall = Recall()

    @torch.inference_mode()
    def judge(self, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The policy (B, A) and the values (B,), float32, of observations (B, stack, *frame)."""
        logits, values = self.network(network_input(observations, self.device))
        return logits.softmax(-1).cpu().numpy(), values.cpu().numpy()

    def act(self, moment: Moment) -> Decision:
        probabilities, values = self.judge(moment.observation[None])
        return Decision(int(probabilities[0].argmax()), float(values[0]), probabilities[0])

    def act_batch(self, observations: np.ndarray, memory: None) -> np.ndarray:
        return likeliest(self.judge(observations)[0])

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        return unroll(self.world_model(), moment, horizon, self.policy, actions, samples, self._recall)

    def world_model(self, seed: int | None = None) -> EmulatorModel:
        """The emulator, which knows one future only."""
        if self.emulator is None:
            raise UserError("This agent has learnt no model, and its game has no emulator to look ahead through.")
        return self.emulator

    def policy(self, state: EmulatorState) -> tuple[np.ndarray, np.ndarray]:
        """The agent's actions in states of the emulator, and its values of them."""
        probabilities, values = self.judge(state.observations)
        actions = probabilities.argmax(1)
        fire = self.emulator.fire_action if self.emulator and self.emulator.settings.fire else None
        if fire is not None:
            actions = np.where(state.needs_fire, fire, actions)
        return actions, np.where(state.over, 0, values).astype(np.float32)

    def saliency(self, moment: Moment) -> np.ndarray:
        """The gradient of the likeliest action's log-probability, the largest over the stack of frames."""
        if self.emulator is None:
            raise UserError("This agent sees numbers: its decision hangs on no part of a picture.")
        blocks = network_input(moment.observation[None], self.device).requires_grad_()
        logits, _ = self.network(blocks)
        (gradient,) = torch.autograd.grad(logits.log_softmax(-1).max(), blocks)
        return on_screen(from_blocks(gradient)[0].max(0), moment.screen, self.emulator.settings)
