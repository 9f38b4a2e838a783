"""Planning by the cross-entropy method: its refit by hand, plans in a world that is known, and PlaNet's training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dots import CELL, CELLS, TINY, DotGames, moved, picture, trainer_for

from agents.dreamer.actions import Discrete
from agents.dreamer.agent import DreamerAgent
from agents.dreamer.latents import Categorical
from agents.dreamer.planning import CategoricalPlans, Planner, worths
from agents.dreamer.rssm import RSSM, State
from agents.dreamer.train import DreamerTrainer
from agents.envs.settings import AtariSettings
from agents.records import Moment

SMALL = replace(
    TINY, num_games=8, replay_ratio=16, plan_horizon=8, plan_candidates=32, plan_elites=6, plan_iterations=3
)
THOROUGH = replace(SMALL, plan_candidates=128, plan_elites=16, plan_iterations=5)


class KnownWorld:
    """Stands for a world model: a dot on 9 cells, each step on the last one pays 1; whoever waits on cell 0 dies."""

    class rssm:
        latents = Categorical(0, 2)

        @staticmethod
        def imagine(state: State, actions: torch.Tensor, choose: object) -> tuple[State, None]:
            after = moved(state.memory[:, 0].long().numpy(), actions.argmax(-1).numpy())
            return State(torch.tensor(after)[:, None].float(), state.latent), None

        @classmethod
        def follow(cls, state: State, actions: torch.Tensor) -> torch.Tensor:
            return RSSM.follow(cls, state, actions)  # type: ignore[arg-type]

    @staticmethod
    def rewards(features: torch.Tensor) -> torch.Tensor:
        return (features[..., 0] == CELLS - 1).float()

    @staticmethod
    def goes_on(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alive = (features[..., 0] != 0).float()
        return alive, alive


def at(*cells: int) -> State:
    return State(torch.tensor(cells)[:, None].float(), torch.zeros(len(cells), 0, 0))


def test_the_refit_by_hand() -> None:
    """Of four elites three go right at first; then all go left."""
    plans = CategoricalPlans(Discrete(3))
    elites = torch.nn.functional.one_hot(torch.tensor([[2, 1], [2, 1], [0, 1], [2, 1]]), 3)[:, None].float()
    belief = plans.fit(elites)  # (1, 2, 3)
    assert belief[0].tolist() == [[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]
    vectors, probabilities = plans.first(belief)
    assert vectors.tolist() == [[0.0, 0.0, 1.0]]
    assert probabilities.tolist() == [[0.25, 0.0, 0.75]]


def test_plans_are_drawn_as_they_are_believed_in() -> None:
    plans = CategoricalPlans(Discrete(3))
    belief = torch.tensor([[[0.2, 0.8, 0.0]], [[0.5, 0.0, 0.5]]])  # two states, one step
    drawn = plans.draw(belief, 20_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (20_000, 2, 1, 3)
    torch.testing.assert_close(drawn.mean(0), belief, atol=0.015, rtol=0)


def test_what_a_plan_is_worth_by_hand() -> None:
    def plan(*actions: int) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(actions), 3).float()

    plans = torch.stack([plan(2, 2, 0), plan(2, 1, 2), plan(1, 1, 1)])[:, None]  # (3, 1, 3, 3)
    assert worths(KnownWorld, at(6), plans).flatten().tolist() == [2.0, 0.0, 0.0]
    assert worths(KnownWorld, at(7), plans).flatten().tolist() == [3.0, 2.0, 0.0]


def test_what_comes_after_the_end_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownWorld, "rewards", staticmethod(lambda features: torch.ones(features.shape[:-1])))
    plan = torch.nn.functional.one_hot(torch.tensor([1, 2, 2]), 3).float()[None, None]
    assert float(worths(KnownWorld, at(1), plan)) == 1.0  # it arrives on cell 0, is paid, and is no more
    assert float(worths(KnownWorld, at(5), plan)) == 3.0


def test_the_best_plan_is_found_in_a_known_world() -> None:
    planner = Planner(THOROUGH, Discrete(3))
    actions, probabilities, values = planner.judge(KnownWorld, at(4, 6, 8))
    assert actions.tolist()[:2] == [2, 2]
    assert actions[2] in (0, 2)  # against the wall, both stay
    assert values.tolist() == pytest.approx([8 - 3, 8 - 1, 8], abs=0.7)
    assert probabilities.sum(1).tolist() == pytest.approx([1, 1, 1])


def test_a_plan_depends_on_its_state_alone() -> None:
    planner = Planner(SMALL, Discrete(3))
    torch.manual_seed(1)
    together, again = planner.plan(KnownWorld, at(2, 5, 7)), planner.plan(KnownWorld, at(2, 5, 7))
    alone = planner.plan(KnownWorld, at(5))
    assert together[0].equal(again[0])
    assert together[0][1].equal(alone[0][0])
    assert together[1][1] == alone[1][0]


@pytest.fixture(scope="module")
def trained() -> tuple[DreamerTrainer, list[float]]:
    games = DotGames(SMALL.num_games)
    trainer = trainer_for(SMALL, games, seed=1, planner=Planner(SMALL, Discrete(3)))
    return trainer, [score for update in trainer.train(2_000) for score in update.scores]


def test_planet_learns_to_go_where_it_is_paid(trained: tuple[DreamerTrainer, list[float]]) -> None:
    """Chance makes 2 of a game of 16 steps, the best possible is about 13; it still explores one time in ten."""
    _, scores = trained
    assert np.mean(scores[:24]) < 4
    assert np.mean(scores[-24:]) > 8


def test_a_planning_agent_keeps_the_contract(trained: tuple[DreamerTrainer, list[float]]) -> None:
    trainer, _ = trained
    settings = AtariSettings(colour=True, stack=1, size=CELLS * CELL, fire=False)
    agent = DreamerAgent(trainer.model, Planner(THOROUGH, Discrete(3)), DotGames.action_names, settings)
    frames = np.stack([picture(cell) for cell in (3, 5)])[:, None]
    memory = agent.observe(agent.begin(2), frames, np.zeros(2, np.int64), np.ones(2, bool))
    assert agent.act_batch(frames, memory).tolist() == [[0, 0, 1], [0, 0, 1]]
    moment = Moment(frames[0], frames[0, 0])
    decision = agent.act(moment)
    assert (decision.action, decision.probabilities.shape) == (2, (3,))
    assert decision.value == pytest.approx(8 - 4, abs=1)
    dreamt = agent.imagine(moment, 7)
    assert dreamt.actions[0, :5].tolist() == [2] * 5
    assert dreamt.rewards[0].tolist() == pytest.approx([0, 0, 0, 0, 1, 1, 1], abs=0.4)
    assert agent.imagine(moment, 3, np.array([[1], [2]]), samples=2).actions[:, 0].tolist() == [1, 1, 2, 2]


def test_a_trained_planner_is_saved_and_goes_on(trained: tuple[DreamerTrainer, list[float]], tmp_path) -> None:
    trainer, _ = trained
    assert all(name.startswith("model.") for name in trainer.weights())
    after = trainer_for(SMALL, DotGames(SMALL.num_games), seed=5, planner=Planner(SMALL, Discrete(3)))
    names = trainer.save_replay(tmp_path)
    after.restore(trainer.weights(), trainer.training_tensors(), trainer.training_counters(), tmp_path, names)
    assert list(after.train(trainer.step + 8))[-1].step == trainer.step + 8
