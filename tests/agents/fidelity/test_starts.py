"""Where dreams begin: spread over stages and players, remembered as they were played."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.fidelity import starts
from agents.fidelity.starts import STAGES, PlayedGame, Player, choose_starts, play, revisit, seen_by
from agents.records import Decision, Moment, Rollout


@pytest.fixture(autouse=True)
def short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_DECISIONS", 120)


class Witness:
    """An agent that remembers every action taken and every observation seen since the game began; goes right."""

    action_names = ("NOOP", "FIRE", "RIGHT", "LEFT")

    def begin(self, rows: int) -> tuple[Any, ...]:
        assert rows == 1
        return ("nothing",)

    def observe(
        self, memory: tuple[Any, ...], observations: np.ndarray, actions: np.ndarray, began: np.ndarray
    ) -> tuple[Any, ...]:
        assert (actions.shape, actions.dtype, began.shape, began.dtype) == ((1,), np.int64, (1,), bool)
        seen = observations.tobytes()
        return ((None, seen),) if began[0] else (*memory, (int(actions[0]), seen))

    def act(self, moment: Moment) -> Decision:
        raise AssertionError("not asked for single decisions here")

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        raise AssertionError("not asked to dream here")

    def act_batch(self, observations: np.ndarray, memory: tuple[Any, ...]) -> np.ndarray:
        assert memory[-1][1] == observations.tobytes()
        return np.array([[0, 0, 1, 0]], np.float32)


def game_of(player: str, stages: list[int], over: bool = True, seed: int = 0) -> PlayedGame:
    steps = len(stages)
    return PlayedGame(player, seed, np.zeros(steps, np.int64), np.zeros(steps, np.float32), np.array(stages), over)


def test_stages_take_turns_and_within_them_the_players() -> None:
    games = [
        game_of("good", [0] * 50 + [1] * 50 + [2] * 6),
        game_of("bad", [0] * 100),
        game_of("bad", [0] * 50 + [1] * 4),
    ]
    chosen = choose_starts(games, 30, 10, np.random.default_rng(0))
    stages: dict[tuple[str, int], int] = {}
    for place, steps in chosen.items():
        assert steps == sorted(set(steps))
        for step in steps:
            key = games[place].player, int(games[place].stages[step])
            stages[key] = stages.get(key, 0) + 1
    # Of 30, late has but 6 to give; early and middle share the rest, and in the middle the bad player has but 4.
    assert stages == {("good", 0): 6, ("bad", 0): 6, ("good", 1): 8, ("bad", 1): 4, ("good", 2): 6}


def test_no_more_starts_than_there_are() -> None:
    chosen = choose_starts([game_of("a", [0] * 8)], 100, 5, np.random.default_rng(0))
    assert chosen == {0: [4, 5, 6, 7]}


def test_a_game_that_was_left_is_known_for_the_horizon_from_every_start() -> None:
    chosen = choose_starts([game_of("a", [0] * 20, over=False)], 100, 5, np.random.default_rng(0))
    assert chosen == {0: list(range(4, 16))}  # from 15 the five actions 15 … 19 are known
    assert choose_starts([game_of("a", [0] * 8, over=False)], 9, 8, np.random.default_rng(0)) == {}


def test_the_same_generator_chooses_the_same() -> None:
    games = [game_of("a", [0] * 90 + [1] * 90), game_of("b", [0] * 50)]
    one, same, other = (choose_starts(games, 20, 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_revisited_moment_is_that_of_the_game_as_it_was_played() -> None:
    settings = AtariSettings(sticky=0.25)
    played = play(AtariGame("breakout", settings), Player("random"), seed=5)
    steps, horizons = [4, 30, 31], [1, 7]
    found = list(revisit(AtariGame("breakout", settings), Witness(), played, steps, horizons))

    game = AtariGame("breakout", settings, 5)
    memory: list[Any] = [(None, game.observation[None].tobytes())]
    screens, states = [game.screen], []
    for action in played.actions[:40]:
        states.append((game.observation, tuple(memory)))
        game.step(int(action))
        screens.append(game.screen)
        memory.append((int(action), game.observation[None].tobytes()))
    assert len(found) == 3
    for start, step in zip(found, steps, strict=True):
        observation, remembered = states[step]
        np.testing.assert_array_equal(start.moment.observation, observation)
        np.testing.assert_array_equal(start.moment.screen, screens[step])
        assert start.moment.memory == remembered
        np.testing.assert_array_equal(start.actions, played.actions[step : step + 7])
        np.testing.assert_array_equal(start.rewards, played.rewards[step : step + 7])
        assert not start.terminated.any()
        assert list(start.frames) == horizons
        for horizon in horizons:
            np.testing.assert_array_equal(start.frames[horizon], screens[step + horizon])
        assert (start.player, start.stage) == ("random", "early")


def test_near_the_end_a_start_holds_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_DECISIONS", 1_000)
    played = play(AtariGame("breakout", AtariSettings()), Player("random"), seed=1)
    assert played.over
    last = len(played.actions) - 3
    (start,) = revisit(AtariGame("breakout", AtariSettings()), Witness(), played, [last], [1, 3, 5])
    assert start.terminated.tolist() == [False, False, True]
    assert len(start.actions) == len(start.rewards) == 3
    assert list(start.frames) == [1, 3]


def test_a_game_is_left_after_the_most_decisions_and_ends_with_none_terminal() -> None:
    played = play(AtariGame("breakout", AtariSettings()), Player("random"), seed=1)
    assert (len(played.actions), played.over) == (120, False)
    steps = [100]
    (start,) = revisit(AtariGame("breakout", AtariSettings()), Witness(), played, steps, [20])
    assert not start.terminated.any()


def test_players_play_as_they_should() -> None:
    right = play(AtariGame("breakout", AtariSettings()), Player("right", Witness()), seed=3)
    assert set(right.actions) == {1, 2}  # and FIRE at each life
    mixed = play(AtariGame("breakout", AtariSettings()), Player("mixed", Witness(), 0.5), seed=3)
    share = np.mean(mixed.actions == 2)
    assert 0.45 < share < 0.8  # 0.5 + 0.5 / 4
    again = play(AtariGame("breakout", AtariSettings()), Player("mixed", Witness(), 0.5), seed=3)
    np.testing.assert_array_equal(mixed.actions, again.actions)


def test_without_fire_nobody_presses_it_for_the_player() -> None:
    right = play(AtariGame("breakout", AtariSettings(fire=False)), Player("right", Witness()), seed=3)
    assert set(right.actions) == {2}


def test_a_player_with_other_eyes_plays_the_same_game() -> None:
    """What it sees is its own; all that the game does is the measured agent's."""
    seen = []

    class Small(Witness):
        def act_batch(self, observations: np.ndarray, memory: tuple[Any, ...]) -> np.ndarray:
            seen.append(observations.shape)
            return super().act_batch(observations, memory)

    eyes = AtariSettings(size=42, stack=2, sticky=0.9, noop_max=0)
    settings = AtariSettings(sticky=0.25)
    player = Player("small", Small(), settings=eyes)
    played = play(AtariGame("breakout", seen_by(player, settings)), player, seed=9)
    assert set(seen) == {(1, 2, 42, 42)}
    plain = play(AtariGame("breakout", settings), Player("right", Witness()), seed=9)
    np.testing.assert_array_equal(played.actions, plain.actions)
    np.testing.assert_array_equal(played.rewards, plain.rewards)


def test_stages_of_breakout_are_bricks_and_of_other_games_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts._stages_of_wall(np.array([108, 97, 96, 73, 72, 0])).tolist() == [0, 0, 1, 1, 2, 2]
    pong = play(AtariGame("pong", AtariSettings()), Player("random"), seed=0)
    assert np.bincount(pong.stages).tolist() == [40, 40, 40]
    assert len(STAGES) == 3
