"""One or two boards under one clock."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.records import Decision, Moment
from mbrl_tui.play.players import AgentPlayer, HumanPlayer
from mbrl_tui.play.recording import Recording
from mbrl_tui.play.timeline import Timeline


class Mode(StrEnum):
    """Who plays."""

    WATCH = "watch"
    SOLO = "solo"
    VERSUS = "versus"
    DUET = "duet"

    @property
    def meaning(self) -> str:
        return {
            Mode.WATCH: "the agent plays, you look on",
            Mode.SOLO: "you play",
            Mode.VERSUS: "you against the agent, on two boards with one start and one clock",
            Mode.DUET: "you and the agent share one paddle; TAB hands it over",
        }[self]


class Board:
    """One game, and who holds its paddle.

    agent:    plays this board while `agent_holds`, otherwise looks on; None where no agent is present.
    action:   what is pressed now. pressed: at every frame since the game began.
    decision: the agent's newest choice here. It is pressed only while the agent holds the paddle.
    """

    def __init__(self, game: AtariGame, human: HumanPlayer, agent: AgentPlayer | None, agent_holds: bool):
        self.game = game
        self.human = human
        self.agent = agent
        self.agent_holds = agent_holds
        self.begin()

    def begin(self, seed: int | None = None) -> None:
        """Forget what was played; with a seed, begin its game."""
        if seed is not None:
            self.game.reset(seed)
        self.timeline = Timeline()
        self.pressed: list[int] = []
        self.action = self.game.action_names.index("NOOP")
        self.decision: Decision | None = None
        self._decided_at: int | None = None
        self._memory: Any = None
        self._seen_at: int | None = None

    def take_seat(self, agent: AgentPlayer) -> None:
        """Bring in an agent, which has seen nothing of this game."""
        self.agent = agent
        self._memory, self._seen_at = None, None

    @property
    def undecided(self) -> bool:
        """The agent has yet to decide before the next frame."""
        game = self.game
        return self.agent is not None and not game.over and game.at_decision and self._decided_at != game.frame

    def decide(self, decision: Decision) -> None:
        """The agent's choice at the present frame."""
        self.decision = decision
        self._decided_at = self.game.frame

    def moment(self) -> Moment:
        """The present, as the agent that sits here needs it; between decisions, with its memory of the last one."""
        game = self.game
        if self.agent is not None and game.at_decision and not game.over and self._seen_at != game.frame:
            began = self._seen_at is None
            self._memory = self.agent.remember(self._memory, game.observation, self.action, began)
            self._seen_at = game.frame
        return game.moment(self._memory)

    def tick(self, now: float, action: int | None = None) -> None:
        """One emulator frame under `action`, or under the choice of whoever holds the paddle."""
        game = self.game
        if game.over:
            return
        if self.undecided and self.agent is not None:
            self.decide(self.agent.decide(self.moment()))
        if game.at_decision:
            self.timeline.add(self.decision.value if self.decision else None, game.score)
        self.action = self._choice(now) if action is None else action
        game.advance(self.action)
        self.pressed.append(self.action)

    def step(self, now: float, action: int | None = None) -> None:
        """One whole decision: `action`, or the choice of whoever holds the paddle, for all of its frames."""
        self.tick(now, action)
        while not self.game.over and not self.game.at_decision:
            self.tick(now, self.action)

    def _choice(self, now: float) -> int:
        if not self.agent_holds:
            return self.human.action(self.game.action_names, self.game.needs_fire, now)
        if self.decision is None:
            raise RuntimeError("no agent sits at this board")
        return self.decision.action


class Match:
    """The boards of one mode, all taken on together by exactly one emulator frame at a time.

    In versus the person's board is the first and the agent's the last; every other mode has one board.
    FIRE is never pressed for a person: they begin each life with SPACE. It is pressed for the agent where
    `settings.fire` says so. Raises UserError where there is no such game.
    """

    def __init__(
        self, game: str, mode: Mode, human: HumanPlayer, agent: AgentPlayer | None, settings: AtariSettings, seed: int
    ):
        self.game = game
        self.mode = mode
        self.seed = seed
        if mode is not Mode.WATCH:
            # A reset that presses FIRE would begin the person's game for them, and versus for one side only.
            settings = replace(settings, fire=False)
        holders = {
            Mode.WATCH: (True,),
            Mode.SOLO: (False,),
            Mode.VERSUS: (False, True),
            Mode.DUET: (False,),
        }[mode]
        self.boards = tuple(Board(AtariGame(game, settings, seed), human, None, holds) for holds in holders)
        if agent is not None:
            self.seat(agent)

    def seat(self, agent: AgentPlayer) -> None:
        """Bring the agent in, now that it is there. Raises UserError where it plays another game."""
        if agent.action_names != self.action_names:
            raise UserError(
                f"The agent '{agent.label}' knows the actions {', '.join(agent.action_names)}; {self.game} has "
                f"{', '.join(self.action_names)}. Choose an agent that was trained on {self.game}."
            )
        self.board.take_seat(agent)

    @property
    def board(self) -> Board:
        """The board that the agent plays or looks on at; in solo without an agent, the only one."""
        return self.boards[-1]

    @property
    def agent(self) -> AgentPlayer | None:
        return self.board.agent

    @property
    def action_names(self) -> tuple[str, ...]:
        return self.board.game.action_names

    @property
    def ready(self) -> bool:
        """Whether all who are to play are there: every mode but solo waits for its agent."""
        return self.agent is not None or self.mode is Mode.SOLO

    @property
    def over(self) -> bool:
        return all(board.game.over for board in self.boards)

    @property
    def at_decision(self) -> bool:
        """Whether every board that is still played stands before a new decision."""
        return all(board.game.at_decision or board.game.over for board in self.boards)

    @property
    def difference(self) -> float:
        """The person's score less the agent's, in versus."""
        return self.boards[0].game.score - self.boards[-1].game.score

    @property
    def result(self) -> str:
        """Who won, in one line; the score where there is nobody to beat."""
        scores = [f"{board.game.score:.0f}" for board in self.boards]
        if self.mode is not Mode.VERSUS:
            return f"{scores[0]} points"
        if self.difference == 0:
            return f"A draw at {scores[0]}"
        if self.difference > 0:
            return f"You win, {scores[0]} to {scores[1]}"
        return f"The agent wins, {scores[1]} to {scores[0]}"

    def tick(self, now: float) -> None:
        """Exactly one emulator frame of every board that is not over."""
        for board in self.boards:
            board.tick(now)

    def recording(self, board: Board) -> Recording:
        """The game on one of the boards, as far as it was played."""
        game = board.game
        return Recording(self.game, game.settings, self.seed, tuple(board.pressed), game.over)

    def finish_decision(self, now: float) -> None:
        """Go on to the next decision, if not there: the only instants from which an agent can look ahead."""
        while not self.at_decision:
            self.tick(now)

    def step(self, now: float, action: int | None = None) -> None:
        """One whole decision of every board; `action` is for the agent's board."""
        for board in self.boards:
            board.step(now, action if board is self.board else None)

    def hand_over(self) -> None:
        """In duet, the paddle to the other; the game goes on as it stands."""
        if self.mode is Mode.DUET:
            self.board.agent_holds = not self.board.agent_holds

    def restart(self) -> None:
        """A new game on every board, from the next seed; all boards begin alike."""
        self.seed += 1
        for board in self.boards:
            board.begin(self.seed)
