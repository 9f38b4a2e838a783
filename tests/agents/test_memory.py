"""What tensors leave behind is used again, instead of being asked of the system anew."""

import ctypes
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from agents.memory import keep_memory

FAULTS = """
import resource, sys, torch
from agents.memory import keep_memory
kept = keep_memory() if sys.argv[1] == "kept" else None
def use(size):
    # What else is allocated meanwhile may come to lie behind a tensor, and the next one then needs more room than there
    # was: some find none that was used before, until all have their places.
    for _ in range(12):
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
    (kept, few), (_, many) = faults("kept"), faults("not")
    assert kept == "True"
    assert 4 * few < many


def test_an_older_library_is_given_the_most_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for most, kept in ((2**40, [(-3, 2**30)]), (2**25, [(-3, 2**30), (-3, 2**25)]), (0, [(-3, 2**30), (-3, 2**25)])):
        asked: list[tuple[int, int]] = []

        def mallopt(parameter: int, value: int, most: int = most, asked: list[tuple[int, int]] = asked) -> int:
            asked.append((parameter, value))
            return int(parameter != -3 or value <= most)

        monkeypatch.setattr(ctypes, "CDLL", lambda name, mallopt=mallopt: SimpleNamespace(mallopt=mallopt))
        assert keep_memory() == (most > 0)
        assert asked[: len(kept)] == kept
        assert len(asked) == len(kept) + 2 * (most > 0)


def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_memory()
