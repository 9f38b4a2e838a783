"""Windows in which the model was wrong come again, others are not forgotten, and a resumed learner draws the same."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import LARGEST, EnvironmentModel
from agents.i2a.model_learner import ENDING, LAST, SURPRISE_EXPONENT, SURPRISING, ModelLearner, Surprises
from agents.replay.sequences import GOES_ON, LIFE_LOST, SequenceReplay
from tests.agents.i2a.sliding_dot import SIZE, play

GAMES, ROWS = 4, 60
CONFIG = I2AConfig(model_rows=16, model_choices=32, model_updates=100)


def replay_of_games(first: np.ndarray | None = None) -> SequenceReplay:
    """Games of the sliding dot; `first` (ROWS, GAMES) says where others begin."""
    frames, actions, rewards, none, _, _ = (column.numpy() for column in play(np.random.default_rng(0), ROWS, GAMES))
    replay = SequenceReplay(ROWS * GAMES, GAMES, (SIZE, SIZE), np.uint8)
    for t in range(ROWS):
        replay.add(
            frames=frames[t],
            actions=actions[t],
            rewards=rewards[t],
            first=(none if first is None else first)[t],
            ends=0,
        )
    return replay


def learner() -> ModelLearner:
    torch.manual_seed(0)
    return ModelLearner(CONFIG, EnvironmentModel("local", 8, 2, 2, (SIZE, SIZE)), torch.float32)


def test_half_of_the_windows_are_those_that_were_wrong() -> None:
    replay, random = replay_of_games(), np.random.default_rng(1)
    windows = Surprises(ROWS * GAMES)
    windows.tree.set(np.array([10 * GAMES + 3, 57 * GAMES + 1]), np.array([1.0, 1.0]))
    rows, games, _ = windows.draw(replay, 1_000, 3, random)
    drawn = list(zip(rows.tolist(), games.tolist(), strict=True))
    assert abs(drawn.count((10, 3)) - 250) < 50
    assert drawn[: int(1_000 * SURPRISING)].count((57, 1)) + drawn.count((10, 3)) >= 500
    assert len(set(drawn)) > 150  # of 232: the rest is drawn uniformly


def test_a_share_of_the_windows_leads_to_the_loss_of_a_life() -> None:
    replay, random = replay_of_games(), np.random.default_rng(1)
    replay.columns["ends"][:] = GOES_ON
    replay.columns["ends"][40, 2] = LIFE_LOST
    replay.columns["ends"][3, 1] = LIFE_LOST
    rows, games, _ = Surprises(ROWS * GAMES).draw(replay, 1_000, 6, random)
    leading = list(zip((rows + 5)[: int(1_000 * ENDING)].tolist(), games.tolist(), strict=False))
    assert {row for row, game in leading if game == 2} == set(range(40 - LAST + 1, 41))
    assert {row for row, game in leading if game == 1} == {5}  # before it there is nothing
    assert {game for _, game in leading} == {1, 2}
    assert len(set(rows[int(1_000 * ENDING) :])) > 40  # the rest is drawn uniformly


@pytest.mark.parametrize(("losses", "more"), [(False, 0), (True, 0), (False, 37)])
def test_whatever_is_drawn_for_its_surprise_counts_as_if_it_were_not(losses: bool, more: int) -> None:
    """Means of anything, weighted, are those of all windows; but for those before a loss, which count in full. The ring
    may have gone round, and what is surprising may begin too late for so long a window."""
    replay, random, length = replay_of_games(), np.random.default_rng(1), 12
    for row in range(more):
        replay.add(**{name: column[row] for name, column in replay.columns.items()})
    windows = Surprises(ROWS * GAMES)
    windows.tree.set(np.arange(ROWS * GAMES), random.random(ROWS * GAMES) ** 4)
    windows.tree.set(np.arange(100), 0.0)  # never seen
    if losses:
        replay.columns["ends"][30, 2] = LIFE_LOST
    anything = random.normal(size=(more + ROWS, GAMES))
    anything += windows.tree.weights.reshape(ROWS, GAMES)[np.arange(more + ROWS) % ROWS]
    rows, games, weights = windows.draw(replay, 200_000, length, random)
    assert rows.min() == replay.oldest
    assert rows.max() == replay.added - length
    before = np.zeros(200_000, bool)
    if losses:
        before[100_000:150_000] = True
        assert (weights[before] == 1).all()
    assert weights.dtype == np.float32
    assert weights[~before].mean() == pytest.approx(1, abs=0.01)
    told = (anything[rows, games] * weights)[~before].mean()
    assert told == pytest.approx(anything[replay.oldest : replay.added - length + 1].mean(), abs=0.015)
    assert abs(anything[rows, games][~before].mean() - told) > 0.1, "without weights they would not be"


@pytest.mark.parametrize("choices", [0, 32])
def test_windows_teach_by_their_weights(choices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one game nothing counts: it can hold whatever it will."""
    told, draw = [], Surprises.draw

    def without(self: Surprises, replay: SequenceReplay, *how: Any) -> tuple[np.ndarray, ...]:
        rows, games, weights = draw(self, replay, *how)
        return rows, games, weights * (games != 2)

    monkeypatch.setattr(Surprises, "draw", without)
    for seed in (1, 2):
        replay, made = replay_of_games(), learner()
        made.config = replace(CONFIG, model_choices=choices)
        replay.columns["frames"][:, 2] = np.random.default_rng(seed).integers(0, 255, (ROWS, SIZE, SIZE))
        made.learn(replay, np.random.default_rng(1))
        told.append(torch.cat([parameter.flatten() for parameter in made.parameters]))
    torch.testing.assert_close(*told)


