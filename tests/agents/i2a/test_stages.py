"""Three stages, one run: each trains what it should and nothing else, and each can be resumed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.a2c.config import A2CConfig
from agents.errors import UserError
from agents.i2a.config import I2AConfig, config_for
from agents.i2a.train import I2ATrainer

BuildTrainer = Callable[..., I2ATrainer]


def weights_of(trainer: I2ATrainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.weights().items()}


def changed_parts(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """The parts of which any tensor is another one."""
    return {name.split(".")[0] for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def advance(trainer: I2ATrainer, updates: int) -> None:
    """Train until so many updates are done."""
    for update in trainer.train(trainer.config.steps):
        if update.updates >= updates:
            break


def test_every_stage_trains_its_own_part_and_leaves_the_others(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer()
    parts = [weights_of(trainer)]
    steps = []
    for until in (6, 6 + 3, 6 + 3 + 3):
        advance(trainer, until)
        parts.append(weights_of(trainer))
        steps.append(trainer.step)
    assert changed_parts(parts[0], parts[1]) == {"environment_model"}
    assert changed_parts(parts[1], parts[2]) == {"rollout_policy"}
    # In the last stage the rollout policy is drawn to the agent's.
    assert changed_parts(parts[2], parts[3]) == {"rollout_policy", "agent"}
    # Games of others are no steps of its own; those of its rollout policy are.
    assert steps == [0, 12, 24]


def test_the_stages_are_told(build_trainer: BuildTrainer) -> None:
    told = [update.metrics["stage"] for update in build_trainer().train(24) if update.metrics]
    looks = 20 + 6 * 3 // 2  # at games of others, before and while the model learns
    assert told == [1.0] * (looks + 6) + [2.0] * 3 + [3.0] * 3


def test_no_gradient_reaches_a_frozen_model(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer()
    advance(trainer, 12)
    model = trainer.parts.environment_model
    assert not any(parameter.requires_grad for parameter in model.parameters())
    trained = {id(parameter) for parameter in trainer.learner.parameters}
    assert not trained & {id(parameter) for parameter in model.parameters()}
    assert {id(parameter) for parameter in trainer.parts.agent.parameters()} <= trained


def test_distillation_trains_the_rollout_policy_and_not_the_agent(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer()
    observations = trainer.games.reset(0)
    seen = trainer._see_and_imagine(observations)
    logits, _ = trainer.parts.agent(*seen)
    trainer._distillation(seen, logits).backward()
    assert all(parameter.grad is None for parameter in trainer.parts.agent.parameters())
    without = [n for n, p in trainer.parts.rollout_policy.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == ["heads.value.weight", "heads.value.bias"]


def test_distillation_draws_the_rollout_policy_to_the_agent_s(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer()
    seen = trainer._see_and_imagine(trainer.games.reset(0))
    wanted = torch.tensor([[0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]]).expand(2, 4)
    descent = torch.optim.Adam(trainer.parts.rollout_policy.parameters(), 1e-2)
    for _ in range(60):
        descent.zero_grad()
        trainer._distillation(seen, wanted[:1].expand(2, 4)).backward()
        descent.step()
    with torch.no_grad():
        own = trainer.parts.rollout_policy(seen[0])[0].softmax(-1)
    torch.testing.assert_close(own, wanted[:1].softmax(-1).expand(2, 4), atol=0.05, rtol=0)


@pytest.mark.parametrize("updates", [0, 3, 7, 10])  # while collecting, and in each stage
def test_a_training_resumed_in_any_stage_goes_on_exactly(
    build_trainer: BuildTrainer, tmp_path: Path, updates: int
) -> None:
    trainer = build_trainer()
    if updates:
        advance(trainer, updates)
    else:
        for update in trainer.train(24):
            if update.metrics.get("borrowed", 0) >= 20:
                break
    saved = weights_of(trainer)
    tensors = {name: tensor.clone() for name, tensor in trainer.training_tensors().items()}
    counters, files = trainer.training_counters(), trainer.save_replay(tmp_path)
    assert bool(files) == (updates < 6)
    resumed = build_trainer(seed=5, handed={"agent.heads.value.bias": torch.ones(1)})  # neither must matter
    resumed.restore(saved, tensors, counters, tmp_path, files)
    assert (resumed.step, resumed.updates, resumed.collected) == (trainer.step, trainer.updates, trainer.collected)
    ends = []
    for one in (trainer, resumed):  # the one that was never saved begins its games anew too
        assert [update.step for update in one.train(24)][-1] == 24
        ends.append(weights_of(one))
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name
    assert trainer.training_counters() == resumed.training_counters()


def test_others_go_on_to_play_while_the_model_learns(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer()
    made = set()
    for update in trainer.train(24):
        learner, replay = trainer.model_learner, trainer.replay
        assert learner is not None
        if not learner.updates or replay is None or "borrowed" in update.metrics:
            continue
        # Three steps an update, as far as they are whole steps of two games; the first row shows the games' beginning.
        made.add((learner.updates, trainer.collected))
        assert replay.added == 1 + trainer.collected // 2
        assert replay.rows == 22
        if update.metrics.get("stage") != 1.0:
            break
    assert made == {(updates, 40 + updates * 3 // 2 * 2) for updates in range(1, 7)}


def test_what_is_overwritten_is_no_longer_known_to_be_surprising(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer(collect_per_update=0, model_updates=100)
    advance(trainer, 20)
    learner, replay = trainer.model_learner, trainer.replay
    assert learner is not None
    assert replay is not None
    every = np.arange(replay.rows * 2)
    for again in (False, True):  # then the games begin anew, as where a training goes on
        for _ in range(3):  # the ring goes round
            trainer._look_on(replay)
        for windows in learner.surprises.values():
            windows.tree.set(every, np.ones(len(every)))
        before = replay.added
        trainer._guided = None if again else trainer._guided
        trainer._look_on(replay)
        assert before > replay.rows
        rows = np.repeat(np.arange(before, before + 1 + again), 2)
        overwritten = replay.slots_of(rows, np.tile([0, 1], 1 + again))
        for windows in learner.surprises.values():
            assert np.flatnonzero(windows.tree.weights[: len(every)] == 0).tolist() == sorted(overwritten)


def test_parts_that_are_handed_in_are_not_trained_again(build_trainer: BuildTrainer) -> None:
    other = build_trainer(seed=7)
    advance(other, 9)
    handed = {n: t.clone() for n, t in other.weights().items() if not n.startswith("agent.")}
    trainer = build_trainer(handed=handed, environment_model="other", rollout_policy="other")
    told = [update.metrics["stage"] for update in trainer.train(4) if update.metrics]
    assert told == [3.0]
    after = trainer.weights()
    assert changed_parts(handed, after) == {"rollout_policy"}  # by distillation alone
    assert torch.equal(after["rollout_policy.heads.value.weight"], handed["rollout_policy.heads.value.weight"])


def test_an_agent_that_begins_as_its_rollout_policy(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer(warm_start=True, trust=3.0)
    advance(trainer, 9)
    assert trainer.learner.updates == 0
    updates = trainer.train(trainer.config.steps)
    next(updates)  # a step of the last stage, in which nothing is learnt yet
    parts, observations = trainer.parts, trainer.games.reset(3)
    with torch.no_grad():
        returns = torch.tensor([[0.1, 0.2, 0.3, 0.8]] * 2)
        logits, values = parts.agent(*trainer._see_and_imagine(observations)[:-1], returns)
        others, expected = parts.rollout_policy(*trainer._see(observations))
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(logits, others + 3.0 * (returns - returns.mean(1, keepdim=True)))
    before = weights_of(trainer)
    advance(trainer, 12)
    after = weights_of(trainer)
    assert "agent" in changed_parts(before, after)
    # What the rollouts are worth is learnt from here on.
    weight, features = "agent.heads.policy.weight", parts.agent.encoder.features
    assert after[weight][:, features:-4].abs().max() > 0
    assert not before[weight][:, features:-4].any()


def test_a_warm_start_needs_encoders_that_are_alike() -> None:
    with pytest.raises(UserError, match="warm_start needs"):
        I2AConfig(warm_start=True, encoder="nature")


def test_who_has_no_rollout_policy_begins_from_nothing(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer(model="none", warm_start=True)
    before = weights_of(trainer)["agent.encoder.conv1.weight"]
    next(trainer.train(24))
    assert torch.equal(before, trainer.weights()["agent.encoder.conv1.weight"])
    assert replace(config_for("breakout"), model="none").begins_as_policy is False
    assert replace(config_for("breakout"), model="emulator").begins_as_policy is True


def test_who_watches_before_the_last_stage_sees_the_rollout_policy(build_trainer: BuildTrainer) -> None:
    trainer = build_trainer(warm_start=True)
    advance(trainer, 8)
    weights = trainer.weights()
    assert torch.equal(weights["agent.encoder.dense.weight"], weights["rollout_policy.encoder.dense.weight"])


def test_parts_of_another_shape_are_refused(build_trainer: BuildTrainer) -> None:
    handed = {name: tensor for name, tensor in build_trainer().weights().items() if name.startswith("rollout_policy")}
    for changed in (
        handed | {"rollout_policy.encoder.dense.weight": torch.zeros(3, 3)},
        {name: handed[name] for name in list(handed)[1:]},
    ):
        with pytest.raises(UserError, match="The rollout policy of another run does not fit"):
            next(build_trainer(handed=changed, rollout_policy="other").train(24))


@pytest.mark.parametrize(("model", "stages"), [("none", {3.0}), ("emulator", {2.0, 3.0})])
def test_agents_without_a_learnt_model_learn_too(build_trainer: BuildTrainer, model: str, stages: set) -> None:
    trainer = build_trainer(model=model)
    before = weights_of(trainer)
    assert {update.metrics["stage"] for update in trainer.train(24) if update.metrics} == stages
    assert trainer.step == 24
    assert changed_parts(before, weights_of(trainer)) == {"agent"} | ({"rollout_policy"} if model != "none" else set())


def test_breakout_shows_the_model_games_that_go_well() -> None:
    assert config_for("breakout").guides[0] == "breakout-a2c"
    assert config_for("pong").from_agent == ""


def test_the_learning_rate_of_the_agent_falls_over_its_own_steps(build_trainer: BuildTrainer) -> None:
    assert build_trainer().learner.config.steps == 24 - 12
    assert build_trainer(model="none").learner.config.steps == 24
    with pytest.raises(UserError, match="policy_steps must be less than steps"):
        I2AConfig(steps=100, policy_steps=100)
    I2AConfig(steps=100, policy_steps=100, rollout_policy="another")


def test_the_rollout_policy_has_settings_of_its_own() -> None:
    config = I2AConfig(policy_steps=77, encoder="nature", entropy_scale=0.5, solved_at=3.0, learning_rate=1.0)
    assert config.for_rollouts() == A2CConfig(steps=77, encoder="small", entropy_scale=0.5)


@pytest.mark.parametrize(
    "wrong", [{"horizon": 0}, {"model": "perfect"}, {"model_kind": "x"}, {"discount": 2.0}, {"collect_per_update": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        I2AConfig(**wrong)


def test_more_agents_than_games_are_refused() -> None:
    assert I2AConfig(from_agent="one, two", num_games=2).guides == ("one", "two")
    with pytest.raises(UserError, match="3 agents cannot share 2 games"):
        I2AConfig(from_agent="one,two,three", num_games=2)


@pytest.mark.parametrize(("changes", "words"), [({"collect": 20}, "collect must be at least 28 with 2 games")])
def test_a_model_that_could_not_be_trained_is_refused_at_once(
    build_trainer: BuildTrainer, changes: dict[str, int], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        build_trainer(**changes)
    build_trainer(**changes, model="none")
