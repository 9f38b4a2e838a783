"""Claim: the inspector answers at once.

From pause to the first full set of strips (the agent's own choice and every action of Breakout, 15 steps each):
under 150 ms for Dreamer and 250 ms for I2A on two cores; a step of the cursor under 16 ms; a re-imagined branch under
100 ms. Beside it a branch that is chosen from the menu of actions, from ENTER a third of a second after it opened: what
the menu stands on is imagined meanwhile, so only showing it is left.

The whole app runs, without a terminal; each time is from the key to the painted screen. Each agent is alone in a
process of its own, as with a person. Run as `python -m benchmarks.inspector`, or with trained agents, shipped ones or
runs: `python -m benchmarks.inspector --trained breakout-dreamer breakout-dqn NAME`. Without, networks of the usual
sizes are untrained. That is as slow for Dreamer and DQN, but not for I2A, whose model computes for whatever moves: one
that has learnt nothing soon sees nothing move.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch
from textual.widgets import OptionList

from agents.catalogue import ALGORITHMS, find_checkpoint, load_agent
from agents.envs.atari import action_names
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.interfaces import Agent
from agents.memory import keep_memory
from mbrl_tui.app import MbrlApp
from mbrl_tui.screens.action_menu import ActionMenu
from mbrl_tui.screens.inspect import InspectScreen
from mbrl_tui.screens.play import PlayScreen

SIZE = (120, 40)
STEP = 60
"""Decisions played before the pause."""
CONSIDERED = 0.3
"""Seconds that a person takes at least to choose from a menu."""


def dqn(settings: AtariSettings) -> Agent:
    from agents.dqn.agent import DQNAgent
    from agents.dqn.network import build_network

    network = build_network(4, settings.stack, settings.frame_shape)
    return DQNAgent(network, action_names("breakout"), EmulatorModel("breakout", settings))


def dreamer(settings: AtariSettings) -> Agent:
    from agents.dreamer.agent import DreamerAgent
    from agents.dreamer.behaviour import Behaviour
    from agents.dreamer.config import DreamerConfig
    from agents.dreamer.world_model import WorldModel

    config = DreamerConfig()
    model, behaviour = WorldModel(config, 4, settings.frame_shape), Behaviour(config, 4)
    return DreamerAgent(model, behaviour, action_names("breakout"), settings)


def i2a(settings: AtariSettings) -> Agent:
    from agents.i2a.agent import I2AAgent
    from agents.i2a.config import I2AConfig
    from agents.i2a.network import I2AParts

    config = I2AConfig()
    parts = I2AParts(config, 4, settings.stack, settings.frame_shape)
    return I2AAgent(parts, config, EmulatorModel("breakout", settings), settings)


AGENTS: dict[str, Callable[[AtariSettings], Agent]] = {"dqn": dqn, "dreamer": dreamer, "i2a": i2a}


def subject(name: str, trained: bool) -> tuple[Callable[[], Agent], AtariSettings]:
    """What makes the agent, an untrained one of `AGENTS` or a trained one, and how it plays."""
    if not trained:
        settings = ALGORITHMS[name].settings_for("breakout")
        return lambda: AGENTS[name](settings), settings
    checkpoint = find_checkpoint(name, "breakout")
    played = checkpoint.played_with()
    assert played is not None  # Breakout is an Atari game
    return lambda: load_agent(checkpoint), played


async def measure(name: str, trained: bool, times: int) -> dict[str, list[float]]:
    """Milliseconds of every pause, cursor step and branch, by name."""
    torch.manual_seed(0)
    make, settings = subject(name, trained)
    app = MbrlApp("breakout", "watch", make, name, settings, seed=3, inspect_at=STEP)
    taken: dict[str, list[float]] = {"first strips": [], "cursor step": [], "chosen branch": [], "branch": []}
    async with app.run_test(size=SIZE):
        await _until(lambda: _complete(app))
        for _ in range(times):
            _inspector(app).action_back()
            await _until(lambda: isinstance(app.screen, PlayScreen))
            play = app.screen
            assert isinstance(play, PlayScreen)
            await asyncio.sleep(0.3)  # the game runs
            begin = time.perf_counter()
            play.action_pause()
            await _until(lambda: _complete(app))
            taken["first strips"].append(await _painted(app, begin))
            for _ in range(5):
                begin = time.perf_counter()
                _inspector(app).action_time(1)
                taken["cursor step"].append(await _painted(app, begin))
            _inspector(app).action_branch()
            await _until(lambda: isinstance(app.screen, ActionMenu))
            await asyncio.sleep(CONSIDERED)
            begin = time.perf_counter()
            app.screen.query_one(OptionList).action_select()
            await _until(lambda: _complete(app))
            taken["chosen branch"].append(await _painted(app, begin))
            begin = time.perf_counter()
            _inspector(app).inspection.branch(_other_action(app))
            _inspector(app).go_on()
            await _until(lambda: _complete(app))
            taken["branch"].append(await _painted(app, begin))
    return taken


def _inspector(app: MbrlApp) -> InspectScreen:
    screen = app.screen
    assert isinstance(screen, InspectScreen)
    return screen


def _other_action(app: MbrlApp) -> int:
    """One that the future under the cursor does not take where the cursor is."""
    inspection = _inspector(app).inspection
    return (inspection.here.actions[inspection.step] + 1) % len(inspection.match.action_names)


def _complete(app: MbrlApp) -> bool:
    """Whether the inspector is there, with all of its futures."""
    screen = app.screen
    if not isinstance(screen, InspectScreen) or not screen.is_mounted:
        return False
    return screen.inspection.tree is not None and not screen.inspection.tree.missing()


async def _painted(app: MbrlApp, begin: float) -> float:
    """Milliseconds from `begin` until what is to be seen now has been painted."""
    done = asyncio.Event()
    app.screen.call_after_refresh(done.set)
    await done.wait()
    return 1_000 * (time.perf_counter() - begin)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def report(agent: str, trained: bool, times: int) -> None:
    keep_memory()  # as `mbrl` does
    taken = asyncio.run(measure(agent, trained, times))
    parts = [f"{name} {statistics.median(ms):6.1f} (most {max(ms):.0f})" for name, ms in taken.items()]
    print(f"{agent:16} ms, median: " + " · ".join(parts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=[*AGENTS])
    parser.add_argument("--times", type=int, default=8, help="pauses of each agent, after a first one")
    parser.add_argument("--trained", nargs="+", metavar="NAME", default=[], help="these instead: checkpoints or runs")
    options = parser.parse_args()
    for agent in options.trained or options.agents:
        told = agent, bool(options.trained), options.times
        process = multiprocessing.get_context("spawn").Process(target=report, args=told)
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
