"""Training: it learns, it goes on where it was, it stops when numbers break."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from corridor import TINY, Corridor, run, saved

from agents.dqn.config import DQNConfig
from agents.dqn.network import build_network
from agents.dqn.train import DQNTrainer, Learnt, Part
from agents.envs.atari import AtariGames
from agents.envs.cartpole import CartPoleGames
from agents.errors import TrainingDiverged, UserError
from agents.layers import NatureEncoder, Workers, channels_last, choose_device, faster_precision, network_input


def breakout_trainer(config: DQNConfig = TINY, seed: int = 0) -> DQNTrainer:
    return DQNTrainer(config, AtariGames("breakout", config.num_games), seed)


def test_it_learns_the_values_of_a_task_that_is_known() -> None:
    config = dataclasses.replace(TINY, learning_rate=3e-3, batch_size=32)
    trainer = DQNTrainer(config, Corridor())
    run(trainer, 1_500)
    with torch.no_grad():
        values = trainer.online(torch.ones(1, 1, 1))[0]
    assert values.tolist() == pytest.approx([0.0, 1.0], abs=0.05)


def test_it_learns_to_balance_a_pole() -> None:
    config = DQNConfig(
        num_games=8, batch_size=64, learning_starts=500, replay_capacity=10_000, target_period=100, n_step=3,
        learning_rate=1e-3, epsilon_steps=4_000, epsilon_end=0.05, replay_ratio=8,
    )  # fmt: skip
    scores = [score for update in DQNTrainer(config, CartPoleGames(8), seed=1).train(12_000) for score in update.scores]
    assert np.mean(scores[:30]) < 40
    assert np.mean(scores[-15:]) > 60


def test_counting_of_steps_updates_and_scores() -> None:
    trainer = breakout_trainer()
    updates = run(trainer, 200)
    played = [update for update in updates if not update.metrics]
    learnt = [update for update in updates if update.metrics]
    assert [update.step for update in played] == list(range(2, 202, 2))
    # From step 40 on each step of two games owes 16 samples: two updates of 8.
    assert [update.updates for update in learnt] == list(range(1, 2 * (200 - 40 + 2) // 2 + 1))
    assert [update.step for update in learnt[:4]] == [40, 40, 42, 42]
    assert set(learnt[-1].metrics) == {"loss", "q", "gradient", "epsilon"}


def test_epsilon_falls_from_where_learning_starts() -> None:
    trainer = breakout_trainer()
    seen = []
    for step in (0, 40, 90, 140, 10_000):
        trainer.step = step
        seen.append(trainer.epsilon)
    assert seen == pytest.approx([1.0, 1.0, 0.505, 0.01, 0.01])


def test_the_target_network_is_copied_every_period_and_only_then() -> None:
    trainer = breakout_trainer()
    run(trainer, 40)
    while trainer.updates % 3:
        trainer.learn()
    trainer.learn()
    same = [torch.equal(a, b) for a, b in zip(trainer.online.parameters(), trainer.target.parameters(), strict=True)]
    assert not all(same)
    trainer.learn()
    trainer.learn()
    for ours, theirs in zip(trainer.online.parameters(), trainer.target.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_every_weight_goes_against_its_own_gradient() -> None:
    """Adam's first step is the learning rate against the sign of the gradient, however tensors lie in memory."""
    trainer = breakout_trainer()
    updates = trainer.train(1_000)
    while not trainer.updates:
        before = [parameter.detach().clone() for parameter in trainer.online.parameters()]
        next(updates)
    for parameter, old in zip(trainer.online.parameters(), before, strict=True):
        assert parameter.grad is not None
        large = parameter.grad.abs() > 1e-6
        torch.testing.assert_close((parameter - old).sign()[large], -parameter.grad.sign()[large])


def test_a_resumed_training_goes_on_exactly(tmp_path: Path) -> None:
    trainer = breakout_trainer()
    run(trainer, 120)
    parts = saved(trainer, tmp_path)
    ends = []
    for seed in (0, 5):  # the seed of the fresh trainer must not matter
        resumed = breakout_trainer(seed=seed)
        resumed.restore(*parts)
        assert (resumed.step, resumed.updates, resumed.epsilon) == (trainer.step, trainer.updates, trainer.epsilon)
        assert len(resumed.replay) == len(trainer.replay)
        run(resumed, 160)
        ends.append(resumed)
    run(trainer, 160)  # and so does the one that was never saved, when its games begin anew too
    for name, tensor in trainer.weights().items():
        assert torch.equal(tensor, ends[0].weights()[name])
        assert torch.equal(tensor, ends[1].weights()[name])
    assert trainer.training_counters() == ends[0].training_counters() == ends[1].training_counters()
    np.testing.assert_array_equal(trainer.replay.frames, ends[0].replay.frames)


@pytest.mark.parametrize("early", [{"learning_starts": 0}, {"learning_starts": 0, "n_step": 20}])
def test_learning_waits_until_there_is_something_to_sample(early: dict) -> None:
    trainer = DQNTrainer(dataclasses.replace(TINY, **early), Corridor())
    assert run(trainer, 80)[-1].updates > 0


