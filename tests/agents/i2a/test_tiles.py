"""Bricks are found by how they went, and go as a whole and for good: no model leaves half of one, or puts it back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from einops import rearrange
from hypothesis import given
from hypothesis.extra.numpy import arrays

from agents.i2a.cells import CELL, PLANES, from_cells, to_cells
from agents.i2a.drawn import Drawn
from agents.i2a.environment_model import EVEN, EnvironmentModel
from agents.i2a.model_learner import CHUNK, ModelLearner
from agents.i2a.tiles import MOST, OFTEN, Tiles, _joined
from agents.replay.sequences import SequenceReplay
from tests.agents.i2a.test_model_learner import CONFIG

SIZE = 16
"""Pixels of a side."""
GROUND = torch.full((SIZE, 1), 3.0)
LEFT, RIGHT, LOW = ((2, 0), 70), ((2, 4), 70), ((5, 3), 90)
"""Bricks of 3×4 pixels, by their upper left corners, and greys: two touch each other, the third touches both."""
BRICKS = (LEFT, RIGHT, LOW)


def wall(*bricks: tuple[tuple[int, int], int]) -> torch.Tensor:
    frame = torch.full((SIZE, SIZE), 3, dtype=torch.uint8)
    for (line, column), grey in bricks:
        frame[line : line + 3, column : column + 4] = grey
    return frame


def goes(brick: tuple[tuple[int, int], int], times: int = OFTEN) -> list[tuple[torch.Tensor, ...]]:
    """Three frames, so many times, of which the last lacks this brick."""
    return [(wall(*BRICKS), wall(*BRICKS), wall(*(other for other in BRICKS if other != brick)))] * times


def learnt(*steps: tuple[torch.Tensor, ...]) -> Tiles:
    tiles = Tiles((SIZE // 4, SIZE // 4))
    frames = torch.stack([torch.stack(column) for column in zip(*steps, strict=True)])
    tiles.learn(lambda: iter(frames.split(4, 1)), GROUND)
    return tiles


def numbers(tiles: Tiles) -> torch.Tensor:
    return from_cells(tiles.number)


def test_bricks_are_tiles_though_they_touch() -> None:
    tiles = learnt(*goes(LEFT), *goes(RIGHT), *goes(LOW))
    places = {int(numbers(tiles)[line, column]): grey for (line, column), grey in BRICKS}
    assert set(places) == {1, 2, 3}
    for (line, column), grey in BRICKS:
        mine = numbers(tiles) == numbers(tiles)[line, column]
        assert mine.sum() == 12
        assert mine[line : line + 3, column : column + 4].all()
        assert from_cells(tiles.grey)[mine].tolist() == [grey] * 12
    assert (numbers(tiles) > 0).sum() == 36


def test_what_goes_seldom_or_comes_or_passes_is_no_tile() -> None:
    none, ball = wall(), wall(((9, 9), 200))
    assert not numbers(learnt(*goes(LEFT, OFTEN - 1))).any()
    assert not numbers(learnt(*[(none, none, ball)] * 9)).any()  # comes
    assert not numbers(learnt(*[(none, ball, none)] * 9)).any()  # has not stood
    assert not numbers(learnt(*[(ball, ball, wall(((9, 9), 120)))] * 9)).any()  # does not give way to the ground


def test_what_goes_in_pieces_is_as_many_tiles() -> None:
    """A paddle leaves now two columns, now all four; the first two are one, the last two another."""
    paddle, half = wall(((12, 4), 200)), wall(((12, 4), 200))
    half[12:15, 4:6] = 3
    tiles = numbers(learnt(*[(paddle, paddle, half)] * 6, *[(half, half, wall())] * 6))
    assert tiles[12, 4] == tiles[14, 5] != tiles[12, 6] == tiles[14, 7]
    # As often as 0.8 of the times, it is one.
    mostly = numbers(learnt(*[(paddle, paddle, wall())] * 8, *[(paddle, paddle, half)] * 2))
    assert len(mostly[mostly > 0].unique()) == 1
    rarely = numbers(learnt(*[(paddle, paddle, wall())] * 7, *[(paddle, paddle, half)] * 2))
    assert len(rarely[rarely > 0].unique()) == 2


def test_what_comes_back_is_no_tile() -> None:
    come = [(wall(RIGHT, LOW), wall(RIGHT, LOW), wall(*BRICKS))]
    assert numbers(learnt(*goes(LEFT, 5), *come))[LEFT[0]] > 0  # in one of five times
    assert not numbers(learnt(*goes(LEFT, 5), *come * 2)).any()
    # A new wall is a new picture: who clears many has seen each brick come as often as it went.
    walls = [(wall(), wall(), wall(*BRICKS))] * 3
    assert (numbers(learnt(*goes(LEFT), *goes(RIGHT), *goes(LOW), *walls)) > 0).sum() == 36
    # And a screen that goes black takes no part in it, however often.
    black = [(wall(*BRICKS), wall(*BRICKS), wall())] * 9
    assert not numbers(learnt(*black)).any()
    assert len(numbers(learnt(*goes(LEFT), *goes(RIGHT), *goes(LOW), *black)).unique()) == 4


def as_cells(numbers: torch.Tensor) -> torch.Tensor:
    """Of any kind, where `to_cells` takes greys alone."""
    return rearrange(numbers, "... (h i) (w j) -> ... h w (i j)", i=CELL, j=CELL)


def asked(tiles: Tiles, frame: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Which pixels (h, w) change."""
    changed = tiles.changed(to_cells(frame[None]), as_cells(logits[None]), 0.0)
    assert changed.dtype == torch.bool
    return from_cells(changed)[0]


