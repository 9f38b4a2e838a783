"""What each command does and prints when all is well."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.runs.directory import RunConfig, RunDirectory, Status
from mbrl_tui.cli import play
from mbrl_tui.cli.wording import clock, duration, number

Mbrl = Callable[..., Any]

RUN_FIELDS = ["name", "game", "agent", "state", "step", "steps", "score", "steps_per_second", "checkpoint_age_s"]


def test_help_and_version(mbrl: Mbrl) -> None:
    plain, asked = mbrl(), mbrl("--help")
    assert (plain.code, asked.code) == (0, 0)
    assert plain.out == asked.out
    for command in ("play", "train", "evaluate", "agents", "runs"):
        assert command in plain.out
        assert mbrl(command, "--help").code == 0
    assert re.fullmatch(r"mbrl \d+\.\d+\.\d+\S*\n", mbrl("--version", "train").out)


def test_help_imports_nothing_heavy() -> None:
    import subprocess

    code = "import sys; from mbrl_tui.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "textual", "ale_py", "gymnasium", "cv2", "safetensors", "rich.progress", "rich.live"}
    assert not heavy & set(done.stderr.split())


def test_a_training_that_ends_says_how_to_watch_it(shared_tiny: Path, training_output: str) -> None:
    lines = training_output.splitlines()
    assert lines[0] == "tiny: dqn on breakout, 60 steps, seed 0"
    assert lines[-1] == "Finished at step 60. Watch it: mbrl play breakout --agent tiny"
    assert any(line.startswith("step 60 of 60 (100.0%)") for line in lines)
    config = RunDirectory.open("tiny").read_config()
    assert config.algorithm["num_games"] == 2
    assert config.algorithm["steps"] == config.steps == 60
    assert config.settings["sticky"] == 0


def test_the_settings_are_listed_with_their_words(mbrl: Mbrl) -> None:
    out = mbrl("train", "--settings").out
    line = next(line for line in out.splitlines() if line.startswith("replay_capacity"))
    assert line.split()[1:3] == ["int", "32_768"]
    assert "the oldest overwritten" in line
    fire = next(line for line in out.splitlines() if line.startswith("fire"))
    assert fire.split()[1:3] == ["bool", "true"]


def test_the_settings_of_a_game_are_those_with_which_it_is_trained(mbrl: Mbrl, home: Path) -> None:
    out = mbrl("train", "cartpole", "--settings").out
    line = next(line for line in out.splitlines() if line.startswith("batch_norm"))
    assert line.split()[1:3] == ["bool", "true"]
    assert "Atari game" not in out
    few = ["--steps", "16", "--set", "dueling=true"]
    assert mbrl("train", "cartpole", "--run", "pole", *few).code == 0
    trained = RunDirectory.open("pole").read_config().algorithm
    assert (trained["batch_norm"], trained["dueling"], trained["steps"]) == (True, True, 16)


def test_a_solved_game_ends_the_training(mbrl: Mbrl) -> None:
    easy = ["--set", "solved_at=8", "--set", "learning_starts=100_000"]  # no game of CartPole is shorter
    last = mbrl("train", "cartpole", "--run", "pole", *easy).out.splitlines()[-1]
    assert ", for the game is solved. Score it: mbrl evaluate cartpole --agent pole" in last
    assert "the game is solved" in mbrl("train", "--resume", "pole").out


@pytest.mark.parametrize("game", ["cartpole", "cartpole-pixels"])
def test_cartpole_is_trained_and_scored(mbrl: Mbrl, tiny_options: list[str], tmp_path: Path, game: str) -> None:
    trained = mbrl("train", game, "--run", "pole", "--steps", "60", *tiny_options)
    assert (trained.code, trained.err) == (0, "")
    assert trained.out.splitlines()[-1] == f"Finished at step 60. Score it: mbrl evaluate {game} --agent pole"
    assert mbrl("train", "--resume", "pole", "--steps", "80").code == 0
    line = ["evaluate", game, "--agent", "pole", "--episodes", "2", "--epsilon", "0.5"]
    scores = json.loads(mbrl(*line, "--json").out)
    assert scores["protocol"] == {"epsilon": 0.5, "episode": "full game"}
    assert all(8 <= score <= 500 for score in scores["returns"])
    assert f"on {game}, 2 whole games" in mbrl(*line).out
    assert "no sticky actions" in mbrl(*line, "--sticky", "0.25").err
    assert "for training only" in mbrl("play", "--agent", "pole").err
    assert game in mbrl("runs", "show", "pole").out
    exported = mbrl("runs", "export", "pole", str(tmp_path / "mine"))
    assert f"mbrl evaluate {game} --agent {tmp_path / 'mine'}" in exported.out


def test_a_games_settings_can_be_given(mbrl: Mbrl, home: Path, tiny_options: list[str]) -> None:
    given = ["--set", "fire=false", "--set", "noop_max=5", "--sticky", "0.25"]
    assert mbrl("train", "breakout", "--run", "mine", "--steps", "60", *given, *tiny_options).code == 0
    settings = RunDirectory.open("mine").read_config().settings
    assert (settings["fire"], settings["noop_max"], settings["sticky"]) == (False, 5, 0.25)
    shown = mbrl("runs", "show", "mine").out
    assert all(words in shown for words in ("fire=False", "noop_max=5", "sticky=0.25"))


def test_runs_are_listed(mbrl: Mbrl, shared_tiny: Path) -> None:
    out = mbrl("runs", "list").out

    def ageless(listed: str) -> str:  # a second may pass between the two
        return re.sub(r"\d+ s ago", "now", listed)

    assert ageless(mbrl("runs").out) == ageless(out)
    assert re.search(r"^tiny +finished +breakout +dqn +60 +60 ", out, re.MULTILINE)
    (run,) = json.loads(mbrl("runs", "list", "--json").out)
    assert list(run) == RUN_FIELDS
    assert (run["name"], run["game"], run["agent"], run["state"]) == ("tiny", "breakout", "dqn", "finished")
    assert (run["step"], run["steps"], run["steps_per_second"]) == (60, 60, 0)
    assert 0 <= run["checkpoint_age_s"] < 3_600


def test_no_runs_is_no_error(mbrl: Mbrl, home: Path) -> None:
    assert "mbrl train breakout" in mbrl("runs", "list").out
    assert json.loads(mbrl("runs", "list", "--json").out) == []
    assert not home.exists()


def test_a_damaged_run_hides_no_other(mbrl: Mbrl, tiny: Path, home: Path) -> None:
    (home / "runs" / "broken").mkdir()
    (home / "runs" / "broken" / "run.json").write_text("{")
    reports = {run["name"]: run for run in json.loads(mbrl("runs", "list", "--json").out)}
    assert reports["tiny"]["state"] == "finished"
    assert reports["broken"]["state"] == "damaged"
    assert sorted(reports["broken"]) == sorted(RUN_FIELDS)
    assert "damaged" in mbrl("runs", "list").out
    assert "mbrl runs remove broken" in mbrl("runs", "show", "broken").err
    assert mbrl("runs", "remove", "broken", "--yes").code == 0
    assert mbrl("runs", "show", "broken").code == 1


def test_a_run_is_shown_with_its_score_over_time(mbrl: Mbrl, home: Path) -> None:
    settings = {"sticky": 0.25, "fire": True}
    run = RunDirectory.create(RunConfig("mine", "pong", "dqn", 5, 1_000, "cpu", settings, {"n_step": 3}))
    for step in range(0, 500, 10):
        run.append_metrics({"step": step, "time": 0.0, "score": step / 10 if step else None, "loss": 0.25})
    run.write_status(Status("failed", step=490, score=49.0, message="[Errno 5] I/O error", trained_seconds=4_000))
    out = mbrl("runs", "show", "mine").out
    for words in ("pong", "490 of 1,000 (49.0%)", "[Errno 5] I/O error", "sticky=0.25 n_step=3", "66 min", "0.25"):
        assert words in out
    assert "mbrl train --resume mine" in out
    chart = [line for line in out.splitlines() if re.search("[\u2801-\u28ff]", line)]
    assert len(chart) == 8
    assert chart[0].split()[0] == "49.0"
    assert chart[-1].split()[0] == "1.0"

    report = json.loads(mbrl("runs", "show", "mine", "--json").out)
    assert list(report) == [*RUN_FIELDS, "config", "metrics"]
    assert report["config"]["settings"]["sticky"] == 0.25
    assert [line["step"] for line in report["metrics"]] == list(range(0, 500, 10))


def test_removing_asks_first(mbrl: Mbrl, tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    for said in ("", "n\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        answer = mbrl("runs", "remove", "tiny")
        assert (answer.code, answer.err.strip()) == (1, "mbrl: Nothing was done.")
        assert tiny.is_dir()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert mbrl("runs", "remove", "tiny").code == 0
    assert list((home / "runs").iterdir()) == []


@pytest.fixture
def short_games(tiny: Path) -> Path:
    """The run `tiny`, trained (it says) on games that are cut off after 100 frames."""
    path = next(RunDirectory(tiny).checkpoint_folders()) / "config.json"
    config = json.loads(path.read_text())
    config["settings"] |= {"frame_cap": 100, "sticky": 0.25}
    path.write_text(json.dumps(config))
    return tiny


def test_an_exported_agent_can_be_named_by_its_folder(mbrl: Mbrl, short_games: Path, tmp_path: Path) -> None:
    assert mbrl("runs", "export", "tiny", str(tmp_path / "mine")).code == 0
    again = mbrl("runs", "export", "tiny", str(tmp_path / "mine"))
    assert (again.code, "already" in again.err) == (1, True)
    line = ["evaluate", "breakout", "--agent", str(tmp_path / "mine"), "--episodes", "1", "--sticky", "0", "--json"]
    scores = json.loads(mbrl(*line).out)
    assert (scores["checkpoint"], scores["protocol"]["sticky"]) == ("mine", 0)


def test_an_evaluation_tells_all_of_its_protocol(mbrl: Mbrl, short_games: Path, tmp_path: Path) -> None:
    line = ["evaluate", "breakout", "--agent", "tiny", "--episodes", "3", "--epsilon", "0.5", "--seed", "7"]
    answer = mbrl(*line, "--json")
    assert (answer.code, answer.err) == (0, "")
    scores = json.loads(answer.out)
    assert list(scores) == [
        *("game", "agent", "checkpoint", "episodes", "returns", "mean", "median", "std", "min", "max"),
        *("protocol", "seed", "decisions_per_second"),
    ]
    assert (scores["game"], scores["agent"], scores["seed"]) == ("breakout", "dqn", 7)
    assert scores["checkpoint"] == "tiny/step-000000000060"
    assert scores["episodes"] == len(scores["returns"]) == 3
    assert scores["mean"] == pytest.approx(sum(scores["returns"]) / 3)
    assert scores["protocol"] == {
        "sticky": 0.25,  # as it was trained
        "frameskip": 4,
        "noop_max": 30,
        "epsilon": 0.5,
        "frame_cap": 100,
        "episode": "full game",
        "fire": True,
    }

    table = mbrl(*line, "--out", str(tmp_path / "scores.json")).out
    again = json.loads((tmp_path / "scores.json").read_text())
    assert again["returns"] == scores["returns"]
    assert "tiny/step-000000000060 (dqn) on breakout, 3 whole games" in table
    assert "sticky 0.25, ε 0.5, frameskip 4" in table


def test_agents_are_listed(mbrl: Mbrl, shared_tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agents import catalogue

    shipped = tmp_path / "shipped"
    assert mbrl("runs", "export", "tiny", str(shipped / "breakout-dqn")).code == 0
    (shipped / "breakout-dqn" / "scores.json").write_text('{"mean": 312.5}')
    (shipped / "broken").mkdir()
    (shipped / "broken" / "config.json").write_text("{")
    monkeypatch.setattr(catalogue, "shipped_folder", lambda: shipped)
    answer = mbrl("agents", "--json")
    assert answer.code == 0
    assert answer.err.startswith("mbrl: broken is left out.")
    ship, own = json.loads(answer.out)
    assert (ship["name"], ship["source"], ship["score"]) == ("breakout-dqn", "shipped", 312.5)
    assert (own["name"], own["source"], own["game"], own["agent"]) == ("tiny", "run", "breakout", "dqn")
    table = mbrl("agents").out
    assert re.search(r"^breakout-dqn +breakout +dqn +312.5 ", table, re.MULTILINE)
    assert re.search(r"^tiny +breakout +dqn ", table, re.MULTILINE)

    # The best that there is, the name of an algorithm, and that of a run all lead somewhere.
    assert catalogue.best_checkpoint("breakout").label == "breakout-dqn"  # type: ignore[union-attr]
    assert catalogue.find_checkpoint("dqn", "breakout").folder == shipped / "breakout-dqn"
    assert catalogue.find_checkpoint("tiny").game == "breakout"
    assert catalogue.best_checkpoint("pong") is None


def test_a_checkpoint_of_a_folder_at_the_root_has_a_name() -> None:
    from agents.catalogue import Checkpoint

    assert Checkpoint(Path("/mine"), "mine", "breakout", "dqn", {}, {}).identity == "mine"


def test_a_folder_beside_does_not_hide_a_run(
    mbrl: Mbrl, shared_tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents.catalogue import find_checkpoint

    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert find_checkpoint("tiny").folder.parent.parent == shared_tiny


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `mbrl play` opens the app with, in a terminal that will do."""
    import mbrl_tui.app

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(mbrl_tui.app, "run_app", lambda **named: calls.append(named))
    monkeypatch.setattr(play, "_check_terminal", lambda: None)
    return calls


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("play", "watch"),
        ("play breakout --mode duet", "duet"),
        ("play --agent tiny --mode versus", "versus"),
        ("play --mode solo", "solo"),
    ],
)
def test_play_opens_the_best_agent_there_is(
    mbrl: Mbrl, shared_tiny: Path, opened: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, line: str, mode: str
) -> None:
    from agents import catalogue

    monkeypatch.setattr(catalogue, "shipped_checkpoints", dict)
    answer = mbrl(*line.split(), "--sticky", "0.25", "--seed", "5")
    assert (answer.code, answer.err) == (0, "")
    (call,) = opened
    assert (call["game"], call["mode"], call["agent_label"], call["seed"]) == ("breakout", mode, "tiny", 5)
    assert call["settings"].sticky == 0.25
    if mode == "watch":
        assert call["load_agent"]().action_names == ("NOOP", "FIRE", "RIGHT", "LEFT")


