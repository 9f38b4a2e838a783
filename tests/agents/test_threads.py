"""What the processes that train tell OpenMP, and when."""

import os
import subprocess
import sys

import pytest

TOLD = """
import sys
{imports}
rest_soon()
assert "torch" not in sys.modules, "too late"
import os, torch
print(os.environ.get("GOMP_SPINCOUNT"))
"""
OWN = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}


@pytest.mark.parametrize(("given", "told"), [({}, "100"), ({"GOMP_SPINCOUNT": "7"}, "7")])
@pytest.mark.parametrize("module", ["agents.runs.detached", "mbrl_tui.cli.train"])
def test_threads_are_told_to_rest_before_torch_reads_it(module: str, given: dict[str, str], told: str) -> None:
    code = TOLD.format(imports=f"import {module}\nfrom agents.threads import rest_soon")
    environment = {name: value for name, value in os.environ.items() if name not in OWN} | given
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [told]


def test_a_policy_that_was_chosen_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from agents.threads import rest_soon

    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    rest_soon()
    assert "GOMP_SPINCOUNT" not in os.environ
