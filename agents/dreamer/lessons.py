"""Teaches a behaviour in dreams that begin at real states."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from agents.dreamer.behaviour import Behaviour, dream
from agents.dreamer.config import DreamerConfig
from agents.dreamer.learners import LEARNERS, Learner, Lesson, behaviour_losses, judge
from agents.dreamer.rssm import State
from agents.dreamer.world_model import WorldModel


class Lessons:
    """Dreams, judges them by a critic that follows slowly, and gives losses of actor and critic.

    learner: how the actor learns; None takes what the config names.
    """

    def __init__(self, config: DreamerConfig, behaviour: Behaviour, learner: Learner | None = None):
        self.config, self.behaviour = config, behaviour
        self.learner = learner or LEARNERS[config.actor_learner](config)
        self.target_critic = copy.deepcopy(behaviour.critic).requires_grad_(False)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What learns, by name."""
        return {"actor": self.behaviour.actor, "critic": self.behaviour.critic}

    def dream(
        self, model: WorldModel, states: State, playing: torch.Tensor, count: int, generator: torch.Generator
    ) -> Lesson:
        """`count` dreams, and what came of them, from some of `states` (T, B, …) where `playing` (T, B) is 1.

        No gradient is to flow into the states: what the model learns is no affair of the actor.
        What follows the end of a game was never learnt: nothing can be dreamt from there.
        """
        c = self.config
        flat = states.map(lambda part: part.flatten(0, 1))
        rows = torch.multinomial(playing.flatten(), count, replacement=True, generator=generator)
        start = flat.map(lambda part: part[rows])
        through = self.learner.differentiable
        dreamt = dream(model, self.behaviour, start, c.horizon, c.discount, generator, through)
        return judge(self.target_critic, dreamt, c.lambda_)

    def divide(self, lessons: Sequence[Lesson], generator: torch.Generator) -> Iterator[list[Lesson]]:
        """What is learnt from at a time, all workers together: all of their lessons, as often and in as many parts as
        `learner` has it.
        """
        for _ in range(self.learner.passes):
            parts = [lesson.split(self.learner.batches, generator) for lesson in lessons]
            yield from map(list, zip(*parts, strict=True))

    def losses(self, lesson: Lesson) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """A loss for each of `networks`, and numbers to be shown."""
        actor, critic, parts = behaviour_losses(self.behaviour, self.learner, lesson)
        return {"actor": actor, "critic": critic}, parts

    def after(self, updates: int) -> None:
        """Let the slow critic follow, now and then."""
        if updates % self.config.target_period == 0:
            self.follow()

    def follow(self) -> None:
        """Let the slow critic be what the critic is."""
        self.target_critic.load_state_dict(self.behaviour.critic.state_dict())
