"""The screen on which games are played and watched, and from which they are looked into."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.interfaces import Agent
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.messages import AgentFailed, AgentLoaded, Arrived
from mbrl_tui.play.clock import FrameClock, FrameMeter, Time
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer
from mbrl_tui.play.recording import Recording
from mbrl_tui.screens.help import HelpScreen
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.mode_menu import ModeMenu
from mbrl_tui.screens.playing_screen import PlayingScreen, save_game
from mbrl_tui.screens.stage import Showing, Stage
from mbrl_tui.widgets.steady_footer import SteadyFooter

LEAST_REST = 0.001
"""Seconds between two pictures that are left to keys and to painting, however late the game is."""

INSPECTOR = "inspector"
"""What the app calls that screen."""

METER_PERIOD = 20
"""Pictures between two readings of the meter."""


class PlayScreen(PlayingScreen):
    """One match at a time. It is shown at once; who is not yet there (the agent) is waited for.

    The picture advances only here, in `play`; a game that is held is in the hands of the inspector.
    inspect_at: hold the game before this decision, and look into it; None lets it run.
    replay:     a game that was played before, which is played again up to there, by default as far as it went.
    Raises UserError where it is not as long.
    """

    AUTO_FOCUS = None
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("p,i", "pause", "inspect"),
        Binding("tab", "hand_over", "hand over", key_display="tab"),
        Binding("plus,equals_sign", "speed(1)", "speed", key_display="+/−"),
        Binding("minus", "speed(-1)", show=False),
        Binding("r", "restart", "restart"),
        Binding("m", "modes", "mode"),
        Binding("ctrl+s", "save", show=False),
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
        inspect_at: int | None = None,
        replay: Recording | None = None,
    ):
        super().__init__(time)
        self.agent_label = agent_label
        self.settings = settings
        self.human = HumanPlayer(self.keys.held)
        self._replay = replay
        if replay is not None:
            inspect_at = replay.length_up_to(inspect_at, settings.frameskip)
        self.match = Match(game, mode, self.human, None, replay.seen_by(settings) if replay else settings, seed)
        self.agent: AgentPlayer | None = None
        self.no_agent = f"loading {agent_label} …" if load_agent else "start again with --agent NAME"
        self._failed = load_agent is None  # no agent will come
        self._load = load_agent
        self._inspect_at = inspect_at if load_agent is not None else None
        self._arrived = False
        self._inspector: InspectScreen | None = None
        self._clock = FrameClock(time.now())
        self._meter = FrameMeter()
        self._painting = False  # a picture is made and not yet painted
        self._mode_shown: Mode | None = None  # on which the footer's keys depend
        self._stage = Stage()

    def compose(self) -> ComposeResult:
        yield from self._stage
        yield SteadyFooter(show_command_palette=False)

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
        # What was imported stays: looking through all of it for garbage would hold the game for a sixth of a second.
        gc.freeze()
        self.post_message(AgentLoaded(agent))

    def on_unmount(self) -> None:
        gc.unfreeze()  # emulators are to be freed before the program ends

    def on_agent_loaded(self, message: AgentLoaded) -> None:
        agent = AgentPlayer(message.agent, self.settings.fire, self.agent_label)
        try:
            self.match.seat(agent)
        except UserError as error:
            self.post_message(AgentFailed(str(error)))
            return
        self.agent, self.no_agent = agent, ""
        self._renew()
        if self._inspect_at is not None:
            self.play_up_to(self._inspect_at)
        self._tell_inspector()

    @work(thread=True, group="load")
    def play_up_to(self, decisions: int) -> None:
        """Take the game to a decision, or to its end, as fast as it goes; nothing else touches it until then."""
        worker, replay, frames = get_current_worker(), self._replay, self.settings.frameskip
        for decision in range(decisions):
            if worker.is_cancelled:
                return
            if self.match.over:
                break
            if replay is None:
                self.match.step(self.time.now())
            else:
                for action in replay.actions[decision * frames : (decision + 1) * frames]:
                    self.match.board.tick(self.time.now(), action)
        self.post_message(Arrived())

    def on_arrived(self) -> None:
        self._arrived = True
        self.look_in()

    @on(events.ScreenResume)
    def look_in(self) -> None:
        """Once the game is where it is to be looked into, and nothing covers it."""
        if self._arrived and self.is_active:
            self._arrived, self._inspect_at = False, None
            self._renew()
            self.action_pause()

    def _tell_inspector(self) -> None:
        """An agent has come, or never will: look anew, at once or when nothing covers the inspector any more."""
        if self._inspector is not None and self._inspector in self.app.screen_stack:
            self._inspector.inspection.no_agent = self.no_agent
            self._inspector.inspection.renew()
            self._inspector.go_on()

    def on_agent_failed(self, message: AgentFailed) -> None:
        self.no_agent, self._failed, self._inspect_at = message.reason, True, None
        if self.match.ready:
            self.notify(message.reason, title="No agent", severity="error", timeout=15, markup=False)
        self._renew()
        self._tell_inspector()

    # The game runs.

    async def play(self) -> None:
        """Sixty pictures a second, for as long as the screen lives. The game waits for its agent, never the screen."""
        while True:
            await self.time.sleep(max(LEAST_REST, self._clock.wait(self.time.now())))
            now = self.time.now()
            if self.running and not self.match.prepare():
                self._clock.wait_no_longer(now)
                continue
            self._clock.begin(now)
            if self.running:
                for frame in range(self._clock.frames):
                    if frame == 0 or self.match.prepare():
                        self.match.tick(now, live=True)
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
        """Whether the game goes on by itself now."""
        held = self.match.over or not self.match.ready or self._played_elsewhere or self.has_class("-too-small")
        return self.is_active and not held

    @property
    def _played_elsewhere(self) -> bool:
        """Whether the game is being played up to a step, or will be: until then it is that thread's alone."""
        return self._inspect_at is not None

    def action_hand_over(self) -> None:
        if not self._played_elsewhere:
            self.match.hand_over()
            self._show_game()

    def action_speed(self, by: int) -> None:
        self._clock.change_speed(by)
        self._show_game()

    def action_restart(self) -> None:
        if not self._played_elsewhere:
            self.match.restart()
            self._begin_match()

    def action_save(self) -> None:
        """Keep the game that is played, in versus the person's, so that it can be looked into another day."""
        if self.match.ready and not self._played_elsewhere:
            save_game(self, self.match, self.match.boards[0])

    def action_modes(self) -> None:
        if not self._played_elsewhere:
            self.app.push_screen(ModeMenu(self.match.mode), self._change_mode)

    def _change_mode(self, mode: Mode | None) -> None:
        if mode is not None and mode is not self.match.mode:
            before = self.match
            self.match = Match(before.game, mode, self.human, self.agent, self.settings, before.seed)
            self._begin_match()

    def _begin_match(self) -> None:
        self._renew()

    # The game is held, and looked into.

    def action_pause(self) -> None:
        if not self.is_active or not self.match.ready or self.match.over or self._played_elsewhere:
            return
        self.match.finish_decision(self.time.now())
        if self.match.over:
            self._renew()
            return
        match = self.match
        inspection = Inspection(match, lambda: EmulatorModel(match.game, match.board.game.settings), self.no_agent)
        if self._inspector is None:
            # Kept for the next time: to make it takes longer than to look ahead.
            self._inspector = InspectScreen(inspection, self.agent_label, self.keys, self.time)
            self.app.install_screen(self._inspector, INSPECTOR)
        else:
            self._inspector.look_into(inspection)
        self._inspector.set_to_work()  # before there is anything to be seen
        self.app.push_screen(self._inspector, self._inspected)

    def _inspected(self, _: None) -> None:
        self._renew()

    # What is shown.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "hand_over" or self.match.mode is Mode.DUET

    def on_resize(self) -> None:
        self._arrange()

    def _renew(self) -> None:
        """The match has changed its state: show all of it anew."""
        self._meter.clear()
        self._announce()
        self._arrange()
        self._show_game()
        # The footer is built anew for this, which takes longer than everything above.
        if self.match.mode is not self._mode_shown:
            self._mode_shown = self.match.mode
            self.refresh_bindings()

    @property
    def _showing(self) -> Showing:
        return Showing(self.match, self.agent_label, self._clock.speed)

    def _show_game(self) -> None:
        self._stage.show(self._showing)

    def _announce(self) -> None:
        if self._inspect_at is not None and self.match.ready:
            self._stage.announce(f"playing up to step {self._inspect_at} …")
        elif not self.match.ready:
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
