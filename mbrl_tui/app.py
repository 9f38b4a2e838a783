"""The Textual app."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.theme import Theme

from agents.envs.settings import AtariSettings
from agents.interfaces import Agent
from mbrl_tui.play.clock import RealTime, Time
from mbrl_tui.play.match import Mode
from mbrl_tui.play.recording import Recording
from mbrl_tui.screens.play import PlayScreen

DUSK = Theme(
    name="dusk",
    primary="#7aa2c9",
    secondary="#8b93a7",
    accent="#d9a866",
    warning="#d9a866",
    error="#d97b72",
    success="#8fb573",
    foreground="#d5d9e0",
    background="#0e1014",
    surface="#14171d",
    panel="#1c2028",
    variables={
        "border": "#343a46",
        "footer-background": "#14171d",
        "footer-key-foreground": "#d9a866",
        "footer-description-foreground": "#8b93a7",
    },
)
"""Dark and quiet: the game brings the colours."""


def _driver() -> type[Driver] | None:
    """The driver that reports key releases; None, Textual's own choice, where there is none such."""
    if sys.platform == "win32":
        return None
    from mbrl_tui.terminal.key_releases import KeyReleaseDriver

    return KeyReleaseDriver


class MbrlApp(App[None]):
    """Plays one Atari game with an agent that is loaded behind the first picture.

    game, settings, seed: as `Match` takes them; mode: the word for a `Mode`.
    load_agent:  gives the agent, or raises UserError; called once, in a thread. None: there is no agent.
    agent_label: what a person calls the agent.
    time:        where time comes from.
    inspect_at, replay: as `PlayScreen` takes them.
    Raises UserError where there is no such game.
    """

    TITLE = "mbrl"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", show=False, priority=True)]

    def __init__(
        self,
        game: str,
        mode: str,
        load_agent: Callable[[], Agent] | None,
        agent_label: str,
        settings: AtariSettings,
        seed: int,
        time: Time | None = None,
        inspect_at: int | None = None,
        replay: Recording | None = None,
    ):
        super().__init__(driver_class=_driver())
        self._first: PlayScreen | None = PlayScreen(
            game, Mode(mode), load_agent, agent_label, settings, seed, time or RealTime(), inspect_at, replay
        )

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        # The others rearrange the screen around panels of Textual's own, for which the game leaves no room.
        kept = {"Theme", "Quit", "Screenshot"}
        return (command for command in super().get_system_commands(screen) if command.title in kept)

    def on_mount(self) -> None:
        self.register_theme(DUSK)
        self.theme = DUSK.name
        # Handed on, not kept. A learning library that is imported while the app runs may take the app's standard
        # error for its log and so hold the app to the very end, when emulators can no longer be freed in order.
        first, self._first = self._first, None
        if first is not None:
            self.push_screen(first)


def run_app(
    game: str,
    mode: str,
    load_agent: Callable[[], Agent] | None,
    agent_label: str,
    settings: AtariSettings,
    seed: int,
    inspect_at: int | None = None,
    replay: Recording | None = None,
) -> None:
    """Play until the person quits; arguments as for `MbrlApp`. Exits with an error code if the app fails."""
    app = MbrlApp(game, mode, load_agent, agent_label, settings, seed, inspect_at=inspect_at, replay=replay)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)
