"""Dyna-Q: to learn from steps that a model imagines, beside those that were played (Sutton 1990; Sutton and Barto 2018,
section 8.2).

The model is learnt from the replay while the agent plays. An imagined step begins in a state that was really met, and
takes any action there: what the agent did not do is what it could not learn from before.
"""

from __future__ import annotations

import numpy as np
import torch

from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.records import Transitions
from agents.replay.frames import FrameReplay, UniformSampler
from agents.state_model import StateModel, StateSteps
from agents.tensors import with_prefix

BATCH = 256
"""Real steps in one update of the model."""
WARM_UP = 500
"""Updates of the model before anything is imagined."""
LEARNING_RATE = 1e-3


class Dyna:
    """A model of a game whose states are a few numbers, and transitions that it imagines.

    replay: of stacks of one, whose frames are the states (d,). Raises ValueError for others.
    """

    def __init__(self, replay: FrameReplay, num_actions: int, device: torch.device):
        if len(replay.frames.shape) != 3 or replay.stack != 1:
            raise ValueError("a model of states cannot learn from pictures, nor from several states at a time")
        self._replay, self._sampler, self.device = replay, UniformSampler(replay, n_step=1), device
        self.model = StateModel(replay.frames.shape[-1], num_actions).to(device)
        self._parameters = list(self.model.parameters())
        self._optimizer = torch.optim.Adam(self.model.named_parameters(), LEARNING_RATE, fused=True)
        self.updates = 0

    def learn(self, random: np.random.Generator) -> float:
        """Learn from real steps: one update, the first time `WARM_UP` of them. Gives the loss of the last one."""
        if self.updates == 0:
            self.model.calibrate(self._real_steps(4 * BATCH, random))
        loss = self._learn_once(random)
        while self.updates < WARM_UP:
            loss = self._learn_once(random)
        return loss

    def _learn_once(self, random: np.random.Generator) -> float:
        loss = self.model.loss(self._real_steps(BATCH, random))
        set_gradients(self._parameters, torch.autograd.grad(loss, self._parameters))
        self._optimizer.step()
        self.updates += 1
        return loss.item()

    def _real_steps(self, count: int, random: np.random.Generator) -> StateSteps:
        batch = self._replay.transitions(self._sampler.draw(count, random), n_step=1, discount=1.0)
        states, after = batch.observations[:, -1], batch.next_observations[:, -1]
        columns = (states, batch.actions, after, batch.returns, 1 - batch.discounts)
        return StateSteps(*(torch.from_numpy(column).to(self.device) for column in columns))

    @torch.no_grad()
    def imagine(self, count: int, discount: float, random: np.random.Generator) -> Transitions:
        """One-step transitions from real states under random actions; the bootstrap counts as far as the game is
        expected to go on.
        """
        draw = self._sampler.draw(count, random)
        states = self._replay.observations(draw.rows, draw.games)  # (B, 1, d)
        actions = random.integers(0, self.model.num_actions, count)
        begun = torch.from_numpy(states[:, -1]).to(self.device)
        after, rewards, ends = self.model(begun, torch.from_numpy(actions).to(self.device))
        return Transitions(
            observations=states,
            actions=actions,
            returns=rewards.cpu().numpy(),
            discounts=(discount * (1 - ends)).cpu().numpy(),
            next_observations=after[:, None].cpu().numpy(),
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that resuming needs: `model.…`, `adam.…`."""
        model = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return model | optimizer_tensors(self._optimizer, "adam.")

    def restore(self, tensors: dict[str, torch.Tensor], updates: int) -> None:
        self.model.load_state_dict(with_prefix(tensors, "model."))
        load_optimizer(self._optimizer, tensors, "adam.")
        self.updates = updates
