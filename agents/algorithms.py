"""The algorithms by their names: how each is configured, trained and loaded. Heavy imports happen when one is."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from agents.envs.games import build_games, game_settings
from agents.envs.names import CLASSIC_CONTROL, resolve_game
from agents.errors import UserError

if TYPE_CHECKING:
    import torch

    from agents.dreamer.actions import Actions
    from agents.dreamer.world_model import WorldModel
    from agents.envs.settings import AtariSettings
    from agents.interfaces import Agent, Games, Trainer
    from agents.runs.directory import RunConfig


def _dqn_config() -> type[Any]:
    from agents.dqn.config import DQNConfig

    return DQNConfig


def _dqn_config_for(game: str) -> Any:
    from agents.dqn.config import config_for

    return config_for(game)


def _dqn_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.dqn.train import DQNTrainer

    return DQNTrainer(config, games, run.seed, device)


def _as_seen(game: str, settings: AtariSettings | None) -> tuple[tuple[str, ...], int, tuple[int, ...]]:
    """The names of a game's actions, the frames of an observation, and the shape of a frame."""
    with contextlib.closing(build_games(game, 1, settings)) as games:
        return games.action_names, games.stack, games.frame_shape


def _model_free(
    agent: Callable[..., Agent],
    build_network: Callable[[int, int, tuple[int, ...]], torch.nn.Module],
    game: str,
    settings: AtariSettings | None,
    weights: dict[str, torch.Tensor],
    device: torch.device,
) -> Agent:
    """An agent of one network, which looks ahead through the emulator.

    build_network: from how many actions there are, the frames of an observation, and the shape of a frame.
    """
    from agents.envs.emulator import EmulatorModel

    names, stack, frame_shape = _as_seen(game, settings)
    network = build_network(len(names), stack, frame_shape)
    network.load_state_dict(weights)
    return agent(network, names, EmulatorModel(game, settings) if settings else None, device=device)


def _dqn_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.dqn.agent import DQNAgent
    from agents.dqn.network import build_network

    return _model_free(DQNAgent, partial(build_network, config=config), game, settings, weights, device)


def _a2c_config() -> type[Any]:
    from agents.a2c.config import A2CConfig

    return A2CConfig


def _a2c_config_for(game: str) -> Any:
    from agents.a2c.config import config_for

    return config_for(game)


def _close_view(game: str) -> AtariSettings:
    from agents.envs.settings import AtariSettings

    if game == "breakout":
        # From the top wall to the paddle, each two by two pixels as one: what a model of the game can predict exactly.
        return AtariSettings(size=80, max_pool=False, crop_top=33, crop_bottom=17)
    return AtariSettings(size=80)


def _a2c_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.a2c.train import A2CTrainer

    return A2CTrainer(config, games, run.seed, device)


def _a2c_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.a2c.agent import A2CAgent
    from agents.a2c.network import build_network

    return _model_free(A2CAgent, partial(build_network, config=config), game, settings, weights, device)


def _pqn_config() -> type[Any]:
    from agents.pqn.config import PQNConfig

    return PQNConfig


def _pqn_config_for(game: str) -> Any:
    from agents.pqn.config import config_for

    return config_for(game)


def _pqn_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.pqn.train import PQNTrainer

    return PQNTrainer(config, games, run.seed, device)


def _pqn_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.dqn.agent import DQNAgent
    from agents.pqn.network import build_network

    return _model_free(DQNAgent, build_network, game, settings, weights, device)


def _dreamer_config() -> type[Any]:
    from agents.dreamer.config import DreamerConfig

    return DreamerConfig


def _dreamer_config_for(game: str) -> Any:
    from agents.dreamer.config import config_for

    return config_for(game)


def _dreamer_v1_config_for(game: str) -> Any:
    from agents.dreamer.config import v1_config_for

    return v1_config_for(game)


