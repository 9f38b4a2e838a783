"""Trainings as processes of their own, which outlive the terminal that started them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time

from agents.errors import UserError
from agents.files import told_plainly
from agents.runs.directory import RunDirectory, being_trained


def start_detached(run: RunDirectory, patience: float = 20.0) -> int:
    """Train `run` in a process of its own, its output in the run's log; gives the process id.

    Returns when it trains, or after `patience` seconds if it still makes ready (a large replay is long in reading).
    Raises UserError where it is being trained already, or ends at once with a failure.
    """
    if run.is_training():
        raise being_trained(run)
    command = [sys.executable, "-m", "agents.runs.detached", str(run.path)]
    run.write_status(dataclasses.replace(run.read_status(), state="starting", message=""))
    with told_plainly(run.log), run.log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=run.path,
            start_new_session=True,  # Ctrl-C and the end of the terminal are signals to its group, not to this
        )
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and run.read_status().state == "starting":
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if run.read_status().state == "failed":
        process.wait()
    if process.poll():
        said = run.log.read_text(errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), f"exit code {process.returncode}")
        raise UserError(f"{last} (The whole log: {run.log})")
    return process.pid


def stop(run: RunDirectory, timeout: float = 120.0) -> None:
    """Ask the trainer of `run` to save and end; returns when it has. Raises UserError where it does not."""
    if not run.is_training():
        raise UserError(f"Run '{run.path.name}' is not being trained.")
    run.ask_to_stop()
    deadline = time.monotonic() + timeout
    while run.is_training():
        if time.monotonic() > deadline:
            raise UserError(f"Run '{run.path.name}' has not stopped in {timeout:.0f} s; it will after its next step.")
        time.sleep(0.1)
