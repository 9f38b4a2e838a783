"""Who gives the next action: a person's held keys, or an agent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar

import numpy as np

from agents.interfaces import Agent
from agents.records import Decision, Moment

T = TypeVar("T")

SLOW = 1 / 60
"""Seconds for a decision, beyond which it holds a picture up."""

KEY_DIRECTIONS = {
    "left": "LEFT",
    "a": "LEFT",
    "right": "RIGHT",
    "d": "RIGHT",
    "up": "UP",
    "w": "UP",
    "down": "DOWN",
    "s": "DOWN",
    "space": "FIRE",
}
"""What each game key stands for in ALE's names of actions."""


def held_action(held: frozenset[str], action_names: tuple[str, ...], needs_fire: bool) -> int:
    """The game's action that comes nearest to the held keys; NOOP for none.

    ALE names what is pressed together in one word, `UPRIGHTFIRE`. Where a game has no such action, a part of
    it is taken: FIRE first while the game waits for it, the direction first otherwise.
    """
    pressed = {KEY_DIRECTIONS[key] for key in held if key in KEY_DIRECTIONS}
    if not any("UP" in name for name in action_names):
        # A paddle on one line: in Pong, ALE's RIGHT moves up and LEFT moves down.
        pressed = {{"UP": "RIGHT", "DOWN": "LEFT"}.get(name, name) for name in pressed}
    # Of two opposite directions neither is meant more than the other.
    vertical = next(iter(pressed & {"UP", "DOWN"}), "") if not {"UP", "DOWN"} <= pressed else ""
    horizontal = next(iter(pressed & {"RIGHT", "LEFT"}), "") if not {"RIGHT", "LEFT"} <= pressed else ""
    fire = "FIRE" if "FIRE" in pressed else ""
    nearest = [
        up_down + left_right + button
        for left_right, up_down, button in product((horizontal, ""), (vertical, ""), (fire, ""))
    ]
    if needs_fire:
        nearest.sort(key=lambda name: fire not in name)
    return next((action_names.index(name) for name in nearest if name in action_names), action_names.index("NOOP"))


class HumanPlayer:
    """A person at the keyboard, who may act on every emulator frame.

    held: the keys that are down at a given time in seconds, by Textual's names.
    """

    def __init__(self, held: Callable[[float], frozenset[str]]):
        self._held = held

    def action(self, action_names: tuple[str, ...], needs_fire: bool, now: float) -> int:
        return held_action(self._held(now), action_names, needs_fire)


class AgentPlayer:
    """An agent at a board. Several threads may ask it; it answers one at a time.

    fire:  press FIRE for the agent when the game waits for it (`AtariSettings.fire`).
    label: what a person calls this agent.
    slow:  its last two decisions took longer than a picture may: they should be thought of before they are needed.
    """

    def __init__(self, agent: Agent, fire: bool, label: str):
        self.label = label
        self.action_names = agent.action_names
        self._agent = agent
        self._fire = agent.action_names.index("FIRE") if fire and "FIRE" in agent.action_names else None
        self._turn = threading.Lock()
        self._decided: tuple[Moment, Decision] | None = None
        self._thoughts: ThreadPoolExecutor | None = None
        self._took = (0.0, 0.0)  # the last two, in seconds: what else the machine does may hold up one

    @property
    def busy(self) -> bool:
        """Another thread has the agent's attention: asking now would have to wait."""
        return self._turn.locked()

    @property
    def slow(self) -> bool:
        return min(self._took) > SLOW

    def remember(self, memory: Any, observation: np.ndarray, action: int, began: bool) -> Any:
        """The agent's memory once it has seen `observation`, which followed `action` or began the game.

        memory: None where the agent has seen nothing of this game.
        Waits for nobody: the agent may be looking ahead in another thread.
        """
        before = self._agent.begin(1) if memory is None else memory
        return self._agent.observe(before, observation[None], np.array([action]), np.array([began]))

    def think(self, of: Callable[[], T]) -> Future[T]:
        """In a thread of the agent's own, one thing after the other."""
        if self._thoughts is None:
            self._thoughts = ThreadPoolExecutor(1, "thoughts")
        return self._thoughts.submit(of)

    def decide(self, moment: Moment) -> Decision:
        """The agent's choice; at once, if it is the moment that was asked about last."""
        with self._turn:
            if self._decided is None or self._decided[0] is not moment:
                began = time.perf_counter()
                self._decided = moment, self._agent.act(moment)
                self._took = self._took[1], time.perf_counter() - began
            decision = self._decided[1]
        if moment.needs_fire and self._fire is not None:
            return replace(decision, action=self._fire, forced=True)
        return decision

    def ask(self, question: Callable[[Agent], T]) -> T:
        """Whatever else there is to ask, in its turn."""
        with self._turn:
            return question(self._agent)

    def offers(self, kind: type) -> bool:
        """Whether the agent can do more than every agent can: one of the protocols of `agents.interfaces`."""
        return isinstance(self._agent, kind)
