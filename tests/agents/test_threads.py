"""What the processes that train tell OpenMP, and when."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.threads import SPINS, rest_soon

WATCHED = """
import os, sys
import agents.threads
rest_soon = agents.threads.rest_soon
def told():
    rest_soon()
    print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
agents.threads.rest_soon = told
"""
COMMANDS = {
    "train": "from mbrl_tui.cli.main import main; main(['train', '--settings'])",
    "detached": "from agents.runs.detached import main; sys.argv[1:] = [FOLDER]; main()",
}
OWN = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}


@pytest.mark.parametrize(("given", "told"), [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7")])
@pytest.mark.parametrize("command", COMMANDS)
def test_threads_are_told_to_rest_before_torch_reads_it(
    command: str, given: dict[str, str], told: str, tmp_path: Path
) -> None:
    code = WATCHED + COMMANDS[command].replace("FOLDER", repr(str(tmp_path / "none")))
    environment = {name: value for name, value in os.environ.items() if name not in OWN} | given
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.stdout.splitlines()[:1] == [f"{told} False"], result.stderr


def test_a_policy_that_was_chosen_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    rest_soon()
    assert "GOMP_SPINCOUNT" not in os.environ
