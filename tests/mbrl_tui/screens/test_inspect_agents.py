"""Every agent that ships is looked into, through each of its lenses."""

import pytest
from inspected import SIZE, said, strips, view

from agents.catalogue import find_checkpoint, load_agent, shipped_checkpoints
from mbrl_tui.app import MbrlApp
from mbrl_tui.dream.sight import Lens
from mbrl_tui.screens.inspect import InspectScreen

DREAMS = ("dreamer", "i2a")
"""Kinds of agents that imagine with a model that they have learnt; the others look ahead through the emulator."""
OWN_LENSES = {
    "dreamer": {Lens.BELIEF, Lens.CODE},
    "i2a": {Lens.REASONS},
}
"""What they have beyond what others have."""


@pytest.mark.parametrize("name", sorted(shipped_checkpoints()))
async def test_it_is_looked_into(name, time, until, looking):
    checkpoint = find_checkpoint(name)
    settings = checkpoint.played_with()
    app = MbrlApp(checkpoint.game, "watch", lambda: load_agent(checkpoint), name, settings, 3, time, inspect_at=24)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: isinstance(app.screen, InspectScreen))
        await looking(app)
        inspection = app.screen.inspection
        assert not inspection.reason
        assert [strip._label for strip in strips(app)] == ["agent", "NOOP", "FIRE", "RIGHT", "LEFT"]
        assert all(root.rollout.horizon == inspection.tree.horizon for root in inspection.tree.roots)
        assert ("emulator" in inspection.tree.model) == (checkpoint.agent not in DREAMS)

        await pilot.press("right", "b", "enter")
        await looking(app)
        assert inspection.here.parent is inspection.tree.roots[0]

        await pilot.press("up", "n")
        await looking(app)
        assert "part at step" in said(app) or "stays true" in said(app)
        assert (checkpoint.agent in DREAMS) or "stays true" in said(app)

        seen = set()
        for _ in inspection.lenses():
            await pilot.press("v")
            await looking(app)
            await pilot.pause()
            seen.add(inspection.lens)
            assert view(app, "lens").border_title
            assert view(app, "lens")._frame is not None, inspection.lens
        assert seen == set(inspection.lenses())
        assert seen & set().union(*OWN_LENSES.values()) == OWN_LENSES.get(checkpoint.agent, set())
