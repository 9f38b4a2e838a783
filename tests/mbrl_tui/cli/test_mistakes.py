"""Whatever is typed wrong is told in one line that says what to do, and changes nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.runs.directory import RunDirectory

Mbrl = Callable[..., Any]

LONG = "x" * 300
NO_RUN = "There is no run called"

# The command line, the exit code, and what the line must say.
MISTAKES = [
    # commands and options
    ("trian", 2, "Did you mean 'train'?"),
    ("runs lst", 2, "Did you mean 'list'?"),
    ("--bogus", 2, "--bogus"),
    ("train breakout --stps 5", 2, "--steps"),
    ("train breakout pong", 2, "unexpected extra argument"),
    ("runs show", 2, "NAME"),
    ("evaluate breakout", 2, "--agent"),
    ("train breakout --steps", 2, "requires an argument"),
    # games
    ("train", 1, "mbrl train breakout"),
    ("train brakeout", 1, "Did you mean breakout"),
    ("play spaceinvader", 1, "space-invaders"),
    ("evaluate pongg --agent tiny", 1, "Did you mean pong"),
    ("play cartpole", 1, "cannot be played in the terminal"),
    ("train cartpole --sticky 0.25", 1, "cartpole has no sticky actions"),
    ("train cartpole --set fire=false", 1, "no setting called 'fire'"),
    ("train breakout --set fier=false", 1, "Did you mean fire"),
    ("train breakout --set frame_cap=0", 1, "frame_cap must be"),
    ("train breakout --set size=64", 1, "size must be 80"),
    ("train breakout --set sticky=0.1 --sticky 0.1", 1, "sticky is given twice"),
    (f"train breakout --set replay_capacity=1{'0' * 400}", 1, "replay_capacity must be a number"),
    (f"train breakout --set steps=1{'0' * 400}", 1, "steps must be a number"),
    # numbers
    ("train breakout --steps 0", 2, "--steps"),
    ("train breakout --steps -5", 2, "--steps"),
    ("train breakout --steps 1.5", 2, "--steps"),
    ("train breakout --steps nan", 2, "--steps"),
    ("train breakout --seed -1", 2, "--seed"),
    ("train breakout --seed 99999999999", 2, "--seed"),
    ("train breakout --sticky -1", 2, "--sticky"),
    ("train breakout --sticky nan", 2, "--sticky"),
    ("train breakout --sticky inf", 2, "--sticky"),
    ("evaluate breakout --agent tiny --episodes 0", 2, "--episodes"),
    ("evaluate breakout --agent tiny --episodes 1001", 2, "--episodes"),
    ("evaluate breakout --agent tiny --epsilon 2", 2, "--epsilon"),
    ("evaluate breakout --agent tiny --epsilon nan", 2, "--epsilon"),
    ("evaluate breakout --agent tiny --seed -1", 2, "--seed"),
    ("play breakout --seed -1", 2, "--seed"),
    ("play breakout --sticky 1.01", 2, "--sticky"),
    # words out of a few
    ("train breakout --device tpu", 2, "'cpu', 'cuda'"),
    ("play breakout --mode dream", 2, "'versus', 'duet'"),
    # algorithms and their settings
    ("train breakout --agent dqm", 1, "Did you mean dqn?"),
    ("train pendulum", 1, "dqn cannot be trained on pendulum: it chooses among actions"),
    ("train cartpole-pixels --agent dreamer", 1, "dreamer cannot be trained on cartpole-pixels"),
    ("train cartpole --agent i2a", 1, "Give one of those."),
    ("train breakout --agent dreamer --set model_size=huge", 1, "model_size must be tiny or small or paper"),
    ("train pong --agent dreamer --set collect=500", 1, "Use: --from-agent NAME --collect N"),
    ("train breakout --agent dreamer --set collect=0", 1, "--set from_agent= --set collect=0"),
    ("train breakout --agent dreamer --from-agent breakout-a2c,nobody", 1, "called 'nobody'"),
    ("train breakout --agent dreamer --from-agent breakout-a2c,", 1, "--from-agent must be names with commas"),
    ("train breakout --agent i2a --from-agent breakout-a2c,breakout-pqn --set num_games=1", 1, "cannot share 1 games"),
    ("train --settings --agent ppo", 1, "There are: a2c, dqn"),
    ("train breakout --set learning_rat=1", 1, "Did you mean learning_rate"),
    ("train breakout --set learning_rate", 1, "field=value"),
    ("train breakout --set =1", 1, "field=value"),
    ("train breakout --set learning_rate=fast", 1, "must be a number, not 'fast'"),
    ("train breakout --set learning_rate=nan", 1, "learning_rate must be"),
    ("train breakout --set learning_rate=inf", 1, "learning_rate must be"),
    ("train breakout --set num_games=1.5", 1, "must be a whole number"),
    ("train breakout --set num_games=0", 1, "num_games must be"),
    ("train breakout --set double=perhaps", 1, "true or false"),
    ("train breakout --set discount=1.5", 1, "from 0 to 1"),
    ("train breakout --set steps=5 --steps 6", 1, "twice"),
    # runs
    ("train breakout --run tiny", 1, "already. Go on with it: mbrl train --resume tiny"),
    ("train breakout --run a/b", 1, "cannot name a run"),
    ("train breakout --run=", 1, "cannot name a run"),
    (f"train breakout --run {LONG}", 1, "cannot name a run"),
    ("train breakout --run dqn", 1, "'dqn' is the name of an algorithm"),
    ("train --resume tyni", 1, "tiny"),
    ("train --resume=", 1, NO_RUN),
    ("train --resume ..", 1, NO_RUN),
    (f"train --resume {LONG}", 1, NO_RUN),
    ("train --resume tiny", 1, "--resume tiny --steps 120"),
    ("train --resume tiny --steps 30", 1, "has done 60 steps"),
    ("train breakout --resume tiny", 1, "leave out GAME"),
    ("train --resume tiny --seed 0", 1, "leave out --seed"),
    ("train --resume tiny --agent dqn --sticky 0 --set a=1 --run b", 1, "--agent and --run and --sticky and --set"),
    ("runs show tyni", 1, "tiny"),
    ("runs show ../runs/tiny", 1, NO_RUN),
    ("runs stop tyni", 1, NO_RUN),
    ("runs stop tiny", 1, "is not being trained"),
    ("runs remove tyni", 1, NO_RUN),
    ("runs export tyni {tmp}/x", 1, NO_RUN),
    # agents and checkpoints
    ("evaluate breakout --agent tyni", 1, "Did you mean tiny?"),
    ("evaluate pong --agent dqn", 1, "Train one: mbrl train pong --agent dqn"),
    ("evaluate pong --agent tiny", 1, "plays breakout, not pong"),
    ("play pong --agent tiny", 1, "plays breakout, not pong"),
    ("play pong --mode versus", 1, "mbrl play pong --mode solo"),
    ("evaluate breakout --agent {tmp}", 1, "holds no config.json"),
    ("evaluate breakout --agent {tmp}/words.txt", 1, "is no checkpoint"),
    ("evaluate breakout --agent ~nobody-at-all/x", 1, "There is no agent"),
    (f"evaluate breakout --agent {LONG}", 1, "File name too long"),
    ("evaluate breakout --agent tiny --out {tmp}", 1, "is a folder"),
    ("evaluate breakout --agent tiny --out {tmp}/no/scores.json", 1, "There is no folder"),
    # no terminal
    ("play breakout --agent tiny", 1, "needs a terminal"),
]


def contents(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file under `folder` as it stands, but for locks, which hold nothing."""
    files = {path: path.stat() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}
    return {str(path.relative_to(folder)): (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in files.items()}


def assert_one_line(answer: Any, code: int, words: str) -> None:
    assert answer.code == code, answer
    assert answer.err.startswith("mbrl: ")
    assert answer.err.count("\n") == 1
    assert answer.err.endswith("\n")
    assert words in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(("line", "code", "words"), MISTAKES, ids=[line[:60] for line, _, _ in MISTAKES])
def test_a_mistake_is_told_in_one_line(
    mbrl: Mbrl, shared_tiny: Path, tmp_path: Path, line: str, code: int, words: str
) -> None:
    (tmp_path / "words.txt").write_text("no checkpoint")
    home = shared_tiny.parents[1]
    before = contents(home), contents(tmp_path)
    assert_one_line(mbrl(*line.replace("{tmp}", str(tmp_path)).split()), code, words)
    assert (contents(home), contents(tmp_path)) == before


def test_a_run_cannot_hide_behind_a_shipped_agent(
    mbrl: Mbrl, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents import catalogue

    monkeypatch.setattr(catalogue, "shipped_checkpoints", lambda: {"breakout-dqn": tmp_path})
    assert_one_line(mbrl("train", "breakout", "--run", "breakout-dqn"), 1, "--run my-breakout-dqn")
    assert not home.exists()


@pytest.mark.parametrize("file", ["stdin", "stdout", "stderr"])
def test_each_stream_must_be_a_terminal_to_play(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    from agents.errors import UserError
    from mbrl_tui.cli import play

    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(getattr(sys, name), "isatty", lambda: True, raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda *arguments: (100, 40))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    play._check_terminal()
    monkeypatch.setattr(getattr(sys, file), "isatty", lambda: False, raising=False)
    with pytest.raises(UserError, match="needs a terminal"):
        play._check_terminal()


def test_a_device_that_is_not_there_leaves_no_run(mbrl: Mbrl, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for more in ([], ["--detach"]):
        assert_one_line(mbrl("train", "breakout", "--device", "cuda", *more), 1, "--device cpu")
    assert not home.exists()


@pytest.mark.parametrize("command", ["evaluate breakout --agent", "play breakout --mode watch --agent"])
@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", None, "holds no config.json"),
        ("config.json", b"{", "Use another checkpoint"),
        ("config.json", b"[]", "does not describe an agent"),
        ("weights.safetensors", None, "There is no file"),
        ("weights.safetensors", b"", "damaged"),
        ("weights.safetensors", b"cut", "damaged"),
    ],
)
def test_a_damaged_checkpoint_is_told(
    mbrl: Mbrl, tiny: Path, command: str, file: str, content: bytes | None, words: str
) -> None:
    folder = next(RunDirectory(tiny).checkpoint_folders())
    path = folder / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if content == b"cut" else content)
    before = contents(tiny)
    for named in ("tiny", str(folder)):
        assert_one_line(mbrl(*command.split(), named), 1, words)
    assert contents(tiny) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agent": "a9c"}, "There is no algorithm called 'a9c'"),
        ({"algorithm": {"num_games": "many"}}, "num_games must be a whole number, not 'many'"),
        ({"algorithm": {"from_the_future": 1}}, "update mbrl"),
        ({"settings": {"stack": 1}}, "do not fit"),
    ],
)
def test_a_config_that_does_not_fit_is_told(mbrl: Mbrl, tiny: Path, changes: dict[str, Any], words: str) -> None:
    path = next(RunDirectory(tiny).checkpoint_folders()) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert_one_line(mbrl("evaluate", "breakout", "--agent", "tiny"), 1, words)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("line", ["train pong", "train --resume tiny --steps 100", "runs remove tiny --yes"])
