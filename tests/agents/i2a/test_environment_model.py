"""The environment model: every kind learns a small game; what stands still stays; what is masked teaches nothing."""

import math

import numpy as np
import pytest
import torch
from sliding_dot import GREY, SIZE, play, trained

from agents.i2a.cells import LEVELS, PLANES, from_cells, stack_to_cells, to_cells
from agents.i2a.environment_model import LARGEST, EnvironmentModel, Expectation, shown

KINDS = ("local", "convolutional", "convlstm")


@pytest.mark.parametrize(
    ("kind", "width", "updates"), [("local", 32, 320), ("convolutional", 16, 320), ("convlstm", 16, 480)]
)
def test_every_kind_foretells_a_small_game(kind: str, width: int, updates: int) -> None:
    model = trained(kind, width, updates=updates)
    frames, actions, rewards, *_ = play(np.random.default_rng(9), 2 + 5, 64)
    wrong, earned = [], []
    with torch.no_grad():
        stacks = shown(to_cells(frames[:2]), torch.zeros(2, 64, dtype=torch.bool))
        memory = model.begin(stacks)
        for t in range(2, 7):
            stacks, expected = model.step(stacks, actions[t], memory)
            memory = expected.memory
            imagined, copied, real = (f.float() for f in (from_cells(stacks[..., -1, :]), frames[1], frames[t]))
            wrong.append(((imagined - real).abs().sum() / (copied - real).abs().sum()).item())
            earned.append(((expected.rewards > 0.5) == (rewards[t] > 0.5)).float().mean().item())
    assert wrong[0] < 0.25  # of the error of who takes the last frame for the next one
    assert wrong[4] < 0.5
    assert earned[0] > 0.93


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_have_the_promised_shapes(kind: str) -> None:
    model = EnvironmentModel(kind, 8, num_actions=3, stack=4, frame_shape=(24, 16))
    stacks = torch.randint(0, 256, (5, 6, 4, 4, 16), dtype=torch.uint8)
    after, expected = model.step(stacks, torch.tensor([0, 1, 2, 0, 1]), model.begin(stacks))
    assert after.shape == stacks.shape
    assert after.dtype == torch.uint8
    assert torch.equal(after[..., :-1, :], stacks[..., 1:, :])
    assert expected.change.shape == (5, 6, 4, 16)
    assert expected.levels.shape == (5, 6, 4, LEVELS, 16)
    for part in (expected.rewards, expected.alive, expected.playing):
        assert part.shape == (5,)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_batch_never_mix(kind: str) -> None:
    torch.manual_seed(0)
    model = EnvironmentModel(kind, 8, num_actions=3, stack=4, frame_shape=(16, 16))
    stacks = torch.randint(0, 256, (4, 4, 4, 4, 16), dtype=torch.uint8)
    other = stacks.clone()
    other[2] = 255 - other[2]
    actions = torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        one, two = (model(s, actions, model.begin(s)) for s in (stacks, other))
        moved = model(stacks, torch.tensor([0, 1, 1, 0]), model.begin(stacks))
    rows = [0, 1, 3]
    for changed in (two, moved):
        torch.testing.assert_close(one.change[rows], changed.change[rows])
        torch.testing.assert_close(one.rewards[rows], changed.rewards[rows])
        assert not torch.allclose(one.change[2], changed.change[2])


def test_where_nothing_is_expected_to_change_the_frame_stays_as_it_is() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    torch.nn.init.constant_(model.trunk.draw.bias, -100.0)
    stacks = stack_to_cells(torch.randint(0, 256, (3, 2, SIZE, SIZE), dtype=torch.uint8))
    last = stacks[..., -1, :]
    for _ in range(20):
        stacks, _ = model.step(stacks, torch.zeros(3, dtype=torch.int64), ())
    assert torch.equal(stacks[..., -1, :], last)


