"""Discrete latents and their divergences, on numbers worked by hand."""

import math

import pytest
import torch

from agents.dreamer import latents


def test_every_class_keeps_a_share() -> None:
    probabilities = latents.mixed_probabilities(torch.tensor([[100.0, 0.0, 0.0, 0.0]]))
    assert probabilities[0].tolist() == pytest.approx([0.9925, 0.0025, 0.0025, 0.0025], abs=1e-6)


def test_a_sample_is_one_hot_and_its_gradient_that_of_the_probabilities() -> None:
    probabilities = torch.tensor([[[0.2, 0.5, 0.3]]], requires_grad=True)
    sample = latents.straight_through(probabilities, torch.Generator().manual_seed(0))
    assert sorted(sample.flatten().tolist()) == [0.0, 0.0, 1.0]
    (sample * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert probabilities.grad.flatten().tolist() == [1.0, 10.0, 100.0]


def test_samples_follow_their_probabilities() -> None:
    probabilities = torch.tensor([0.1, 0.6, 0.3]).expand(20_000, 3)
    drawn = latents.sample(probabilities, torch.Generator().manual_seed(0))
    assert (torch.bincount(drawn) / 20_000).tolist() == pytest.approx([0.1, 0.6, 0.3], abs=0.015)


def test_the_same_generator_draws_the_same() -> None:
    probabilities = torch.full((50, 8), 1 / 8)
    first, again, other = (latents.sample(probabilities, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)


def test_the_most_likely() -> None:
    assert latents.most_likely(torch.tensor([[0.2, 0.5, 0.3]])).tolist() == [[0.0, 1.0, 0.0]]


POSTERIOR, PRIOR = torch.tensor([[0.5, 0.5], [0.9, 0.1]]), torch.tensor([[0.25, 0.75], [0.9, 0.1]])
KL = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)  # the second variable agrees: 0


def test_divergence_by_hand() -> None:
    assert float(latents.divergence(POSTERIOR, PRIOR)) == pytest.approx(KL)


def test_balancing_shares_the_gradient_between_prior_and_posterior() -> None:
    gradients = {}
    for balance in (0.0, 0.8, 1.0):
        posterior, prior = POSTERIOR.clone().requires_grad_(), PRIOR.clone().requires_grad_()
        loss, kl = latents.balanced_divergence(posterior, prior, balance, free_nats=0.0)
        assert loss.item() == pytest.approx(KL)
        assert float(kl) == pytest.approx(KL)
        loss.backward()
        gradients[balance] = (posterior.grad, prior.grad)
    # d KL / d prior = −posterior / prior: for the first variable −0.5/0.25 and −0.5/0.75.
    assert gradients[1.0][1][0].tolist() == pytest.approx([-2.0, -2 / 3])
    assert gradients[1.0][0].abs().sum() == 0
    assert gradients[0.0][1].abs().sum() == 0
    torch.testing.assert_close(gradients[0.8][1], 0.8 * gradients[1.0][1])
    torch.testing.assert_close(gradients[0.8][0], 0.2 * gradients[0.0][0])


def test_a_small_divergence_is_free() -> None:
    posterior = POSTERIOR.clone().requires_grad_()
    loss, kl = latents.balanced_divergence(posterior, PRIOR, 0.8, free_nats=1.0)
    assert loss.item() == 1.0
    assert float(kl) == pytest.approx(KL)
    loss.backward()
    assert posterior.grad.abs().sum() == 0


def test_entropy_by_hand() -> None:
    expected = math.log(2) - 0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert float(latents.entropy(POSTERIOR)) == pytest.approx(expected)


def test_a_cold_draw_by_hand() -> None:
    """At half the temperature odds are squared: 4 to 1 become 16 to 1."""
    categorical = latents.Categorical(1, 2)
    belief = torch.tensor([[0.8, 0.2]])
    torch.testing.assert_close(categorical.at_temperature(belief, 0.5), torch.tensor([[16 / 17, 1 / 17]]))
    torch.testing.assert_close(categorical.at_temperature(belief, 1.0), belief)


@pytest.mark.parametrize("kind", [latents.Categorical(3, 4), latents.Gaussian(3)])
def test_the_mean_is_that_of_many_cold_samples(kind: latents.Latents) -> None:
    belief = kind.belief(torch.randn(3, kind.outputs, generator=torch.Generator().manual_seed(5)))
    steps = torch.tensor(latents.WARM + 3)
    colder = kind.at_temperature(belief, float(latents.mean_temperature(steps)))
    drawn = kind.sample(colder.expand(20_000, *belief.shape), torch.Generator().manual_seed(0))
    torch.testing.assert_close(kind.mean(belief, steps), drawn.mean(0), rtol=0, atol=0.03)


def test_a_mean_keeps_what_is_in_doubt_and_makes_it_surer_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a temperature of 1/2, p², made to sum to 1; every class is told of its share."""
    monkeypatch.setattr(latents, "MEAN_TEMPERATURE", 0.5)
    monkeypatch.setattr(latents, "COOLING", 0.5)
    monkeypatch.setattr(latents, "WARM", 1)
    belief = torch.tensor([[0.75, 0.25]], requires_grad=True)
    categorical, first = latents.Categorical(1, 2), torch.tensor(1)
    mean = categorical.mean(belief, first)
    assert mean.flatten().tolist() == pytest.approx([0.9, 0.1])
    (gradient,) = torch.autograd.grad(mean[0, 0], belief)
    assert (gradient != 0).all()
    # A step later, at 1/4, it is p⁴; each row of a batch may be at a step of its own.
    both = categorical.mean(belief.expand(2, 1, 2), torch.tensor([1, 2]))
    assert both[:, 0, 0].tolist() == pytest.approx([0.9, 81 / 82])


def test_dreams_grow_surer_until_they_are_sure_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MEAN_TEMPERATURE", 0.4), ("WARM", 2), ("COOLING", 0.5), ("COLDEST", 0.06)):
        monkeypatch.setattr(latents, name, value)
    told = latents.mean_temperature(torch.tensor([1, 2, 3, 4, 5, 50]))
    assert told.tolist() == pytest.approx([0.4, 0.4, 0.2, 0.1, 0.06, 0.06])


@pytest.mark.parametrize(("temperature", "share"), [(0.0, 1.0), (0.5, 16 / 17), (1.0, 0.8)])
def test_draws_follow_their_temperature(temperature: float, share: float) -> None:
    belief = torch.tensor([0.8, 0.2]).expand(20_000, 1, 2)
    drawn = latents.tempered(latents.Categorical(1, 2), belief, temperature, torch.Generator().manual_seed(0))
    assert drawn[..., 0].mean().item() == pytest.approx(share, abs=0.01)


def test_a_cold_draw_of_a_normal_variable_keeps_its_mean_and_a_share_of_its_variance() -> None:
    belief = torch.tensor([3.0, 2.0]).expand(20_000, 1, 2)
    drawn = latents.tempered(latents.Gaussian(1), belief, 0.25, torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.02)
    assert drawn.std().item() == pytest.approx(1.0, abs=0.02)
