"""What has moved is found where it is now, and is read and drawn in the same way wherever that is."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from agents.i2a.canvas import Canvas
from agents.i2a.cells import PLANES, from_cells, stack_to_cells
from agents.i2a.movers import FAR, HIDDEN, LOOK, MOVERS, NEAR, NOWHERE, Moved, Movers, likeliest, went
from agents.i2a.movers import SIDE as WINDOW

SIDE = 16
"""Cells."""


def movers(stack: int = 2) -> Movers:
    torch.manual_seed(0)
    built = Movers(16, 8, num_actions=3, stack=stack, cells=(SIDE, SIDE))
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
    near, beside = (10 + NEAR, 10), (10 + NEAR + 1, 10)
    assert found(picture(), picture(*ball(9, 9), near)) == [[10, 10]]
    assert found(picture(), picture((50, 50), *ball(9, 9), (30, 30))) == [[10, 10], [30, 30], [50, 50]]
    # A ball beside the hole that it has made: no pixel of one is counted for the other.
    hole = [(7 + line, 8 + column) for line in range(3) for column in range(4)]
    assert found(picture(), picture(*hole, beside, (14, 10))) == [[8, 10], [14, 10]]


def test_what_gives_way_to_the_usual_has_not_appeared() -> None:
    built = movers()
    built.calibrate(picture(*ball(20, 20))[None])
    assert found(picture(), picture(*ball(20, 20)), built) == []
    assert found(picture(*ball(20, 20)), picture(), built) == [[21, 21]]


def test_no_more_are_found_than_are_looked_at() -> None:
    many = [(line, column) for line in range(5, 60, 12) for column in range(5, 60, 12)]
    assert len(found(picture(), picture(*many))) == MOVERS


def look(built: Movers, *frames: torch.Tensor, action: int = 1, after: torch.Tensor | None = None) -> Moved:
    """At frames that follow one another; after: the real one that follows."""
    stack = stack_to_cells(torch.stack(frames)[None])
    wanted = None if after is None else stack_to_cells(torch.stack([frames[-1], after])[None])
    with torch.no_grad():
        return built(stack, torch.tensor([action]), wanted)


def drawn(built: Movers, *frames: torch.Tensor, action: int = 1, after: torch.Tensor | None = None) -> torch.Tensor:
    """(h, w, PLANES)."""
    return on_canvas(look(built, *frames, action=action, after=after), 1)[0]


def on_canvas(moved: Moved, count: int) -> torch.Tensor:
    """(count, h, w, PLANES)."""
    canvas = Canvas(count, (SIDE, SIDE), torch.device("cpu"))
    moved.draw(canvas)
    return from_cells(canvas.frames().movedim(-1, 0)).movedim(0, -1)


def extent(drawing: torch.Tensor) -> list[list[int]]:
    """The first and the last place that is written to."""
    places = (drawing != 0).any(-1).nonzero()
    return [places.amin(0).tolist(), places.amax(0).tolist()]


def test_a_drawing_moves_with_what_is_drawn() -> None:
    built = movers()
    torch.nn.init.zeros_(built.line)
    torch.nn.init.zeros_(built.column)
    one = drawn(built, picture(*ball(20, 30)), picture(*ball(24, 26)))
    other = drawn(built, picture(*ball(33, 29)), picture(*ball(37, 25)))
    torch.testing.assert_close(one.roll((13, -1), (0, 1)), other)
    assert extent(one) == [[25 - FAR, 27 - FAR], [25 + FAR, 27 + FAR]]


def test_a_window_ends_at_the_frame_s_edge() -> None:
    assert extent(drawn(movers(), picture(), picture((0, 62)))) == [[0, 62 - FAR], [FAR, 4 * SIDE - 1]]


@pytest.mark.parametrize(("away", "matters"), [(FAR, True), (FAR + 1, False)])
def test_it_sees_so_far(away: int, matters: bool) -> None:
    thing = ball(24, 26)
    alone = drawn(movers(), picture(*thing), picture(*ball(28, 26)))
    beside = drawn(movers(), picture(*thing, (29, 27 + away)), picture(*ball(28, 26), (29, 27 + away)))
    assert torch.allclose(alone, beside) != matters


def test_where_nothing_moves_nothing_is_said() -> None:
    built = movers()
    for layer in (built.draw, built.look, built.narrow, built.tell):
        torch.nn.init.ones_(layer.bias)
    quiet, busy = (torch.stack([before, picture(*ball(9, 9))]) for before in (picture(*ball(9, 9)), picture()))
    after = stack_to_cells(torch.stack([quiet, quiet]))
    moved = built(stack_to_cells(torch.stack([quiet, busy])), torch.tensor([2, 2]), after)
    assert moved.features.shape == (2, 1, 8)
    for part in (moved.features, on_canvas(moved, 2), moved.moves, moved.doubt):
        assert part[0].abs().sum() == 0 < part[1].abs().sum()


def hidden(*frames: torch.Tensor) -> list[list[int]]:
    """Of three frames, the last of many."""
    stack = torch.stack([picture(*ball(50, 50)), *frames], -1)[None]
    built = movers()
    centres, meant = built.find_hidden(stack, *built.find(frames[-2][None], frames[-1][None]))
    return centres[0][meant[0]].tolist()


def test_what_is_there_no_longer_and_nowhere_else_is_hidden() -> None:
    away, there, on, far = (picture(*ball(line, 20)) for line in (16, 20, 20 + FAR, 21 + FAR))
    assert hidden(away, there, picture()) == [[21, 21]]
    assert hidden(away, there, on) == []  # it went on
    assert hidden(away, there, far) == [[21, 21]]  # that is another
    assert hidden(away, there, there) == []  # it stands still, for all to see
    assert hidden(there, there, picture()) == []  # it had not just moved
    assert hidden(away, picture(), picture()) == []  # that is too long ago


def test_who_has_gone_on_hides_nobody_else() -> None:
    paddle = [(30, 20 + column) for column in range(8)]
    moved = [(30, 22 + column) for column in range(8)]
    before = picture(*ball(20, 20), *paddle)
    assert hidden(picture(), before, picture(*moved)) == [[21, 21]]
    assert hidden(picture(), before, picture(*moved, *ball(24, 24))) == []


def test_a_thing_in_pieces_has_hidden_none_of_them() -> None:
    """A fast paddle of eight by two pixels is found in two pieces, a slow one in one."""
    lengths = (0, 8, 12)
    first, second, third = (picture(*[(40 + i, 10 + at + j) for i in range(2) for j in range(8)]) for at in lengths)
    assert (len(found(first, second)), len(found(second, third))) == (2, 1)
    assert hidden(first, second, third) == []
    assert hidden(first, second, picture()) != []


def test_no_more_are_remembered_than_the_largest() -> None:
    things = [*ball(50, 10), (30, 30), (10, 10), (10, 11)]
    assert hidden(picture(), picture(*things), picture()) == [[51, 11], [10, 11]]
    assert HIDDEN == 2


def test_a_hidden_thing_comes_back_where_it_is_believed_to() -> None:
    built = movers(stack=3)
    torch.nn.init.zeros_(built.draw.weight)
    goes(built, 6, -4)
    away, there, back = (picture(*ball(line, 20)) for line in (17, 20, 26))
    dreamt, real = (look(built, away, there, picture(), after=after) for after in (None, back))
    assert extent(on_canvas(dreamt, 1)[0]) == [[27 - LOOK, 17 - LOOK], [27 + LOOK, 17 + LOOK]]
    assert real.reaches.tolist() == [[27, 21]]
    assert real.moves > dreamt.moves  # it is a surprise to see it come straight back
    seen = look(built, away, there, back).reaches
    assert len(seen) == 1, "who is to be seen is not remembered beside"


def test_it_is_told_who_is_hidden() -> None:
    built = movers(stack=3)
    away, there = picture(*ball(17, 20)), picture(*ball(20, 20))
    before, seen = (look(built, away, there, now).features for now in (picture(), picture(*ball(23, 20))))
    torch.nn.init.ones_(built.hidden)
    assert not torch.allclose(look(built, away, there, picture()).features, before)
    torch.testing.assert_close(look(built, away, there, picture(*ball(23, 20))).features, seen)


def test_two_drawings_are_added() -> None:
    built = movers()
    for layer in (built.draw, built.look):
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.ones_(built.draw.bias)
    both = drawn(built, picture(), picture(*ball(20, 20), *ball(20, 28)))[21]  # centres in columns 21 and 29
    wanted = torch.zeros(4 * SIDE)
    wanted[21 - FAR : 22 + FAR] += 1
    wanted[29 - FAR : 30 + FAR] += 1
    torch.testing.assert_close(both, wanted[:, None].expand(-1, PLANES))


def choice(line: int, column: int) -> int:
    """Of a thing that goes so far."""
    return (line + FAR) * WINDOW + column + FAR


def test_where_things_went_by_hand() -> None:
    centres = torch.tensor([[20, 20], [24, 20], [50, 50]]).repeat(2, 1, 1)  # a ball, a paddle below it, another ball
    after = torch.tensor([[24, 22], [16, 24], [0, 0]]).repeat(2, 1, 1)
    belief = torch.full((2, 3, NOWHERE + 1), -9.0)
    belief[:, 0, choice(-4, 4)] = -2.0  # bounces
    belief[:, 0, choice(4, 2)] = -1.0  # goes on
    belief[0, 1, choice(0, 2)] = -0.5
    belief[1, 1, choice(0, 2)] = -1.5
    meant, there = torch.tensor([[True, True, True]] * 2), torch.tensor([[True, True, False]] * 2)
    # What the paddle is sure of is the paddle: the ball, though it would rather have gone there, has bounced.
    sure, unsure = [choice(-4, 4), choice(0, 2), NOWHERE], [choice(4, 2), choice(-8, 4), NOWHERE]
    assert went(centres, meant, after, there, belief).tolist() == [sure, unsure]
    assert went(centres[:, :2], meant[:, :2], after, there, belief[:, :2]).tolist() == [sure[:2], unsure[:2]]
    few = went(centres, meant, after[:, :1], there[:, :1], belief).tolist()
    assert few == [[NOWHERE, choice(0, 2), NOWHERE], [choice(4, 2), NOWHERE, NOWHERE]]


def test_who_is_not_meant_has_gone_nowhere_and_nobody_so_far_away() -> None:
    centres, after = torch.tensor([[[20, 20], [30, 30]]]), torch.tensor([[[20 + FAR + 1, 15], [31, 31]]])
    belief, there = torch.zeros(1, 2, NOWHERE + 1), torch.tensor([[True, True]])
    assert went(centres, torch.tensor([[True, False]]), after, there, belief).tolist() == [[NOWHERE, NOWHERE]]
    assert went(centres, there, after, there, belief).tolist() == [[NOWHERE, choice(1, 1)]]


def test_whether_it_goes_is_asked_before_where_it_goes() -> None:
    belief = torch.full((2, NOWHERE + 1), -20.0)
    belief[:, choice(1, 1)], belief[:, choice(1, -1)] = math.log(0.31), math.log(0.29)
    belief[0, NOWHERE], belief[1, NOWHERE] = math.log(0.40), math.log(0.65)
    assert likeliest(belief).tolist() == [choice(1, 1), NOWHERE]


def goes(built: Movers, line: int, column: int, logit: float = 20.0) -> None:
    """Let it believe that everything goes so far."""
    torch.nn.init.zeros_(built.expect.weight)
    torch.nn.init.zeros_(built.expect.bias)
    built.expect.bias.data[choice(line, column)] = logit


def test_a_thing_is_drawn_where_it_has_gone() -> None:
    built = movers()
    torch.nn.init.zeros_(built.draw.weight)  # nothing but the thing itself
    goes(built, -3, 5)
    before, now = picture(*ball(20, 30)), picture(*ball(24, 26))
    expected, real = (drawn(built, before, now, after=after) for after in (None, picture(*ball(28, 22))))
    assert extent(expected) == [[22 - LOOK, 32 - LOOK], [22 + LOOK, 32 + LOOK]]
    assert extent(real) == [[29 - LOOK, 23 - LOOK], [29 + LOOK, 23 + LOOK]]
    # It looks as it does where it has gone, not as it would where it was expected.
    there = real[29 - LOOK : 30 + LOOK, 23 - LOOK : 24 + LOOK]
    assert not torch.allclose(there, expected[22 - LOOK : 23 + LOOK, 32 - LOOK : 33 + LOOK])
    assert (drawn(built, before, now, after=picture()) == 0).all()  # it has vanished
    assert (drawn(built, before, now, after=now) == 0).all()  # it stands still: nobody finds it


def test_who_would_leave_the_frame_is_drawn_at_its_edge() -> None:
    built = movers()
    torch.nn.init.zeros_(built.draw.weight)
    goes(built, -9, -9)
    assert extent(drawn(built, picture(), picture(*ball(3, 2)))) == [[0, 0], [LOOK, LOOK]]
    goes(built, 9, 9)
    last = 4 * SIDE - 1
    assert extent(drawn(built, picture(), picture(*ball(last - 3, last - 4)))) == [[last - LOOK] * 2, [last] * 2]


def test_the_surprise_is_that_of_where_things_went() -> None:
    built = movers()
    goes(built, 4, -4, 5.0)
    before, now, total = picture(*ball(20, 30)), picture(*ball(24, 26)), math.log(math.exp(5) + NOWHERE)
    for after, nats in ((picture(*ball(28, 22)), total - 5), (picture(*ball(28, 23)), total), (picture(), total)):
        assert look(built, before, now, after=after).moves.tolist() == pytest.approx([nats])
    two, both = picture(*ball(24, 26), *ball(50, 50)), picture(*ball(28, 22), *ball(51, 53))
    assert look(built, before, two, after=both).moves.tolist() == pytest.approx([2 * total - 5])
    assert look(built, before, now).moves.tolist() == pytest.approx([total - 5])  # it is drawn as gone there


def test_the_doubt_is_the_entropy_of_where_things_go() -> None:
    built = movers()
    goes(built, 4, -4, 100.0)
    now = picture(*ball(24, 26))
    assert look(built, picture(), now).doubt.tolist() == pytest.approx([0.0])
    built.expect.bias.data[choice(3, -4)] = 100.0
    assert look(built, picture(), now).doubt.tolist() == pytest.approx([math.log(2)])
    assert look(built, picture(), picture(*ball(24, 26), *ball(50, 50))).doubt.tolist() == pytest.approx([math.log(4)])


def test_near_places_are_at_first_the_likeliest() -> None:
    bias = Movers(16, 8, num_actions=3, stack=2, cells=(SIDE, SIDE)).expect.bias
    assert bias[choice(0, 0)] == 0
    assert bias[choice(3, -4)] == bias[choice(-4, 3)] == -25 / 32
    assert bias[:NOWHERE].argmax() == choice(0, 0)
