"""`mbrl fidelity`: the table, the JSON, and what is told of mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents import catalogue
from agents.fidelity import starts
from agents.runs.directory import RunDirectory

Mbrl = Callable[..., Any]
LINE = ["fidelity", "breakout", "--agent", "tiny", "--horizons", "3,1", "--starts", "5"]


@pytest.fixture(autouse=True)
def short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_DECISIONS", 30)


def test_json_is_all_that_is_printed(mbrl: Mbrl, shared_tiny: Path) -> None:
    answer = mbrl(*LINE, "--sticky", "0.25", "--seed", "3", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert (found["model"], found["game"], found["starts"]) == ("emulator", "breakout", 5)
    assert found["checkpoint"] == "tiny/step-000000000060"
    assert found["protocol"] == {"seed": 3, "sticky": 0.25}
    assert list(found["horizons"]) == ["1", "3"]
    assert found["horizons"] == found["baselines"]["emulator"]
    assert found["horizons"]["3"]["psnr"] == 100
    assert found["baselines"]["copy_last"]["3"]["psnr"] < 100
    assert found["players"]["breakout-dqn ε 0.01"] == 1  # the shipped agent plays too


def test_the_table_shows_all_models_at_every_horizon(mbrl: Mbrl, shared_tiny: Path) -> None:
    answer = mbrl(*LINE)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0].startswith("tiny/step-000000000060 (dqn) on breakout: emulator, from 5 moments (5 early")
    assert lines[1].startswith("It has learnt no model.")
    assert lines[2].split() == ["ball", "paddle", "reward", "reward", "goes"]
    columns = ["steps", "model", "PSNR", "ball", "single", "false", "px", "px", "bricks", "P", "R", "on"]
    assert lines[3].split() == columns
    assert [line.split()[0] for line in lines[4:10]] == ["1", "last", "emulator", "3", "last", "emulator"]
    assert all(line.split()[-1] == "100.0%" for line in lines[4:10])
    assert re.match(r" +1  dqn +100\.0 +100\.0% +100\.0% +\S+ +0\.0 +0\.0 +100\.0%", lines[4])
    assert any(line.startswith("ball px: how far off the ball is") for line in lines)


def test_the_shipped_agent_is_not_its_own_companion(mbrl: Mbrl, home: Path) -> None:
    found = json.loads(mbrl(*LINE[:3], "dqn", *LINE[4:], "--json").out)
    assert found["checkpoint"] == "breakout-dqn"
    assert list(found["players"]) == ["agent", "agent ε 0.1", "agent ε 0.5", "random"]


def test_without_a_shipped_agent_the_others_play(
    mbrl: Mbrl, shared_tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "shipped_checkpoints", dict)
    found = json.loads(mbrl(*LINE, "--json").out)
    assert len(found["players"]) == 4


MISTAKES = [
    ("fidelity breakout", 2, "--agent"),
    ("fidelity", 2, "GAME"),
    ("fidelity brakeout --agent tiny", 1, "Did you mean breakout"),
    ("fidelity breakout --agent tyni", 1, "Did you mean tiny?"),
    ("fidelity pong --agent tiny", 1, "plays breakout, not pong"),
    ("fidelity breakout --agent tiny --horizons=", 1, "give whole numbers, for example --horizons 1,5,15,50"),
    ("fidelity breakout --agent tiny --horizons 1,x", 1, "'1,x' are no horizons"),
    ("fidelity breakout --agent tiny --horizons 1.5", 1, "give whole numbers"),
    ("fidelity breakout --agent tiny --horizons 0", 1, "from 1 to 200"),
    ("fidelity breakout --agent tiny --horizons=-3", 1, "from 1 to 200"),
    (f"fidelity breakout --agent tiny --horizons 1{'0' * 400}", 1, "from 1 to 200"),
    ("fidelity breakout --agent tiny --horizons 150", 1, "give shorter horizons"),
    ("fidelity breakout --agent tiny --starts 0", 2, "--starts"),
    ("fidelity breakout --agent tiny --starts many", 2, "--starts"),
    ("fidelity breakout --agent tiny --sticky 2", 2, "--sticky"),
    ("fidelity breakout --agent tiny --seed -1", 2, "--seed"),
]


@pytest.mark.parametrize(("line", "code", "words"), MISTAKES, ids=[line[:60] for line, _, _ in MISTAKES])
def test_a_mistake_is_told_in_one_line(mbrl: Mbrl, shared_tiny: Path, line: str, code: int, words: str) -> None:
    answer = mbrl(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("mbrl: ")
    assert answer.err.count("\n") == 1
    assert words in answer.err


def test_cartpole_is_told(mbrl: Mbrl, tiny: Path) -> None:
    path = next(RunDirectory(tiny).checkpoint_folders()) / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"game": "cartpole-pixels", "settings": {}}))
    answer = mbrl("fidelity", "cartpole-pixels", "--agent", "tiny", "--sticky", "0.25")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("mbrl: ")
    assert answer.err.count("\n") == 1
