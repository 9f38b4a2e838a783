"""One or two boards under one clock."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.records import Decision, Moment
from mbrl_tui.play.players import AgentPlayer, HumanPlayer
from mbrl_tui.play.recording import Recording
from mbrl_tui.play.thought import Thought, moment_to_come
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

    Who plays for a person to see calls `prepare` before each frame: a slow agent then thinks in a thread of its own, of
    its next decision while its last one is played, and holds up no picture. All others wait for each decision.
    """

    def __init__(self, game: AtariGame, human: HumanPlayer, agent: AgentPlayer | None, agent_holds: bool):
        self.game = game
        self.human = human
        self.agent = agent
        self.agent_holds = agent_holds
        self._thought: Thought | None = None
        self._copy: EmulatorModel | None = None  # of the game, for the agent's thread alone
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
        self._drop_thought()

    def take_seat(self, agent: AgentPlayer) -> None:
        """Bring in an agent, which has seen nothing of this game."""
        self.agent = agent
        self._memory, self._seen_at = None, None
        self._drop_thought()
        self._copy = None

    def hand_over(self) -> None:
        """The paddle to the other. Until the agent has decided, what is pressed stays pressed."""
        self.agent_holds = not self.agent_holds
        self._drop_thought()

    @property
    def undecided(self) -> bool:
        """The agent has yet to decide before the next frame."""
        game = self.game
        return self.agent is not None and not game.over and game.at_decision and self._decided_at != game.frame

    @property
    def looks_on(self) -> bool:
        """Whether a slow agent looks on: nobody waits for it, and it tells what it would do a little late."""
        return self.agent is not None and self.agent.slow and not self.agent_holds

    def decide(self, decision: Decision) -> None:
        """The agent's choice at the present frame."""
        self.decision = decision
        self._decided_at = self.game.frame
        self._drop_thought()

    def _drop_thought(self) -> None:
        if self._thought is not None:
            self._thought.drop()
        self._thought = None

    def moment(self) -> Moment:
        """The present, as the agent that sits here needs it; between decisions, with its memory of the last one."""
        game, foreseen = self.game, self._foreseen
        if self.agent is not None and game.at_decision and not game.over and self._seen_at != game.frame:
            if foreseen is not None:
                self._memory = foreseen.memory
            else:
                began = self._seen_at is None
                self._memory = self.agent.remember(self._memory, game.observation, self.action, began)
            self._seen_at = game.frame
        return game.moment(self._memory) if foreseen is None else foreseen

    @property
    def _foreseen(self) -> Moment | None:
        """The present, if it has been thought of: who is asked about the very same moment again answers at once."""
        return self._thought.moment if self._thought is not None and self._thought.is_of(self.pressed) else None

    def prepare(self) -> bool:
        """Whether the next frame can be played at once. A slow agent that has yet to decide begins to think."""
        agent, thought = self.agent, self._thought
        if agent is None or self.game.over:
            return True
        if not agent.slow:
            return not (self.undecided and agent.busy)
        if self.looks_on:
            if thought is not None and thought.done:
                self._thought, self.decision, self._decided_at = None, thought.decision, thought.frame
            if self.undecided and self._thought is None:
                self._think(agent)
            return True
        if not self.undecided:
            return True
        if thought is None or not thought.is_of(self.pressed):
            self._think(agent)
        elif thought.done and (decision := thought.decision) is not None:
            moment = self.moment()
            self.decide(decision)
            self._think_ahead(agent, moment, decision.action)
        return not self.undecided

    def _think(self, agent: AgentPlayer) -> None:
        """Of what to do now."""
        moment = self.moment()
        self._drop_thought()
        self._thought = Thought(agent, self.pressed, [], lambda: moment)

    def _think_ahead(self, agent: AgentPlayer, moment: Moment, action: int) -> None:
        """Of what to do once this has been pressed for a whole decision from now on."""

        def see() -> Moment | None:
            self._copy = self._copy or EmulatorModel(self.game.game, self.game.settings)
            return moment_to_come(self._copy, agent, moment, action)

        self._thought = Thought(agent, self.pressed, [action] * self.game.settings.frameskip, see)

    def tick(self, now: float, action: int | None = None, live: bool = False) -> None:
        """One emulator frame under `action`, or under the choice of whoever holds the paddle.

        live: a slow agent that looks on is not waited for.
        """
        game = self.game
        if game.over:
            return
        if self.undecided and self.agent is not None:
            moment = self.moment()  # who remembers is to see every decision
            if not (live and self.looks_on):
                self.decide(self.agent.decide(moment))
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
        if self.agent is None:
            raise RuntimeError("no agent sits at this board")
        began = self.game.frame - self.game.frame % self.game.settings.frameskip
        if self.decision is None or self._decided_at != began:
            return self.action  # it was handed the paddle in mid-decision
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

    def prepare(self) -> bool:
        """Whether the next frame can be played at once: `Board.prepare` of every board."""
        return all([board.prepare() for board in self.boards])

    def tick(self, now: float, live: bool = False) -> None:
        """Exactly one emulator frame of every board that is not over. live: as `Board.tick` has it."""
        for board in self.boards:
            board.tick(now, live=live)

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
            self.board.hand_over()

    def restart(self) -> None:
        """A new game on every board, from the next seed; all boards begin alike."""
        self.seed += 1
        for board in self.boards:
            board.begin(self.seed)