def test_a_disk_that_takes_nothing_is_told(
    mbrl: Mbrl, shared_tiny: Path, monkeypatch: pytest.MonkeyPatch, line: str, number: int
) -> None:
    home = shared_tiny.parents[1]

    def refuse(*arguments: Any, **named: Any) -> None:
        raise OSError(number, os.strerror(number))

    before = contents(home)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        patch.setattr(os, "rename", refuse)
        assert_one_line(mbrl(*line.split()), 1, os.strerror(number))
    assert contents(home) == before
    assert [path.name for path in (home / "runs").iterdir()] == ["tiny"]


def test_a_home_that_cannot_be_made_is_told(mbrl: Mbrl, home: Path) -> None:
    home.write_text("a file, no folder")
    assert_one_line(mbrl("train", "breakout"), 1, "Not a directory")
    assert mbrl("runs", "list", "--json").out == "[]\n"


def test_an_error_that_nobody_foresaw_is_one_line_and_a_bug_is_not(mbrl: Mbrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> Callable[..., None]:
        def raise_it(*arguments: Any) -> None:
            raise error

        return raise_it

    monkeypatch.setattr(RunDirectory, "all", fail(PermissionError(errno.EACCES, "Permission denied", "/runs")))
    assert_one_line(mbrl("runs", "list"), 1, "Permission denied (/runs)")
    monkeypatch.setattr(RunDirectory, "all", fail(KeyboardInterrupt()))  # type: ignore[arg-type]
    assert mbrl("runs", "list").code == 130
    monkeypatch.setattr(RunDirectory, "all", fail(KeyError("a bug")))
    with pytest.raises(KeyError):
        mbrl("runs", "list")


def test_one_line_even_where_the_name_has_several(mbrl: Mbrl) -> None:
    assert_one_line(mbrl("play", "break\nout\n1"), 1, "break out 1")


def shell(command: str, home: Path) -> subprocess.CompletedProcess[str]:
    line = command.replace("mbrl", f"{sys.executable} -m mbrl_tui.cli.main")
    environment = os.environ | {"MBRL_HOME": str(home)}
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=120)


