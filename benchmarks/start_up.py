"""Claim: the command line answers in under 0.3 s, and `mbrl play` shows its first picture in under 3 s.

Run as `python -m benchmarks.start_up`. Wall time, the median of several; the app runs in a pseudo-terminal of 120×40.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time

ROUNDS = 5
COMMAND = [sys.executable, "-m", "mbrl_tui.cli.main"]
PICTURE, AGENT = "▀".encode(), b"Q-value"


def help_seconds() -> float:
    begin = time.perf_counter()
    subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
    return time.perf_counter() - begin


def play_seconds(limit: float = 30.0) -> tuple[float, float]:
    """Seconds until `mbrl play` has drawn a picture, and until the agent's first values stand beside it."""
    begin = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.execve(COMMAND[0], [*COMMAND, "play"], os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen, first = b"", 0.0
    try:
        while time.perf_counter() - begin < limit:
            if select.select([terminal], [], [], 0.05)[0]:
                seen += os.read(terminal, 65_536)
            if not first and PICTURE in seen:
                first = time.perf_counter() - begin
            if AGENT in seen:
                return first, time.perf_counter() - begin
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
    sys.exit(f"The app showed no agent within {limit:.0f} s: {seen[-300:]!r}")


def main() -> None:
    helps = [help_seconds() for _ in range(ROUNDS)]
    plays = [play_seconds() for _ in range(ROUNDS)]
    for name, values in (
        ("mbrl --help", helps),
        ("mbrl play: first picture", [first for first, _ in plays]),
        ("mbrl play: the agent's first decision", [agent for _, agent in plays]),
    ):
        print(f"{name:38} {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
