"""What stands on the inspector's screen."""

from __future__ import annotations

from mbrl_tui.widgets.frame_view import FrameView
from mbrl_tui.widgets.rollout_strip import RolloutStrip

SIZE = (120, 40)
"""Columns and rows in which all of it has room."""


def strips(app) -> list[RolloutStrip]:
    """The dreams in view, from the top."""
    return [strip for strip in app.screen.query(RolloutStrip) if strip.display and not strip.has_class("truth")]


def view(app, name: str) -> FrameView:
    return app.screen.query_one(f"#{name}", FrameView)


def said(app) -> str:
    return str(app.screen.query_one("#said").render())
