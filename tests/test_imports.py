"""Who may import whom: imports point down only, and starting `mbrl` loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A module belongs to the longest entry that its name begins with, and imports only from its own
# line and from those above it in this list.
LEVELS = [
    ["agents.errors", "agents.memory", "agents.records", "agents.tensors", "agents.threads"],
    ["agents.interfaces", "agents.settings", "agents.files", "agents.kept", "agents.optimizers"],
    [
        *(
            "agents.imagination",
            "agents.fidelity",
            "agents.returns",
            "agents.scores",
            "agents.layers",
            "agents.replay",
            "agents.envs",
        ),
        "agents.saliency",
        *("agents.runs.directory", "agents.runs.checkpoint", "agents.runs.export", "agents.state_model"),
    ],
    ["agents.dqn", "agents.pqn", "agents.a2c", "agents.i2a", "agents.dreamer"],
    ["agents.algorithms", "agents.catalogue", "agents.guides"],
    ["agents.envs.dream", "agents.evaluate", "agents.runs.runner", "agents.runs.detached", "agents.runs.background"],
    ["mbrl_tui.play", "mbrl_tui.dream", "mbrl_tui.terminal"],
    ["mbrl_tui.messages", "mbrl_tui.widgets"],
    ["mbrl_tui.screens"],
    ["mbrl_tui.app"],
    ["mbrl_tui.cli"],
]
ALGORITHMS = LEVELS[3]
STANDS_ON = {("agents.i2a", "agents.a2c"), ("agents.pqn", "agents.dqn")}
"""One algorithm stands on another only where its paper does."""


def modules() -> dict[str, Path]:
    """Every module of the two packages that is more than a docstring."""
    found = {}
    for package in ("agents", "mbrl_tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if path.name != "__init__.py":
                found[name] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """What a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            # `from package import module` names a module by its last word.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def home_of(name: str) -> str:
    """The entry of `LEVELS` that a module belongs to, or "" for none."""
    entries = [entry for level in LEVELS for entry in level if f"{name}.".startswith(f"{entry}.")]
    return max(entries, key=len, default="")


def level_of(entry: str) -> int:
    return next(number for number, level in enumerate(LEVELS) if entry in level)


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name: str) -> None:
    home = home_of(name)
    assert home, f"{name} has no place in the picture of who imports whom"
    for other in imported(modules()[name]):
        if other.split(".")[0] not in ("agents", "mbrl_tui") or not home_of(other):
            continue
        assert level_of(home_of(other)) <= level_of(home), f"{name} imports {other}, which stands above it"
        if home in ALGORITHMS and home_of(other) in ALGORITHMS:
            assert home == home_of(other) or (home, home_of(other)) in STANDS_ON


def modules_after(code: str) -> set[str]:
    """The top-level modules that are loaded once `code` has run in a process of its own."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_agents_run_without_a_terminal() -> None:
    every = [name for name in modules() if name.startswith("agents.")]
    loaded = modules_after("\n".join(f"import {name}" for name in every))
    assert "torch" in loaded
    assert not loaded & {"textual", "rich", "typer", "mbrl_tui"}


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    loaded = modules_after("import mbrl_tui.cli.main")
    assert "typer" in loaded
    assert not loaded & {"torch", "textual", "ale_py", "numpy", "cv2", "gymnasium", "safetensors"}


def test_finding_a_checkpoint_does_not_load_torch() -> None:
    code = "from agents.catalogue import best_checkpoint\nfrom agents.runs.checkpoint import check_tensors\n"
    assert "torch" not in modules_after(code + "best_checkpoint('breakout')")
