"""A model of states: it learns a world of two numbers, doubts where it has not been, and its errors are told right."""

import numpy as np
import pytest
import torch

from agents.state_model import StateEnsemble, StateModel, StateSteps, fit, power_law, unrolled


def world(random: np.random.Generator, count: int, width: float = 1.0) -> StateSteps:
    """A place and a speed; actions 0 and 1 brake and push. It earns its speed, and ends beyond 0.4."""
    states = random.uniform(-width, width, (count, 2)).astype(np.float32)
    actions = random.integers(0, 2, count)
    speed = 0.9 * states[:, 1] + np.where(actions == 1, 0.1, -0.1)
    after = np.stack([states[:, 0] + 0.1 * speed, speed], 1).astype(np.float32)
    ends = (after[:, 0] > 0.4).astype(np.float32)
    columns = (states, actions, after, speed.astype(np.float32), ends)
    return StateSteps(*(torch.from_numpy(column) for column in columns))


@pytest.fixture(scope="module")
def ensemble() -> StateEnsemble:
    members = []
    for seed in range(3):
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        members.append(StateModel(2, 2, units=32))
        losses = list(fit(members[-1], world(np.random.default_rng(9), 2_000), 500, random, batch_size=64))
        assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:20])
    return StateEnsemble(members)


def test_it_foretells_states_rewards_and_ends(ensemble: StateEnsemble) -> None:
    steps = world(np.random.default_rng(1), 500)
    with torch.no_grad():
        after, rewards, ends = ensemble.members[0](steps.states, steps.actions)
    moved = (steps.next_states - steps.states).abs().mean()
    assert (after - steps.next_states).abs().mean() < 0.1 * moved
    assert (rewards - steps.rewards).abs().mean() < 0.1
    assert ((ends > 0.5) == (steps.ends > 0.5)).float().mean() > 0.92


def test_it_doubts_where_it_has_not_been(ensemble: StateEnsemble) -> None:
    _, at_home = ensemble.step(*(getattr(world(np.random.default_rng(2), 200), n) for n in ("states", "actions")))
    far = world(np.random.default_rng(2), 200, width=6.0)
    _, abroad = ensemble.step(far.states, far.actions)
    assert abroad.median() > 5 * at_home.median()


def test_it_steps_from_its_own_states(ensemble: StateEnsemble) -> None:
    steps, actions = world(np.random.default_rng(3), 4), torch.tensor([[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 0, 1]])
    states, spreads = unrolled(ensemble, steps.states, actions)
    assert states.shape == (4, 3, 2)
    assert spreads.shape == (4, 3)
    first, _ = ensemble.step(steps.states, actions[:, 0])
    second, spread = ensemble.step(first, actions[:, 1])
    torch.testing.assert_close(states[:, 1], second)
    torch.testing.assert_close(spreads[:, 1], spread)


def test_spread_by_hand() -> None:
    members = [StateModel(1, 2, units=2) for _ in range(2)]
    for member, residual in zip(members, (1.0, 3.0), strict=True):
        torch.nn.init.zeros_(member.residual.weight)
        torch.nn.init.constant_(member.residual.bias, residual)
        member.spread.fill_(2.0)
    mean, spread = StateEnsemble(members).step(torch.tensor([[10.0]]), torch.tensor([0]))
    assert mean.item() == 12.0  # of 11 and 13
    assert spread.item() == 0.5  # a deviation of 1, where states have one of 2


def test_growth_by_hand() -> None:
    scale, exponent = power_law(0.3 * np.arange(1, 51) ** 0.5)
    assert (scale, exponent) == (pytest.approx(0.3), pytest.approx(0.5))
