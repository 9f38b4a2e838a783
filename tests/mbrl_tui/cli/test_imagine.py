"""`mbrl imagine`: to the terminal and to files, and what is told of mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from agents.envs.settings import AtariSettings
from mbrl_tui.play.recording import Recording

Mbrl = Callable[..., Any]
LINE = ["imagine", "breakout", "--agent", "tiny", "--at-step", "20", "--horizon", "4"]


def test_all_futures_with_their_truth_as_json(mbrl: Mbrl, shared_tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "dream.json"
    answer = mbrl(*LINE, "--truth", "--out", str(out))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"5 futures of 4 steps through the emulator: {out}\n"
    told = json.loads(out.read_text())
    assert {name: told[name] for name in ("game", "checkpoint", "step", "seed", "horizon", "model")} == {
        "game": "breakout", "checkpoint": "tiny/step-000000000060", "step": 20, "seed": 0, "horizon": 4,
        "model": "emulator",
    }  # fmt: skip
    assert [future["label"] for future in told["futures"]] == ["agent", "NOOP", "FIRE", "RIGHT", "LEFT"]
    assert [future["actions"][0] for future in told["futures"][1:]] == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    # Through the emulator, what is imagined is what happens.
    for future in told["futures"]:
        assert future["truth"]["parts_at"] is None
        assert future["truth"]["rewards"] == future["rewards"]
        assert len(future["values"]) == 5


def test_the_same_seed_gives_the_same_and_another_step_does_not(mbrl: Mbrl, shared_tiny: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.json" for name in "abc"]
    for file, step in zip(files, (20, 20, 21), strict=True):
        mbrl(*LINE[:5], str(step), *LINE[6:], "--out", str(file))
    first, again, later = (json.loads(file.read_text())["futures"] for file in files)
    assert first == again
    assert first != later


def test_given_actions_come_first_and_the_agent_chooses_the_rest(mbrl: Mbrl, shared_tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "dream.json"
    mbrl(*LINE, "--actions", "right,LEFT", "--samples", "2", "--out", str(out))
    futures = json.loads(out.read_text())["futures"]
    assert [future["label"] for future in futures] == ["given 1", "given 2"]
    assert [future["actions"][:2] for future in futures] == [["RIGHT", "LEFT"]] * 2


def test_pictures_and_animations(mbrl: Mbrl, shared_tiny: Path, tmp_path: Path) -> None:
    assert mbrl(*LINE, "--out", str(tmp_path / "dream.png")).code == 0
    assert mbrl(*LINE, "--out", str(tmp_path / "dream.GIF")).code == 0
    assert cv2.imread(str(tmp_path / "dream.png")) is not None
    assert len(cv2.imreadanimation(str(tmp_path / "dream.GIF"))[1].frames) == 5


def test_without_a_file_the_numbers_are_printed(mbrl: Mbrl, shared_tiny: Path) -> None:
    answer = mbrl(*LINE, "--truth", "--actions", "RIGHT")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0].startswith("tiny/step-000000000060 on breakout, seed 0, before decision 20: 4 decisions ahead")
    assert lines[2].startswith("given  return ")
    assert "stays true" in lines[2]
    assert lines[3].split() == ["step", "action", "reward", "value", "goes", "on", "doubt", "really", "drift"]
    assert lines[4].split()[:2] == ["1", "RIGHT"]
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "dream.txt"], "must end in .png, .gif, .json"),
        (["--out", "nowhere/dream.png"], "There is no folder"),
        (["--actions", "UP"], "no action 'UP'. There are: NOOP, FIRE, RIGHT, LEFT"),
        (["--actions", "LEFT,LEFT,LEFT,LEFT,LEFT"], "Give --horizon 5"),
        (["--actions", ",".join(["LEFT"] * 60)], "60 actions are too many. Give 50 or fewer."),
        (["--at-step", "9999"], "is over after"),
        (["--horizon", "51"], "less than or equal to 50"),
    ],
)
def test_mistakes_are_told_in_one_line(
    mbrl: Mbrl, shared_tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = mbrl(*LINE, *options)
    assert answer.code in (1, 2)
    assert told in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_inspecting_needs_a_terminal(mbrl: Mbrl, shared_tiny: Path) -> None:
    answer = mbrl("inspect", "breakout", "--agent", "tiny", "--at-step", "10")
    assert answer.code == 1
    assert "needs a terminal" in answer.err


def test_a_saved_game_has_its_own_seed_and_rules(mbrl: Mbrl, tmp_path: Path) -> None:
    saved = tmp_path / "game.json"
    Recording("breakout", AtariSettings(), 3, (0,) * 40).save(saved)
    for options, complaint in (
        (("--seed", "1"), "leave out --seed and --sticky"),
        (("--sticky", "0.1"), "leave out --seed and --sticky"),
        (("pong",), "is a game of breakout, not of pong"),
        ((), "needs a terminal"),
    ):
        answer = mbrl("inspect", *options, "--replay", str(saved))
        assert answer.code == 1
        assert complaint in " ".join(answer.err.split())
    answer = mbrl("inspect", "--replay", str(tmp_path / "none.json"))
    assert "Cannot read" in answer.err
