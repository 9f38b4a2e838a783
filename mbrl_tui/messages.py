"""Every event that crosses widgets or threads. Data goes down by calls, messages go up.

Clicks inside one widget are its own: `RolloutStrip.Chosen` stands where it is sent.
"""

from __future__ import annotations

from typing import Any

from textual.message import Message

from agents.interfaces import Agent
from mbrl_tui.dream.task import Task


class AgentLoaded(Message):
    """The agent is there."""

    def __init__(self, agent: Agent):
        super().__init__()
        self.agent = agent


class AgentFailed(Message):
    """The agent cannot be loaded; `reason` says in one line what to do."""

    def __init__(self, reason: str):
        super().__init__()
        self.reason = reason


class Arrived(Message):
    """The game has been played up to where it is to be looked into, or to its end."""


class Computed(Message):
    """What a task computed in its thread."""

    def __init__(self, task: Task, result: Any):
        super().__init__()
        self.task, self.result = task, result


class NotComputed(Message):
    """There is no result; `reason` says in one line why."""

    def __init__(self, task: Task, reason: str):
        super().__init__()
        self.task, self.reason = task, reason