def test_output_that_nobody_reads_or_can_be_written_nowhere(shared_tiny: Path) -> None:
    home = shared_tiny.parents[1]
    broken = shell("mbrl runs list | true; mbrl runs list --json | true", home)
    assert (broken.stdout, broken.stderr) == ("", "")
    full = shell("mbrl runs list --json > /dev/full", home)
    assert full.returncode == 1
    assert full.stderr == "mbrl: No space left on device.\n"
    closed = shell("mbrl runs list >&-; mbrl play <&- >&- 2>&-", home)
    assert (closed.stdout, closed.stderr) == ("", "")
    assert closed.returncode == 1


def test_errors_are_red_in_a_terminal_only(mbrl: Mbrl) -> None:
    assert "\x1b" not in mbrl("train", "brakeout").err
    seen = in_terminal("mbrl train brakeout", 80, 24)
    assert re.search(r"\x1b\[31mmbrl: .*Did you mean breakout\?", seen)


def in_terminal(command: str, columns: int, rows: int) -> str:
    """What `command` shows in a terminal of this size."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    line = command.replace("mbrl", f"{sys.executable} -m mbrl_tui.cli.main", 1).split()
    process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # how Linux reports that the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert process.wait(120) == 1
    return shown.decode()


@pytest.mark.parametrize(("columns", "rows"), [(59, 30), (100, 19)])
def test_a_terminal_that_is_too_small_is_told(home: Path, columns: int, rows: int) -> None:
    seen = in_terminal("mbrl play breakout --mode solo", columns, rows)
    assert f"This terminal is {columns}×{rows}; a game needs 60×20." in seen
    assert seen.count("\n") == 1
