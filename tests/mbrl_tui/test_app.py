import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

import pytest
import torch

from agents.dqn.agent import DQNAgent
from agents.dqn.network import build_network
from agents.envs.atari import AtariGame, action_names
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from mbrl_tui.app import MbrlApp
from mbrl_tui.screens.inspect import InspectScreen

SIZE = (120, 40)


def modules_after(statement: str) -> set[str]:
    """Everything that is imported when `statement` has run in a new process."""
    program = f"{statement}; import sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    )


def test_the_app_is_there_before_any_learning_library():
    assert not {"torch", "safetensors"} & modules_after("import mbrl_tui.app")


def test_playing_needs_no_screen():
    loaded = modules_after("import mbrl_tui.play.match, mbrl_tui.play.clock, mbrl_tui.dream.inspection")
    assert not {"textual", "rich", "torch"} & loaded


def test_textual_paints_often_enough_for_sixty_pictures():
    program = "import mbrl_tui.app, textual.constants; print(textual.constants.MAX_FPS)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert int(told) >= 240


@pytest.mark.parametrize("mode", ["watch", "solo"])
def test_an_unknown_game_is_an_error_before_the_terminal_is_touched(mode):
    with pytest.raises(UserError, match="no Atari game called 'brakeout'"):
        MbrlApp("brakeout", mode, None, "", AtariSettings(), 0)


async def test_a_real_agent_plays_and_is_looked_into(time, until, same_instant):
    def load() -> DQNAgent:
        torch.manual_seed(0)
        names = action_names("breakout")
        return DQNAgent(build_network(len(names), 4, (84, 84)), names, EmulatorModel("breakout"))

    app = MbrlApp("breakout", "watch", load, "random weights", AtariSettings(), seed=1, time=time)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: app.screen.match.ready, seconds=30)
        await time.pass_frames(80)
        match = app.screen.match
        assert torch.get_num_threads() == 1

        # The same network by itself, step by step, makes the same game.
        agent, game = load(), AtariGame("breakout", seed=1)
        for _ in range(20):
            game.step(1 if game.needs_fire else agent.act(game.moment()).action)
        assert same_instant(match.board.game, game)

        await pilot.press("p")
        await until(lambda: isinstance(app.screen, InspectScreen))
        inspection = app.screen.inspection
        await until(lambda: not inspection.tree.missing() and not match.board.undecided, seconds=30)
        expected, future = agent.imagine(game.moment(), 15, None), inspection.tree.roots[0].rollout
        assert (future.frames == expected.frames).all()
        assert future.values == pytest.approx(expected.values, abs=1e-5)
        assert match.board.decision.action == agent.act(game.moment()).action


RUN = """
from agents.envs.atari import action_names
from agents.envs.settings import AtariSettings
from mbrl_tui.app import run_app

def load():
    from agents.dqn.agent import DQNAgent
    from agents.dqn.network import build_network
    from agents.envs.emulator import EmulatorModel

    if {broken}:
        raise RuntimeError("a defect")
    names = action_names("breakout")
    return DQNAgent(build_network(len(names), 4, (84, 84)), names, EmulatorModel("breakout"))

run_app("breakout", "watch", load, "agent", AtariSettings(), 0)
"""


@pytest.fixture
def terminal(tmp_path):
    """Runs the app in a terminal of its own; gives its exit code and all that it wrote there."""

    def run(broken: bool, quit_at: bytes | None) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        program = [sys.executable, "-c", RUN.format(broken=broken)]
        process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while select.select([ours], [], [], 30)[0] and (data := os.read(ours, 65536)):
                written += data
                if quit_at is not None and quit_at in written:
                    os.write(ours, b"q")
                    quit_at = None
        os.close(ours)
        try:
            return process.wait(10), written.decode()
        finally:
            process.kill()

    return run


LEAVE_SCREEN, SHOW_CURSOR = "\x1b[?1049l", "\x1b[?25h"


def test_quitting_leaves_the_terminal_clean(terminal):
    code, written = terminal(broken=False, quit_at=b"Q-value")
    assert code == 0
    assert SHOW_CURSOR in written
    left = written.partition(LEAVE_SCREEN)[2]
    assert re.sub(r"\x1b\[[?<>=]?[\d;]*[a-zA-Z]", "", left).strip() == ""


def test_a_defect_leaves_the_terminal_usable_and_an_error_code(terminal):
    code, written = terminal(broken=True, quit_at=None)
    assert code == 1
    assert SHOW_CURSOR in written
    assert "a defect" in written.partition(LEAVE_SCREEN)[2]
