"""Q-learning without a replay: its returns by hand, what it learns, and that it goes on where it was."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tape import Tape, TwoArms
from torch import nn

from agents.envs.atari import AtariGames
from agents.envs.settings import AtariSettings
from agents.errors import TrainingDiverged, UserError
from agents.pqn.config import PQNConfig
from agents.pqn.train import Played, PQNTrainer

SMALL = PQNConfig(num_games=1, n_step=3, batches=1, epochs=1, discount=0.5, lambda_=0.5, epsilon_start=0, epsilon_end=0)


class Counting(nn.Module):
    """Q(x, 0) = x / 10, and Q(x, 1) a tenth less."""

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        best = observations.flatten(1)[:, 0] / 10
        return torch.stack([best, best - 0.1], 1)


def played(trainer: PQNTrainer) -> Played:
    """What the first round learns from."""
    found: list[Played] = []
    trainer.learn = lambda played: iter(found.append(played) or ())  # type: ignore[method-assign]
    for _ in trainer.train(trainer.config.n_step * trainer.config.num_games):
        pass
    return found[0]


@pytest.mark.parametrize(
    ("events", "returns"),
    [
        # max Q(x_t) = t / 10, γ = ½, λ = ½: G_t = r + ½ (½ max Q(x_{t+1}) + ½ G_{t+1}); the last one bootstraps.
        ([(1, ""), (0, ""), (4, "")], [1 + 0.25 * (0.1 + 0.25 * (0.2 + 1.15)), 0.25 * (0.2 + 1.15), 1 + 0.5 * 0.3]),
        # Nothing is known of what comes after a lost life or the end of a game.
        ([(1, ""), (-3, "life"), (0, "")], [1 + 0.25 * (0.1 - 1), -1.0, 0.15]),
        # A step that only begins a new game is left out.
        ([(0, ""), (1, "over"), (0, "began")], [0.25 * (0.1 + 1), 1.0]),
        # A game that was cut off might have gone on: its last observation's value stands for the rest.
        ([(0, ""), (1, "cut"), (0, "began")], [0.25 * (0.1 + 1.1), 1 + 0.5 * 0.2]),
    ],
)
def test_returns_by_hand(events: list, returns: list[float]) -> None:
    trainer = PQNTrainer(SMALL, Tape(events, forced=(0,)))
    trainer.network = Counting()
    experience = played(trainer)
    assert experience.returns.tolist() == pytest.approx(returns)
    assert experience.actions.tolist() == [1, *[0] * (len(returns) - 1)]  # the first as the game took it
    assert experience.seen[:, 0, 0].tolist() == list(range(len(returns)))


def test_the_loss_by_hand() -> None:
    trainer = PQNTrainer(dataclasses.replace(SMALL, gradient_clip=1e9), Tape([(0, "")]))
    trainer.network, head = nn.Sequential(nn.Flatten(), nn.Linear(1, 2)), nn.Linear(1, 2)
    trainer.network[1] = head
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0], [2.0]]))
        head.bias.zero_()
    trainer._parameters = list(head.parameters())
    trainer.optimizer = torch.optim.RAdam(head.named_parameters(), 0.0)
    seen = torch.tensor([1.0, 3.0]).view(2, 1, 1)
    (metrics,) = trainer.learn(Played(seen, torch.tensor([0, 1]), torch.tensor([0.0, 5.0])))
    # Q = 1 and 6, returns 0 and 5: both are 1 too large. Half of ½ (1 + 1), and half of (Q − G) x.
    assert metrics["loss"] == pytest.approx(0.5)
    assert head.weight.grad.flatten().tolist() == pytest.approx([0.5, 1.5])


def test_it_learns_what_is_worth_doing() -> None:
    config = PQNConfig(num_games=8, n_step=4, batches=2, learning_rate=3e-3, epsilon_steps=2_000, epsilon_end=0.1)
    trainer = PQNTrainer(config, TwoArms())
    updates = list(trainer.train(6_000))
    values = trainer._values(torch.ones(1, 1, 1))[0]
    assert values.tolist() == pytest.approx([0.0, 1.0], abs=0.1)
    assert updates[-1].updates == trainer.updates == (6_016 // 32) * config.epochs * config.batches
    assert np.mean([score for update in updates for score in update.scores][-200:]) > 0.9


def test_chance_falls_from_start_to_end() -> None:
    trainer = PQNTrainer(PQNConfig(num_games=8, epsilon_start=0.8, epsilon_end=0.2, epsilon_steps=100), TwoArms())
    seen = []
    for step in (0, 50, 100, 900):
        trainer.step = step
        seen.append(trainer.epsilon)
    assert seen == pytest.approx([0.8, 0.5, 0.2, 0.2])


def test_each_round_learns_from_every_step_as_often_as_it_is_told() -> None:
    trainer = PQNTrainer(dataclasses.replace(SMALL, epochs=3, batches=2), Tape([(0, "")]))
    parts: list[list[float]] = []

    def descend(seen: torch.Tensor, actions: torch.Tensor, returns: torch.Tensor) -> dict[str, float]:
        parts.append(returns.tolist())
        return {}

    trainer._descend = descend  # type: ignore[method-assign]
    list(trainer.learn(Played(torch.zeros(5, 1, 1), torch.zeros(5, dtype=torch.int64), torch.arange(5.0))))
    assert [len(part) for part in parts] == [3, 2] * 3
    assert [sorted(parts[k] + parts[k + 1]) for k in (0, 2, 4)] == [[0, 1, 2, 3, 4]] * 3


def breakout(seed: int = 0) -> PQNTrainer:
    settings = AtariSettings(size=80, max_pool=False, crop_top=33, crop_bottom=17)
    config = PQNConfig(num_games=2, n_step=4, batches=2, epsilon_steps=100)
    return PQNTrainer(config, AtariGames("breakout", 2, settings), seed)


def test_resuming_is_exact(tmp_path: Path) -> None:
    trainer = breakout()
    list(trainer.train(40))
    weights = {name: tensor.clone() for name, tensor in trainer.weights().items()}
    tensors = {name: tensor.clone() for name, tensor in trainer.training_tensors().items()}
    counters = trainer.training_counters()
    list(trainer.train(80))
    resumed = breakout(seed=7)
    resumed.restore(weights, tensors, counters, tmp_path, trainer.save_replay(tmp_path))
    assert (resumed.step, resumed.updates) == (40, counters["updates"])
    list(resumed.train(80))
    for name, tensor in trainer.weights().items():
        assert torch.equal(tensor, resumed.weights()[name]), name
    assert trainer.training_counters() == resumed.training_counters()


def test_it_ends_when_the_game_is_solved() -> None:
    trainer = PQNTrainer(PQNConfig(num_games=8, n_step=4, batches=2, solved_at=0.3, epsilon_end=1.0), TwoArms())
    list(trainer.train(100_000))
    assert trainer.step < 1_000
    assert not list(trainer.train(100_000))


def test_numbers_that_are_none_stop_it() -> None:
    trainer = PQNTrainer(SMALL, Tape([(0, "")]))
    with torch.no_grad():
        trainer._parameters[-1][0] = float("nan")
    with pytest.raises(TrainingDiverged, match="not a finite number"):
        list(trainer.train(6))


@pytest.mark.parametrize("wrong", [{"lambda_": 1.5}, {"epochs": 0}, {"batches": 99}, {"epsilon_end": -1}])
def test_numbers_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        dataclasses.replace(SMALL, **wrong)
