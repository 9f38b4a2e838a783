"""What moves is found in frames alone: where, to the half pixel; who has hidden; who went where. By hand."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from agents.i2a.finding import (
    FAR,
    HIDDEN,
    MOVERS,
    NEAR,
    NOWHERE,
    SIDE,
    WIDE,
    Found,
    find,
    find_hidden,
    find_twice,
    ground_of,
    steps_of,
    went,
    wide_figures,
    within,
)

EDGE = 64
BLACK = torch.zeros(EDGE, 1)


def picture(*pixels: tuple[int, int], grey: int = 200) -> torch.Tensor:
    """A black frame but for these pixels."""
    frame = torch.zeros(EDGE, EDGE, dtype=torch.uint8)
    for line, column in pixels:
        frame[line, column] = grey
    return frame


def ball(line: int, column: int) -> list[tuple[int, int]]:
    """Two by three pixels."""
    return [(line + i, column + j) for i in range(2) for j in range(3)]


def found(before: torch.Tensor, now: torch.Tensor, ground: torch.Tensor = BLACK) -> list[list[int]]:
    things = find(before[None], now[None], ground)
    return things.centres[0][things.meant[0]].tolist()


def test_a_ball_is_found_where_it_is_and_not_where_it_was() -> None:
    assert found(picture(*ball(20, 30)), picture(*ball(24, 26))) == [[25, 27]]


@given(line=st.integers(0, EDGE - 2), column=st.integers(0, EDGE - 3))
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


def paddle(line: int, column: int) -> list[tuple[int, int]]:
    """Eight by two pixels."""
    return [(line + i, column + j) for i in range(2) for j in range(8)]


def test_a_ball_before_a_paddle_is_no_piece_of_it() -> None:
    before, now = picture(*paddle(30, 20)), picture(*paddle(30, 24), *ball(28, 30))
    things = find(before[None], now[None], BLACK)
    told = sorted(zip(things.centres[0].tolist(), things.wide[0].tolist(), things.meant[0].tolist(), strict=True))
    assert told == [([29, 31], False, True), ([31, 30], True, True)]


def test_wide_is_what_has_moved_as_a_whole() -> None:
    def wide(before: torch.Tensor, now: torch.Tensor) -> set[tuple[int, int]]:
        return {(line, column) for line, column in wide_figures(before[None], now[None], BLACK)[0].nonzero().tolist()}

    ends = {(line, column) for line in (30, 31) for column in (23, 32)}  # beside it, where it may be half covered
    assert wide(picture(*paddle(30, 20)), picture(*paddle(30, 24))) == {*paddle(30, 24), *ends}
    standing = picture(*[(column, line) for line, column in paddle(30, 20)])
    moved = picture(*[(column, line) for line, column in paddle(30, 24)])
    assert wide(standing, moved) == {(column, line) for line, column in {*paddle(30, 24), *ends}}
    assert wide(picture(*paddle(30, 20)), picture(*paddle(30, 20))) == set()
    # A ball beside bricks, and where one of them was; a ball itself; the ground, when a paddle has gone.
    assert wide(picture(*paddle(30, 20)), picture(*paddle(30, 20), *ball(30, 28))) == set()
    assert wide(picture(*paddle(30, 20), *ball(30, 28)), picture(*paddle(30, 20))) == set()
    assert wide(picture(*ball(30, 28)), picture(*ball(32, 30))) == set()
    assert wide(picture(*paddle(30, 20)), picture()) == set()


def test_a_paddle_that_comes_to_a_wall_of_its_own_grey_is_wide() -> None:
    wall = [(line, column) for line in (30, 31) for column in range(EDGE - 4, EDGE)]
    before, now = picture(*wall, *paddle(30, EDGE - 16)), picture(*wall, *paddle(30, EDGE - 12), *ball(28, EDGE - 8))
    things = find(before[None], now[None], BLACK)
    told = sorted(zip(things.centres[0].tolist(), things.wide[0].tolist(), strict=True))
    assert told == [([29, EDGE - 7], False), ([31, EDGE - 6], True)]


@given(seed=st.integers(0, 2**16), shape=st.sampled_from([(9, 14), (14, 9)]))
@settings(max_examples=60, deadline=None)
def test_wide_figures_pixel_by_pixel(seed: int, shape: tuple[int, int]) -> None:
    """As one would look for them, line by line and column by column."""
    random = torch.Generator().manual_seed(seed)
    before, now = ((torch.rand(2, 3, *shape, generator=random) < 0.75) * 90).to(torch.uint8)
    ground = torch.tensor([0, 90])[torch.randint(0, 2, (shape[0], 1), generator=random)].float()
    expected = torch.zeros(3, *shape, dtype=torch.bool)
    for frame in range(3):
        for turned in (False, True):
            old, new, lay, out = (
                part.T if turned else part
                for part in (before[frame], now[frame], ground.expand(shape), expected[frame])
            )
            for line in range(len(new)):
                width, begin = new.shape[1], 0
                while begin < width:
                    end = begin
                    while end + 1 < width and new[line, end + 1] == new[line, begin]:
                        end += 1
                    changed = (old[line] != new[line]).tolist()
                    # Beyond the edge anything may have changed.
                    left = [True] if begin == 0 else changed[begin - 1 : begin + 1]
                    right = [True] if end == width - 1 else changed[end : end + 2]
                    figure = (new[line, begin : end + 1] != lay[line, begin : end + 1]).tolist()
                    if any(changed) and end - begin + 1 >= WIDE and any(left) and any(right):
                        for column in range(begin, end + 1):
                            if figure[column - begin]:
                                out[line, max(0, column - 1) : column + 2] = True
                    begin = end + 1
    assert torch.equal(wide_figures(before, now, ground), expected)


def test_what_gives_way_to_the_ground_has_not_appeared() -> None:
    assert found(picture(*ball(20, 20)), picture()) == []
    bright = BLACK + 200
    assert found(picture(*ball(20, 20)), picture(), bright) == [[21, 21]], (
        "where all is bright, what is dark stands out"
    )
    assert found(picture(), picture(*ball(20, 20)), bright) == []


def test_a_ball_is_found_in_a_gap_of_a_wall_of_its_own_colour() -> None:
    wall = [(line, column) for line in range(10, 40) for column in range(EDGE) if not 20 <= column < 30]
    assert found(picture(*wall, *ball(30, 25)), picture(*wall, *ball(26, 22))) == [[27, 23]]


def test_the_ground_by_hand() -> None:
    """Of four lines: a figure passes; a wall is broken now and then, and a ball of its colour passes; a paddle comes
    and goes, and is away most of the time; nothing ever happens."""
    frames = torch.zeros(3, 12, 4, 10, dtype=torch.uint8)
    frames[:, :, 0] = 40
    frames[0, :3, 0, 4], frames[1, 3:5, 0, 7] = 200, 200
    frames[:, :, 1, :8] = 124
    frames[1:, 0, 1, 2], frames[0, 5:8, 1, 9], frames[1, 2:9, 1, 8] = 0, 124, 124
    frames[0, :6, 2, :2], frames[1:, :6, 2, 1:5] = 110, 110
    frames[:, :, 3] = 7
    assert ground_of(frames).tolist() == [[40], [0], [0], [7]]
    assert ground_of(frames).dtype == torch.float32
    # What is seen most, or what most is changed to, would be another.
    assert frames[1, :, 1].flatten().mode().values == 124
    assert (frames[1, :, 1] == 124)[frames[0, :, 1] != frames[1, :, 1]].sum() > 4
    assert (frames[1:, :, 2] == 110).all(0)[frames[0, :, 2] != frames[1, :, 2]].sum() > 12, "more than stay black"


def test_no_more_are_found_than_are_looked_at() -> None:
    many = [(line, column) for line in range(5, 60, 12) for column in range(5, 60, 12)]
    assert len(found(picture(), picture(*many))) == MOVERS


@given(
    line=st.integers(0, 2 * EDGE - 10),
    column=st.integers(0, 2 * EDGE - 4),
    behind=st.sampled_from([0, 40, 70]),
)
@settings(max_examples=80, deadline=None)
def test_half_pixels_are_told_apart(line: int, column: int, behind: int) -> None:
    """A ball of two by four pixels on a screen twice as fine: its middle is found to the pixel of that screen."""
    screen = torch.full((2 * EDGE, 2 * EDGE), float(behind))
    screen[line : line + 4, column : column + 2] = 210
    now = screen.view(EDGE, 2, EDGE, 2).mean((1, 3)).to(torch.uint8)
    things = find(torch.full_like(now, behind)[None], now[None], BLACK + behind)
    assert things.meant.tolist() == [[True]]
    quarter = int(things.quarters)
    halves = 2 * things.centres[0, 0] - torch.tensor([quarter // 2, quarter % 2])
    assert halves.tolist() == [line + 1, column]


def test_halves_of_a_thing_of_any_shape() -> None:
    """Pixels in two columns, most of them in the right one: a fifth or a third of them left of it, or half."""
    for left, right, quarter in ((1, 4, 0), (1, 2, 1), (2, 2, 1), (2, 1, 0), (1, 0, 0)):
        pixels = [(20, 30), (22, 30)][:left] + [(line, 31) for line in (20, 21, 22, 19)[:right]]
        things = find(picture()[None], picture(*pixels)[None], BLACK)
        assert int(things.quarters) % 2 == quarter, (left, right)


def test_frames_may_be_wider_than_they_are_high() -> None:
    frames = [torch.zeros(20, 48, dtype=torch.uint8) for _ in range(4)]
    for t in range(3):
        frames[t][8 + 2 * t, 12 * t + 3] = 200
    assert find(frames[1][None], frames[2][None], BLACK[:20]).centres.tolist() == [[[12, 27]]]
    near = torch.zeros(1, 20, 48, 4, dtype=torch.uint8)
    for t in range(3):
        near[0, 10, 26 + 9 * t, t] = 200
    centres, meant = find_hidden(near, *find_twice(near, BLACK[:20]), BLACK[:20])
    assert (centres[0].tolist(), meant.tolist()) == ([[10, 47]], [[True]])


def test_half_precision_finds_the_same() -> None:
    frames = torch.randint(0, 2, (2, 64, EDGE, EDGE), generator=torch.Generator().manual_seed(0)).to(torch.uint8) * 90
    whole = find(*frames, BLACK)
    with torch.autocast("cpu", torch.bfloat16):
        half = find(*frames, BLACK)
    for name, part in vars(whole).items():
        assert torch.equal(part, getattr(half, name)), name


def test_twice_at_a_time_finds_the_same() -> None:
    random = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 2, (16, EDGE, EDGE, 4), generator=random).to(torch.uint8) * 90
    frames[:, 4:], frames[::2, ..., 3] = 0, frames[::2, ..., 2]  # few things; none in every other last frame
    for twice, steps in ((frames, 16), (frames[::2], 8)):
        earlier, before, now = twice[..., -3:].unbind(-1)
        apart = find(earlier, before, BLACK), find(before, now, BLACK)
        for one, other in zip(find_twice(twice, BLACK), apart, strict=True):
            assert len(one.meant) == steps
            for name, part in vars(one).items():
                assert torch.equal(part, getattr(other, name)), name


def hidden(*frames: torch.Tensor) -> list[list[int]]:
    stack = torch.stack(frames, -1)[None]
    centres, meant = find_hidden(stack, *find_twice(stack, BLACK), BLACK)
    return centres[0][meant[0]].tolist()


def test_what_is_there_no_longer_and_nowhere_else_is_hidden() -> None:
    away, there, on, far = (picture(*ball(line, 20)) for line in (16, 20, 20 + FAR, 21 + FAR))
    assert hidden(away, there, picture()) == [[21, 21]]
    assert hidden(away, there, on) == []  # it went on
    assert hidden(away, there, far) == [[21, 21]]  # that is another
    assert hidden(there, there, picture()) == []  # it had not just moved
    assert hidden(away, picture(), picture()) == []  # that is too long ago


def test_who_rests_for_a_step_is_remembered_where_it_is() -> None:
    """A ball that is hit at the turn of its way is drawn twice at one place: it has not appeared there again."""
    earliest, earlier, there = (picture(*ball(20 + 4 * t, 20)) for t in range(3))
    assert hidden(earliest, earlier, there, there) == [[29, 21]]
    assert hidden(earlier, there, there, there) == [], "it has rested for long"
    paddles = [picture(*paddle(30, 10 + 4 * t)) for t in range(3)]
    assert hidden(*paddles, paddles[2]) == [], "wide things come to rest all the time, and are drawn as they are"


def test_a_ball_that_vanishes_before_a_paddle_has_not_become_a_piece_of_it() -> None:
    paddles = [paddle(30, 10 + 4 * t) for t in range(4)]
    before = [picture(*paddles[t], *ball(14 + 5 * t, 27 - 2 * t)) for t in range(3)]
    assert hidden(*before, picture(*paddles[3])) == [[30, 22]]


def test_who_vanishes_beside_a_paddle_that_stays_has_hidden() -> None:
    paddles = [picture(*paddle(30, 10 + 4 * t)) for t in range(4)]
    before = picture(*paddle(30, 18), *ball(27, 22))
    assert hidden(paddles[0], paddles[1], before, paddles[3]) == [[28, 23]]


def test_a_paddle_that_vanishes_has_not_become_a_ball_that_appears() -> None:
    before = [picture(*paddle(30, 10 + 4 * t)) for t in range(3)]
    assert hidden(*before, picture(*ball(32, 24))) == [[31, 28]]
    assert hidden(*before, picture(*paddle(30, 22))) == []


def test_who_has_vanished_goes_on_while_another_rests() -> None:
    """The larger one rests, the smaller one has gone; of three, those that have gone come first."""
    frames = [picture(*ball(20 + 4 * t, 20), (50, 20 + 6 * t), (50, 21 + 6 * t)) for t in range(3)]
    assert sorted(hidden(*frames, picture(*ball(28, 20)))) == [[29, 21], [50, 39]]
    frames = [frame + picture((10, 40 + 4 * t)) for t, frame in enumerate(frames)]
    assert sorted(hidden(*frames, picture(*ball(28, 20)))) == [[10, 52], [50, 39]]


def test_who_is_hidden_has_gone_on_as_before() -> None:
    earliest, earlier, before = (picture(*ball(line, column)) for line, column in ((36, 10), (30, 14), (24, 18)))
    assert hidden(earliest, earlier, before, picture()) == [[19, 23]]
    assert hidden(picture(), picture(), before, picture()) == [[25, 19]], "nobody has seen how it went"
    assert hidden(earlier, earlier, before, picture()) == [[25, 19]]
    wall = [(line, column) for line in range(26, 30) for column in range(20)]
    before = [picture(*wall, *ball(24 - 4 * t, 24)) for t in range(2)]
    assert hidden(picture(), *before, picture(*wall)) == [[21, 25]], "what is black was before the game"
    assert hidden(picture((63, 63)), *before, picture(*wall)) != [[21, 25]]
    high = [picture(*ball(line, 0)) for line in (16, 9, 2)]
    assert hidden(*high, picture()) == [[0, 1]], "nobody leaves the frame"


def test_of_some_who_are_hidden_each_goes_its_own_way() -> None:
    """The larger one down, the smaller one to the right; in another game nothing is hidden."""
    *frames, on = [picture(*ball(20 + 4 * t, 20), (50, 20 + 6 * t), (50, 21 + 6 * t)) for t in range(4)]
    stack = torch.stack([torch.stack([*frames, picture()], -1), torch.stack([*frames, on], -1)])
    centres, meant = find_hidden(stack, *find_twice(stack, BLACK), BLACK)
    assert centres[0][meant[0]].tolist() == [[33, 21], [50, 39]]
    assert not meant[1].any()


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


def choice(line: int, column: int) -> int:
    """Of a thing that goes so far."""
    return (line + FAR) * SIDE + column + FAR


def things(centres: torch.Tensor, meant: torch.Tensor) -> Found:
    return Found(centres, meant, torch.zeros_like(meant, dtype=torch.int64), torch.zeros_like(meant))


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
    choices, became = went(centres, meant, things(after, there), belief)
    assert (choices.tolist(), became.tolist()) == ([sure, unsure], [[1, 0, 0], [0, 1, 0]])
    assert went(centres[:, :2], meant[:, :2], things(after, there), belief[:, :2])[0].tolist() == [sure[:2], unsure[:2]]
    few, _ = went(centres, meant, things(after[:, :1], there[:, :1]), belief)
    assert few.tolist() == [[NOWHERE, choice(0, 2), NOWHERE], [choice(4, 2), NOWHERE, NOWHERE]]


def test_who_is_not_meant_has_gone_nowhere_and_nobody_so_far_away() -> None:
    centres, after = torch.tensor([[[20, 20], [30, 30]]]), torch.tensor([[[20 + FAR + 1, 15], [31, 31]]])
    belief, there = torch.zeros(1, 2, NOWHERE + 1), torch.tensor([[True, True]])
    choices, _ = went(centres, torch.tensor([[True, False]]), things(after, there), belief)
    assert choices.tolist() == [[NOWHERE, NOWHERE]]
    choices, became = went(centres, there, things(after, there), belief)
    assert (choices.tolist(), became[0, 1]) == ([[NOWHERE, choice(1, 1)]], 1)


@pytest.mark.parametrize("step", [(0, 0), (-FAR, FAR), (3, -4)])
def test_a_choice_is_so_many_lines_and_columns(step: tuple[int, int]) -> None:
    assert steps_of(torch.tensor([choice(*step), NOWHERE])).tolist() == [[*step], [0, 0]]


def test_within_a_frame() -> None:
    places = torch.tensor([[-1, 3], [4, 6], [5, 7]])
    assert within(places, (5, 7)).tolist() == [[0, 3], [4, 6], [4, 6]]
