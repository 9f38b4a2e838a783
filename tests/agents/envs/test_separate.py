"""Games that can be copied are the games that agents train on."""

import numpy as np

from agents.envs.atari import AtariGames
from agents.envs.separate import SeparateGames
from agents.envs.settings import AtariSettings

SETTINGS = AtariSettings(size=80, max_pool=False, crop_top=33, crop_bottom=17, frame_cap=900)


def test_they_are_the_vector_environment_s_games_bit_for_bit() -> None:
    many, separate = AtariGames("breakout", 3, SETTINGS), SeparateGames("breakout", 3, SETTINGS)
    random = np.random.default_rng(0)
    np.testing.assert_array_equal(many.reset(4), separate.reset(4))
    began = 0
    for _ in range(300):
        actions = random.integers(0, 4, 3)
        expected, got = many.step(actions), separate.step(actions)
        for name, column in vars(expected).items():
            rows = ~expected.began if name == "actions" else slice(None)  # no action begins a game
            np.testing.assert_array_equal(column[rows], getattr(got, name)[rows], err_msg=name)
        began += int(got.began.sum())
    assert began >= 3


def test_a_snapshot_is_the_game_as_it_is() -> None:
    games = SeparateGames("breakout", 2, SETTINGS)
    games.reset(0)
    steps = games.step(np.array([1, 2]))
    for number, snapshot in enumerate(games.snapshots()):
        np.testing.assert_array_equal(snapshot.observation, steps.observations[number])
