"""Training: it learns, it goes on where it was, it stops when numbers break."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tape import TwoArms

from agents.a2c.config import A2CConfig
from agents.a2c.network import build_network
from agents.a2c.train import A2CTrainer
from agents.envs.atari import AtariGames
from agents.errors import TrainingDiverged, UserError
from agents.layers import HalvedTwin, network_input

TINY = A2CConfig(num_games=2, n_step=3)


def breakout_trainer(seed: int = 0, config: A2CConfig = TINY) -> A2CTrainer:
    trainer = A2CTrainer(config, AtariGames("breakout", config.num_games), seed)
    trainer.learner.precision = torch.float32
    return trainer


def run(trainer: A2CTrainer, steps: int) -> list:
    return list(trainer.train(steps))


def test_it_learns_which_action_earns() -> None:
    config = A2CConfig(num_games=8, n_step=2, learning_rate=0.01, entropy_scale=0.0, steps=10**9)
    trainer = A2CTrainer(config, TwoArms())
    run(trainer, 8_000)
    with torch.no_grad():
        logits, values = trainer.network(torch.ones(1, 1, 1))
    assert logits.softmax(-1)[0, 1] > 0.95
    assert values.item() == pytest.approx(1.0, abs=0.1)


def test_counting_of_steps_and_updates() -> None:
    updates = run(breakout_trainer(), 18)
    assert [update.step for update in updates if not update.metrics] == list(range(2, 20, 2))
    learnt = [(update.step, update.updates) for update in updates if update.metrics]
    assert learnt == [(6, 1), (12, 2), (18, 3)]


def test_a_resumed_training_goes_on_exactly() -> None:
    trainer = breakout_trainer()
    run(trainer, 30)
    weights = {name: tensor.clone() for name, tensor in trainer.weights().items()}
    tensors = {name: tensor.clone() for name, tensor in trainer.training_tensors().items()}
    counters = trainer.training_counters()
    resumed = breakout_trainer(seed=5)  # the seed of the fresh trainer must not matter
    resumed.restore(weights, tensors, counters, Path(), trainer.save_replay(Path()))
    assert (resumed.step, resumed.updates) == (30, 5)
    run(resumed, 60)
    run(trainer, 60)  # and so does the one that was never saved, when its games begin anew too
    for name, tensor in trainer.weights().items():
        assert torch.equal(tensor, resumed.weights()[name])
    assert trainer.training_counters() == resumed.training_counters()


def test_the_same_seed_gives_the_same_training() -> None:
    first, second, other = breakout_trainer(3), breakout_trainer(3), breakout_trainer(4)
    for trainer in (first, second, other):
        run(trainer, 24)
    assert torch.equal(first.network.heads.policy.weight, second.network.heads.policy.weight)
    assert not torch.equal(first.network.heads.policy.weight, other.network.heads.policy.weight)


def test_to_choose_with_halved_weights_changes_nothing_of_a_training_in_bfloat16(monkeypatch) -> None:
    halved, plain = breakout_trainer(), breakout_trainer()
    for trainer in (halved, plain):
        trainer.learner.precision = torch.bfloat16
    run(halved, 30)

    def no_twin(self, learner, *but):
        self.network, self._pairs = learner, []

    monkeypatch.setattr(HalvedTwin, "__init__", no_twin)
    run(plain, 30)
    assert halved.updates == plain.updates == 5
    for name, tensor in halved.weights().items():
        assert torch.equal(tensor, plain.weights()[name])


def test_a_loss_that_is_not_finite_stops_training_before_the_weights_change() -> None:
    trainer = breakout_trainer()
    with torch.no_grad():
        trainer.network.heads.value.bias.fill_(float("nan"))
    before = trainer.network.heads.policy.weight.clone()
    with pytest.raises(TrainingDiverged, match="step 6"):
        run(trainer, 12)
    assert torch.equal(trainer.network.heads.policy.weight, before)


def test_it_stops_when_the_game_is_solved() -> None:
    config = A2CConfig(num_games=8, n_step=2, solved_at=0.2)
    trainer = A2CTrainer(config, TwoArms())
    run(trainer, 100_000)
    assert trainer.step < 1_000


@pytest.mark.parametrize(("encoder", "size"), [("small", 84), ("small", 80), ("nature", 84), ("nature", 80)])
def test_every_encoder_reads_every_size(encoder: str, size: int) -> None:
    network = build_network(4, 4, (size, size), A2CConfig(encoder=encoder))
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, size, size), np.uint8)
    logits, values = network(network_input(frames, torch.device("cpu")))
    assert logits.shape == (3, 4)
    assert values.shape == (3,)
    assert logits.abs().max() < 0.1  # at first it has no opinion


@pytest.mark.parametrize("wrong", [{"n_step": 0}, {"discount": 1.5}, {"encoder": "large"}, {"learning_rate": -1.0}])
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        dataclasses.replace(TINY, **wrong)
