"""What has moved is found where it is now, and is read and drawn in the same way wherever that is."""

import math

import pytest
import torch

from agents.i2a.births import LOOK
from agents.i2a.canvas import Canvas
from agents.i2a.cells import PLANES, from_cells, stack_to_cells
from agents.i2a.finding import FAR, NOWHERE, QUARTERS, likeliest
from agents.i2a.finding import SIDE as WINDOW
from agents.i2a.movers import Moved, Movers

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


UPPER = 2
"""The quarter in which such a ball has its middle."""


def ball(line: int, column: int) -> list[tuple[int, int]]:
    """Two by three pixels."""
    return [(line + i, column + j) for i in range(2) for j in range(3)]


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


def test_whether_it_goes_is_asked_before_where_it_goes() -> None:
    belief = torch.full((2, NOWHERE + 1), -20.0)
    belief[:, choice(1, 1)], belief[:, choice(1, -1)] = math.log(0.31), math.log(0.29)
    belief[0, NOWHERE], belief[1, NOWHERE] = math.log(0.40), math.log(0.65)
    assert likeliest(belief).tolist() == [choice(1, 1), NOWHERE]
    assert likeliest(belief, 0.7).tolist() == [choice(1, 1)] * 2


def goes(built: Movers, line: int, column: int, logit: float = 20.0) -> None:
    """Let it believe that everything goes so far, to the upper edge of the pixel there."""
    torch.nn.init.zeros_(built.expect.weight)
    torch.nn.init.zeros_(built.expect.bias)
    built.expect.bias.data[choice(line, column)] = logit
    torch.nn.init.zeros_(built.quarter.weight)
    built.quarter.bias.data.copy_(torch.eye(QUARTERS)[UPPER] * 100)


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


@pytest.mark.parametrize(("chance", "stays"), [(0.65, True), (0.75, False)])
def test_a_thing_vanishes_only_where_that_is_rather_sure(chance: float, stays: bool) -> None:
    built = movers()
    torch.nn.init.zeros_(built.draw.weight)
    goes(built, -3, 5, 0.0)
    built.expect.bias.data[:] = -50.0
    built.expect.bias.data[[choice(-3, 5), NOWHERE]] = torch.tensor([1 - chance, chance]).log()
    assert len(look(built, picture(*ball(20, 30)), picture(*ball(24, 26))).arrives.nonzero()) == stays


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


HALF = [(28, 23, 100), (29, 23, 200), (30, 23, 100)]
"""A ball one pixel wide and two high, half a pixel below those of a grid: lines, columns and greys."""


def test_a_thing_is_drawn_as_of_the_half_pixel_to_which_it_goes() -> None:
    built = movers()
    torch.nn.init.zeros_(built.draw.weight)
    torch.nn.init.normal_(built.quartered)
    goes(built, 4, -4)
    before, now, lower = picture(*ball(20, 30)), picture(*ball(24, 26)), picture()
    for line, column, grey in HALF:
        lower[line, column] = grey
    expected, upper, middle = (
        drawn(built, before, now, after=after) for after in (None, picture(*ball(28, 22)), lower)
    )
    assert extent(expected) == extent(upper) == extent(middle) == [[29 - LOOK, 23 - LOOK], [29 + LOOK, 23 + LOOK]]
    built.quarter.bias.data.copy_(torch.eye(QUARTERS)[0] * 100)
    torch.testing.assert_close(expected, upper)
    torch.testing.assert_close(drawn(built, before, now), middle)
    assert not torch.allclose(upper, middle)


def test_each_thing_has_its_own_quarter_and_who_vanishes_none() -> None:
    built = movers()
    torch.nn.init.normal_(built.quartered)
    one, other = ball(10, 10), ball(50, 50)
    goes(built, 4, -4)
    before, now = picture(), picture(*one, *other)
    lower = picture(*ball(54, 46))
    for line, column, grey in HALF:
        lower[line - 14, column - 16] = grey  # the first is half a pixel lower than it would be in a grid
    both = look(built, before, now, after=lower)
    assert both.reaches.tolist() == [[15, 7], [55, 47]]
    alone = look(built, before, picture(*other), after=picture(*ball(54, 46)))
    torch.testing.assert_close(both.drawings[1][1][1], alone.drawings[1][1][0])
    assert not torch.allclose(both.drawings[1][1][0], both.drawings[1][1][1], atol=0.05)
    gone = [look(built, before, now, after=after) for after in (picture(*ball(54, 46)), picture((54, 47), (55, 47)))]
    assert gone[0].arrives.tolist() == gone[1].arrives.tolist() == [False, True]
    for place in (0, 1):
        torch.testing.assert_close(gone[0].drawings[place][1][0], gone[1].drawings[place][1][0])
    torch.testing.assert_close(gone[0].features[:, 0], gone[1].features[:, 0])


