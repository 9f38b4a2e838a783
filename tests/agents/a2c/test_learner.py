"""What A2C learns from: returns worked by hand, and which steps count for what."""

import numpy as np
import pytest
import torch
from tape import Counting, Tape

from agents.a2c.agent import A2CAgent, likeliest
from agents.a2c.config import A2CConfig
from agents.a2c.learner import ActorCriticLearner, Choice, Experience, draw_actions
from agents.a2c.network import build_network
from agents.records import Moment


def learner(games: Tape, **wanted) -> ActorCriticLearner:
    config = A2CConfig(num_games=1, discount=0.5, **wanted)
    network = Counting()
    return ActorCriticLearner(
        *(config, games, network, dict(network.named_parameters())),
        perceive=lambda observations: (torch.from_numpy(observations),),
        random=np.random.default_rng(0),
        precision=torch.float32,
    )


def experience_of(learner: ActorCriticLearner) -> Experience:
    """What the first update learns from."""
    found: list[Experience] = []
    learn = learner.learn
    learner.learn = lambda experience: found.append(experience) or learn(experience)  # type: ignore[method-assign]
    for _ in learner.train(learner.config.n_step):
        pass
    return found[0]


@pytest.mark.parametrize(
    ("events", "returns"),
    [
        # V(x_t) = t / 10, γ = ½. The last value, V(x_3) = 0.3, is the bootstrap.
        ([(1, ""), (0, ""), (4, "")], [1 + 0.25 * 1 + 0.125 * 0.3, 0.5 * (1 + 0.15), 1 + 0.15]),
        # Nothing is known of what comes after a lost life or the end of a game.
        ([(1, ""), (-3, "life"), (0, "")], [1 - 0.5, -1.0, 0.15]),
        ([(0, ""), (1, "over"), (0, "began")], [0.5, 1.0, 0.2]),
        # A game that was cut off might have gone on: its last observation's value, V(x_2), stands for the rest.
        ([(0, ""), (1, "cut"), (0, "began")], [0.5 * (1 + 0.1), 1 + 0.1, 0.2]),
    ],
)
def test_returns_by_hand(events: list, returns: list[float]) -> None:
    experience = experience_of(learner(Tape(events), n_step=3))
    assert experience.returns[:, 0].tolist() == pytest.approx(returns)
    began = [event == "began" for _, event in events]
    assert experience.counts[:, 0].tolist() == [not step for step in began]


def test_a_step_that_begins_a_game_teaches_nothing() -> None:
    taught = learner(Tape([(1, "began")] * 3), n_step=3, entropy_scale=1.0)
    before = [parameter.clone() for parameter in taught.parameters]
    for _ in taught.train(3):
        pass
    assert taught.updates == 1
    for parameter, old in zip(taught.parameters, before, strict=True):
        assert torch.equal(parameter, old)


def test_an_action_that_the_game_took_does_not_train_the_policy_but_the_critic() -> None:
    taught = learner(Tape([(1, "")] * 2, forced=(0, 1)), n_step=2, entropy_scale=0.0)
    taught._choose = lambda seen: Choice(np.array([0]), torch.zeros(1), [])  # type: ignore[method-assign]
    for _ in taught.train(2):
        pass
    assert taught.network.logits.tolist() == [0.0, 0.0]
    assert taught.network.scale.item() > 0.1


def test_the_loss_by_hand() -> None:
    taught = learner(Tape([(0, "")]), value_scale=0.5, entropy_scale=0.0, gradient_clip=1e9)
    ones = torch.ones(1, 2)
    # x = 1 and 2 with V = 0.1 and 0.2, returns 1.1 and 0.2: advantages 1 and 0; π = ½ each.
    seen = [(torch.tensor([[[1.0]], [[2.0]]]),)]
    taught.learn(Experience(seen, torch.tensor([[1, 0]]), torch.tensor([[1.1, 0.2]]), ones, ones))
    # −½ Σ A ∇log π(a): half of (½, −½), for log-probabilities of two logits.
    assert taught.network.logits.grad.tolist() == pytest.approx([0.25, -0.25])
    # ½ · ½ Σ 2 (V − G) x: half of (−1 · 1 + 0 · 2).
    assert taught.network.scale.grad.item() == pytest.approx(-0.5)


