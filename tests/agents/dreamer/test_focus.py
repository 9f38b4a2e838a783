"""What flies is drawn at one place, though the mean of all that is possible is a cloud."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.dreamer.config import PENDULUM, DreamerConfig
from agents.dreamer.focus import HALVES, MARGIN, NOWHERE, SPREAD, WINDOW, Focus, flying, likeliest
from agents.dreamer.networks import Decoder, from_blocks, to_blocks
from agents.dreamer.world_model import FOCUS_SHARE, Batch, WorldModel

SIZE = 36
WIDTH = 2 * SIZE
PLACES = WIDTH**2
BALL = (200, 100, 50)


def picture(*balls: tuple[int, int], height: int = 1) -> torch.Tensor:
    """Blocks (1, 48, 9, 9) uint8 of a dark picture with balls at pixels (line, column)."""
    frame = np.full((1, SIZE, SIZE, 3), 20, np.uint8)
    for line, column in balls:
        frame[0, line : line + height, column] = BALL
    return to_blocks(frame)


def place(choice: torch.Tensor) -> tuple[float, float]:
    """Of a choice, in pixels from the picture's corner."""
    line, column = choice.tolist()
    return line / 2, column / 2


def test_what_was_not_there_before_and_is_not_there_after_flies() -> None:
    nothing_drawn = torch.full((1, 48, 9, 9), 20.0)
    found = flying(picture((5, 6)), picture((8, 9)), picture((11, 12)), nothing_drawn)
    assert place(found[0]) == (8.5, 9.5)  # the middle of that pixel


def test_its_middle_is_told_to_half_a_pixel() -> None:
    before, now, after = picture((5, 6), height=2), picture((8, 9), height=2), picture((11, 12), height=2)
    assert place(flying(before, now, after, torch.full((1, 48, 9, 9), 20.0))[0]) == (9.0, 9.5)


def test_what_stays_grows_or_goes_for_good_does_not_fly() -> None:
    dark = torch.full((1, 48, 9, 9), 20.0)
    still = picture((8, 9))
    for frames in ((still, still, still), (picture(), still, still), (still, picture(), picture())):
        assert flying(*frames, dark).tolist() == [[NOWHERE] * 2]


def test_of_several_that_fly_it_is_the_one_that_was_drawn_worst() -> None:
    before, now, after = picture(), picture((4, 4), (20, 24)), picture()
    for missed, other in (((4, 4), (20, 24)), ((20, 24), (4, 4))):
        found = flying(before, now, after, picture(other).float())
        assert place(found[0]) == (missed[0] + 0.5, missed[1] + 0.5)


def test_a_faint_flicker_is_nothing() -> None:
    now = picture().clone()
    now[0, :, 3, 3] += 19  # of three channels, 57 in all
    assert flying(picture(), now, picture(), torch.full((1, 48, 9, 9), 20.0)).tolist() == [[NOWHERE] * 2]