TILES = learnt(*goes(LEFT), *goes(RIGHT), *goes(LOW))


def logits(at: dict[tuple[int, int], float]) -> torch.Tensor:
    """−1 everywhere but at some pixels."""
    given = torch.full((SIZE, SIZE), -1.0)
    for place, logit in at.items():
        given[place] = logit
    return given


def test_a_tile_changes_as_a_whole_by_the_mean_of_its_logits() -> None:
    half = [(line, column) for line in (2, 3, 4) for column in (0, 1)]
    assert not asked(TILES, wall(*BRICKS), logits(dict.fromkeys(half, 0.9))).any()
    changed = asked(TILES, wall(*BRICKS), logits(dict.fromkeys(half, 1.1)))
    assert changed.sum() == 12
    assert changed[2:5, 0:4].all()


def test_a_tile_may_be_asked_to_be_surer_than_a_pixel() -> None:
    """A brick at a logit of 1.5 stays where 1.6 is even, and goes at 1.7; other pixels change above 0."""
    frames = to_cells(wall(*BRICKS)[None])
    for logit, goes_too in ((1.5, False), (1.7, True)):
        given = logits({(line, column): logit for line in (2, 3, 4) for column in range(4)} | {(9, 9): 0.5})
        changed = from_cells(TILES.changed(frames, as_cells(given[None]), 1.6))[0]
        assert changed[9, 9]
        assert changed.sum() == 1 + 12 * goes_too


def test_no_pixel_decides_for_its_tile() -> None:
    assert not asked(TILES, wall(*BRICKS), logits({(2, 0): 1000.0, (2, 1): 2.0})).any()
    against = torch.full((SIZE, SIZE), 2.0)
    against[2, 0] = -1000.0
    assert asked(TILES, wall(*BRICKS), against)[2:5, 0:4].all()


