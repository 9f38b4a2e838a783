"""What has moved is found where it is now, and is read and drawn in the same way wherever that is."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from agents.i2a.cells import PLANES, from_cells, stack_to_cells
from agents.i2a.movers import APART, FAR, MOVERS, Movers

SIDE = 16
"""Cells."""


def movers() -> Movers:
    torch.manual_seed(0)
    built = Movers(16, 8, num_actions=3, stack=2, cells=(SIDE, SIDE))
    torch.nn.init.normal_(built.draw.weight)
    return built


def picture(*pixels: tuple[int, int], grey: int = 200) -> torch.Tensor:
    """A black frame but for these pixels."""
    frame = torch.zeros(4 * SIDE, 4 * SIDE, dtype=torch.uint8)
    for line, column in pixels:
        frame[line, column] = grey
    return frame


def found(before: torch.Tensor, now: torch.Tensor, built: Movers | None = None) -> list[list[int]]:
    centres, meant = (built or movers()).find(before[None], now[None])
    return centres[0][meant[0]].tolist()


def ball(line: int, column: int) -> list[tuple[int, int]]:
    """Two by three pixels."""
    return [(line + i, column + j) for i in range(2) for j in range(3)]


def test_a_ball_is_found_where_it_is_and_not_where_it_was() -> None:
    assert found(picture(*ball(20, 30)), picture(*ball(24, 26))) == [[25, 27]]


@given(line=st.integers(0, 4 * SIDE - 2), column=st.integers(0, 4 * SIDE - 3))
@settings(max_examples=40, deadline=None)
def test_its_centre_is_the_same_point_of_it_everywhere(line: int, column: int) -> None:
    assert found(picture(), picture(*ball(line, column))) == [[line + 1, column + 1]]


def test_the_largest_is_named_first_and_what_is_near_belongs_to_it() -> None:
    near, far = (10 + APART, 10), (10 + 2 * APART, 10)
    assert found(picture(), picture(*ball(9, 9), near)) == [[10, 10]]
    assert found(picture(), picture((50, 50), *ball(9, 9), far)) == [[10, 10], list(far), [50, 50]]


def test_what_gives_way_to_the_usual_has_not_appeared() -> None:
    built = movers()
    built.calibrate(picture(*ball(20, 20))[None])
    assert found(picture(), picture(*ball(20, 20)), built) == []
    assert found(picture(*ball(20, 20)), picture(), built) == [[21, 21]]


def test_no_more_are_found_than_are_looked_at() -> None:
    many = [(line, column) for line in range(5, 60, 12) for column in range(5, 60, 12)]
    assert len(found(picture(), picture(*many))) == MOVERS


def drawn(built: Movers, *frames: torch.Tensor, action: int = 1) -> torch.Tensor:
    """(h, w, 2)."""
    with torch.no_grad():
        _, picture = built(stack_to_cells(torch.stack(frames)[None]), torch.tensor([action]))
    return from_cells(picture[0].movedim(2, 0)).movedim(0, 2)


def test_a_drawing_moves_with_what_is_drawn() -> None:
    built = movers()
    torch.nn.init.zeros_(built.line)
    torch.nn.init.zeros_(built.column)
    one = drawn(built, picture(*ball(20, 30)), picture(*ball(24, 26)))
    other = drawn(built, picture(*ball(33, 29)), picture(*ball(37, 25)))
    torch.testing.assert_close(one.roll((13, -1), (0, 1)), other)
    written = (one != 0).any(-1).nonzero()
    assert [written.amin(0).tolist(), written.amax(0).tolist()] == [[25 - FAR, 27 - FAR], [25 + FAR, 27 + FAR]]


def test_a_window_ends_at_the_frame_s_edge() -> None:
    written = (drawn(movers(), picture(), picture((0, 62))) != 0).any(-1).nonzero()
    assert [written.amin(0).tolist(), written.amax(0).tolist()] == [[0, 62 - FAR], [FAR, 4 * SIDE - 1]]


@pytest.mark.parametrize(("away", "matters"), [(FAR, True), (FAR + 1, False)])
def test_it_sees_so_far(away: int, matters: bool) -> None:
    thing = ball(24, 26)
    alone = drawn(movers(), picture(*thing), picture(*ball(28, 26)))
    beside = drawn(movers(), picture(*thing, (29, 27 + away)), picture(*ball(28, 26), (29, 27 + away)))
    assert torch.allclose(alone, beside) != matters


def test_where_nothing_moves_nothing_is_said() -> None:
    stacks = stack_to_cells(torch.stack([picture(*ball(9, 9))] * 2)[None])
    told, picture_of_it = movers()(stacks, torch.tensor([2]))
    assert told.shape == (1, 8, 1)
    assert told.abs().sum() == picture_of_it.abs().sum() == 0


def test_two_drawings_are_added() -> None:
    built = movers()
    torch.nn.init.zeros_(built.draw.weight)
    torch.nn.init.ones_(built.draw.bias)
    both = drawn(built, picture(), picture(*ball(20, 20), *ball(20, 28)))[21]  # centres in columns 21 and 29
    wanted = torch.zeros(4 * SIDE)
    wanted[21 - FAR : 22 + FAR] += 1
    wanted[29 - FAR : 30 + FAR] += 1
    torch.testing.assert_close(both, wanted[:, None].expand(-1, PLANES))
