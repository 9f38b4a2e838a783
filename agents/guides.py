"""The games of other agents from which a run's agent learns, as its config names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.catalogue import find_checkpoint, load_agent
from agents.envs.games import game_settings
from agents.envs.guided import EXPLORATION, Guided, GuidedGames, SideBySide, shared
from agents.envs.names import resolve_game
from agents.errors import UserError
from agents.runs.directory import RunConfig


def games_of_guides(run: RunConfig, config: Any) -> Callable[[], SideBySide] | None:
    """What makes the games of the agents that the config names; None for no such agents."""
    return (lambda: shared_games(run, config, EXPLORATION)) if config.guides else None


def games_of_others(run: RunConfig, config: Any) -> Guided:
    """From which an environment model learns: of the agents that the config names and of one that plays at random; of
    the latter alone where no agent is named.
    """
    if config.guides:
        return shared_games(run, config, (*EXPLORATION[1:], 1.0))
    settings = game_settings(run.game, run.settings)
    assert settings is not None  # who has no screen has no environment model either
    return GuidedGames(None, settings, resolve_game(run.game), config.num_games, settings, (1.0,))


def shared_games(run: RunConfig, config: Any, epsilons: tuple[float, ...]) -> SideBySide:
    """Games of the agents that the config names, shared as evenly as can be, with these ε in turns."""
    shares = shared(config.num_games, len(config.guides), epsilons)
    return SideBySide([guided_games(run, name, *share) for name, share in zip(config.guides, shares, strict=True)])


def guided_games(run: RunConfig, name: str, num_games: int, epsilons: tuple[float, ...]) -> GuidedGames:
    """Games of the agent that is named, as the run's own agent sees them. Raises UserError where that has no screen."""
    checkpoint = find_checkpoint(name, run.game)
    seen, settings = (game_settings(run.game, values) for values in (checkpoint.settings, run.settings))
    if seen is None or settings is None:
        raise UserError(f"{run.game} cannot be watched: only Atari games can.")
    return GuidedGames(load_agent(checkpoint), seen, resolve_game(run.game), num_games, settings, epsilons)
