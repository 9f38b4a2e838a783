"""One agent plays, another one watches: the same game through two pairs of eyes."""

from dataclasses import replace

import numpy as np
import pytest

from agents import guides as guides_module
from agents.dreamer.config import DreamerConfig
from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.envs.guided import EXPLORATION, GuidedGames, SideBySide
from agents.envs.settings import AtariSettings
from agents.i2a.config import I2AConfig
from agents.records import Decision, Moment

COLOUR = AtariSettings(colour=True, stack=1, size=80, crop_top=33, crop_bottom=17, max_pool=False)


class Mover:
    """An agent that remembers how many pictures it has seen, and moves right on every second one."""

    action_names = EmulatorModel("breakout").action_names

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.memories: list[np.ndarray] = []

    def begin(self, rows: int) -> np.ndarray:
        return np.zeros(rows, np.int64)

    def observe(
        self, memory: np.ndarray, observations: np.ndarray, actions: np.ndarray, began: np.ndarray
    ) -> np.ndarray:
        self.seen.append(observations.copy())
        self.memories.append(np.where(began, 0, memory) + 1)
        return self.memories[-1]

    def act_batch(self, observations: np.ndarray, memory: np.ndarray) -> np.ndarray:
        return np.eye(4)[np.where(memory % 2, 2, 3)]

    def act(self, moment: Moment) -> Decision: ...

    def imagine(self, *_: object) -> None: ...


def test_each_agent_sees_what_it_would_see_alone() -> None:
    mover, random = Mover(), np.random.default_rng(0)
    guided = GuidedGames(mover, AtariSettings(), "breakout", 3, COLOUR)
    watched = [guided.reset(7)]
    taken, steps = [], []
    for _ in range(250):
        step = guided.step(random)
        watched.append(step.observations)
        taken.append(step.actions)
        steps.append(step)
    assert any(step.terminated.any() for step in steps)
    for game in range(3):
        for settings, seen in ((COLOUR, watched), (AtariSettings(), mover.seen)):
            alone = AtariGame("breakout", settings, 7 + game)
            np.testing.assert_array_equal(alone.observation, seen[0][game])
            for k in range(len(seen) - 1):
                if steps[k].began[game]:
                    alone.reset()
                else:
                    result = alone.step(int(taken[k][game]))
                    assert result.reward == steps[k].rewards[game]
                    assert result.terminated == steps[k].terminated[game]
                    assert result.life_lost == steps[k].life_lost[game]
                np.testing.assert_array_equal(alone.observation, seen[k + 1][game])


def test_the_guide_remembers_game_by_game() -> None:
    mover = Mover()
    guided = GuidedGames(mover, AtariSettings(), "breakout", 2, COLOUR)
    guided.reset(0)
    random, began = np.random.default_rng(0), []
    for _ in range(200):
        began.append(guided.step(random).began)
    assert np.array(began).any()
    for game in range(2):
        count = 1
        for k, memory in enumerate(mover.memories):
            if k:
                count = 1 if began[k - 1][game] else count + 1
            assert memory[game] == count


def test_games_differ_in_how_much_they_explore() -> None:
    guided = GuidedGames(Mover(), AtariSettings(), "breakout", 8, replace(COLOUR, fire=False))
    guided.reset(0)
    random = np.random.default_rng(0)
    actions = np.stack([guided.step(random).actions for _ in range(300)])
    idle = (actions < 2).mean(0)  # NOOP and FIRE come by exploring only
    assert idle[0] < 0.03
    assert 0.15 < idle[7] < 0.35


def test_without_a_guide_games_are_played_at_random() -> None:
    games = GuidedGames(None, COLOUR, "breakout", 2, COLOUR, (1.0,))
    games.reset(0)
    random = np.random.default_rng(0)
    taken = np.concatenate([games.step(random).actions for _ in range(60)])
    assert set(taken.tolist()) == {0, 1, 2, 3}
    assert games.screens.shape == (2, 210, 160, 3)


def test_games_of_two_guides_stand_side_by_side() -> None:
    def games(epsilon: float, count: int) -> GuidedGames:
        return GuidedGames(Mover(), AtariSettings(), "breakout", count, COLOUR, (epsilon,))

    both = SideBySide([games(0.0, 2), games(1.0, 3)])
    seen = both.reset(5)
    alone = [games(0.0, 2), games(1.0, 3)]
    wanted = np.concatenate([alone[0].reset(5), alone[1].reset(7)])
    np.testing.assert_array_equal(seen, wanted)
    random, again = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(30):
        steps = both.step(random)
        parts = [guided.step(again) for guided in alone]
        for name, column in vars(steps).items():
            np.testing.assert_array_equal(column, np.concatenate([getattr(part, name) for part in parts]))


@pytest.mark.parametrize("guides", [("one", "two"), ("one", "two", "three")])
def test_agents_share_the_games_of_a_run_and_every_degree_of_chance(guides, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int, tuple[float, ...]]] = []

    def games(run: None, name: str, count: int, epsilons: tuple[float, ...]) -> GuidedGames:
        made.append((name, count, epsilons))
        return GuidedGames(None, COLOUR, "breakout", count, COLOUR, (1.0,))

    monkeypatch.setattr(guides_module, "guided_games", games)
    config = DreamerConfig(from_agent=",".join(guides), collect=80, num_games=8)
    guide = guides_module.games_of_guides(None, config)
    assert guide is not None
    assert not made  # nothing is loaded before it is needed
    assert len(guide().reset(0)) == 8
    assert tuple(name for name, *_ in made) == guides
    counts = [count for _, count, _ in made]
    assert max(counts) - min(counts) <= 1
    assert tuple(epsilon for _, count, epsilons in made for epsilon in epsilons[:count]) == EXPLORATION
    assert guides_module.games_of_guides(None, DreamerConfig()) is None


@pytest.mark.parametrize("guides", ["one", "one,two"])
def test_an_environment_model_learns_from_games_of_chance_too(guides: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, tuple[float, ...]]] = []

    def games(run: None, name: str, count: int, epsilons: tuple[float, ...]) -> GuidedGames:
        made.append((name, epsilons[:count]))
        return GuidedGames(None, COLOUR, "breakout", count, COLOUR, (1.0,))

    monkeypatch.setattr(guides_module, "guided_games", games)
    both = guides_module.games_of_others(None, I2AConfig(from_agent=guides, num_games=8))
    assert ",".join(name for name, _ in made) == guides
    assert [epsilon for _, epsilons in made for epsilon in epsilons] == [*EXPLORATION[1:], 1.0]
    assert len(both.reset(0)) == 8
    assert both.screens.shape == (8, 210, 160, 3)
