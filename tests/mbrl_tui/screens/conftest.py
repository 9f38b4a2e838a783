"""The app on a time that stands still, and what it shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from agents.envs.settings import AtariSettings
from mbrl_tui.app import MbrlApp
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.panels import Facts


@pytest.fixture
def open_app(agent, time) -> Callable[..., MbrlApp]:
    """An app in a mode; its agent is the one that writes down what it is asked, unless another way to load is given."""

    def open_app(
        mode: str, load=lambda: agent, game: str = "breakout", inspect_at=None, replay=None, **settings
    ) -> MbrlApp:
        return MbrlApp(game, mode, load, "tape", AtariSettings(**settings), 3, time, inspect_at, replay)

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
def playing(until) -> Callable[[MbrlApp], Awaitable[None]]:
    """Waits for the agent."""

    async def playing(app: MbrlApp) -> None:
        await until(lambda: app.screen.match.ready and app.screen.agent)

    return playing


@pytest.fixture
def looking(until) -> Callable[[MbrlApp], Awaitable[None]]:
    """Waits until everything is decided, imagined and told, and shown."""

    def settled(app: MbrlApp) -> bool:
        screen = app.screen
        if not isinstance(screen, InspectScreen) or not screen.is_mounted:
            return False
        return screen.settled and screen.inspection.tree is not None and screen.inspection.next_task() is None

    return lambda app: until(lambda: settled(app))


@pytest.fixture
def inspecting(time, playing, looking):
    """Plays for so many frames, then looks into the game."""

    async def inspecting(pilot, frames: int = 40):
        await playing(pilot.app)
        await time.pass_frames(frames)
        await pilot.press("p")
        await looking(pilot.app)
        await pilot.pause()
        return pilot.app.screen.inspection

    return inspecting


@pytest.fixture
def waiting_for(agent, time, playing, until):
    """Plays for forty frames, then looks into the game, with an agent that imagines until `agent.may_look` is set."""

    async def waiting_for(pilot):
        await playing(pilot.app)
        await time.pass_frames(40)
        agent.may_look.clear()
        await pilot.press("p")
        inspection = pilot.app.screen.inspection
        await until(lambda: inspection.agent.busy)
        return inspection

    return waiting_for
