"""Where strips of imagined futures stand; the colours of their parts, and their pictures."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.style import Style
from textual.containers import VerticalScroll

from mbrl_tui.widgets.small_pictures import SmallPictures


class RolloutStrips(VerticalScroll, can_focus=False):
    """Strips one above the other. The colours of their parts are kept here, once for all of them: whenever a screen
    comes into view, each is worked out anew for every widget that has it.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rollout-strip--label",
        "rollout-strip--selected",
        "rollout-strip--best",
        "rollout-strip--cursor",
        "rollout-strip--mark",
        "rollout-strip--faint",
        "rollout-strip--reward",
        "rollout-strip--muted",
        "rollout-strip--true",
        "rollout-strip--off",
        "rollout-strip--lost",
    }
    DEFAULT_CSS = """
    RolloutStrips > .rollout-strip--label {
        color: $text;
    }
    RolloutStrips > .rollout-strip--selected {
        color: $primary;
        text-style: bold;
    }
    RolloutStrips > .rollout-strip--best {
        color: $text-success;
    }
    RolloutStrips > .rollout-strip--cursor {
        background: $primary;
        color: $text;
        text-style: bold;
    }
    RolloutStrips > .rollout-strip--mark {
        color: $primary;
    }
    RolloutStrips > .rollout-strip--faint {
        color: $primary 35%;
    }
    RolloutStrips > .rollout-strip--reward {
        color: $text-warning;
        text-style: bold;
    }
    RolloutStrips > .rollout-strip--muted {
        color: $text-muted;
    }
    RolloutStrips > .rollout-strip--true {
        color: $text-success;
    }
    RolloutStrips > .rollout-strip--off {
        color: $text-warning;
    }
    RolloutStrips > .rollout-strip--lost {
        color: $text-error;
        text-style: bold;
    }
    """

    def __init__(self, *children: Any, **kwargs: Any):
        super().__init__(*children, **kwargs)
        self.pictures = SmallPictures()

    def look(self, part: str) -> Style:
        return self.get_component_rich_style(f"rollout-strip--{part}")