def test_new_greys_are_those_that_pixels_of_a_line_take() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    frames = torch.zeros(3, 40, SIZE, SIZE, dtype=torch.uint8)
    frames[:, :, 3], frames[:, :, 8:] = 200, 55  # stand still
    for at, grey in enumerate((10, 30, 70, 90, 110, 130, 150)):
        frames[2, : 10 + at, 5, at] = grey  # the first is the rarest, and there are only six
        frames[2, :, 6, at] = GREY
    model.calibrate(frames)
    greys = from_cells(model.greys.movedim(-1, 0).expand(-1, -1, SIZE // 4, -1))[:, :, 0].T.tolist()  # of each line
    assert greys[5] == [30, 70, 90, 110, 130, 150]
    assert greys[6] == [GREY] * LEVELS
    assert greys[3] == [200] * LEVELS  # where nothing changes, what is there
    level_of = from_cells(model.level_of.movedim(-1, 0).expand(-1, -1, SIZE // 4, -1))[:, 5, 0].tolist()
    assert [level_of[grey] for grey in (0, 30, 49, 51, 110, 255)] == [0, 0, 0, 1, 3, 5]
    model.greys.zero_()
    model.greys[1] += torch.arange(LEVELS, dtype=torch.uint8) + 1
    drawn = torch.full((1, SIZE // 4, SIZE // 4, PLANES, 16), -1.0)
    drawn[:, 1, 2, 0, 7], drawn[:, 1, 2, 3, 7] = 1.0, 2.0  # one pixel changes, and takes level 2
    model.trunk.forward = lambda *_: (torch.zeros(1, model.trunk.features, 1), drawn, ())  # type: ignore
    stacks, _ = model.step(torch.full((1, SIZE // 4, SIZE // 4, 2, 16), 77, dtype=torch.uint8), torch.tensor([0]), ())
    assert stacks[0, 1, 2, -1].tolist() == [77] * 7 + [3] + [77] * 8
    assert (stacks[..., -1, :] != 77).sum() == 1


def test_the_loss_of_a_drawing_by_hand() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(8, 8))
    levels = torch.zeros(2, 2, 2, LEVELS, 16)
    change = torch.full((2, 2, 2, 16), -100.0)
    last, target = torch.zeros(2, 2, 2, 16, dtype=torch.uint8), torch.zeros(2, 2, 2, 16, dtype=torch.uint8)
    target[0, 1, 0, 9] = 102  # the third of 0, 51, 102, 153, 204, 255
    change[0, 1, 0, 9], levels[0, 1, 0, 2, 9] = 1.0, 2.0
    change[1, 0, 0, 3] = 0.5  # should have stayed, at the first level
    expected = Expectation(change, levels, *torch.zeros(3, 2), ())
    losses = model._drawing_losses(expected, last, target)
    stays = [5 * math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(0.5))]
    is_level = [5 * (math.log(5 + math.exp(2)) - 2), 5 * 0.1 * math.log(6)]
    torch.testing.assert_close(losses["change"] * 32, torch.tensor(stays))
    torch.testing.assert_close(losses["level"] * 32, torch.tensor(is_level))


def test_a_stack_is_black_before_its_game_began() -> None:
    frames = torch.arange(1, 5, dtype=torch.uint8)[:, None, None, None, None].expand(4, 2, 1, 1, 16)
    first = torch.tensor([[True, False], [False, False], [False, True], [False, False]])
    assert shown(frames, first)[0, 0, 0, :, 0].tolist() == [1, 2, 3, 4]
    assert shown(frames, first)[1, 0, 0, :, 0].tolist() == [0, 0, 3, 4]


def test_what_follows_a_new_game_teaches_nothing() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    batch = play(np.random.default_rng(0), 5, 4)
    batch[3][3] = True  # a game begins with row 3
    expected, parts, wrong = model.loss(*batch)
    assert expected.item() <= sum(parts.values()).item()
    assert wrong.max() <= LARGEST  # one step of each window is known
    batch[0][3:], batch[2][3:] = 200, 50.0
    changed, _, _ = model.loss(*batch)
    assert expected.item() == pytest.approx(changed.item())
    batch[3][3] = False
    assert model.loss(*batch)[0].item() > 1.2 * expected.item()


def test_a_picture_that_is_new_altogether_counts_for_no_more_than_a_lost_ball() -> None:
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    batch = play(np.random.default_rng(0), 4, 6)
    batch[0][2:, 0] = torch.randint(0, 255, (2, SIZE, SIZE), dtype=torch.uint8)
    loss, parts, wrong = model.loss(*batch)
    assert wrong[0].item() == pytest.approx(LARGEST)  # and nothing follows
    assert wrong.max().item() <= 2 * LARGEST + 1e-4
    assert loss.item() < LARGEST + 1 < sum(parts.values()).item()


def test_a_large_reward_is_learnt_from_as_it_is() -> None:
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    batch = play(np.random.default_rng(0), 3, 6)
    batch[2][:] = 200.0
    loss, parts, wrong = model.loss(*batch)
    assert parts["reward"].item() > 190
    assert loss.item() > 190
    assert wrong.tolist() == [LARGEST] * 6


def test_what_is_expected_of_a_quiet_game_does_not_hang_on_a_busy_one() -> None:
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=3, stack=2, frame_shape=(64, 64))
    frames = torch.zeros(2, 2, 64, 64, dtype=torch.uint8)
    frames[0, 1, 30, 30] = 99
    frames[1, 1, ::5, ::5] = 99
    stacks, actions = stack_to_cells(frames), torch.tensor([1, 2])
    with torch.no_grad():
        together, alone = model(stacks, actions, ()), model(stacks[:1], actions[:1], ())
    for name in ("rewards", "alive", "playing"):
        torch.testing.assert_close(getattr(together, name)[:1], getattr(alone, name))
