"""n-step advantage actor-critic over many games in step (Mnih et al. 2016, algorithm S3, made synchronous)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.a2c.config import A2CConfig
from agents.a2c.network import FLOAT32
from agents.errors import check_finite
from agents.interfaces import Games, GameSteps
from agents.kept import Keep, Layers, Reuse
from agents.layers import HalvedTwin, as_saved, autocast, from_saved
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.records import Update
from agents.returns import game_returns
from agents.scores import Scores

WARM_UP = 100
"""Updates over which the learning rate grows: RMSProp's mean of squares begins at nothing, which makes its first steps
ten times as long as the later ones, and would throw over what a network knows already."""
SMALLEST = 1e-30
"""To which the mean of squares of a silent weight is raised. No step changes by it, since its root is lost beside
`rmsprop_epsilon`; but to take the root of 0 would take ten times as long as that of other numbers."""
Seen = tuple[torch.Tensor, ...]
"""What a network is given of N observations: its arguments, each (N, …)."""
Auxiliary = Callable[[Seen, torch.Tensor], torch.Tensor]
"""Another loss, from what was seen (B, …) and the policy's logits (B, A)."""


@dataclass(frozen=True)
class Choice:
    """What the network made of N observations: actions (N,) int64, values (N,) float32, and what its layers gave."""

    actions: np.ndarray
    values: torch.Tensor
    layers: Layers


@dataclass(frozen=True)
class Experience:
    """n steps of N games, from which one update learns.

    seen: by step, what the network was given. actions (n, N) int64, as really taken. returns (n, N) float32.
    chosen (n, N) float32: 1 where the policy chose the action, 0 where the game did. counts (n, N) float32: 0 where the
    step was no transition, else 1. layers: by step, what the network's layers gave to choose; empty where
    none of it is reused.
    """

    seen: list[Seen]
    actions: torch.Tensor
    returns: torch.Tensor
    chosen: torch.Tensor
    counts: torch.Tensor
    layers: list[Layers] = field(default_factory=list)


