"""Every event that crosses widgets or threads. Data goes down by calls, messages go up.

Clicks inside one widget are its own: `RolloutStrip.Chosen` stands where it is sent.
"""

from __future__ import annotations

from textual.message import Message

from agents.interfaces import Agent
from agents.records import Decision, Rollout
from mbrl_tui.play.lookahead import LookAhead
from mbrl_tui.play.match import Board


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


class Decided(Message):
    """The agent's choice for one emulator frame of one board, made while the game was held."""

    def __init__(self, board: Board, frame: int, decision: Decision):
        super().__init__()
        self.board, self.frame, self.decision = board, frame, decision


class Imagined(Message):
    """One future of `look_ahead` is there: a rollout of one row."""

    def __init__(self, look_ahead: LookAhead, row: int, future: Rollout):
        super().__init__()
        self.look_ahead, self.row, self.future = look_ahead, row, future


class ImaginationFailed(Message):
    """There is nothing to look ahead with; `reason` says in one line why."""

    def __init__(self, look_ahead: LookAhead, reason: str):
        super().__init__()
        self.look_ahead, self.reason = look_ahead, reason


class LookAheadChanged(Message):
    """The cursor stands elsewhere, or a future under it has come."""

    def __init__(self, look_ahead: LookAhead):
        super().__init__()
        self.look_ahead = look_ahead