def _dreamer_view(game: str) -> AtariSettings:
    from agents.envs.settings import AtariSettings

    if game == "breakout":
        # From the top wall to the paddle, each two by two pixels as one: the ball is then one by two.
        return AtariSettings(colour=True, stack=1, size=80, max_pool=False, crop_top=33, crop_bottom=17)
    return AtariSettings(colour=True, stack=1, size=80)


def _dreamer_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.dreamer.train import DreamerTrainer
    from agents.guides import games_of_guides

    return DreamerTrainer(config, games, run.seed, device, games_of_guides(run, config))


def _planet_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.dreamer.actions import actions_of
    from agents.dreamer.planning import Planner
    from agents.dreamer.train import DreamerTrainer
    from agents.guides import games_of_guides

    planner = Planner(config, actions_of(games))
    return DreamerTrainer(config, games, run.seed, device, games_of_guides(run, config), planner=planner)


def _dreamer_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.dreamer.agent import DreamerAgent
    from agents.dreamer.behaviour import Behaviour
    from agents.tensors import with_prefix

    names, actions, model = _world_model(game, settings, config, weights)
    behaviour = Behaviour(config, actions)
    behaviour.load_state_dict(with_prefix(weights, "behaviour."))
    return DreamerAgent(model, behaviour, names, settings, device)


def _planet_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.dreamer.agent import DreamerAgent
    from agents.dreamer.planning import Planner

    names, actions, model = _world_model(game, settings, config, weights)
    return DreamerAgent(model, Planner(config, actions), names, settings, device)


def _world_model(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor]
) -> tuple[tuple[str, ...], Actions, WorldModel]:
    """The game's actions by name and by kind, and the world model that any of Dreamer's family has learnt of it."""
    from agents.dreamer.actions import actions_of
    from agents.dreamer.world_model import WorldModel
    from agents.tensors import with_prefix

    with contextlib.closing(build_games(game, 1, settings)) as games:
        names, actions = games.action_names, actions_of(games)
        model = WorldModel(config, actions.size, games.frame_shape)
    model.load_state_dict(with_prefix(weights, "model."))
    return names, actions, model


def _i2a_config() -> type[Any]:
    from agents.i2a.config import I2AConfig

    return I2AConfig


def _i2a_config_for(game: str) -> Any:
    from agents.i2a.config import config_for

    return config_for(game)


def _i2a_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.envs.emulator import EmulatorModel
    from agents.envs.separate import SeparateGames
    from agents.guides import games_of_others
    from agents.i2a.train import I2ATrainer

    settings = game_settings(run.game, run.settings)
    assert settings is not None  # `cannot` sees to that
    game = resolve_game(run.game)
    if config.model == "emulator":
        games.close()
        games = SeparateGames(game, config.num_games, settings)
    return I2ATrainer(
        *(config, games, settings, EmulatorModel(game, settings)),
        guide=lambda: games_of_others(run, config),
        handed=lambda: _handed_parts(run.game, config),
        seed=run.seed,
        device=device,
    )


def _handed_parts(game: str, config: Any) -> dict[str, torch.Tensor]:
    """The weights of the parts that an I2A is handed, by the names that they have in it."""
    from agents.catalogue import find_checkpoint
    from agents.runs.checkpoint import load_weights
    from agents.tensors import with_prefix

    handed: dict[str, torch.Tensor] = {}
    for part in ("environment_model", "rollout_policy"):
        name = getattr(config, part)
        if name:
            checkpoint = find_checkpoint(name, game)
            weights = load_weights(checkpoint.folder)
            own = weights if checkpoint.agent == "a2c" else with_prefix(weights, f"{part}.")
            handed |= {f"{part}.{key}": tensor for key, tensor in own.items()}
    return handed


def _i2a_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.envs.emulator import EmulatorModel
    from agents.i2a.agent import I2AAgent
    from agents.i2a.network import I2AParts

    if settings is None:
        raise UserError(f"i2a plays Atari games only, not {game}.")
    emulator = EmulatorModel(game, settings)
    parts = I2AParts(config, len(emulator.action_names), settings.stack, settings.frame_shape)
    parts.load_state_dict(weights)
    return I2AAgent(parts, config, emulator, settings, device)


