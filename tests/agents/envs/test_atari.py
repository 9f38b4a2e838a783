"""Games: one preprocessing for many games and for one, whole games, snapshots that hold everything."""

import numpy as np
import pytest

from agents.envs.atari import AtariGame, AtariGames
from agents.envs.names import atari_names, resolve_game
from agents.envs.settings import AtariSettings
from agents.errors import UserError


def assert_same_game(name: str, settings: AtariSettings, steps: int, seed: int) -> int:
    """Play one game in the vector environment and alone, under the same actions; gives how many games ended."""
    many = AtariGames(name, 2, settings)
    first = many.reset(seed)
    singles = [AtariGame(name, settings, seed=seed + i) for i in range(2)]
    for i, single in enumerate(singles):
        np.testing.assert_array_equal(single.observation, first[i])
    random, ended = np.random.default_rng(seed), 0
    for _ in range(steps):
        result = many.step(random.integers(0, len(many.action_names), 2))
        for i, single in enumerate(singles):
            if result.began[i]:
                np.testing.assert_array_equal(single.reset(), result.observations[i])
                ended += 1
                continue
            step = single.step(int(result.actions[i]))
            np.testing.assert_array_equal(step.observation, result.observations[i])
            assert step.reward == result.rewards[i]
            assert step.terminated == result.terminated[i]
            assert step.truncated == result.truncated[i]
            assert step.life_lost == result.life_lost[i]
    many.close()
    return ended


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_the_single_game_equals_the_vector_environment_bit_for_bit(sticky: float) -> None:
    assert assert_same_game("breakout", AtariSettings(sticky=sticky), 1_000, seed=3) > 2


@pytest.mark.parametrize("name", ["pong", "space-invaders", "ms-pacman"])
def test_other_games_have_the_same_preprocessing(name: str) -> None:
    assert_same_game(name, AtariSettings(), 150, seed=11)


COLOURS = [
    AtariSettings(colour=True, size=80, stack=1, crop_top=33, crop_bottom=17, max_pool=False),
    AtariSettings(colour=True, stack=2),
    AtariSettings(crop_top=10, max_pool=False),
]


@pytest.mark.parametrize("settings", COLOURS)
def test_colours_and_cut_screens_are_the_same_for_one_game_and_for_many(settings: AtariSettings) -> None:
    assert assert_same_game("breakout", settings, 700, seed=5) > 1
    assert_same_game("pong", settings, 60, seed=5)


def test_half_a_breakout_screen_averages_four_pixels_into_one() -> None:
    settings = COLOURS[0]
    game = AtariGame("breakout", settings)
    game.step(1)
    assert game.observation.shape == (1, *settings.frame_shape) == (1, 80, 80, 3)
    rows = game.screen[33:193].astype(float)
    np.testing.assert_allclose(game.observation[0], rows.reshape(80, 2, 80, 2, 3).mean((1, 3)), atol=0.75)


def test_a_game_is_cut_off_at_the_frame_cap_and_begins_anew() -> None:
    assert assert_same_game("breakout", AtariSettings(frame_cap=90, fire=False), 60, seed=0) >= 2


def test_training_plays_whole_games_of_five_lives() -> None:
    games = AtariGames("breakout", 1)
    games.reset(0)
    random, lost, began = np.random.default_rng(0), 0, 0
    while not began:
        step = games.step(random.integers(0, 4, 1))
        lost += int(step.life_lost[0])
        began += int(step.began[0])
    games.close()
    assert lost == 4  # the fifth ends the game


def test_fire_is_pressed_after_a_lost_life_when_the_setting_says_so() -> None:
    noop = np.zeros(1, np.int64)
    for fire in (True, False):
        games = AtariGames("breakout", 1, AtariSettings(fire=fire))
        games.reset(0)
        if not fire:
            games.step(np.ones(1, np.int64))
        while not games.step(noop).life_lost[0]:
            pass
        assert games.step(noop).actions[0] == (1 if fire else 0)
        games.close()