def test_the_same_seed_gives_the_same_training() -> None:
    first, second, other = breakout_trainer(seed=3), breakout_trainer(seed=3), breakout_trainer(seed=4)
    second.precision = other.precision = first.precision
    for trainer in (first, second, other):
        run(trainer, 90)
    assert torch.equal(first.online.head.weight, second.online.head.weight)
    assert not torch.equal(first.online.head.weight, other.online.head.weight)


def test_a_loss_that_is_not_finite_stops_training_before_the_weights_change() -> None:
    trainer = breakout_trainer()
    run(trainer, 60)
    trainer.replay.rewards[:] = np.nan
    before = trainer.online.head.weight.clone()
    with pytest.raises(TrainingDiverged, match="not a finite number"):
        trainer.learn()
    assert torch.equal(trainer.online.head.weight, before)


@pytest.mark.parametrize(("huber", "loss"), [(True, 2.5), (False, 4.5)])
def test_an_error_of_three_by_hand(huber: bool, loss: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Huber: 3 − ½; squared: ½ · 3²."""
    trainer = DQNTrainer(dataclasses.replace(TINY, huber=huber, prioritised=False), Corridor())
    run(trainer, 60)

    def three_more(part: Part) -> torch.Tensor:
        values = trainer.online(trainer._input(part.transitions.observations))
        return values.gather(-1, torch.from_numpy(part.transitions.actions)[:, None])[:, 0].detach() + 3

    monkeypatch.setattr(trainer, "_targets", three_more)
    assert trainer.learn()["loss"] == pytest.approx(loss, rel=1e-5)


def test_in_bfloat16_nearly_all_greedy_actions_are_those_of_float32() -> None:
    torch.manual_seed(0)
    network = channels_last(build_network(4, 4, (84, 84)))
    frames = np.random.default_rng(0).integers(0, 256, (64, 4, 84, 84), np.uint8)
    with torch.no_grad():
        exact = network(network_input(frames, torch.device("cpu")))
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(network_input(frames, torch.device("cpu"), torch.bfloat16))
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.02 * exact.abs().max() + 0.01


def test_the_first_convolution_over_blocks_is_nature_s_over_pixels() -> None:
    torch.manual_seed(0)
    encoder = NatureEncoder()
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 84, 84), np.uint8)
    with torch.no_grad():
        x = torch.relu(encoder.conv1(torch.from_numpy(frames).float() / 255))
        x = torch.relu(encoder.conv3(torch.relu(encoder.conv2(x))))
        expected = torch.relu(encoder.dense(x.permute(0, 2, 3, 1).flatten(1)))
        got = encoder(network_input(frames, torch.device("cpu")))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_batch_in_parts_is_that_of_the_whole() -> None:
    trainer = breakout_trainer()
    trainer.precision = torch.float32
    run(trainer, 60)
    draw = dataclasses.replace(trainer.sampler.draw(8, trainer.random), probabilities=np.arange(1.0, 9.0))

    def learnt() -> list[Learnt]:
        return [trainer._gradient((part, trainer._targets(part))) for part in trainer._split(*trainer._batch(draw))]

    (whole,) = learnt()
    trainer._workers = Workers(3)
    parts = learnt()
    assert len(parts) == 3
    assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-4)
    np.testing.assert_allclose(np.concatenate([part.errors for part in parts]), whole.errors, rtol=1e-3, atol=1e-5)
    for k, gradient in enumerate(whole.gradient):
        torch.testing.assert_close(sum(part.gradient[k] for part in parts), gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_two_workers_learn_what_one_learns(precision: torch.dtype) -> None:
    trainers = []
    for workers in (1, 2):
        trainer = DQNTrainer(dataclasses.replace(TINY, batch_size=16), AtariGames("breakout", 2))
        trainer.precision, trainer._workers = precision, Workers(workers)
        run(trainer, 80)
        trainers.append(trainer)
    assert trainers[0].updates == trainers[1].updates > 10
    for one, two in zip(*(trainer.online.parameters() for trainer in trainers), strict=True):
        torch.testing.assert_close(one, two, rtol=0.05, atol=2e-3 if precision is torch.float32 else 6e-3)


def test_precision_is_chosen_by_measurement() -> None:
    cpu = torch.device("cpu")
    for slow in (torch.float32, torch.bfloat16):
        work = lambda dtype, slow=slow: sum(range(100_000 if dtype is slow else 1))  # noqa: E731
        assert faster_precision(cpu, work) is not slow


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match="no device 'gpu'"):
        choose_device("gpu")


@pytest.mark.parametrize(
    "wrong",
    [
        {"discount": 1.5},
        {"num_games": 0},
        {"epsilon_end": -0.1},
        {"learning_rate": float("nan")},
        {"replay_capacity": 1},
        {"batch_norm": True, "layer_norm": True},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        dataclasses.replace(TINY, **wrong)