def draw_actions(probabilities: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """One action (N,) int64 from each row of probabilities (N, A), by `chances` (N,) uniform from 0 to 1."""
    cumulative = probabilities.astype(np.float64).cumsum(1)
    return (cumulative > (chances * cumulative[:, -1])[:, None]).argmax(1).astype(np.int64)


class ActorCriticLearner:
    """Plays with a network of policy and value, and trains it.

    network:    gives logits (B, A) and values (B,) of what `perceive` made of observations (B, stack, *frame).
    parameters: those to train, by their names; the others stay as they are.
    auxiliary:  a loss that is added, or None.
    reuses:     what the layers gave to choose is kept to learn from (`agents.kept`). For networks whose layers take one
                row for each observation.
    """

    def __init__(
        self,
        config: A2CConfig,
        games: Games,
        network: nn.Module,
        parameters: dict[str, nn.Parameter],
        perceive: Callable[[np.ndarray], Seen],
        random: np.random.Generator,
        precision: torch.dtype,
        auxiliary: Auxiliary | None = None,
        reuses: bool = False,
    ):
        self.config, self.games, self.network, self.perceive = config, games, network, perceive
        self.random, self.precision, self.auxiliary, self.reuses = random, precision, auxiliary, reuses
        self.parameters = list(parameters.values())
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.RMSprop(
            parameters.items(), config.learning_rate, alpha=config.rmsprop_decay, eps=config.rmsprop_epsilon
        )
        self.step, self.updates = 0, 0
        self._twin: HalvedTwin | None = None
        self.scores = Scores(games.num_games, config.solved_at)

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` steps of the games, or until the game is solved.

        Yields after every step of the games and after every update. The games begin anew.
        """
        self._twin = HalvedTwin(self.network, *FLOAT32) if self.precision is torch.bfloat16 else None
        seen = self.perceive(self.games.reset(seed=int(self.random.integers(2**31))))
        self.scores.begin()
        while self.step < total_steps and not self.scores.solved:
            played: list[tuple[Seen, Choice, GameSteps]] = []
            for _ in range(self.config.n_step):
                choice = self._choose(seen)
                steps = self.games.step(choice.actions)
                played.append((seen, choice, steps))
                seen = self.perceive(steps.observations)
                self.step += self.games.num_games
                yield Update(self.step, self.updates, scores=self.scores.add(steps))
            metrics = self.learn(self._experience(played, seen))
            yield Update(self.step, self.updates, metrics)
        self._twin = None

    def _choose(self, seen: Seen) -> Choice:
        """Actions drawn from the policy."""
        with Keep() as kept:
            logits, values = self._judge(seen)
        probabilities = logits.softmax(-1).cpu().numpy()
        actions = draw_actions(probabilities, self.random.random(len(probabilities)))
        return Choice(actions, values, kept.layers if self.reuses else [])

    def _judge(self, seen: Seen) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (N, A) and values (N,), from which no gradient flows."""
        network = self.network if self._twin is None else self._twin.network
        with torch.no_grad(), autocast(self.device, self.precision):
            logits, values = network(*seen)
        return logits, values

    def _experience(self, played: list[tuple[Seen, Choice, GameSteps]], after: Seen) -> Experience:
        """n steps with their returns: cut where a life ended, bootstrapped with the value of what came `after`."""
        seen, choices, steps = zip(*played, strict=True)
        _, last = self._judge(after)
        values = torch.stack([*(choice.values for choice in choices), last])
        returns, counts = game_returns(steps, values, self.config.discount, lambda_=1.0)
        taken, chosen = (np.stack([each.actions for each in column]) for column in (steps, choices))
        return Experience(
            seen=list(seen),
            actions=torch.from_numpy(taken).to(self.device),
            returns=returns,
            chosen=torch.from_numpy((taken == chosen).astype(np.float32)).to(self.device),
            counts=counts.float(),
            layers=[choice.layers for choice in choices] if self.reuses else [],
        )

    def learn(self, experience: Experience) -> dict[str, float]:
        """One update; gives its metrics. Raises TrainingDiverged where a number is not finite."""
        c = self.config
        seen = tuple(torch.cat(parts) for parts in zip(*experience.seen, strict=True))  # (n·N, …)
        actions, returns, chosen, counts = (
            part.flatten() for part in (experience.actions, experience.returns, experience.chosen, experience.counts)
        )
        known = Reuse(experience.layers) if experience.layers else contextlib.nullcontext()
        with autocast(self.device, self.precision):
            with known:
                logits, values = self.network(*seen)
            auxiliary = self.auxiliary(seen, logits) if self.auxiliary else None
        log_policy = logits.log_softmax(-1)  # (n·N, A)
        advantages = returns - values.detach()
        taken = log_policy.gather(-1, actions[:, None]).squeeze(-1)
        policy = -(counts * chosen * advantages * taken).mean()
        value = (counts * (returns - values).square()).mean()
        entropy = -(counts * (log_policy.exp() * log_policy).sum(-1)).mean()
        loss = policy + c.value_scale * value - c.entropy_scale * entropy
        metrics = {"policy": policy, "critic": value, "entropy": entropy, "value": values.mean()}
        if auxiliary is not None:
            metrics["auxiliary"] = auxiliary
            loss = loss + auxiliary
        return self._descend(loss, {name: number.item() for name, number in metrics.items()})

    def _descend(self, loss: torch.Tensor, metrics: dict[str, float]) -> dict[str, float]:
        """One step of the optimizer along the gradient of `loss`; gives the metrics, with the gradient's norm."""
        gradients = torch.autograd.grad(loss, self.parameters)
        set_gradients(self.parameters, gradients)
        total = torch.nn.utils.get_total_norm(gradients)
        norm = total.item()
        if norm > self.config.gradient_clip:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.config.gradient_clip, total)
        metrics = metrics | {"gradient": norm}
        finite = all(math.isfinite(number) for number in metrics.values())
        check_finite(finite, self.step, "a loss or its gradient")
        for group in self.optimizer.param_groups:
            falling = max(0.0, 1 - self.step / self.config.steps)
            group["lr"] = self.config.learning_rate * min(1.0, (self.updates + 1) / WARM_UP) * falling
        for remembered in self.optimizer.state.values():
            remembered["square_avg"].clamp_(min=SMALLEST)
        self.optimizer.step()
        if self._twin is not None:
            self._twin.follow()
        self.updates += 1
        return metrics

    # -- saving ----------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the optimizer remembers, as `rmsprop.<parameter>/<slot>`."""
        return optimizer_tensors(self.optimizer, "rmsprop.")

    def counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return {
            "step": self.step,
            "updates": self.updates,
            "recent_scores": list(self.scores.recent),
            "precision": as_saved(self.device, self.precision),
        }

    def restore(self, tensors: dict[str, torch.Tensor], counters: dict[str, Any]) -> None:
        """Become the learner that was saved, but for its network."""
        load_optimizer(self.optimizer, tensors, "rmsprop.")
        self.step, self.updates = counters["step"], counters["updates"]
        self.scores.begin(counters["recent_scores"])
        self.precision = from_saved(counters["precision"], self.device, self.precision)
