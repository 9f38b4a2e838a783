"""What is served comes from nowhere: at a place where that has been seen, and by what is no longer there."""

from __future__ import annotations

import math

import pytest
import torch

from agents.i2a.births import AWAY, BIRTHS, LOOK, NONE, Births
from agents.i2a.canvas import Canvas
from agents.i2a.cells import from_cells, stack_to_cells
from agents.i2a.finding import find, likeliest
from agents.i2a.movers import Movers

SIDE = 16
"""Cells."""
GROUND = torch.zeros(4 * SIDE, 1)
HERE, THERE = (20, 12), (45, 50)


def picture(*places: tuple[int, int]) -> torch.Tensor:
    """A black frame but for balls of 2×1 pixels at these places."""
    frame = torch.zeros(4 * SIDE, 4 * SIDE, dtype=torch.uint8)
    for line, column in places:
        frame[line : line + 2, column] = 200
    return frame


def centre(place: tuple[int, int]) -> list[int]:
    """Of a ball at this place, as it is found."""
    return find(picture()[None], picture(place)[None], GROUND).centres[0, 0].tolist()


def steps(*triples: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return torch.stack([torch.stack(frames) for frames in zip(*triples, strict=True)])


SERVED = steps(
    *[(picture(), picture(), picture(HERE))] * 3,
    *[(picture(), picture(), picture(THERE))] * 4,
    *[(picture(), picture(), picture((60, 60)))] * 2,  # too seldom
    *[(picture((30, 30)), picture((32, 32)), picture((34, 34)))] * 9,  # has come from somewhere
    *[(picture(), picture((62, 7)), picture((62, 7)))] * 9,  # was there before
)


def births() -> Births:
    torch.manual_seed(0)
    built = Births(3, 4, (SIDE, SIDE))
    built.calibrate(SERVED, GROUND)
    return built


def test_places_are_those_where_things_often_come_from_nowhere() -> None:
    built = births()
    assert built.known.tolist() == [True] * 2 + [False] * (BIRTHS - 2)
    assert built.places[:2].tolist() == [centre(THERE), centre(HERE)]  # the more frequent one first


def test_where_nothing_appears_no_place_is_known() -> None:
    built = Births(3, 4, (SIDE, SIDE))
    built.calibrate(steps(*[(picture(), picture(), picture())] * 5), GROUND)
    assert not built.known.any()
    belief = built.belief(torch.zeros(2, 4 * SIDE, 4 * SIDE, 4, dtype=torch.uint8), torch.tensor([0, 2]), GROUND)
    assert likeliest(belief).tolist() == [NONE, NONE]
    assert belief[:, NONE].tolist() == [0, 0]  # for sure


def really(now: list[tuple[int, int]], after: list[tuple[int, int]]) -> int:
    """What appeared in a step, by frames in which balls are at these places."""
    frames = picture(*now)[None], picture(*after)[None]
    return int(births().choices(frames[0], find(*frames, GROUND), GROUND)[0])


def test_what_really_appeared_is_told_by_the_frames() -> None:
    assert really([], [THERE]) == 0
    assert really([], [HERE]) == 1
    assert really([], []) == NONE
    assert really([], [(30, 30)]) == NONE  # nobody knows that place
    assert really([], [(HERE[0] + 1, HERE[1] - 1)]) == 1  # as near as this is the same place
    assert really([], [(HERE[0] + 2, HERE[1])]) == NONE
    assert really([(5, 40)], [(9, 44), HERE]) == 1  # beside something else that moves
    line, column = centre(HERE)
    assert really([(line + AWAY, column)], [HERE]) == NONE  # may have come from there, though it had not moved
    assert really([(line + AWAY + 1, column)], [HERE]) == 1


def test_of_two_near_places_it_is_the_nearer_one() -> None:
    beside = (HERE[0], HERE[1] + 1)
    frames = torch.cat([SERVED, steps(*[(picture(), picture(), picture(beside))] * 5)], 1)
    built = Births(3, 4, (SIDE, SIDE))
    built.calibrate(frames, GROUND)
    for place in (HERE, beside, THERE):
        before, after = picture()[None], picture(place)[None]
        chosen = int(built.choices(before, find(before, after, GROUND), GROUND)[0])
        assert built.places[chosen].tolist() == centre(place)


def test_a_wall_gives_birth_to_nothing_and_hides_no_birth() -> None:
    wall = picture((HERE[0], HERE[1] + 3))
    frames = SERVED.clone()
    frames[:, :, wall > 0] = 77
    built = births()
    built.calibrate(frames, GROUND)
    assert built.places[:2].tolist() == [centre(THERE), centre(HERE)]
    assert built.fixed[wall > 0].all()
    assert not built.fixed[HERE]


def test_it_learns_when_something_is_served_and_how_often_where() -> None:
    """With action 1, and only if there is no ball: in 3 of 4 cases, two thirds of them at the first place."""
    built = births()
    optimizer = torch.optim.Adam(built.parameters(), 1e-2)
    empty, played = picture(), picture((33, 20))
    frames = torch.stack([torch.stack([frame] * 4, -1) for frame in (empty, played)]).repeat(24, 1, 1, 1)
    actions = torch.arange(48) // 2 % 2
    came = torch.tensor([0, 0, 1, NONE])[torch.arange(48) // 4 % 4]
    came = torch.where((actions == 1) & (torch.arange(48) % 2 == 0), came, NONE)
    for _ in range(150):
        loss = -built.belief(frames, actions, GROUND).gather(1, came[:, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        belief = built.belief(frames[:4], actions[:4], GROUND).exp()
    assert belief[2, [0, 1, NONE]].tolist() == pytest.approx([0.5, 0.25, 0.25], abs=0.03)
    assert belief[[0, 1, 3], NONE].min() > 0.97
    assert belief[:, 2:NONE].max() == 0
    assert likeliest(belief.log()).tolist() == [NONE, NONE, 0, NONE]


@pytest.fixture
def movers() -> Movers:
    torch.manual_seed(0)
    built = Movers(16, 8, num_actions=3, stack=2, cells=(SIDE, SIDE))
    built.calibrate(SERVED)
    torch.nn.init.normal_(built.births.looks)
    return built


def stack(*frames: torch.Tensor) -> torch.Tensor:
    return stack_to_cells(torch.stack(frames)[None])


def test_what_appears_is_drawn_at_its_place_as_it_really_did_or_as_is_likeliest(movers: Movers) -> None:
    movers.births.choose.bias.data[:2] = torch.tensor([8.0, 9.0])
    blank = stack(picture(), picture())
    places = []
    for wanted in (None, stack(picture(), picture(THERE)), stack(picture(), picture())):
        with torch.no_grad():
            moved = movers(blank, torch.tensor([1]), wanted)
        canvas = Canvas(1, (SIDE, SIDE), torch.device("cpu"))
        moved.draw(canvas)
        drawn = from_cells(canvas.frames().movedim(-1, 0)).movedim(0, -1)[0]
        written = (drawn != 0).any(-1).nonzero()
        places.append(written.float().mean(0).tolist() if len(written) else None)
        assert len(written) in (0, (2 * LOOK + 1) ** 2)
    assert places == [centre(HERE), centre(THERE), None]


def test_the_surprise_and_the_doubt_are_also_about_what_appears(movers: Movers) -> None:
    torch.nn.init.zeros_(movers.births.choose.weight)
    movers.births.choose.bias.data[:] = -50.0
    movers.births.choose.bias.data[[0, 1, NONE]] = torch.tensor([0.2, 0.3, 0.5]).log()
    blank, action = stack(picture(), picture()), torch.tensor([1])
    for place, chance in ((THERE, 0.2), (HERE, 0.3), (None, 0.5)):
        wanted = stack(picture(), picture(*([place] if place else [])))
        moved = movers(blank, action, wanted)
        assert moved.moves.item() == pytest.approx(-math.log(chance), rel=1e-4)
        assert moved.doubt.item() == pytest.approx(1.0297, abs=1e-4)
        assert movers.surprise(blank, action, wanted).item() == pytest.approx(-math.log(chance), rel=1e-4)


def test_what_appears_is_learnt_from_what_really_did(movers: Movers) -> None:
    moved = movers(stack(picture((5, 5)), picture((7, 7))), torch.tensor([1]), stack(picture(), picture(THERE)))
    canvas = Canvas(1, (SIDE, SIDE), torch.device("cpu"))
    moved.draw(canvas)
    (moved.moves.sum() + canvas.frames().square().sum()).backward()
    for name, parameter in movers.births.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0, name
    assert movers.births.looks.grad is not None
    assert (movers.births.looks.grad.flatten(1).abs().sum(1) > 0).tolist() == [True] + [False] * (BIRTHS - 1)
