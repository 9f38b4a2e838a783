"""The environment model: every kind learns a small game; what stands still stays; what is masked teaches nothing."""

import math

import numpy as np
import pytest
import torch
from sliding_dot import GREY, SIZE, play, trained

from agents.i2a.cells import LEVELS, PLANES, from_cells, stack_to_cells, to_cells
from agents.i2a.drawn import Drawn
from agents.i2a.environment_model import LARGEST, EnvironmentModel, Expectation, shown
from agents.i2a.movers import NOWHERE

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
    assert expected.levels.shape == (5, 6, 4, 16, LEVELS)
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
    drawn = torch.full((1, SIZE // 4, SIZE // 4, 16, PLANES), -1.0)
    drawn[:, 1, 2, 7, 0], drawn[:, 1, 2, 7, 3] = 1.0, 2.0  # one pixel changes, and takes level 2
    made = Drawn(torch.zeros(1, model.trunk.features, 1), drawn, (), *torch.zeros(2, 1))
    model.trunk.forward = lambda *_: made  # type: ignore
    stacks, _ = model.step(torch.full((1, SIZE // 4, SIZE // 4, 2, 16), 77, dtype=torch.uint8), torch.tensor([0]), ())
    assert stacks[0, 1, 2, -1].tolist() == [77] * 7 + [3] + [77] * 8
    assert (stacks[..., -1, :] != 77).sum() == 1


def test_the_loss_of_a_drawing_by_hand() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(8, 8))
    levels = torch.zeros(2, 2, 2, 16, LEVELS)
    change = torch.full((2, 2, 2, 16), -100.0)
    last, target = torch.zeros(2, 2, 2, 16, dtype=torch.uint8), torch.zeros(2, 2, 2, 16, dtype=torch.uint8)
    target[0, 1, 0, 9] = 102  # the third of 0, 51, 102, 153, 204, 255
    change[0, 1, 0, 9], levels[0, 1, 0, 9, 2] = 1.0, 2.0
    change[1, 0, 0, 3] = 0.5  # should have stayed, at the first level
    expected = Expectation(change, levels, *torch.zeros(3, 2), (), *torch.zeros(2, 2))
    asked = torch.ones_like(last, dtype=torch.bool)
    losses = model._drawing_losses(expected, last, target, asked)
    stays = [5 * math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(0.5))]
    is_level = [5 * (math.log(5 + math.exp(2)) - 2), 5 * 0.1 * math.log(6)]
    torch.testing.assert_close(losses["change"] * 32, torch.tensor(stays))
    torch.testing.assert_close(losses["level"] * 32, torch.tensor(is_level))
    asked[0, 1, 0, 9] = asked[1, 0, 0, 3] = False
    for loss in model._drawing_losses(expected, last, target, asked).values():
        assert loss.tolist() == pytest.approx([0, 0])


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
    outcome = parts["reward"] + parts["alive"] + parts["playing"]
    assert (loss - outcome).item() < 2 * LARGEST < (parts["change"] + parts["level"]).item()


def test_windows_count_by_their_weights() -> None:
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    batch = play(np.random.default_rng(3), 3, 3)
    alone = [model.loss(*(column[:, [row]] for column in batch)) for row in range(3)]
    for weights in ([1.0, 0.0, 0.0], [1.0, 3.0, 0.0], [2.0, 2.0, 2.0], [0.0, 0.1, 0.3]):
        loss, parts, wrong = model.loss(*batch, weights=torch.tensor(weights))
        mean = np.dot(weights, [one[0].item() for one in alone]) / 3
        assert loss.item() == pytest.approx(mean, rel=1e-4)
        for name, part in parts.items():
            mean = np.dot(weights, [one[1][name].item() for one in alone]) / 3
            assert part.item() == pytest.approx(mean, rel=1e-4, abs=1e-6)
        torch.testing.assert_close(wrong, torch.cat([one[2] for one in alone]))  # as it is
    assert model.loss(*batch, weights=torch.zeros(3))[0] == 0


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_features_do_not_learn_when_games_end(kind: str) -> None:
    """Only the last layer learns it, from what lives and rewards have taught them."""
    torch.manual_seed(0)
    model = EnvironmentModel(kind, 8, num_actions=3, stack=2, frame_shape=(16, 16))
    stacks = torch.randint(0, 256, (4, 4, 4, 2, 16), dtype=torch.uint8)
    actions = torch.tensor([0, 1, 2, 0])

    def learnt(name: str) -> set[str]:
        model.zero_grad()
        getattr(model(stacks, actions, model.begin(stacks)), name).sum().backward()
        return {part for part, weights in model.named_parameters() if weights.grad is not None and weights.grad.any()}

    assert learnt("playing") == {"heads.weight", "heads.bias"}
    for name in ("rewards", "alive"):
        assert learnt(name) > {"heads.weight", "heads.bias", "pooled.weight"}


def stubbed(moves: list[float], change: float = -100.0) -> EnvironmentModel:
    """A model that draws nothing, however things moved in each step."""
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(8, 8))
    made, steps = torch.full((2, 2, 2, 16, PLANES), change), iter(moves)

    def forward(stacks: torch.Tensor, actions: torch.Tensor, memory: tuple[()], wanted: torch.Tensor) -> Drawn:
        model.handed.append(wanted)
        return Drawn(torch.zeros(2, model.trunk.features, 1), made, (), torch.full((2,), next(steps)), torch.zeros(2))

    model.handed = []
    model.trunk.forward = forward  # type: ignore
    return model


def still(steps: int) -> tuple[torch.Tensor, ...]:
    """Games of two rows in which nothing is to be seen or earned."""
    frames = torch.zeros(2 + steps, 2, 8, 8, dtype=torch.uint8)
    frames[:, 0] += torch.arange(2 + steps, dtype=torch.uint8)[:, None, None]  # each another, but too alike to count
    nothing, surely = torch.zeros(2 + steps, 2), torch.ones(2 + steps, 2)
    return frames, nothing.long(), nothing, nothing.bool(), surely, surely


def test_where_things_went_is_told_and_counts_for_no_more_than_a_lost_ball() -> None:
    quiet, surprised = stubbed([0.0, 0.0]), stubbed([3.0, 20.0])
    batch = still(2)
    (without, _, calm), (loss, parts, wrong) = quiet.loss(*batch), surprised.loss(*batch)
    assert (loss - without).item() == pytest.approx((3 + LARGEST) / 2)  # and who was surprised goes on
    assert parts["moves"].item() == pytest.approx((3 + 20) / 2)
    assert (wrong - calm).tolist() == pytest.approx([3 + LARGEST - calm[0].item() / 2] * 2, abs=0.1)
    for t, wanted in enumerate(surprised.handed):  # the real frames before and after each step
        assert wanted[0, 0, 0, :, 0].tolist() == [t + 1, t + 2]


def test_a_trained_model_chooses_where_the_dot_goes() -> None:
    model = trained("local", 32, updates=320)
    frames, actions, *_ = play(np.random.default_rng(9), 3, 64)
    movers, stacks = model.trunk.movers, shown(to_cells(frames[:2]), torch.zeros(2, 64, dtype=torch.bool))
    with torch.no_grad():
        moved = movers(stacks, actions[2])
        told = movers(stacks, actions[2], torch.stack([to_cells(frames[1]), to_cells(frames[2])], -2))
    assert told.arrives.float().mean() > 0.5
    right = (moved.reaches == told.reaches).all(-1) & moved.arrives
    assert right[told.arrives].float().mean() > 0.9
    assert (told.moves < 1).float().mean() > 0.8
    assert (moved.moves <= told.moves + 1e-5).float().mean() > 0.9  # nothing is likelier than where it is drawn
    assert moved.doubt.mean() < 0.2 * math.log(NOWHERE + 1)  # that of one who knows nothing


def test_all_of_it_is_learnt_in_half_precision_too() -> None:
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(SIZE, SIZE))
    batch = play(np.random.default_rng(0), 4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        loss, parts, _ = model.loss(*batch)
    assert all(part.isfinite() for part in parts.values())
    loss.backward()
    for name in ("expect", "chosen", "settle", "look", "draw"):
        part = getattr(model.trunk.movers, name)
        gradient = (part if isinstance(part, torch.nn.Parameter) else part.weight).grad
        assert gradient.dtype == torch.float32
        assert gradient.abs().max() > 0, name


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_games_in_which_nothing_moves_can_be_learnt(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    model = EnvironmentModel("local", 8, num_actions=2, stack=2, frame_shape=(16, 16))
    actions, rewards, first, alive, playing = still(2)[1:]
    quiet = torch.zeros(4, 2, 16, 16, dtype=torch.uint8)
    appears = quiet.clone()
    appears[2:, :, 5, 5] = 200  # out of nothing
    for seen in (quiet, appears):
        with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
            loss, parts, _ = model.loss(seen, actions, rewards, first, alive, playing)
        assert loss.isfinite()
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
        assert parts["moves"] == 0  # nobody has seen anything that could have gone anywhere
