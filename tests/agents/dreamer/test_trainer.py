"""The trainer: what follows from a seed, what resuming brings back, and the order of its stages."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.dreamer import train
from agents.dreamer.config import DreamerConfig
from agents.dreamer.rssm import Choice
from agents.dreamer.train import DreamerTrainer
from agents.dreamer.world_model import Batch
from agents.errors import TrainingDiverged
from agents.interfaces import GameSteps
from agents.replay.sequences import SequenceReplay, Sequences

SIDE = 48


class Squares:
    """Implements `Games`: a white square moves right or left under the action; at the wall the game is over."""

    num_games, action_names, stack = 4, ("LEFT", "RIGHT"), 1
    frame_shape: tuple[int, ...] = (SIDE, SIDE, 3)
    frame_dtype = np.dtype(np.uint8)

    def reset(self, seed: int) -> np.ndarray:
        self._random = np.random.default_rng(seed)
        self._at = self._random.integers(1, 5, 4)
        self._over = np.zeros(4, bool)
        return self._seen()

    def _seen(self) -> np.ndarray:
        frames = np.zeros((4, 1, *self.frame_shape), np.uint8)
        for game, at in enumerate(self._at):
            frames[game, 0, 16:24, 8 * at : 8 * at + 8] = 255
        return frames

    def step(self, actions: np.ndarray, random: np.random.Generator | None = None) -> GameSteps:
        began = self._over.copy()
        self._at = np.where(began, self._random.integers(1, 5, 4), self._at + 2 * actions - 1)
        self._over = ((self._at == 0) | (self._at == 5)) & ~began
        none = np.zeros(4, bool)
        rewards = np.where(began, 0, self._at == 5).astype(np.float32)
        return GameSteps(self._seen(), actions, rewards, self._over, none, none, began)

    def close(self) -> None: ...


class Guide(Squares):
    """Stands for `GuidedGames`: it always does the same, as a rule goes right."""

    def __init__(self, action: int = 1):
        self._action = action

    def step(self, random: np.random.Generator) -> GameSteps:  # type: ignore[override]
        return super().step(np.full(4, self._action))


def trainer(seed: int = 0, guide: Callable[[], Guide] | None = None, **settings: Any) -> DreamerTrainer:
    values = {
        **{"batch_size": 4, "batch_length": 4, "dreams": 6, "horizon": 3, "learning_starts": 40, "kl_warmup": 4},
        **{"replay_capacity": 400, "replay_ratio": 1.0, "num_games": 4, "target_period": 3, **settings},
    }
    trainer = DreamerTrainer(DreamerConfig(**values), Squares(), seed, guide=guide)
    trainer.precision = torch.float32  # which one is faster is measured, and may come out either way
    return trainer


def run(trainer: DreamerTrainer, steps: int) -> list:
    return list(trainer.train(steps))


def same(first: DreamerTrainer, second: DreamerTrainer) -> bool:
    pairs = zip(first.weights().values(), second.weights().values(), strict=True)
    return all(one.equal(other) for one, other in pairs)


def test_all_follows_from_the_seed() -> None:
    first, again, other = trainer(seed=3), trainer(seed=3), trainer(seed=4)
    for one in (first, again, other):
        run(one, 120)
    assert first.updates > 2
    assert same(first, again)
    assert not same(first, other)


def test_steps_and_updates_keep_their_ratio() -> None:
    one = trainer(replay_ratio=2.0)
    updates = run(one, 120)
    assert [update.step for update in updates if not update.metrics] == list(range(4, 121, 4))
    # With the four first pictures, 40 are in the replay from step 36 on; an update replays 16 of them.
    assert one.updates == (120 - 36 + 4) * 2 // 16
    assert updates[-1].metrics.keys() >= {"loss", "image", "kl", "reward", "continue", "actor", "critic"}


@pytest.mark.parametrize(
    ("learner", "dream_updates", "passes"), [("reinforce", 1, 1), ("reinforce", 3, 1), ("ppo", 2, 4)]
)
def test_actor_and_critic_learn_as_often_as_they_are_told(learner: str, dream_updates: int, passes: int) -> None:
    taught = trainer(actor_learner=learner, dream_updates=dream_updates, pretrain=2)
    begun: list[torch.Tensor] = []
    dream = taught._dream
    taught._dream = lambda awake: begun.append((lesson := dream(awake)).dream.features[0]) or lesson  # type: ignore
    run(taught, 120)
    steps = {name: optimizer.state_dict()["state"][0]["step"].item() for name, optimizer in taught.optimizers.items()}
    learnt = taught.updates - 2
    assert learnt > 1
    assert len(begun) == learnt * dream_updates * taught._workers.count
    assert steps == {"model": taught.updates, **dict.fromkeys(("actor", "critic"), learnt * dream_updates * passes)}
    assert not any(torch.equal(begun[0], other) for other in begun[1:])


@pytest.mark.parametrize(
    ("length", "overshoot", "begins"), [(16, 10, {3, 4, 5}), (4, 3, {0}), (4, 0, {0}), (2, 0, {0}), (2, 1, {0})]
)
def test_what_is_dreamt_and_judged_has_seen_something_first_and_ends_in_time(
    length: int, overshoot: int, begins: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    learning = trainer(batch_size=16, batch_length=length, overshoot=overshoot, replay_ratio=2.0)
    loss, began, drawn = learning.model.loss, [], []

    def told(batch: Batch, choose: Choice, kl_share: float, begin: int, focused: int | None) -> Any:
        began.append(begin)
        drawn.append(focused)
        return loss(batch, choose, kl_share, begin, focused)

    monkeypatch.setattr(learning.model, "loss", told)
    metrics = [update.metrics for update in run(learning, 96) if update.metrics]
    while len(began) < 24:
        metrics.append(learning.learn())
    assert len(began) == 2 * learning.updates  # each worker's part has a time of its own
    assert set(began) == begins
    assert all(("dreamt" in of_update) == bool(overshoot) for of_update in metrics)
    # To draw for a person it learns at a time of the dream that has one before it and one after it, if there is one.
    for begin, time in zip(began, drawn, strict=True):
        assert time is None if length < 3 else 0 < time < length - 1
        assert time is None or begin <= time <= begin + (overshoot or length)
    assert all(("place" in of_update and "sharp" in of_update) == (length > 2) for of_update in metrics)
    assert {2: {None}, 4: {1, 2}}.get(length, {3, 14}) <= set(drawn)


def test_every_picture_is_handed_out_however_many_updates_a_step_has() -> None:
    one = trainer(replay_ratio=16.0, picture_period=2, pretrain=3)
    updates = run(one, 140)
    ready = next(update.updates for update in updates if update.picture is not None)
    pictured = [update.updates for update in updates if update.picture is not None]
    assert len(pictured) > 10
    assert pictured == list(range(ready, one.updates + 1, 2))


def test_a_weight_that_is_not_finite_stops_training() -> None:
    """One step of infinite length from finite numbers: neither the loss nor its gradient tells."""
    with pytest.raises(TrainingDiverged, match="a weight of the model was not a finite"):
        run(trainer(model_learning_rate=1e39), 200)


def test_a_batch_is_split_in_equal_parts_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert [trainer(batch_size=size)._workers.count for size in (7, 16, 17, 24, 32)] == [1, 2, 1, 3, 2]


def resumed(before: DreamerTrainer, after: DreamerTrainer, folder: Path) -> DreamerTrainer:
    names = before.save_replay(folder)
    clone = {name: tensor.clone() for name, tensor in before.training_tensors().items()}
    weights = {name: tensor.clone() for name, tensor in before.weights().items()}
    after.restore(weights, clone, before.training_counters(), folder, names)
    return after


def test_a_resumed_training_goes_on_as_the_other_would(tmp_path: Path) -> None:
    before = trainer(seed=1)
    run(before, 100)
    after = resumed(before, trainer(seed=9), tmp_path)
    assert (after.step, after.updates) == (before.step, before.updates)
    for one in (before, after):
        run(one, 180)
    assert same(before, after)
    for name, tensor in before.training_tensors().items():
        assert tensor.equal(after.training_tensors()[name]), name


def test_borrowed_games_and_pretraining_come_first_and_count_as_no_step(tmp_path: Path) -> None:
    one = trainer(guide=Guide, from_agent="another", collect=80, pretrain=5)
    actor = {name: tensor.clone() for name, tensor in one.behaviour.state_dict().items()}
    model = {name: tensor.clone() for name, tensor in one.model.state_dict().items()}
    updates = []
    for update in one.train(8):
        updates.append(update)
        if update.step == 0 and update.updates == 5:
            assert all(tensor.equal(actor[name]) for name, tensor in one.behaviour.state_dict().items())
            assert not all(tensor.equal(model[name]) for name, tensor in one.model.state_dict().items())
            break
    assert [update.updates for update in updates] == [0] * 20 + [1, 2, 3, 4, 5]
    assert {update.step for update in updates} == {0}
    assert one.borrowed == 80
    assert (one.lent.columns["actions"][1:21][~one.lent.columns["first"][1:21]] == 1).all()
    assert len(one.replay) == 0

    def fail() -> Guide:
        raise AssertionError("what was borrowed is not borrowed again")

    after = resumed(one, trainer(guide=fail, from_agent="another", collect=80, pretrain=5), tmp_path)
    assert [update.step for update in after.train(12)] == [4, 8, 12]


def test_its_own_games_never_overwrite_those_of_others(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"from_agent": "another", "collect": 82, "replay_capacity": 120}
    one = trainer(guide=Guide, **settings)
    run(one, 400)
    assert (one.replay.added, one.replay.rows) == (101, 30)
    assert (one.borrowed, one.lent.added, one.lent.rows) == (84, 22, 22)
    assert one.lent.columns["first"][0].all()
    assert (one.lent.columns["actions"][1:][~one.lent.columns["first"][1:]] == 1).all()
    after = resumed(one, trainer(**settings), tmp_path)
    for kept, loaded in zip(one.lent.columns.values(), after.lent.columns.values(), strict=True):
        np.testing.assert_array_equal(kept, loaded)
    np.testing.assert_array_equal(one.replay.columns["frames"], after.replay.columns["frames"])


def test_an_older_run_that_kept_all_in_one_replay_borrows_anew(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"from_agent": "another", "collect": 80}
    one = trainer(guide=Guide, **settings)
    run(one, 60)
    tensors = {name: tensor for name, tensor in one.training_tensors().items() if not name.startswith("lent.")}
    counters = {name: value for name, value in one.training_counters().items() if name != "lent_added"}
    files = [name for name in one.save_replay(tmp_path) if not name.startswith("lent")]
    after = trainer(guide=Guide, **settings)
    after.restore(one.weights(), tensors, counters, tmp_path, files)
    assert (after.borrowed, len(after.lent), len(after.replay)) == (0, 0, len(one.replay))
    run(after, 64)
    assert after.borrowed == 80


def test_borrowing_goes_on_where_it_was_left(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"from_agent": "one,two", "collect": 82, "learning_starts": 400}
    one = trainer(guide=Guide, **settings)
    for update in one.train(4):
        if update.metrics["borrowed"] == 40:
            break
    before = one.lent.columns["frames"][:11].copy()
    after = resumed(one, trainer(guide=lambda: Guide(action=0), **settings), tmp_path)
    run(after, 4)
    assert after.borrowed == 84
    assert (after.lent.added, after.lent.rows) == (23, 23)
    np.testing.assert_array_equal(after.lent.columns["frames"][:11], before)
    assert after.lent.columns["first"][11].all()  # no window goes over from one game to another
    assert not after.lent.columns["actions"][11:].any()


def test_games_of_others_can_be_learnt_from_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    windows = SequenceReplay.windows

    def watched(replay: SequenceReplay, rows: np.ndarray, *rest: Any) -> Sequences:
        drawn.append((replay, len(rows)))
        return windows(replay, rows, *rest)

    monkeypatch.setattr(SequenceReplay, "windows", watched)
    for weight, most in ((1000.0, 1.0), (0.001, 0.0)):
        one = trainer(guide=Guide, from_agent="another", collect=80, lent_weight=weight)
        run(one, 80)
        drawn.clear()
        for _ in range(10):
            one.learn()
        counts = {name: sum(n for who, n in drawn if who is replay) for name, replay in vars(one).items()}
        assert counts["lent"] / (counts["lent"] + counts["replay"]) == pytest.approx(most, abs=0.1)


def test_what_stands_still_is_exchanged_before_it_is_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def exchange(sequences: Sequences, random: np.random.Generator) -> Sequences:
        seen.append(replace(sequences, frames=np.full_like(sequences.frames, 7)))
        return seen[-1]

    monkeypatch.setattr(train, "exchange_still", exchange)
    without, one = trainer(exchange_still=False), trainer(exchange_still=True)
    run(without, 100)
    assert not seen
    run(one, 100)
    assert len(seen) == one.updates > 1
    read = []
    prepare = one.model.prepare
    monkeypatch.setattr(one.model, "prepare", lambda frames: read.append(frames) or prepare(frames))
    one.learn()
    assert (np.concatenate(read) == 7).all()


def test_others_go_on_to_play_for_each_update(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"from_agent": "another", "collect": 80, "collect_per_update": 5, "pretrain": 4}
    one = trainer(guide=Guide, **settings)
    made = []
    for update in one.train(40):
        made.append((one.updates, one.borrowed))
        if update.step == 40:
            break
    # Five steps an update, as far as they are whole steps of four games: of pretraining too.
    assert {(updates, 80 + updates * 5 // 4 * 4) for updates in range(1, one.updates + 1)} == set(made[20:])
    assert one.lent.added > one.lent.rows == 21
    after = resumed(one, trainer(guide=lambda: Guide(action=0), **settings), tmp_path)
    newest, owed = after.lent.added, one.training_counters()["looks_owed"]
    assert owed == one.updates * 5 % 4 == 2
    after.learn()
    after.learn()
    rows = np.arange(newest, after.lent.added) % after.lent.rows
    assert after.lent.columns["first"][rows[0]].all()  # other games: no window goes over from one to the other
    assert len(rows) == 1 + (owed + 10) // 4
    assert not after.lent.columns["actions"][rows].any()


def test_the_models_learning_rate_halves_after_pretraining_down_to_the_least() -> None:
    decay = {"model_learning_rate_half_life": 10, "model_learning_rate_min": 1e-4}
    one = trainer(model_learning_rate=8e-4, pretrain=5, **decay)
    rates = {}
    for one.updates in (0, 5, 15, 25, 34, 36, 400):
        rates[one.updates] = round(one.model_learning_rate, 7)
    assert rates == {0: 8e-4, 5: 8e-4, 15: 4e-4, 25: 2e-4, 34: 1.072e-4, 36: 1e-4, 400: 1e-4}
    assert trainer(model_learning_rate=8e-4, pretrain=5).model_learning_rate == 8e-4
    assert trainer(model_learning_rate=3e-5, **decay).model_learning_rate == 3e-5  # the least never raises it


def test_what_is_left_of_the_learning_rate_is_what_the_optimizer_is_given(tmp_path: Path) -> None:
    one = trainer(model_learning_rate=8e-4, model_learning_rate_half_life=3)
    run(one, 120)

    def given(trainer: DreamerTrainer) -> float:
        return float(trainer.optimizers["model"].param_groups[0]["lr"])

    assert given(one) == pytest.approx(8e-4 * 0.5 ** ((one.updates - 2) / 3))  # before the last update; 1 is pretrained
    after = resumed(one, trainer(model_learning_rate=8e-4, model_learning_rate_half_life=3), tmp_path)
    after.learn()
    assert given(after) == pytest.approx(8e-4 * 0.5 ** ((one.updates - 1) / 3))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_stops_training(number: float) -> None:
    one = trainer()
    run(one, 60)
    with torch.no_grad():
        one.model.decoder.blocks.bias[0] = number
    with pytest.raises(TrainingDiverged, match="step 60"):
        one.learn()


def test_what_is_usual_is_measured_once() -> None:
    one = trainer()
    run(one, 60)
    usual = one.model.encoder.pixel_mean.clone()
    assert 0 < usual.mean() < 127.5  # pictures are mostly black, with a white square
    run(one, 100)
    assert one.model.encoder.pixel_mean.equal(usual)