def test_a_hidden_thing_is_looked_for_where_it_would_be() -> None:
    built = movers(stack=4)
    frames = [picture(*ball(20 + 5 * t, 30)) for t in range(3)]
    moved = look(built, *frames, picture())
    assert moved.leaves.tolist() == [[36, 31]]


def test_all_layers_learn() -> None:
    built = movers(stack=3)
    torch.nn.init.normal_(built.quartered)
    first, before, now = (picture(*ball(line, 50 - line)) for line in (16, 20, 24))
    for after in (picture(*ball(28, 22)), picture()):
        stack, wanted = (stack_to_cells(torch.stack(frames)[None]) for frames in ((first, before, now), (now, after)))
        moved = built(stack, torch.tensor([1]), wanted)
        loss = moved.moves.sum() + moved.features.sum()
        for _, planes in moved.drawings:
            loss = loss + planes.square().sum()
        loss.backward()
    for name, parameter in built.named_parameters():
        if not name.startswith("births."):  # no place is known where something appears
            assert (parameter.grad.abs().max() > 0) == (name != "hidden"), name


def test_the_surprise_is_also_that_of_the_quarter_and_so_is_the_doubt() -> None:
    built = movers()
    goes(built, 4, -4, 100.0)
    chances = torch.tensor([0.5, 0.1, 0.25, 0.15])
    built.quarter.bias.data.copy_(chances.log())
    before, now, vanished = picture(*ball(20, 30)), picture(*ball(24, 26)), picture()
    assert look(built, before, now, after=picture(*ball(28, 22))).moves.tolist() == pytest.approx([-math.log(0.25)])
    assert look(built, before, now).moves.tolist() == pytest.approx([-math.log(0.5)])  # it is drawn in the likeliest
    doubt = -(chances * chances.log()).sum().item()
    assert look(built, before, now).doubt.tolist() == pytest.approx([doubt])
    goes(built, 4, -4, 100.0)
    built.quarter.bias.data.zero_()
    built.expect.bias.data[NOWHERE] = 200.0
    moved = look(built, before, now, after=vanished)  # who goes nowhere has no quarter to be in
    assert (moved.moves.item(), moved.doubt.item()) == pytest.approx((0, 0))


def test_a_surprise_without_a_drawing_counts_quarters_too() -> None:
    built = movers()
    goes(built, 4, -4, 5.0)
    built.quarter.bias.data.copy_(torch.tensor([0.5, 0.1, 0.25, 0.15]).log())
    before, now, after = picture(*ball(20, 30)), picture(*ball(24, 26)), picture(*ball(28, 22))
    stack, wanted = (stack_to_cells(torch.stack(pair)[None]) for pair in ((before, now), (now, after)))
    with torch.no_grad():
        told = built.surprise(stack, torch.tensor([1]), wanted)
    torch.testing.assert_close(told, look(built, before, now, after=after).moves)
    assert told > -math.log(0.25)


def test_what_is_ground_is_learnt_from_games() -> None:
    built = movers()
    now = picture(*ball(24, 26))
    assert len(look(built, picture(), now).rows) == 1
    built.calibrate(torch.stack([now, now.new_full(now.shape, 200), now.new_full(now.shape, 200)])[:, None])
    assert (built.ground == 200).all()
    assert len(look(built, picture(), now).rows) == 0


def test_near_places_are_at_first_the_likeliest() -> None:
    bias = Movers(16, 8, num_actions=3, stack=2, cells=(SIDE, SIDE)).expect.bias
    assert bias[choice(0, 0)] == 0
    assert bias[choice(3, -4)] == bias[choice(-4, 3)] == -25 / 32
    assert bias[:NOWHERE].argmax() == choice(0, 0)