def test_a_window_that_would_pass_the_end_is_not_drawn_again() -> None:
    replay, random = replay_of_games(), np.random.default_rng(1)
    windows = Surprises(ROWS * GAMES)
    windows.tree.set(np.array([57 * GAMES + 1]), np.array([1.0]))
    rows, games, _ = windows.draw(replay, 10, 12, random)
    assert rows.max() <= ROWS - 12
    assert replay.windows(rows, games, 12).frames.shape == (12, 10, SIZE, SIZE)
    assert windows.tree.total == 0


def test_a_window_that_teaches_nothing_is_not_drawn_for_its_surprise() -> None:
    first = np.zeros((ROWS, GAMES), bool)
    first[:, 0] = True  # one of the games begins in every row: nothing of it can be predicted
    replay, made, random = replay_of_games(first), learner(), np.random.default_rng(1)
    for _ in range(30):
        made.learn(replay, random)
    for windows in made.surprises.values():
        surprise = windows.tree.weights.reshape(ROWS, GAMES)
        assert (surprise[:, 0] == 0).all()
        assert (surprise[:, 1:] > 0).mean() > 0.5


def test_what_cannot_be_foreseen_is_not_drawn_for_ever() -> None:
    """Of one game, every picture is noise."""
    replay, made, random = replay_of_games(), learner(), np.random.default_rng(1)
    replay.columns["frames"][:, 2] = random.integers(0, 255, replay.columns["frames"][:, 2].shape)
    for _ in range(30):
        made.learn(replay, random)
    for windows in made.surprises.values():
        surprise = windows.tree.weights.reshape(ROWS, GAMES)
        assert surprise.max() == pytest.approx(LARGEST**SURPRISE_EXPONENT)
        assert np.median(surprise[:, 2][surprise[:, 2] > 0]) == pytest.approx(surprise.max())


def test_a_resumed_learner_learns_what_the_other_would_have() -> None:
    replay, one, random = replay_of_games(), learner(), np.random.default_rng(1)
    for _ in range(5):
        one.learn(replay, random)
    two = learner()
    two.model.load_state_dict(one.model.state_dict())
    two.restore({name: tensor.clone() for name, tensor in one.tensors().items()}, one.updates)
    again = np.random.default_rng()
    again.bit_generator.state = random.bit_generator.state
    for _ in range(3):
        assert one.learn(replay, random) == two.learn(replay, again)


def test_nothing_is_kept_of_windows_once_all_is_learnt() -> None:
    replay, made = replay_of_games(), learner()
    made.config = replace(CONFIG, model_updates=2)
    for _ in range(2):
        made.learn(replay, np.random.default_rng(1))
    assert not [name for name in made.tensors() if name.startswith("surprise")]


def test_where_things_go_is_learnt_of_many_more_steps_than_are_drawn() -> None:
    """The same learner, with as many drawings: with choices beside them it is less surprised."""
    left = {}
    for choices in (0, 64):
        replay, made, random = replay_of_games(), learner(), np.random.default_rng(1)
        made.config = replace(CONFIG, model_choices=choices, model_updates=1_000)
        told = [made.learn(replay, random) for _ in range(140)]
        assert ("choices" in told[0]) == (choices > 0)
        assert [*made.surprises] == (["pictures", "moves"] if choices else ["pictures"])
        every = replay.sample(500, made.model.stack + 1, np.random.default_rng(2))
        frames, actions, first = (torch.from_numpy(part) for part in (every.frames, every.actions, every.first))
        with torch.no_grad():
            left[choices] = made.model.surprise(frames, actions, first).mean().item()
    assert left[64] < 0.5 * left[0]


def test_a_surprise_without_a_drawing_is_that_of_a_drawing() -> None:
    made, columns = learner(), vars(replay_of_games().sample(20, 3, np.random.default_rng(2)))
    batch = {name: torch.from_numpy(column) for name, column in columns.items()}
    batch["first"][2, :5] = True  # these games begin anew with what would come
    surprise = made.model.surprise(batch["frames"], batch["actions"], batch["first"])
    _, parts, _ = made.model.loss(**batch)
    assert (surprise[:5] == 0).all()
    assert surprise.sum().item() / 15 == pytest.approx(parts["moves"].item(), rel=1e-5)


def test_a_model_that_chooses_nothing_learns_by_its_drawings_alone() -> None:
    replay, made = (
        replay_of_games(),
        ModelLearner(CONFIG, EnvironmentModel("convolutional", 8, 2, 2, (SIZE, SIZE)), torch.float32),
    )
    assert "choices" not in made.learn(replay, np.random.default_rng(1))
    with pytest.raises(TypeError, match="local"):
        made.model.surprise(
            torch.zeros(3, 1, SIZE, SIZE, dtype=torch.uint8),
            torch.zeros(3, 1, dtype=torch.int64),
            torch.zeros(3, 1, dtype=torch.bool),
        )