def test_what_does_not_stand_is_drawn_pixel_by_pixel() -> None:
    passing = wall(RIGHT, LOW)
    passing[2:4, 0:3] = 70  # a ball where a brick was: six pixels of twelve
    assert asked(TILES, passing, logits({(3, 1): 0.5})).nonzero().tolist() == [[3, 1]]
    assert asked(TILES, wall(*BRICKS), logits({(9, 9): 0.5})).nonzero().tolist() == [[9, 9]]
    fresh = Tiles((SIZE // 4, SIZE // 4))
    assert asked(fresh, wall(*BRICKS), logits({(3, 1): 0.5})).nonzero().tolist() == [[3, 1]]


def settled(before: torch.Tensor, after: torch.Tensor, tiles: Tiles = TILES) -> torch.Tensor:
    """Where all that differs was drawn."""
    frames = to_cells(before[None]), to_cells(after[None])
    return from_cells(tiles.settled(*frames, frames[0] != frames[1]))[0]


def test_what_has_gone_stays_gone() -> None:
    gone = wall(RIGHT, LOW)
    assert torch.equal(settled(gone, wall(*BRICKS)), gone)
    for before in (wall(*BRICKS), gone):
        assert torch.equal(settled(before, gone), gone)
    assert torch.equal(settled(wall(*BRICKS), wall(*BRICKS)), wall(*BRICKS))
    assert torch.equal(settled(gone, wall(*BRICKS), Tiles((SIZE // 4, SIZE // 4))), wall(*BRICKS))


@pytest.mark.parametrize("grey", [70, 200])
def test_a_ball_in_a_hole_is_to_be_seen_whatever_is_drawn_around_it(grey: int) -> None:
    gone, ball, moved, back = wall(RIGHT, LOW), wall(RIGHT, LOW), wall(RIGHT, LOW), wall(*BRICKS)
    ball[2:4, 0], moved[2:4, 3], back[2:4, 0] = grey, grey, grey
    assert torch.equal(settled(gone, ball), ball)
    assert torch.equal(settled(ball, moved), moved)
    if grey != 70:
        assert torch.equal(settled(gone, back), ball)  # it comes as a brick is put back
        back[2:4, 0] = 70
        back[2:4, 3] = grey
        assert torch.equal(settled(ball, back), moved)  # it goes on, and leaves nothing behind


def test_a_brick_that_was_covered_is_seen_again() -> None:
    covered = wall(*BRICKS)
    covered[2:5, 0:3] = 120
    assert torch.equal(settled(covered, wall(*BRICKS)), wall(*BRICKS))
    corner = wall(*BRICKS)
    corner[2, 0] = 120
    assert torch.equal(settled(corner, wall(*BRICKS)), wall(*BRICKS))
    assert asked(TILES, corner, logits({(2, 0): 5.0})).nonzero().tolist() == [[2, 0]]  # that is no vote for the brick


def test_a_brick_leaves_nothing_of_its_own_grey() -> None:
    frames = to_cells(wall(*BRICKS)[None])
    after = wall(RIGHT, LOW)
    after[2, 0], after[4, 3] = 70, 55  # what was drawn there: the first is the brick's grey, the other a ball
    changed = as_cells((wall(*BRICKS) != wall(RIGHT, LOW))[None])
    kept = from_cells(TILES.settled(frames, to_cells(after[None]), changed))[0]
    after[2, 0] = 3
    assert torch.equal(kept, after)


def test_frames_of_a_batch_never_mix() -> None:
    frames = to_cells(torch.stack([wall(*BRICKS), wall(RIGHT), wall(*BRICKS)]))
    given = as_cells(torch.stack([logits({(2, 0): 20.0}), torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE)]))
    changed = from_cells(TILES.changed(frames, given, 0.0))
    assert changed.sum((1, 2)).tolist() == [0, SIZE * SIZE, SIZE * SIZE]


@given(arrays(bool, (12, 12)))
def test_all_that_is_joined_has_one_label(mask: np.ndarray) -> None:
    torn = torch.from_numpy(mask)
    labels = _joined(torn[:, 1:] & torn[:, :-1], torn[1:] & torn[:-1])
    count, theirs = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    pairs = set(zip(theirs[mask].tolist(), labels[torn].tolist(), strict=True))
    assert len(pairs) == count - 1 == len(labels[torn].unique())
    assert torch.equal(labels[~torn], torch.arange(144).view(12, 12)[~torn])


def test_where_there_are_too_many_the_largest_count() -> None:
    whole = torch.full((64, 64), 3, dtype=torch.uint8)
    for line in range(0, 64, 2):
        whole[line, 0:63:3] = whole[line, 1:63:3] = 50  # 32 · 21 pairs
    whole[63, 0] = 50  # and one is three pixels
    steps = []
    for line in range(0, 64, 2):
        after = whole.clone()
        after[line : line + 2] = 3
        steps += [torch.stack([whole, whole, after])[:, None].expand(-1, OFTEN, -1, -1)]
    tiles = Tiles((16, 16))
    tiles.learn(lambda: steps, torch.full((64, 1), 3.0))
    number = numbers(tiles)
    assert number.max() == MOST
    assert (number == 1).sum() == 3
    assert torch.bincount(number[number > 0])[2:].tolist() == [2] * (MOST - 1)


@pytest.mark.parametrize("kind", ["local", "convolutional"])
def test_a_model_in_doubt_does_not_break_half_a_brick(kind: str) -> None:
    torch.manual_seed(0)
    model = EnvironmentModel(kind, 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    stacks = to_cells(torch.stack([wall(*BRICKS), wall(*BRICKS)])).movedim(0, -2)[None].repeat(40, 1, 1, 1, 1)
    doubtful = EVEN + torch.randn(40, SIZE // 4, SIZE // 4, 16)
    forward = model.forward

    def doubting(*given: object) -> object:
        expected = forward(*given)  # type: ignore
        object.__setattr__(expected, "change", doubtful)
        return expected

    model.forward = doubting  # type: ignore
    model.tiles = TILES
    after, _ = model.step(stacks, torch.zeros(40, dtype=torch.int64), model.begin(stacks))
    frames = from_cells(after[..., -1, :])
    seen = set()
    for (line, column), _grey in BRICKS:
        kept = (frames == wall(*BRICKS))[:, line : line + 3, column : column + 4].flatten(1).sum(1)
        assert set(kept.tolist()) <= {0, 12}
        seen |= set(kept.tolist())
    assert seen == {0, 12}


def test_a_model_does_not_put_a_brick_back() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    gone, back = wall(RIGHT, LOW), wall(*BRICKS)
    model._take_greys(torch.tensor([[3, 50, 60, 70, 90, 200]], dtype=torch.uint8).repeat(SIZE, 1))
    drawn = torch.full((1, SIZE // 4, SIZE // 4, 16, PLANES), -1.0)
    drawn[..., 0] = 2.0 * (as_cells(gone[None]) != as_cells(back[None])) - 1
    drawn[..., 1 + 3] = 5.0
    made = Drawn(torch.zeros(1, model.trunk.features, 1), drawn, (), *torch.zeros(2, 1))
    model.trunk.forward = lambda *_: made  # type: ignore
    stacks = to_cells(torch.stack([gone, gone])).movedim(0, -2)[None]
    after = [from_cells(model.step(stacks, torch.tensor([0]), ())[0][..., -1, :])[0]]
    model.tiles = TILES
    after += [from_cells(model.step(stacks, torch.tensor([0]), ())[0][..., -1, :])[0]]
    assert torch.equal(after[0], back)
    assert torch.equal(after[1], gone)


def test_a_model_is_not_asked_for_a_brick_that_it_has_broken_too_early() -> None:
    """Nor for one that it still sees; of all else it is."""
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    model.tiles = TILES
    real = [wall(*BRICKS)] * 3 + [wall(LEFT, RIGHT)] * 2
    own = iter([wall(RIGHT, LOW), wall(RIGHT, LOW), wall(RIGHT)])
    asked_for = []
    losses, step = model._drawing_losses, model.step

    def stepped(stacks: torch.Tensor, *given: object) -> object:
        after, expected = step(stacks, *given)  # type: ignore
        after[..., -1, :] = to_cells(next(own)[None])
        return after, expected

    def spied(*given: torch.Tensor) -> object:
        asked_for.append(from_cells(given[3])[0])
        return losses(*given)  # type: ignore

    model.step, model._drawing_losses = stepped, spied  # type: ignore
    ones = torch.ones(5, 1)
    model.loss(torch.stack(real)[:, None], ones.long(), 0 * ones, ones > 1, ones, ones)

    def of(*bricks: tuple[tuple[int, int], int]) -> torch.Tensor:
        return wall(*bricks) != 3

    assert torch.equal(asked_for[0], torch.ones(SIZE, SIZE, dtype=torch.bool))
    assert torch.equal(asked_for[1], ~of(LEFT))  # gone too early
    assert torch.equal(asked_for[2], ~of(LEFT, LOW))  # still there


def test_a_model_of_before_has_none() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    before = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("tiles.")}
    model.tiles = TILES
    known = model.state_dict()
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    model.load_state_dict(known)
    assert torch.equal(model.tiles.number, TILES.number)
    assert torch.equal(model.tiles.ground, TILES.ground)
    model.load_state_dict(before)
    assert not model.tiles.number.any()


def test_a_learner_finds_them_in_all_of_its_replay() -> None:
    """In whatever rows they went, also between two chunks; but not where a game began without them."""
    rows = 3 * CHUNK
    frames = np.stack([wall(*BRICKS).numpy()] * rows)[:, None].repeat(2, 1)
    first = np.zeros((rows, 2), bool)

    def gone(game: int, row: int, *left: tuple[tuple[int, int], int]) -> None:
        """For five rows only these bricks stand; then another game begins."""
        frames[row : row + 5, game] = wall(*left).numpy()
        first[row + 5, game] = True

    for row in (10, CHUNK, 2 * CHUNK + 1):
        gone(1, row, LEFT, RIGHT)
    for place, row in enumerate((0, 30, CHUNK + 2, 2 * CHUNK + 20, 2 * CHUNK + 40)):
        gone(0, row, RIGHT, LOW)
        first[row, 0] |= place == 1
        first[row - 1, 0] |= place == 2  # as in the row before, in which another game begins
    replay = SequenceReplay((rows - 6) * 2, 2, (SIZE, SIZE), np.uint8)  # the first six are overwritten
    for row in range(rows):
        replay.add(frames=frames[row], actions=np.zeros(2), rewards=np.zeros(2), first=first[row], ends=0)
    torch.manual_seed(0)
    learner = ModelLearner(CONFIG, EnvironmentModel("local", 8, 2, 2, (SIZE, SIZE)), torch.float32)
    learner.calibrate(replay, np.random.default_rng(0))
    found = numbers(learner.model.tiles)
    assert found[LOW[0]] == found[7, 6] > 0
    assert found[LEFT[0]] == 0
