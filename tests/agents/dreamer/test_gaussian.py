"""Gaussian latents and actions that are numbers, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from agents.dreamer.actions import Continuous, Discrete
from agents.dreamer.config import DreamerConfig
from agents.dreamer.latents import LATENTS, Gaussian, balanced_divergence
from agents.dreamer.planning import GaussianPlans
from agents.dreamer.world_model import WorldModel
from agents.errors import UserError


def belief(mean: float, deviation: float) -> torch.Tensor:
    """Of two variables that agree in nothing but their beliefs."""
    return torch.tensor([[mean, deviation], [mean, deviation]])


def test_divergence_of_two_normals_by_hand() -> None:
    gaussian = Gaussian(2)
    one = math.log(2 / 1) + (1 + 3**2) / (2 * 4) - 0.5  # KL(N(3, 1) ‖ N(0, 2))
    assert float(gaussian.divergence(belief(3, 1), belief(0, 2))) == pytest.approx(2 * one)
    assert float(gaussian.divergence(belief(3, 1), belief(3, 1))) == 0


def test_the_divergence_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    posterior, prior = (torch.stack([torch.randn(5, 7), torch.rand(5, 7) + 0.1], -1) for _ in range(2))
    normals = [torch.distributions.Normal(*part.unbind(-1)) for part in (posterior, prior)]
    expected = torch.distributions.kl_divergence(*normals).sum(-1)
    torch.testing.assert_close(Gaussian(7).divergence(posterior, prior), expected)


def test_a_gaussian_divergence_is_balanced_as_any_other() -> None:
    posterior, prior = belief(3.0, 1.0).requires_grad_(), belief(0.0, 2.0).requires_grad_()
    loss, kl = balanced_divergence(posterior, prior, 0.8, 0.0, Gaussian(2).divergence)
    assert loss.item() == pytest.approx(float(kl))
    loss.backward()
    # d KL / d mean of the prior = −(μ − m) / s², of the posterior the opposite.
    assert prior.grad[0, 0].item() == pytest.approx(0.8 * -3 / 4)
    assert posterior.grad[0, 0].item() == pytest.approx(0.2 * 3 / 4)


def test_a_belief_is_never_surer_than_the_least_deviation() -> None:
    gaussian = Gaussian(1)
    sure = gaussian.belief(torch.tensor([[5.0, -100.0]]))
    assert sure.tolist() == [[5.0, pytest.approx(0.1)]]
    assert gaussian.entropy(sure).item() == pytest.approx(0, abs=1e-6)
    assert gaussian.entropy(torch.tensor([[0.0, 0.2]])).item() == pytest.approx(math.log(2))
    assert gaussian.most_likely(sure).tolist() == [[5.0]]


def test_samples_follow_their_belief_and_pass_gradients_on() -> None:
    wide = torch.tensor([[1.0, 2.0]]).expand(20_000, 1, 2).clone().requires_grad_()
    drawn = Gaussian(1).sample(wide, torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(1, abs=0.05)
    assert drawn.std().item() == pytest.approx(2, abs=0.05)
    drawn.sum().backward()
    assert (wide.grad[..., 0] == 1).all()  # a sample moves with its mean
    torch.testing.assert_close(wide.grad[..., 1:], (drawn.detach() - 1) / 2)  # and with its deviation, by its noise


@pytest.mark.parametrize("kind", LATENTS)
def test_a_world_model_can_be_made_of_either(kind: str) -> None:
    config = DreamerConfig(model_size="tiny", latents=kind, variables=5, classes=4)
    model = WorldModel(config, 3, (3,))
    state = model.rssm.initial(2)
    after, prior = model.rssm.imagine(state, torch.eye(3)[:2])
    assert after.latent.shape == (2, 5, model.rssm.latents.width)
    assert after.features.shape == (2, 128 + 5 * model.rssm.latents.width)
    assert (model.rssm.latents.entropy(prior) >= 0).all()


def test_there_are_no_other_latents() -> None:
    with pytest.raises(UserError, match="categorical or gaussian"):
        DreamerConfig(latents="normal")


# -- actions that are numbers -------------------------------------------------------------------------------

UNDECIDED = torch.zeros(1, 2)  # mean 0, deviation 1


def test_the_log_probability_of_a_squashed_normal_by_hand() -> None:
    """ln N(u; 0, 1) − ln (1 − tanh² u) at u = 1 and 0."""
    actions = Continuous(1)
    for u in (0.0, 1.0):
        expected = -0.5 * u**2 - 0.5 * math.log(2 * math.pi) - math.log(1 - math.tanh(u) ** 2)
        got = actions.log_probability(UNDECIDED, torch.tensor([[math.tanh(u)]]))
        assert got.item() == pytest.approx(expected, abs=1e-5)


def test_the_probabilities_of_all_actions_sum_to_one() -> None:
    actions, outputs = Continuous(1), torch.tensor([[0.4, -0.7]])
    middles = torch.linspace(-1, 1, 20_001)[:-1, None] + 5e-5
    total = actions.log_probability(outputs.expand(len(middles), 2), middles).exp().sum() * 1e-4
    assert total.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("outputs", [[0.0, 0.0], [1.5, 0.5], [-0.3, -3.0]])
def test_the_entropy_is_the_mean_of_minus_the_log_probability(outputs: list[float]) -> None:
    actions, row = Continuous(1), torch.tensor([outputs])
    rows = row.expand(100_000, 2)
    drawn = actions.sample(rows, torch.Generator().manual_seed(0))
    estimate = -actions.log_probability(rows, drawn).mean()
    assert actions.entropy(row).item() == pytest.approx(estimate.item(), abs=0.02)


def test_numbers_of_one_action_are_independent() -> None:
    two, outputs, taken = Continuous(2), torch.tensor([[0.3, -0.2, 0.1, 0.4]]), torch.tensor([[0.5, -0.6]])
    one = Continuous(1)
    parts = [one.log_probability(outputs[:, k::2], taken[:, k : k + 1]) for k in (0, 1)]
    torch.testing.assert_close(two.log_probability(outputs, taken), sum(parts))


def test_actions_for_games_and_back() -> None:
    numbers = np.array([[0.5], [-1.0]], np.float32)
    np.testing.assert_array_equal(Continuous(1).decode(Continuous(1).encode(numbers)), numbers)
    assert Discrete(4).decode(Discrete(4).encode(np.array([2, 0, 3]))).tolist() == [2, 0, 3]
    assert Continuous(2).best(torch.tensor([[0.0, 100.0, 0.0, 0.0]]))[0].tolist() == pytest.approx([0, 1], abs=1e-3)


def test_the_refit_of_a_gaussian_plan_by_hand() -> None:
    plans = GaussianPlans(Continuous(1))
    fitted = plans.fit(torch.tensor([0.0, 0.5, 1.0])[:, None, None, None])
    assert fitted[0, 0].tolist() == pytest.approx([0.5, (1 / 6) ** 0.5])
    assert plans.first(fitted)[0].tolist() == [[0.5]]
    drawn = plans.draw(plans.unknown(2, 3), 5_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (5_000, 2, 3, 1)
    assert drawn.abs().max() == 1
    assert drawn.mean().item() == pytest.approx(0, abs=0.02)