def test_a_single_game_says_when_it_waits_for_fire() -> None:
    game = AtariGame("breakout", AtariSettings(fire=False))
    fire = game.action_names.index("FIRE")
    assert game.needs_fire
    game.step(fire)
    assert not game.needs_fire
    while not game.step(0).life_lost:
        pass
    assert game.needs_fire
    assert AtariGame("breakout", AtariSettings(fire=True)).needs_fire is False


def test_rewards_are_the_true_ones_not_clipped() -> None:
    game = AtariGame("space-invaders", seed=1)
    rewards = {game.step(1).reward for _ in range(200)}  # standing still and shooting
    assert max(rewards) >= 5


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_a_restored_snapshot_goes_on_as_the_game_did(sticky: float) -> None:
    settings = AtariSettings(sticky=sticky)
    game, other = AtariGame("breakout", settings, seed=5), AtariGame("breakout", settings, seed=99)
    random = np.random.default_rng(5)
    for _ in range(41):
        game.advance(int(random.integers(4)))  # in the middle of a decision
    snapshot = game.snapshot()
    actions = random.integers(0, 4, 200)

    def play(board: AtariGame) -> list[tuple[bytes, bytes, float, int, bool]]:
        board.restore(snapshot)
        seen = []
        for action in actions:
            if board.over:
                break
            step = board.step(int(action))
            seen.append(
                (step.observation.tobytes(), board.screen.tobytes(), board.score, board.lives, board.needs_fire)
            )
        return seen

    first = play(game)
    assert len(first) > 20
    assert play(game) == first
    assert play(other) == first


def test_a_game_that_is_over_takes_no_more_frames() -> None:
    game = AtariGame("breakout", AtariSettings(frame_cap=8))
    game.step(0)
    assert game.step(0).truncated
    with pytest.raises(RuntimeError, match="over"):
        game.advance(0)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("breakout", "breakout"),
        ("Breakout", "breakout"),
        ("ALE/SpaceInvaders-v5", "space-invaders"),
        ("space_invaders", "space-invaders"),
        ("BreakoutNoFrameskip-v4", "breakout"),
        ("cartpole", "cartpole"),
        ("CartPole-Pixels", "cartpole-pixels"),
    ],
)
def test_games_are_found_by_any_of_their_names(typed: str, meant: str) -> None:
    assert resolve_game(typed) == meant


def test_an_unknown_game_is_told_with_near_matches() -> None:
    with pytest.raises(UserError, match="Did you mean breakout"):
        resolve_game("brekout")
    with pytest.raises(UserError, match="no game called 'xyzzy'"):
        resolve_game("xyzzy")


def test_games_that_would_end_the_process_are_no_games() -> None:
    assert "combat" not in atari_names()
    with pytest.raises(UserError, match="no Atari game called 'combat'"):
        AtariGame("combat")


@pytest.mark.parametrize(("name", "height"), [("pooyan", 220), ("adventure", 250), ("breakout", 210)])
def test_screens_of_every_height(name: str, height: int) -> None:
    game = AtariGame(name)
    game.step(0)
    assert game.screen.shape == (height, 160, 3)
    assert game.observation.shape == (4, 84, 84)
    if height != 210:
        assert_same_game(name, AtariSettings(), 30, seed=1)


def test_with_sticky_actions_fire_is_pressed_until_it_counts() -> None:
    games = AtariGames("breakout", 32, AtariSettings(sticky=0.25))
    games.reset(0)
    assert (games.step(np.zeros(32, np.int64)).actions == 1).all()
    assert (games.step(np.zeros(32, np.int64)).actions == 0).all()
    lost = np.zeros(32, bool)
    for _ in range(120):
        lost |= games.step(np.zeros(32, np.int64)).life_lost
    assert lost.mean() > 0.9  # the ball was in play, and nobody caught it
    assert AtariGame("breakout", AtariSettings(sticky=0.25)).needs_fire


def test_every_name_in_the_list_is_a_game_that_resolves_to_itself() -> None:
    assert len(atari_names()) > 60
    assert all(resolve_game(name) == name for name in atari_names())