@pytest.mark.parametrize(
    ("chances", "chosen"),
    [
        ({(9, 9): 0.3, (40, 30): 0.4, None: 0.3}, (40, 30)),
        ({(9, 9): 0.3, (40, 30): 0.25, None: 0.45}, (9, 9)),  # however many share a doubt, it does not vanish by it
        ({(9, 9): 0.2, (40, 30): 0.25, None: 0.55}, None),
        ({(9, 9): 0.2, (9, 12): 0.1, (12, 9): 0.1, (40, 30): 0.3, None: 0.3}, (10, 10)),  # the middle, weighed
        ({(9, 9): 0.2, (9, 45): 0.2, (40, 30): 0.3, None: 0.3}, (40, 30)),  # too far from one another
        ({(9, 9): 0.3, (9, 9 + 2 * SPREAD + 1): 0.2, (40, 30): 0.4, None: 0.1}, (9, 9)),  # in neighbouring blocks
        ({(0, 0): 1.0}, (0, 0)),
        ({(WIDTH - 1, WIDTH - 1): 1.0}, (WIDTH - 1, WIDTH - 1)),
    ],
)
def test_what_flies_is_where_the_most_is_believed_if_anywhere(
    chances: dict[tuple[int, int] | None, float], chosen: tuple[int, int] | None
) -> None:
    places = torch.full((1, 9, 9, HALVES**2), 1e-12)
    for where, chance in chances.items():
        if where:
            line, column = where
            places[0, line // HALVES, column // HALVES, line % HALVES * HALVES + column % HALVES] = chance
    found = likeliest(places.log(), torch.tensor([[chances.get(None, 1e-12)]]).log())
    assert found.tolist() == [[NOWHERE] * 2 if chosen is None else list(chosen)]


@pytest.fixture(scope="module")
def marked() -> Focus:
    """Draws nothing but the window around a choice: grey k where it is the k-th half pixel of it that lies a block's
    corner away."""
    torch.manual_seed(0)
    focus = Focus(10, SIZE, 3, 4, WINDOW * WINDOW)
    torch.nn.init.zeros_(focus.hidden.weight)
    focus.hidden.bias.data.fill_(-40.0)  # silu of it is 0
    focus.chosen.data = 80 * torch.eye(WINDOW * WINDOW)
    focus.blocks.weight.data = torch.arange(WINDOW * WINDOW).float().expand(48, -1) / 40
    return focus


@settings(deadline=None, max_examples=60)
@given(line=st.integers(0, WIDTH - 1), column=st.integers(0, WIDTH - 1))
def test_a_choice_is_told_to_the_blocks_around_it_and_to_no_other(marked: Focus, line: int, column: int) -> None:
    usual = torch.zeros(9, 9, 48)
    choice = torch.tensor([[line, column]])
    with torch.no_grad():
        drawn = marked.draw(torch.zeros(1, 9, 9, 4), choice, usual)[0, 0]
    for row in range(9):
        for across in range(9):
            down, right = line - row * HALVES + MARGIN, column - across * HALVES + MARGIN
            near = 0 <= down < WINDOW and 0 <= right < WINDOW
            wanted = float(down * WINDOW + right) if near else 0.0
            assert drawn[row, across].item() == pytest.approx(wanted, abs=0.01)


def test_a_choice_of_nowhere_draws_nothing_there(marked: Focus) -> None:
    with torch.no_grad():
        drawn = marked.draw(torch.zeros(1, 9, 9, 4), torch.tensor([[NOWHERE, NOWHERE]]), torch.zeros(9, 9, 48))
    assert drawn.abs().max() < 1e-3


def test_a_place_of_a_block_is_a_place_of_the_picture() -> None:
    """A thing that one block alone has makes a place likely in that block, and one that its layer names."""
    focus = Focus(10, SIZE, 3, 4, 8)
    torch.nn.init.eye_(focus.looked.weight)
    torch.nn.init.zeros_(focus.places.weight)
    focus.places.weight.data[3 * HALVES + 5, 2] = 1.0  # in each block: line 3, column 5
    things = torch.zeros(2, 9, 9, 4)
    things[0, 1, 7, 2] = things[1, 8, 0, 2] = 50.0
    places, nowhere = focus.logits(things, torch.zeros(2, 10))
    assert likeliest(places, nowhere).tolist() == [[HALVES + 3, 7 * HALVES + 5], [8 * HALVES + 3, 5]]


@settings(deadline=None, max_examples=30)
@given(line=st.integers(0, SIZE - 1), column=st.integers(0, SIZE - 1))
def test_what_is_learnt_is_the_place_that_is_drawn(line: int, column: int) -> None:
    """The loss asks for the very place that the likeliest choice gives back."""
    torch.manual_seed(0)
    decoder, focus = Decoder(2, SIZE, 3, 4, 8), Focus(2, SIZE, 3, 4, 8)
    frames = torch.stack([picture(), picture((line, column)), picture()])
    choices = flying(frames[0], frames[1], frames[2], torch.zeros(1, 48, 9, 9))
    wanted = focus._number(choices)
    logits = torch.zeros(1, PLACES + 1)
    logits[0, wanted] = 20.0
    assert likeliest(logits[:, :-1].view(1, 9, 9, -1), logits[:, -1:]).tolist() == choices.tolist()
    surprise, _ = focus.loss(decoder, torch.zeros(1, 2), frames, torch.tensor(1.0))
    places, nowhere = focus.logits(decoder.things_in(torch.zeros(1, 2)), torch.zeros(1, 2))
    belief = torch.cat([places.flatten(1), nowhere], 1).log_softmax(1)
    torch.testing.assert_close(surprise, -belief[:, wanted[0]])


def one_of(places: Sequence[tuple[int, int]], chances: Sequence[float], rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Triples of pictures (3, rows, 48, 9, 9), the ball of the middle one at a place by chance; and which (rows,)."""
    which = torch.multinomial(torch.tensor(chances), rows, replacement=True)
    now = torch.cat([picture(*places[i : i + 1], height=2) for i in which.tolist()])
    return torch.stack([picture().expand_as(now), now, picture().expand_as(now)]), which


def test_it_draws_one_sharp_ball_where_the_mean_is_two_faint_ones() -> None:
    """A state that says no more than that the ball is here, more likely, or there: the decoder learns the mean, the
    focus one of them. Of a state in which there is none, neither draws one."""
    torch.manual_seed(0)
    places = [(8, 6), (25, 19)]
    decoder, focus = Decoder(2, SIZE, 3, 16, 32), Focus(2, SIZE, 3, 16, 32)
    decoder.calibrate(picture().float())
    learners = [*decoder.parameters(), *focus.parameters()]
    optimizer = torch.optim.Adam(learners, 5e-3)
    states = torch.tensor([[1.0, 0.0]] * 12 + [[0.0, 1.0]] * 4)
    empty = picture().expand(4, -1, -1, -1)
    for _ in range(300):
        frames, _ = one_of(places, [0.65, 0.35], 12)
        frames = torch.cat([frames, empty.expand(3, -1, -1, -1, -1)], 1)
        mean = (decoder(states) + 0.5 - frames[1] / 255).square().sum((1, 2, 3)).mean()
        surprise, error = focus.loss(decoder, states, frames, torch.tensor(1.0))
        optimizer.zero_grad()
        (mean + surprise.mean() + error.mean()).backward()
        optimizer.step()
    with torch.no_grad():
        drawn = from_blocks(focus(decoder, states[[0, -1]]) + 0.5, 3)[..., 0] * 255
        meant = from_blocks(decoder(states[[0, -1]]) + 0.5, 3)[..., 0] * 255
    for line, column in places:
        assert 60 < meant[0, line, column].item() < 170
    assert drawn[0, 8, 6].item() == pytest.approx(200, abs=12)
    assert drawn[0, 9, 6].item() == pytest.approx(200, abs=12)
    drawn[0, 8:10, 6] = 20
    assert (drawn - 20).abs().max() < 20


def test_it_reads_states_and_decoder_and_changes_neither() -> None:
    torch.manual_seed(0)
    decoder, focus = Decoder(6, SIZE, 3, 8, 16), Focus(6, SIZE, 3, 8, 16)
    states = torch.randn(4, 6, requires_grad=True)
    frames, _ = one_of([(8, 6)], [1.0], 4)
    loss = sum(part.sum() for part in focus.loss(decoder, states, frames, torch.tensor(1.0)))
    assert isinstance(loss, torch.Tensor)
    gradients = torch.autograd.grad(loss, list(focus.parameters()), retain_graph=True)
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    others = torch.autograd.grad(loss, [states, *decoder.parameters()], allow_unused=True)
    assert others == (None,) * len(others)


def sequences(times: int, rows: int, first: Sequence[tuple[int, int]] = ()) -> Batch:
    """Pictures by chance; `first`: at which times which games begin."""
    random = np.random.default_rng(3)
    blocks = to_blocks(random.integers(0, 256, (times * rows, SIZE, SIZE, 3), np.uint8))
    began = torch.zeros(times, rows, dtype=torch.bool)
    for where in first:
        began[where] = True
    ones = torch.ones(times, rows)
    return Batch(blocks, torch.eye(3)[torch.zeros(times, rows, dtype=torch.int64)], ones, began, ones, ones)


def world(overshoot: int) -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(DreamerConfig(model_size="tiny", variables=3, classes=4, overshoot=overshoot), 3, (SIZE, SIZE, 3))


@pytest.mark.parametrize(("overshoot", "time"), [(0, 1), (0, 3), (2, 2), (2, 3), (2, 4)])
def test_the_world_model_learns_to_draw_from_the_state_at_one_time(overshoot: int, time: int) -> None:
    """Seen at time 2, dreamt at 3 and 4, where there is overshooting from time 2; seen at every time without."""
    model, batch = world(overshoot), sequences(6, 2)
    surely = model.rssm.latents.most_likely
    begin = 2 if overshoot else 0
    without, states, _ = model.loss(batch, surely, begin=begin)
    loss, _, parts = model.loss(batch, surely, begin=begin, focused=time)
    state = states.map(lambda part: part[time])
    if overshoot and time > 2:
        ahead = batch.actions[3 : time + 1]
        features = model.rssm.follow(states.map(lambda part: part[2]), ahead)[-1]
    else:
        features = state.features
    blocks = batch.blocks.unflatten(0, (6, 2))
    weights = 1 + model.config.pixel_weight * (blocks[time] != blocks[time - 1])
    place, sharp = model.focus.loss(model.decoder, features.detach(), blocks[time - 1 : time + 2], weights)
    torch.testing.assert_close(parts["place"], place.mean())
    torch.testing.assert_close(parts["sharp"], sharp.mean())
    torch.testing.assert_close(loss - without, place.mean() + FOCUS_SHARE * sharp.mean(), rtol=1e-3, atol=1e-2)
    others = [part for name, part in model.named_parameters() if not name.startswith("focus.")]
    for one, other in zip(torch.autograd.grad(loss, others), torch.autograd.grad(without, others), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("overshoot", "time"), [(0, 0), (0, 5), (1, 4), (2, 1), (2, 5)])
def test_it_cannot_learn_to_draw_where_nothing_is_beside_or_nothing_is_dreamt(overshoot: int, time: int) -> None:
    with pytest.raises(ValueError, match=f"step {time} of 6"):
        world(overshoot).loss(sequences(6, 2), begin=2 if overshoot else 0, focused=time)


@pytest.mark.parametrize(
    ("overshoot", "first", "counts"),
    [
        (2, (1, 0), True),  # before the dream begins
        (2, (3, 0), False),
        (2, (4, 0), False),
        (2, (5, 0), False),  # what comes after is another game's
        (0, (3, 0), True),
        (0, (4, 0), False),
        (0, (5, 0), False),
    ],
)
def test_where_another_game_begins_there_is_nothing_to_draw(
    overshoot: int, first: tuple[int, int], counts: bool
) -> None:
    model = world(overshoot)
    _, _, parts = model.loss(sequences(6, 1, [first]), model.rssm.latents.most_likely, begin=2, focused=4)
    assert (parts["place"] > 0) == (parts["sharp"] > 0) == counts


def test_numbers_have_no_picture() -> None:
    with pytest.raises(TypeError, match="no picture"):
        WorldModel(PENDULUM, 1, (3,)).draw(torch.zeros(1, 10))
