"""Playing on in a dream, while the real game waits."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from mbrl_tui.dream.dream_game import DreamGame
from mbrl_tui.play.clock import FRAME_RATE, SPEEDS, Time
from mbrl_tui.play.players import AgentPlayer, held_action
from mbrl_tui.screens.panels import Facts
from mbrl_tui.screens.playing_screen import PlayingScreen
from mbrl_tui.widgets.frame_view import FrameView
from mbrl_tui.widgets.steady_footer import SteadyFooter
from mbrl_tui.widgets.value_chart import ValueChart
from mbrl_tui.widgets.writing import brief, share, signed

DECISIONS_A_SECOND = FRAME_RATE / 4
"""At full speed: an action holds for four frames in all that a world model learns from."""


class DreamScreen(PlayingScreen):
    """One dream at a time; ESC wakes up. `agent` looks on, and plays while it holds the paddle."""

    AUTO_FOCUS = None
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "wake", "wake up", key_display="esc"),
        Binding("tab", "hand_over", "hand over", key_display="tab"),
        Binding("p", "hold", "hold"),
        Binding("plus,equals_sign", "speed(1)", "speed", key_display="+/−"),
        Binding("minus", "speed(-1)", show=False),
    ]

    def __init__(self, game: DreamGame, agent: AgentPlayer, time: Time):
        super().__init__(time)
        self.game = game
        self.agent = agent
        self.agent_plays = False
        self.held = False
        self._speed = SPEEDS.index(1.0)
        self._view = FrameView(classes="dreamt")
        self._facts = Facts(classes="dreamt", id="dream-facts")
        self._chart = ValueChart(classes="dreamt")
        self._beat = self.set_interval(1 / DECISIONS_A_SECOND, self.tick, pause=True)
        self._owed = 0.0  # decisions due since the last one, at a speed below full

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._view
            yield self._facts
        yield self._chart
        yield SteadyFooter(show_command_palette=False)

    def on_mount(self) -> None:
        self._view.border_title = "A dream"
        self._facts.border_title = "Dreamt"
        self._chart.border_title = "Value of the dream"
        self._beat.resume()
        self._show()

    def tick(self) -> None:
        """As many decisions as are due."""
        if not self.is_active or self.held:
            return
        self._owed += SPEEDS[self._speed]
        while self._owed >= 1 and not self.game.over:
            self._owed -= 1
            held = held_action(self.keys.held(self.time.now()), self.game.action_names, needs_fire=False)
            self.game.advance(None if self.agent_plays else held)
            self._chart.add(self.game.value)
        self._owed %= 1
        self._show()

    def _show(self) -> None:
        game = self.game
        self._view.border_subtitle = "the dream is over · esc wakes up" if game.over else "held" if self.held else ""
        self._view.show(game.frame)
        rows = [
            ("step", f"{game.step}"),
            ("paddle", self.agent.label if self.agent_plays else "you"),
            ("reward", signed(game.reward) or "0"),
            ("score", f"{game.score:.1f}"),
            ("goes on", share(game.goes_on)),
            ("lived", share(game.alive)),
            ("value", brief(game.value, 4)),
            ("doubt", f"{brief(game.doubt)} nats"),
            ("speed", f"{SPEEDS[self._speed]:g}×"),
            ("model", game.model),
        ]
        self._facts.show(rows)

    def action_wake(self) -> None:
        if self.is_active:
            self.dismiss()

    def action_hand_over(self) -> None:
        self.agent_plays = not self.agent_plays
        self._show()

    def action_hold(self) -> None:
        self.held = not self.held
        self._show()

    def action_speed(self, by: int) -> None:
        self._speed = min(max(self._speed + by, 0), len(SPEEDS) - 1)
        self._show()
