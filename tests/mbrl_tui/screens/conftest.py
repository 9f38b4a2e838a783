"""The app on a time that stands still."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agents.envs.atari import AtariSettings
from mbrl_tui.app import MbrlApp


@pytest.fixture
def open_app(agent, time) -> Callable[..., MbrlApp]:
    """An app in a mode; its agent is the one that writes down what it is asked, unless another way to load is given."""

    def open_app(mode: str, load=lambda: agent, game: str = "breakout", **settings) -> MbrlApp:
        return MbrlApp(game, mode, load, "tape", AtariSettings(**settings), seed=3, time=time)

    return open_app
