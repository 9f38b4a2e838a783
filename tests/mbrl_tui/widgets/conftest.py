"""Real games from a seed, as the widgets' tests show them."""

from dataclasses import replace

import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.imagination import unroll
from agents.records import Rollout


def random_action(game: AtariGame, random: np.random.Generator) -> int:
    fire = game.fire_action
    return fire if game.needs_fire and fire is not None else int(random.integers(len(game.action_names)))


@pytest.fixture(scope="session")
def breakout_frames() -> list[np.ndarray]:
    """120 frames (210, 160, 3) uint8, one after another, with the ball in play."""
    game, random = AtariGame("breakout", seed=1), np.random.default_rng(1)
    frames, action = [], 0
    for _ in range(120):
        if game.at_decision:
            action = random_action(game, random)
        game.advance(action)
        frames.append(game.screen)
    return frames


@pytest.fixture(scope="session")
def rollout() -> Rollout:
    """Four futures of Breakout, 15 steps, each begun with another action; their values are made up from a seed."""
    game, random = AtariGame("breakout", seed=1), np.random.default_rng(1)
    for _ in range(30):
        game.step(random_action(game, random))

    def policy(state: EmulatorState) -> tuple[np.ndarray, np.ndarray]:
        rows = len(state.snapshots)
        return random.integers(0, 4, rows), random.normal(1.5, 0.05, rows).astype(np.float32)

    return unroll(EmulatorModel("breakout"), game.moment(), 15, policy, np.arange(4)[:, None])


@pytest.fixture(scope="session")
def eventful(rollout: Rollout) -> Rollout:
    """As `rollout`, with rewards in rows 0 and 2, and the game's end in row 3 at frame 6."""
    rewards, continues = rollout.rewards.copy(), rollout.continues.copy()
    rewards[0, 4], rewards[2, 6], rewards[2, 9] = 1, 4, 7
    continues[3, 5:] = 0
    return replace(rollout, rewards=rewards, continues=continues)
