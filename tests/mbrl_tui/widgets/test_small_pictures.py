import numpy as np
import pytest

from mbrl_tui.terminal import cells
from mbrl_tui.widgets.small_pictures import SmallPictures, Tone


@pytest.fixture
def painted(monkeypatch) -> list[tuple[int, int]]:
    """Sizes of all pictures that are painted."""
    sizes: list[tuple[int, int]] = []
    resize = cells.resize

    def counted(frame, columns, rows):
        sizes.append((columns, rows))
        return resize(frame, columns, rows)

    monkeypatch.setattr(cells, "resize", counted)
    return sizes


def text_of(lines) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


def test_a_picture_is_painted_once_for_each_size_and_tone(rollout, painted):
    pictures = SmallPictures()
    first = pictures.of(rollout, 0, 3, 10, 6, Tone())
    assert [len(line) for line in text_of(first)] == [10] * 6
    pictures.of(rollout, 0, 3, 5, 3, Tone())
    pictures.of(rollout, 0, 4, 10, 6, Tone())
    pictures.of(rollout, 0, 3, 10, 6, Tone(left=0.5))
    assert pictures.of(rollout, 0, 3, 10, 6, Tone()) is first
    assert painted == [(10, 6), (5, 3), (10, 6), (10, 6)]


def test_another_rollout_at_the_same_place_in_memory_has_its_own_pictures(rollout, painted):
    pictures = SmallPictures()
    ids = set()
    for place in range(200):
        one = rollout.row(0)
        ids.add(id(one))
        pictures.of(one, 0, 1, 10, 6, Tone())
        assert len(painted) == place + 1
        del one
    assert len(ids) < 200, "no memory was used twice: this tells nothing"


def test_only_the_last_are_remembered(rollout, painted):
    pictures = SmallPictures()
    for columns in range(1, pictures.MOST + 2):
        pictures.of(rollout, 0, 1, columns, 1, Tone())
    painted.clear()
    pictures.of(rollout, 0, 1, 2, 1, Tone())
    assert not painted
    pictures.of(rollout, 0, 1, 1, 1, Tone())
    assert painted == [(1, 1)]


def test_tones_worked_by_hand():
    pixels = np.array([[[200, 100, 50]]], np.uint8)
    assert Tone().of(pixels).tolist() == [[[200, 100, 50]]]
    # Half of the way from (100, 100, 100).
    assert Tone(left=0.5, background=(100, 100, 100)).of(pixels).tolist() == [[[150, 100, 75]]]
    # 0.299 · 200 + 0.587 · 100 + 0.114 · 50 = 124.2
    assert Tone(grey=True).of(pixels).tolist() == [[[124, 124, 124]]]
    assert Tone(grey=True, left=0.5).of(pixels).tolist() == [[[62, 62, 62]]]