def test_where_there_is_no_agent_a_person_plays_alone(mbrl: Mbrl, home: Path, opened: list[dict[str, Any]]) -> None:
    answer = mbrl("play", "space-invaders")
    assert answer.code == 0
    assert "mbrl train space-invaders" in answer.err
    asked = mbrl("play", "space-invaders", "--mode", "solo")
    assert (asked.code, asked.err) == (0, "")
    assert [(call["mode"], call["load_agent"]) for call in opened] == [("solo", None)] * 2
    assert opened[0]["seed"] != opened[1]["seed"]


def test_the_game_is_the_agents_where_none_is_given(mbrl: Mbrl, tiny: Path, opened: list[dict[str, Any]]) -> None:
    path = next(RunDirectory(tiny).checkpoint_folders()) / "config.json"
    path.write_text(path.read_text().replace('"breakout"', '"pong"'))
    assert mbrl("play", "--agent", "tiny").code == 0
    assert opened[0]["game"] == "pong"


def test_words_for_numbers_and_times() -> None:
    assert [number(1234.56), number(1234.56, 0), number(None)] == ["1,234.6", "1,235", "–"]
    times = [0, 119.4, 125, 7_199, 7_200, 7_500, 172_800, 180_000]
    assert [duration(time) for time in times] == [
        *("0 s", "119 s", "2 min", "119 min", "2 h 00 min", "2 h 05 min", "2 d 0 h", "2 d 2 h")
    ]
    assert [clock(time) for time in (0, 59.6, 3_599, 3_600, 90_061)] == ["0:00", "1:00", "59:59", "1:00:00", "25:01:01"]
    assert duration(None) == clock(None) == "–"


def test_what_pqn_has_learnt_is_resumed_exported_and_scored(mbrl: Mbrl, tmp_path: Path) -> None:
    small = ["--set", "num_games=2", "--set", "n_step=2", "--set", "batches=2"]
    assert mbrl("train", "breakout", "--agent", "pqn", "--run", "parallel", "--steps", "8", *small).code == 0
    assert mbrl("train", "--resume", "parallel", "--steps", "16").code == 0
    assert mbrl("runs", "export", "parallel", str(tmp_path / "kept")).code == 0
    scored = mbrl("evaluate", "breakout", "--agent", str(tmp_path / "kept"), "--episodes", "1", "--epsilon", "1")
    assert scored.code == 0
    assert "(pqn) on breakout, 1 whole game" in scored.out