@pytest.mark.parametrize("clip", [0.1, 0.8])
def test_gradients_by_hand_are_clipped_together(clip: float) -> None:
    taught = learner(Tape([(0, "")]), value_scale=0.5, entropy_scale=0.0, gradient_clip=clip)
    ones = torch.ones(1, 1)
    # x = 1 with V = 0.1 and a return of 0.6: A = ½, π = ½ each, so (¼, −¼) for the logits and −½ for the scale.
    seen = [(torch.tensor([[[1.0]]]),)]
    metrics = taught.learn(Experience(seen, torch.tensor([[1]]), torch.tensor([[0.6]]), ones, ones))
    norm = (2 * 0.25**2 + 0.5**2) ** 0.5
    assert metrics["gradient"] == pytest.approx(norm)
    expected = min(1.0, clip / norm)
    assert taught.network.logits.grad.tolist() == pytest.approx([0.25 * expected, -0.25 * expected], rel=1e-4)
    assert taught.network.scale.grad.item() == pytest.approx(-0.5 * expected, rel=1e-4)


def test_a_silent_weight_changes_no_step_of_rmsprop() -> None:
    """Its mean of squares is kept from 0, of which the root takes long."""
    taught = learner(Tape([(1, "")] * 9), n_step=1, learning_rate=0.1)
    twin = [torch.nn.Parameter(parameter.detach().clone()) for parameter in taught.parameters]
    plain = torch.optim.RMSprop(twin, alpha=taught.config.rmsprop_decay, eps=taught.config.rmsprop_epsilon)
    for update in taught.train(9):
        if update.metrics:
            plain.param_groups[0]["lr"] = taught.optimizer.param_groups[0]["lr"]
            for parameter, own in zip(twin, taught.parameters, strict=True):
                parameter.grad = own.grad.clone()
            plain.step()
    for parameter, own in zip(twin, taught.parameters, strict=True):
        assert torch.equal(parameter, own)
    taught.optimizer.state[taught.parameters[0]]["square_avg"].zero_()
    taught._descend(sum(parameter.sum() * 0.0 for parameter in taught.parameters), {})
    assert all(state["square_avg"].min() > 0 for state in taught.optimizer.state.values())


def test_another_loss_is_added() -> None:
    taught = learner(Tape([(0, "")]), n_step=1)
    taught.auxiliary = lambda seen, logits: 7.0 * logits.sum()
    metrics = [update.metrics for update in taught.train(1) if update.metrics]
    assert metrics[0]["auxiliary"] == 0.0
    assert taught.network.logits.grad.tolist() != [0.0, 0.0]


def test_the_learning_rate_grows_and_falls_to_nothing() -> None:
    taught = learner(Tape([(1, "")] * 400), n_step=1, steps=400, learning_rate=0.8)
    rates = [taught.optimizer.param_groups[0]["lr"] for update in taught.train(400) if update.metrics]
    assert rates[:2] == pytest.approx([0.8 / 100 * 399 / 400, 0.8 * 2 / 100 * 398 / 400])
    assert [rates[k] for k in (99, 199, 399)] == pytest.approx([0.6, 0.4, 0.0])


def test_drawing_by_hand() -> None:
    probabilities = np.array([[0.2, 0.0, 0.8]] * 3, np.float32)
    assert draw_actions(probabilities, np.array([0.1, 0.2, 0.99])).tolist() == [0, 2, 2]


def test_what_has_been_learnt_is_played_by_the_likeliest_action() -> None:
    np.testing.assert_array_equal(
        likeliest(np.array([[0.3, 0.4, 0.3], [0.5, 0.1, 0.4]], np.float32)), [[0, 1, 0], [1, 0, 0]]
    )
    agent = A2CAgent(build_network(3, 1, (2,)), ("a", "b", "c"))
    with torch.no_grad():
        agent.network.heads.policy.bias.copy_(torch.tensor([0.0, 5.0, 4.9]))
    observations = np.zeros((2, 1, 2), np.float32)
    decision = agent.act(Moment(observations[0], np.zeros((1, 1, 3), np.uint8)))
    assert decision.action == 1
    assert 0.4 < decision.probabilities[1] < 0.6
    assert agent.act_batch(observations, None).tolist() == [[0, 1, 0]] * 2
