"""A saved game is the game, to the bit; what is no saved game is said to be none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer
from mbrl_tui.play.recording import Recording


@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.SOLO, Mode.VERSUS])
def test_what_is_saved_leads_to_the_very_same_instant(mode: Mode, agent, same_instant, tmp_path: Path) -> None:
    presses = ["space", "left", "right", "right"]
    held = HumanPlayer(lambda now: frozenset({presses[int(now * 7) % 4]}))
    settings = AtariSettings(sticky=0.25)
    match = Match("breakout", mode, held, AgentPlayer(agent, fire=True, label="tape"), settings, seed=5)
    match.restart()  # another game was played before
    for tick in range(413):
        match.tick(tick / 60)
    match.recording(match.boards[0]).save(tmp_path / "game.json")

    read = Recording.load(tmp_path / "game.json")
    assert read == match.recording(match.boards[0])
    again = AtariGame("breakout", read.seen_by(AtariSettings(size=80, frame_cap=7)), read.seed)
    assert again.settings.size == 80  # another agent's eyes
    for action in read.actions:
        again.advance(action)
    assert again.frame == 413
    played = match.boards[0].game
    np.testing.assert_array_equal(again.screen, played.screen)
    assert (again.score, again.lives) == (played.score, played.lives)
    same = AtariGame("breakout", played.settings, read.seed)
    for action in read.actions:
        same.advance(action)
    assert same_instant(same, played)


@pytest.fixture
def recording() -> Recording:
    return Recording("breakout", AtariSettings(), 3, (0, 1, 2, 3, 3, 0, 0))


def test_how_far_a_game_goes(recording: Recording) -> None:
    assert recording.length_up_to(None, frameskip=4) == 1
    assert recording.length_up_to(None, frameskip=1) == 7
    assert recording.length_up_to(5, frameskip=1) == 5
    finished = dataclasses.replace(recording, actions=(0,) * 8, over=True)
    assert finished.length_up_to(None, frameskip=4) == 1  # after the second decision there is nothing to look into
    assert dataclasses.replace(finished, actions=()).length_up_to(None, frameskip=4) == 0
    with pytest.raises(UserError, match="is over after 1 decisions: give --at-step from 0 to 1"):
        recording.length_up_to(2, frameskip=4)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, "update mbrl"),
        ({"game": "chess"}, "no game called 'chess'"),
        ({"game": "cartpole"}, "cartpole"),
        ({"seed": -1}, "no game that was saved"),
        ({"seed": "3"}, "no game that was saved"),
        ({"actions": [0, 4]}, "no game that was saved"),
        ({"actions": [0, True]}, "no game that was saved"),
        ({"actions": None}, "no game that was saved"),
        ({"over": 1}, "no game that was saved"),
        ({"settings": {"sticky": 2.0}}, "sticky must be"),
        ({"settings": []}, "must be an object"),
    ],
)
def test_what_cannot_be_played_again_is_refused(
    recording: Recording, change: dict, complaint: str, tmp_path: Path
) -> None:
    whole = {"format": 1, **dataclasses.asdict(recording)}
    (tmp_path / "game.json").write_text(json.dumps(whole | change))
    with pytest.raises(UserError, match=complaint):
        Recording.load(tmp_path / "game.json")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_other_file_is_taken_for_one(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        Recording.load(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read .*nothing\.json: No such file"):
        Recording.load(tmp_path / "nothing.json")
    with pytest.raises(UserError, match="Cannot read"):
        Recording.load(tmp_path)