@dataclass(frozen=True)
class Algorithm:
    """How one algorithm is configured, trained and loaded.

    suited: its config for a game that may want other values than its defaults; None where it has no such games.
    view:   how it plays and sees an Atari game, as long as nothing is set; None stands for the defaults.
    reads:  other algorithms whose checkpoints it can play from: `planet:breakout-dreamer`.
    cannot: games outside Atari that it cannot be trained on, and why, as the end of a sentence.
    only:   settings that are for one game alone, and why, as the end of a sentence.
    """

    config: Callable[[], type[Any]]
    trainer: Callable[[RunConfig, Any, Games, torch.device], Trainer]
    agent: Callable[[str, AtariSettings | None, Any, dict[str, torch.Tensor], torch.device], Agent]
    suited: Callable[[str], Any] | None = None
    view: Callable[[str], AtariSettings] | None = None
    reads: tuple[str, ...] = ()
    cannot: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def config_for(self, game: str) -> Any:
        """The config with which this game is trained, as long as nothing is set."""
        return self.suited(game) if self.suited else self.config()()

    def settings_for(self, game: str) -> AtariSettings:
        """The settings with which an Atari game is played, as long as nothing is set."""
        from agents.envs.settings import AtariSettings

        return self.view(game) if self.view else AtariSettings()


_NUMBERS = {"pendulum": "it chooses among actions, and those of pendulum are numbers. Use --agent dreamer-v1."}
_GREY = {"cartpole-pixels": "it learns from pictures in colour, or from numbers. Use --agent dqn."}
_STATES = {"dyna": ("cartpole", "it imagines states of a few numbers. Leave it out.")}
_NO_ATARI = dict.fromkeys(CLASSIC_CONTROL, "it imagines the pictures of an Atari game. Give one of those.")

ALGORITHMS = {
    "a2c": Algorithm(_a2c_config, _a2c_trainer, _a2c_agent, _a2c_config_for, _close_view, cannot=_NUMBERS),
    "dqn": Algorithm(
        *(_dqn_config, _dqn_trainer, _dqn_agent, _dqn_config_for, _close_view), cannot=_NUMBERS, only=_STATES
    ),
    "dreamer": Algorithm(
        *(_dreamer_config, _dreamer_trainer, _dreamer_agent, _dreamer_config_for, _dreamer_view), cannot=_GREY
    ),
    "dreamer-v1": Algorithm(
        *(_dreamer_config, _dreamer_trainer, _dreamer_agent, _dreamer_v1_config_for, _dreamer_view), cannot=_GREY
    ),
    "i2a": Algorithm(_i2a_config, _i2a_trainer, _i2a_agent, _i2a_config_for, _close_view, cannot=_NO_ATARI),
    "planet": Algorithm(
        *(_dreamer_config, _planet_trainer, _planet_agent),
        view=_dreamer_view,
        reads=("dreamer", "dreamer-v1"),
        cannot=_GREY,
    ),
    "pqn": Algorithm(_pqn_config, _pqn_trainer, _pqn_agent, _pqn_config_for, _close_view, cannot=_NUMBERS),
}


def check_trainable(name: str, game: str, config: Any = None) -> None:
    """Raise UserError where there is no algorithm called `name`, or it cannot be trained on this game (so)."""
    reason = algorithm(name).cannot.get(game)
    if reason:
        raise UserError(f"{name} cannot be trained on {game}: {reason}")
    for setting, (suited, reason) in algorithm(name).only.items():
        if getattr(config, setting, None) and game != suited:
            raise UserError(f"{setting} is for {suited} alone: {reason}")


def algorithm(name: str) -> Algorithm:
    """Raises UserError with near matches where there is no such algorithm."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    near = difflib.get_close_matches(name, ALGORITHMS, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(ALGORITHMS))}."
    raise UserError(f"There is no algorithm called '{name}'. {hint}")
