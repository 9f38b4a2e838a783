"""What tensors leave behind is used again, instead of being asked of the system anew."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from agents.memory import keep_memory
kept = keep_memory() if sys.argv[1] == "kept" else None
def use(size):
    for _ in range(3):
        torch.ones(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(kept, use(2**24))
"""


def faults(how: str) -> tuple[str, int]:
    """What `keep_memory` says in a process of its own, and pages that the system cleared for 20 tensors of 64 MiB."""
    result = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    kept, count = result.stdout.split()
    return kept, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_large_tensors_are_given_the_same_memory_again() -> None:
    assert faults("kept") == ("True", pytest.approx(0, abs=100))
    assert faults("not")[1] > 1_000


def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from agents.memory import keep_memory

    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_memory()
