"""A game that is only dreamt: played in a world model instead of the emulator."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.errors import UserError
from agents.imagination import is_over
from agents.interfaces import Agent, ImaginativeAgent, MixableModel, Policy
from agents.records import Moment
from mbrl_tui.play.players import AgentPlayer


class DreamGame:
    """One dream, decision by decision, from a real moment and some actions that have been dreamt already.

    frame:  (h, w, 3) uint8, what is dreamt now.
    step:   decisions since the real moment. woken: those that had been dreamt before the person stepped in.
    reward: expected of the last decision. score: of all since the person stepped in.
    goes_on: probability that the game was not over with the last decision. alive: with any of them.
    value:  the agent's, of the state it dreams of. doubt: of the model, as in `Rollout.uncertainty`.
    Raises UserError where the agent has no model to be stepped, and where the dream is over with `actions`.
    """

    def __init__(self, player: AgentPlayer, moment: Moment, actions: tuple[int, ...] = (), seed: int | None = None):
        self.action_names = player.action_names
        self._player = player
        self._model, self._policy = player.ask(lambda agent: _inside(agent, seed))
        self._state: Any = player.ask(lambda agent: self._model.start(moment, 1))
        self.frame = moment.screen
        self.step, self.woken = 0, len(actions)
        self.reward, self.score, self.goes_on, self.alive, self.doubt = 0.0, 0.0, 1.0, 1.0, 0.0
        self._judge()
        for action in actions:
            self.advance(action)
            if self.over:
                raise UserError(f"This dream is over at step {self.step}. Step into it before that.")
        self.score = 0.0

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def over(self) -> bool:
        return bool(is_over(self.alive))

    def advance(self, action: int | None = None) -> None:
        """One decision: `action`, or the agent's own choice. Raises RuntimeError once the dream is over."""
        if self.over:
            raise RuntimeError("the dream is over")
        self.action = self.choice if action is None else action
        self._player.ask(lambda agent: self._step(self.action))
        self.step += 1

    def _step(self, action: int) -> None:
        self._state = self._model.step(self._state, np.array([action], np.int64))
        told = self._model.read([self._state])
        self.frame = told.frames[0, 0]
        self.reward, self.goes_on = float(told.rewards[0, 0]), float(told.continues[0, 0])
        self.doubt = float(told.uncertainty[0, 0])
        self.alive *= self.goes_on
        self.score += self.reward
        self._judge()

    def _judge(self) -> None:
        actions, values = self._policy(self._state)
        self.choice, self.value = int(actions[0]), float(values[0])


def _inside(agent: Agent, seed: int | None) -> tuple[MixableModel, Policy]:
    if not isinstance(agent, ImaginativeAgent):
        raise UserError("This agent has no model that could be stepped into.")
    return agent.world_model(seed), agent.policy
