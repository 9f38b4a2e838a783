import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mbrl_tui.dream.sheet import GAP, MARGIN, SIDE, Future, animation, as_json, png, strip
from mbrl_tui.dream.truth import tell

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


@pytest.fixture
def futures(match, hazy, emulator) -> list[Future]:
    """Two futures of six steps, the second with its truth."""
    moment = match.board.moment()
    first, second = (hazy.imagine(moment, 6, np.array([[action]])) for action in (2, 3))
    return [Future("RIGHT", first), Future("LEFT", second, tell(emulator, "breakout", moment, second))]


def test_a_strip_holds_every_step_of_every_future(futures):
    plain, told = strip(futures[:1], NAMES), strip(futures[1:], NAMES)
    assert plain.shape[1] == MARGIN + 7 * (SIDE + GAP)
    assert told.shape[0] == plain.shape[0] + 2 * (SIDE + GAP)  # the truth and the difference
    both = strip([futures[0], futures[0]], NAMES)
    assert both.shape == (2 * plain.shape[0], *plain.shape[1:])
    # Breakout's uppermost bricks are red: the colours are where they belong.
    frame = plain[20 : 20 + SIDE, MARGIN : MARGIN + SIDE]
    line = frame[SIDE * 59 // 210].astype(int)
    assert (line[SIDE // 2, 0] > line[SIDE // 2, 2] + 50).all()


def test_a_png_can_be_read_again(futures):
    picture = strip(futures[:1], NAMES)
    read = cv2.imdecode(np.frombuffer(png(picture), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read, picture)


def test_an_animation_has_a_frame_for_each_step(futures, tmp_path):
    path = tmp_path / "dream.gif"
    path.write_bytes(animation(futures[1:], NAMES))
    read, film = cv2.imreadanimation(str(path))
    assert read
    assert len(film.frames) == 7
    assert (np.diff([frame.astype(int).sum() for frame in film.frames]) != 0).any()


def test_all_numbers_as_json_by_hand(futures, hazy):
    told = as_json(futures[1], NAMES)
    rollout, truth = futures[1].rollout, futures[1].truth
    assert told["actions"][0] == "LEFT"
    assert told["values"] == pytest.approx(rollout.values[0].tolist())
    assert told["uncertainty"] == [1, 2, 3, 4, 5, 6]
    assert told["truth"]["parts_at"] == truth.parted
    assert [step["psnr"] for step in told["truth"]["steps"]][: hazy.clear] == [100] * hazy.clear
    assert "truth" not in as_json(futures[0], NAMES)


def test_what_is_no_number_is_none(futures):
    broken = replace(futures[0].rollout, values=np.full((1, 7), math.nan, np.float32))
    told = as_json(Future("x", broken), NAMES)
    assert told["values"] == [None] * 7
    assert told["return"] is None
    json.dumps(told, allow_nan=False)
    assert strip([Future("x", broken)], NAMES).any()
    assert Future("x", broken).words == ["x", "no return"]
