"""Every agent that ships can be loaded by this version, decides, and imagines where it has a model."""

import numpy as np
import pytest

from agents.catalogue import find_checkpoint, load_agent, shipped_checkpoints
from agents.envs.atari import AtariGame


@pytest.mark.parametrize("name", sorted(shipped_checkpoints()))
def test_its_weights_are_those_that_the_network_expects(name: str) -> None:
    """Its config.json may be older than some settings: those have their defaults."""
    checkpoint = find_checkpoint(name)
    settings = checkpoint.played_with()
    assert settings is not None  # all that ship play Atari games
    agent, game = load_agent(checkpoint), AtariGame(checkpoint.game, settings)
    game.reset(0)
    began, nothing = np.ones(1, bool), np.zeros(1, np.int64)
    moment = game.moment(agent.observe(agent.begin(1), game.observation[None], nothing, began))
    decision, rollout = agent.act(moment), agent.imagine(moment, 2)
    assert 0 <= decision.action < len(game.action_names)
    assert np.isfinite(decision.value)
    assert np.isfinite(rollout.values).all()
    assert rollout.frames.shape == (1, 3, *game.screen.shape)
