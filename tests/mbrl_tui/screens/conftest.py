"""The app on a time that stands still, and what it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from agents.envs.atari import AtariSettings
from mbrl_tui.app import MbrlApp
from mbrl_tui.play.lookahead import LookAhead
from mbrl_tui.screens.look_ahead_panel import LookAheadPanel
from mbrl_tui.screens.panels import Facts


@pytest.fixture
def open_app(agent, time) -> Callable[..., MbrlApp]:
    """An app in a mode; its agent is the one that writes down what it is asked, unless another way to load is given."""

    def open_app(mode: str, load=lambda: agent, game: str = "breakout", **settings) -> MbrlApp:
        return MbrlApp(game, mode, load, "tape", AtariSettings(**settings), seed=3, time=time)

    return open_app


@pytest.fixture
def facts() -> Callable[[MbrlApp], dict[str, str]]:
    """What the panel beside the picture says."""

    def facts(app: MbrlApp) -> dict[str, str]:
        lines = str(app.screen.query_one(Facts).render()).splitlines()
        return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}

    return facts


@pytest.fixture
def notice() -> Callable[[MbrlApp], str]:
    """What is announced across the boards."""

    def notice(app: MbrlApp) -> str:
        widget = app.screen.query_one("#notice")
        return str(widget.render()) if widget.display else ""

    return notice


@pytest.fixture
def look_ahead() -> Callable[[MbrlApp], LookAhead | None]:
    """What is looked at in a pause."""
    return lambda app: app.screen.query_one(LookAheadPanel).look_ahead


@pytest.fixture
def playing(until) -> Callable[[MbrlApp], Awaitable[None]]:
    """Waits for the agent."""

    async def playing(app: MbrlApp) -> None:
        await until(lambda: app.screen.match.ready and app.screen.agent)

    return playing


@pytest.fixture
def looking(until, look_ahead) -> Callable[[MbrlApp], Awaitable[None]]:
    """Waits until everything is decided and imagined."""

    async def looking(app: MbrlApp) -> None:
        await until(lambda: look_ahead(app) and look_ahead(app).complete and not app.screen.match.board.undecided)

    return looking
