"""Games by their plain names. Heavy imports happen when they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.envs.names import CLASSIC_CONTROL
from agents.errors import UserError
from agents.settings import from_json

if TYPE_CHECKING:
    from agents.envs.settings import AtariSettings
    from agents.interfaces import Games


def game_settings(game: str, values: dict[str, Any]) -> AtariSettings | None:
    """How a game is played, from the values saved of it; None for those of `CLASSIC_CONTROL`, which have no settings.

    Raises UserError for values that do not fit the game.
    """
    from agents.envs.settings import AtariSettings

    if game not in CLASSIC_CONTROL:
        return from_json(AtariSettings, values)
    if values:
        raise UserError(f"{game} has no settings: it cannot be given {', '.join(sorted(values))}.")
    return None


def build_games(game: str, num_games: int, settings: AtariSettings | None) -> Games:
    """Many games at a time, by their plain name; settings as `game_settings` gives them."""
    if game in CLASSIC_CONTROL:
        if game == "pendulum":
            from agents.envs.pendulum import PendulumGames

            return PendulumGames(num_games)
        from agents.envs.cartpole import CartPoleGames

        return CartPoleGames(num_games, pixels=game == "cartpole-pixels")
    from agents.envs.atari import AtariGames

    return AtariGames(game, num_games, settings)
