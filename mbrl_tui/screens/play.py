"""The screen on which games are played, watched and paused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from agents.envs.atari import AtariSettings
from agents.errors import UserError
from agents.interfaces import Agent
from agents.records import Moment
from mbrl_tui.messages import AgentFailed, AgentLoaded, Decided, LookAheadChanged
from mbrl_tui.play.clock import FrameClock, FrameMeter, Time
from mbrl_tui.play.match import Board, Match, Mode
from mbrl_tui.play.players import KEY_DIRECTIONS, AgentPlayer, HumanPlayer
from mbrl_tui.screens.help import HelpScreen
from mbrl_tui.screens.mode_menu import ModeMenu
from mbrl_tui.screens.stage import Showing, Stage
from mbrl_tui.terminal.keys import HeldKeys

if TYPE_CHECKING:
    from mbrl_tui.terminal.key_releases import KeyReleased

LEAST_REST = 0.001
"""Seconds between two pictures that are left to keys and to painting, however late the game is."""

METER_PERIOD = 20
"""Pictures between two readings of the meter."""

ARROWS = {"left", "right", "up", "down"}


class PlayScreen(Screen[None]):
    """One match at a time. It is shown at once; who is not yet there (the agent) is waited for.

    The picture advances only here, in `play`; an agent is asked here while the game runs, and by workers
    while it is held.
    """

    AUTO_FOCUS = None
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("p,i", "pause", "pause"),
        Binding("escape,p,i", "resume", "play", key_display="esc"),
        Binding("full_stop", "step", "step", key_display="."),
        Binding("right", "time(1)", "time", key_display="←/→"),
        Binding("left", "time(-1)", show=False),
        Binding("down", "row(1)", "action", key_display="↑/↓"),
        Binding("up", "row(-1)", show=False),
        Binding("plus,equals_sign", "horizon(1)", "horizon", key_display="+/−"),
        Binding("minus", "horizon(-1)", show=False),
        Binding("enter", "take", "take", key_display="⏎"),
        Binding("tab", "hand_over", "hand over", key_display="tab"),
        Binding("plus,equals_sign", "speed(1)", "speed", key_display="+/−"),
        Binding("minus", "speed(-1)", show=False),
        Binding("r", "restart", "restart"),
        Binding("m", "modes", "mode"),
        Binding("f3", "meter", show=False),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(
        self,
        game: str,
        mode: Mode,
        load_agent: Callable[[], Agent] | None,
        agent_label: str,
        settings: AtariSettings,
        seed: int,
        time: Time,
    ):
        super().__init__()
        self.agent_label = agent_label
        self.settings = settings
        self.time = time
        self.keys = HeldKeys()
        self.human = HumanPlayer(self.keys.held)
        self.match = Match(game, mode, self.human, None, settings, seed)
        self.paused = False
        self.agent: AgentPlayer | None = None
        self.no_agent = f"loading {agent_label} …" if load_agent else "start again with --agent NAME"
        self._failed = load_agent is None  # no agent will come
        self._load = load_agent
        self._clock = FrameClock(time.now())
        self._meter = FrameMeter()
        self._painting = False  # a picture is made and not yet painted
        self._deciding = False  # a worker asks the agent for the decision at the present frame
        self._wanted: tuple[int | None] | None = None  # a step that waits for that decision: its action

        self._keys_shown: tuple[bool, bool, Mode] | None = None  # on what the footer's keys depend
        self._stage = Stage(self.match.action_names)
        self._looking = self._stage.looking

    def compose(self) -> ComposeResult:
        yield from self._stage
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._begin_match()
        # The picture first: importing a learning library takes longer than all else together.
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if self._load is not None:
            self.load_agent(self._load)
        self.run_worker(self.play(), group="play")

    # The agent arrives.

    @work(thread=True, group="load")
    def load_agent(self, load: Callable[[], Agent]) -> None:
        try:
            agent = load()
        except UserError as error:
            self.post_message(AgentFailed(str(error)))
            return
        if (torch := sys.modules.get("torch")) is not None:
            # One small picture at a time: more threads only wait for each other, and take the game's time.
            torch.set_num_threads(1)
        self.post_message(AgentLoaded(agent))

    def on_agent_loaded(self, message: AgentLoaded) -> None:
        agent = AgentPlayer(message.agent, self.settings.fire, self.agent_label)
        try:
            self.match.seat(agent)
        except UserError as error:
            self.post_message(AgentFailed(str(error)))
            return
        self.agent, self.no_agent = agent, ""
        self._renew()

    def on_agent_failed(self, message: AgentFailed) -> None:
        self.no_agent, self._failed = message.reason, True
        if self.match.ready:
            self.notify(message.reason, title="No agent", severity="error", timeout=15, markup=False)
        self._renew()

    # The game runs.

    async def play(self) -> None:
        """Sixty pictures a second, for as long as the screen lives."""
        while True:
            await self.time.sleep(max(LEAST_REST, self._clock.wait(self.time.now())))
            now = self.time.now()
            self._clock.begin(now)
            if self.running:
                for _ in range(self._clock.frames):
                    self.match.tick(now)
                self._show_game()
                self._await_painting()
                if self.match.over:
                    self._renew()

    def _await_painting(self) -> None:
        """Measure what is painted, not what is played: two frames that share one painting count once."""
        if not self._painting:
            self._painting = True
            self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self._painting = False
        self._meter.add(self.time.now(), self.time.work())
        # To tell the work is work too.
        if self._meter.pictures % METER_PERIOD == 0:
            self._stage.show_meter(self._meter)

    @property
    def running(self) -> bool:
        """Whether the game goes on by itself now. It waits for the agent rather than make the screen wait."""
        held = self.paused or self.match.over or not self.match.ready or self.has_class("-too-small")
        asked = self._deciding or (self.match.agent is not None and self.match.agent.busy)
        return self.is_active and not held and not asked

    def on_key(self, event: events.Key) -> None:
        key = event.key.lower()  # with caps lock on too
        looking = self._looking.look_ahead is not None
        if key in KEY_DIRECTIONS and not (looking and key in ARROWS):
            self.keys.press(key, self.time.now())

    def on_key_released(self, event: KeyReleased) -> None:
        self.keys.release(event.key.lower(), self.time.now())

    @on(events.AppBlur)
    @on(events.ScreenSuspend)
    def let_go(self) -> None:
        """Releases will go elsewhere."""
        self.keys.clear()

    def action_hand_over(self) -> None:
        self.match.hand_over()
        self._show_game()

    def action_speed(self, by: int) -> None:
        self._clock.change_speed(by)
        self._show_game()

    def action_restart(self) -> None:
        self.match.restart()
        self._begin_match()

    def action_modes(self) -> None:
        self.app.push_screen(ModeMenu(self.match.mode), self._change_mode)

    def _change_mode(self, mode: Mode | None) -> None:
        if mode is not None and mode is not self.match.mode:
            before = self.match
            self.match = Match(before.game, mode, self.human, self.agent, self.settings, before.seed)
            self._begin_match()

    def _begin_match(self) -> None:
        self.paused = False
        self._renew()

    # The game is held, and looked into.

    def action_pause(self) -> None:
        if self.match.ready and not self.match.over:
            self.match.finish_decision(self.time.now())
            self.paused = not self.match.over
            self._renew()

    def action_resume(self) -> None:
        self.paused = False
        self._renew()

    def action_step(self) -> None:
        self._step(None)

    def action_take(self) -> None:
        look_ahead = self._looking.look_ahead
        if look_ahead is not None and look_ahead.first_action is not None:
            self._step(look_ahead.first_action)

    def action_time(self, by: int) -> None:
        self._looking.move(rows=0, steps=by)

    def action_row(self, by: int) -> None:
        self._looking.move(rows=by, steps=0)

    def action_horizon(self, by: int) -> None:
        self._looking.change_horizon(by)

    def _step(self, action: int | None) -> None:
        """One decision of the real game, as soon as the agent has made up its mind about the present."""
        if self.match.board.undecided:
            self._wanted = (action,)
            return
        self._wanted = None
        self.match.step(self.time.now(), action)
        self.paused = not self.match.over
        self._renew()

    def _look(self) -> None:
        """Decide and look ahead from the present, in threads: the agent may take its time."""
        board = self.match.board
        if board.agent is None:
            self._looking.explain(f"Look-ahead needs an agent: {self.no_agent}")
        elif board.game.over:
            self._looking.explain("The agent's game is over: there is nothing ahead of it.")
        else:
            moment = board.moment()
            if board.undecided and not self._deciding:
                self._deciding = True
                self.decide(board.agent, board, board.game.frame, moment)
            self._looking.look(board.agent, moment)

    @work(thread=True, group="decide")
    def decide(self, agent: AgentPlayer, board: Board, frame: int, moment: Moment) -> None:
        self.post_message(Decided(board, frame, agent.decide(moment)))

    def on_decided(self, message: Decided) -> None:
        self._deciding = False
        board = self.match.board
        if message.board is board and message.frame == board.game.frame and board.undecided:
            board.decide(message.decision)
            self._show_game()
        if self.paused and board.undecided:
            self._look()  # the game has moved on since the agent was asked
        elif self.paused and self._wanted is not None:
            self._step(*self._wanted)

    def on_look_ahead_changed(self, message: LookAheadChanged) -> None:
        if self.paused:
            self._show_game()

    # What is shown.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"pause", "speed"}:
            return not self.paused
        if action in {"resume", "step"}:
            return self.paused
        if action in {"take", "time", "row", "horizon"}:
            return self.paused and self._looking.look_ahead is not None
        return action != "hand_over" or self.match.mode is Mode.DUET

    def on_resize(self) -> None:
        self._arrange()

    def _renew(self) -> None:
        """The match has changed its state: show all of it anew."""
        self._meter.clear()
        if self.paused:
            self._look()
        else:
            self._wanted = None
            self._looking.forget()
        self._announce()
        self._arrange()
        self._show_game()
        # The footer is built anew for this, which takes longer than everything above.
        keys = (self.paused, self._looking.look_ahead is not None, self.match.mode)
        if keys != self._keys_shown:
            self._keys_shown = keys
            self.refresh_bindings()

    @property
    def _showing(self) -> Showing:
        return Showing(self.match, self.agent_label, self._clock.speed, self.paused)

    def _show_game(self) -> None:
        self._stage.show(self._showing)

    def _announce(self) -> None:
        if not self.match.ready:
            way_out = "\n\nm another mode · q quit" if self._failed else ""
            self._stage.announce(self.no_agent + way_out, self._failed)
        elif self.match.over:
            self._stage.announce(f"Game over\n{self.match.result}\n\nr again · q quit")
        else:
            self._stage.announce("")

    def _arrange(self) -> None:
        self.set_class(not self._stage.arrange(self.size, self._showing), "-too-small")

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen())

    def action_meter(self) -> None:
        self._stage.toggle_meter()
        self._arrange()
