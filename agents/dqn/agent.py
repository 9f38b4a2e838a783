"""A trained DQN: decides by its Q-values, looks ahead through the emulator."""

from __future__ import annotations

import numpy as np
import torch

from agents.dqn.network import QNetwork
from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.errors import UserError
from agents.imagination import Recall, unroll
from agents.interfaces import Memoryless
from agents.layers import channels_last, network_input
from agents.records import Decision, Moment, Rollout
from agents.saliency import from_blocks, on_screen


def epsilon_greedy(values: np.ndarray, epsilon: float) -> np.ndarray:
    """The policy that takes the best action, or with probability ε any: (..., A) probabilities."""
    best = np.eye(values.shape[-1], dtype=np.float32)[values.argmax(-1)]
    return (1 - epsilon) * best + np.float32(epsilon / values.shape[-1])


class DQNAgent(Memoryless):
    """Implements `ImaginativeAgent` and `SalientAgent`; what PQN has learnt plays here too.

    DQN has learnt no model: it imagines through the emulator, and the rollout says so.

    emulator: what it looks ahead through; None where the game is no Atari game.
    epsilon:  probability of a random action in `act`; looking ahead is always greedy.
    """

    def __init__(
        self,
        network: QNetwork,
        action_names: tuple[str, ...],
        emulator: EmulatorModel | None = None,
        epsilon: float = 0.0,
        seed: int = 0,
        device: torch.device | None = None,
    ):
        self.device = device or torch.device("cpu")
        self.network = channels_last(network).to(self.device).eval()
        self.action_names = action_names
        self.emulator = emulator
        self._recall = Recall()
        self.epsilon = epsilon
        self._random = np.random.default_rng(seed)

    @torch.inference_mode()
    def q_values(self, observations: np.ndarray) -> np.ndarray:
        """observations (B, stack, *frame); gives (B, A) float32."""
        return self.network(network_input(observations, self.device)).cpu().numpy()

    def act(self, moment: Moment) -> Decision:
        q = self.q_values(moment.observation[None])[0]
        probabilities = epsilon_greedy(q, self.epsilon)
        explore = self.epsilon > 0 and self._random.random() < self.epsilon
        action = int(self._random.integers(len(q))) if explore else int(q.argmax())
        return Decision(action, float(q.max()), probabilities, action_values=q)

    def act_batch(self, observations: np.ndarray, memory: None) -> np.ndarray:
        return epsilon_greedy(self.q_values(observations), self.epsilon)

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        return unroll(self.world_model(), moment, horizon, self.policy, actions, samples, self._recall)

    def world_model(self, seed: int | None = None) -> EmulatorModel:
        """The emulator, which leaves nothing to chance that the moment's snapshot does not hold: no seed matters."""
        if self.emulator is None:
            raise UserError("This agent has learnt no model, and its game has no emulator to look ahead through.")
        return self.emulator

    def policy(self, state: EmulatorState) -> tuple[np.ndarray, np.ndarray]:
        q = self.q_values(state.observations)
        actions = q.argmax(-1)
        fire = self.emulator.fire_action if self.emulator and self.emulator.settings.fire else None
        if fire is not None:
            actions = np.where(state.needs_fire, fire, actions)
        return actions, np.where(state.over, 0, q.max(-1)).astype(np.float32)

    def saliency(self, moment: Moment) -> np.ndarray:
        """The gradient of the best action value over the mean one, the largest over the stack of frames."""
        if self.emulator is None:
            raise UserError("This agent sees numbers: its decision hangs on no part of a picture.")
        blocks = network_input(moment.observation[None], self.device).requires_grad_()
        q = self.network(blocks)[0]
        (gradient,) = torch.autograd.grad(q.max() - q.mean(), blocks)
        return on_screen(from_blocks(gradient)[0].max(0), moment.screen, self.emulator.settings)
