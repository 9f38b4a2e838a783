"""Pictures of the running app for the README: `python -m docs.pictures FOLDER` writes one SVG for each.

Any browser turns them into PNG; the README's were made at 1720×1120 with the font Fira Code.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agents.catalogue import best_checkpoint, load_agent
from agents.envs.settings import AtariSettings
from mbrl_tui.app import MbrlApp

SEED = 3
PICTURES = {
    # name: mode, seconds of play, keys
    "watch": ("watch", 30, []),
    "inspector": ("watch", 30, ["p", 4.0, "down", "down", "down", *["right"] * 6, "b", "enter", 1.0, "t", 2.0, "v"]),
    "versus": ("versus", 20, []),
}


async def take(folder: Path, name: str) -> None:
    """Play for a while, press the keys (a number waits so many seconds), save what the screen shows."""
    mode, seconds, keys = PICTURES[name]
    checkpoint = best_checkpoint("breakout")
    if checkpoint is None:
        sys.exit("No agent ships for breakout: there is nothing to show.")
    app = MbrlApp("breakout", mode, lambda: load_agent(checkpoint), checkpoint.label, AtariSettings(), SEED)
    async with app.run_test(size=(140, 44)) as pilot:
        if mode == "versus":
            await pilot.pause(3)
            await pilot.press("space")
        await pilot.pause(seconds)
        for key in keys:
            await (pilot.pause(key) if isinstance(key, float) else pilot.press(key))
        await pilot.pause(0.5)
        app.save_screenshot(f"{name}.svg", str(folder))


if __name__ == "__main__":
    for picture in PICTURES:
        asyncio.run(take(Path(sys.argv[1]), picture))
