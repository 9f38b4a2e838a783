"""From names to things: algorithms, games, checkpoints. Heavy imports happen when a thing is made."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.envs.names import CLASSIC_CONTROL, resolve_game
from agents.errors import UserError
from agents.settings import from_json

if TYPE_CHECKING:
    import torch

    from agents.dreamer.actions import Actions
    from agents.dreamer.world_model import WorldModel
    from agents.envs.atari import AtariSettings
    from agents.envs.guided import GuidedGames
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
    from agents.interfaces import is_continuous

    if is_continuous(games):
        raise UserError(f"dqn chooses among actions, and those of {run.game} are numbers. Use --agent dreamer-v1.")
    return DQNTrainer(config, games, run.seed, device)


def _dqn_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.dqn.agent import DQNAgent
    from agents.dqn.network import build_network
    from agents.envs.emulator import EmulatorModel

    with contextlib.closing(build_games(game, 1, settings)) as games:
        names = games.action_names
        network = build_network(len(names), games.stack, games.frame_shape, config)
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return DQNAgent(network, names, EmulatorModel(game, settings) if settings else None, device=device)


def _a2c_config() -> type[Any]:
    from agents.a2c.config import A2CConfig

    return A2CConfig


def _a2c_config_for(game: str) -> Any:
    from agents.a2c.config import config_for

    return config_for(game)


def _a2c_view(game: str) -> AtariSettings:
    from agents.envs.atari import AtariSettings

    if game == "breakout":
        # From the top wall to the paddle, each two by two pixels as one: what a model of the game can predict exactly.
        return AtariSettings(size=80, max_pool=False, crop_top=33, crop_bottom=17)
    return AtariSettings(size=80)


def _a2c_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.a2c.train import A2CTrainer
    from agents.interfaces import is_continuous

    if is_continuous(games):
        raise UserError(f"a2c chooses among actions, and those of {run.game} are numbers. Use --agent dreamer-v1.")
    return A2CTrainer(config, games, run.seed, device)


def _a2c_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.a2c.agent import A2CAgent
    from agents.a2c.network import build_network
    from agents.envs.emulator import EmulatorModel

    with contextlib.closing(build_games(game, 1, settings)) as games:
        names = games.action_names
        network = build_network(len(names), games.stack, games.frame_shape, config)
    network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return A2CAgent(network, names, EmulatorModel(game, settings) if settings else None, device=device)


def _dreamer_config() -> type[Any]:
    from agents.dreamer.config import DreamerConfig

    return DreamerConfig


def _dreamer_v1_config_for(game: str) -> Any:
    from agents.dreamer.config import v1_config_for

    return v1_config_for(game)


def _dreamer_view(game: str) -> AtariSettings:
    from agents.envs.atari import AtariSettings

    if game == "breakout":
        # From the top wall to the paddle, each two by two pixels as one: the ball is then one by two.
        return AtariSettings(colour=True, stack=1, size=80, max_pool=False, crop_top=33, crop_bottom=17)
    return AtariSettings(colour=True, stack=1, size=80)


def _dreamer_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.dreamer.train import DreamerTrainer

    _check_view(run, games)
    return DreamerTrainer(config, games, run.seed, device, lambda: _guided_games(run, config))


def _planet_trainer(run: RunConfig, config: Any, games: Games, device: torch.device) -> Trainer:
    from agents.dreamer.actions import actions_of
    from agents.dreamer.planning import Planner
    from agents.dreamer.train import DreamerTrainer

    _check_view(run, games)
    planner = Planner(config, actions_of(games))
    return DreamerTrainer(config, games, run.seed, device, lambda: _guided_games(run, config), planner=planner)


def _check_view(run: RunConfig, games: Games) -> None:
    if len(games.frame_shape) == 2:
        raise UserError(f"{run.agent} learns from pictures in colour, or numbers: it cannot be trained on {run.game}.")


def _guided_games(run: RunConfig, config: Any, epsilons: tuple[float, ...] = ()) -> GuidedGames:
    """The games of the agent that `config.from_agent` names, as the run's own agent sees them."""
    from agents.envs.guided import EXPLORATION, GuidedGames

    checkpoint = find_checkpoint(config.from_agent, run.game)
    seen, settings = (game_settings(run.game, values) for values in (checkpoint.settings, run.settings))
    if seen is None or settings is None:
        raise UserError(f"{run.game} cannot be watched: only Atari games can.")
    game = resolve_game(run.game)
    return GuidedGames(load_agent(checkpoint), seen, game, config.num_games, settings, epsilons or EXPLORATION)


def _dreamer_agent(
    game: str, settings: AtariSettings | None, config: Any, weights: dict[str, torch.Tensor], device: torch.device
) -> Agent:
    from agents.dreamer.agent import DreamerAgent
    from agents.dreamer.behaviour import Behaviour
    from agents.optimizers import with_prefix

    names, actions, model = _world_model(game, settings, config, weights)
    behaviour = Behaviour(config, actions)
    behaviour.load_state_dict({name: tensor.float() for name, tensor in with_prefix(weights, "behaviour.").items()})
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
    from agents.optimizers import with_prefix

    with contextlib.closing(build_games(game, 1, settings)) as games:
        names, actions = games.action_names, actions_of(games)
        model = WorldModel(config, actions.size, games.frame_shape)
    model.load_state_dict({name: tensor.float() for name, tensor in with_prefix(weights, "model.").items()})
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
    from agents.i2a.train import I2ATrainer

    settings = game_settings(run.game, run.settings)
    if settings is None:
        raise UserError(f"i2a imagines pictures in grey: it cannot be trained on {run.game}. Give an Atari game.")
    game = resolve_game(run.game)
    if config.model == "emulator":
        games.close()
        games = SeparateGames(game, config.num_games, settings)
    return I2ATrainer(
        *(config, games, settings, EmulatorModel(game, settings)),
        guide=lambda: _games_of_others(run, config),
        handed=lambda: _handed_parts(run.game, config),
        seed=run.seed,
        device=device,
    )


def _games_of_others(run: RunConfig, config: Any) -> GuidedGames:
    """From which an environment model learns: of the agent that `config.from_agent` names and of one that plays at
    random; of the latter alone where no agent is named.
    """
    from agents.envs.guided import EXPLORATION, GuidedGames

    if config.from_agent:
        return _guided_games(run, config, (*EXPLORATION[1:], 1.0))
    settings = game_settings(run.game, run.settings)
    assert settings is not None
    return GuidedGames(None, settings, resolve_game(run.game), config.num_games, settings, (1.0,))


def _handed_parts(game: str, config: Any) -> dict[str, torch.Tensor]:
    """The weights of the parts that an I2A is handed, by the names that they have in it."""
    from agents.optimizers import with_prefix
    from agents.runs.checkpoint import load_tensors

    handed: dict[str, torch.Tensor] = {}
    for part in ("environment_model", "rollout_policy"):
        name = getattr(config, part)
        if name:
            checkpoint = find_checkpoint(name, game)
            weights = load_tensors(checkpoint.folder / "weights.safetensors")
            own = weights if checkpoint.agent == "a2c" else with_prefix(weights, f"{part}.")
            handed |= {
                f"{part}.{key}": tensor.float() if tensor.is_floating_point() else tensor for key, tensor in own.items()
            }
    return handed


def _unpacked(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights that may have been shipped in half precision; what counts or looks up stays as it is."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


def part_settings(part: str, name: str, game: str, settings: AtariSettings) -> dict[str, Any]:
    """What an I2A must set to take its `environment_model` or `rollout_policy` from the checkpoint called `name`.

    settings: how the I2A is to see the game. Raises UserError where the checkpoint has no such part, or saw it
    otherwise.
    """
    checkpoint = find_checkpoint(name, game)
    what = part.replace("_", " ")
    has = checkpoint.agent == "i2a" and (part == "rollout_policy" or checkpoint.algorithm.get("model") == "learnt")
    if not has and not (checkpoint.agent == "a2c" and part == "rollout_policy"):
        raise UserError(f"'{name}' has no {what}: it was trained by {checkpoint.agent}.")
    theirs = game_settings(checkpoint.game, checkpoint.settings)
    if any(getattr(theirs, field) != getattr(settings, field) for field in settings.VIEW):
        raise UserError(f"The {what} of '{name}' sees the game otherwise: give both the same size, crop and stack.")
    if part == "environment_model":
        taken = {field: checkpoint.algorithm[field] for field in ("model_kind", "model_width")}
    else:
        encoder = "encoder" if checkpoint.agent == "a2c" else "rollout_encoder"
        taken = {"rollout_encoder": checkpoint.algorithm[encoder]}
    return {part: name, **taken}


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
    parts.load_state_dict(_unpacked(weights))
    return I2AAgent(parts, config, emulator, settings, device)


@dataclass(frozen=True)
class Algorithm:
    """How one algorithm is configured, trained and loaded.

    suited: its config for a game that may want other values than its defaults; None where it has no such games.
    view:   how it plays and sees an Atari game, as long as nothing is set; None stands for the defaults.
    reads:  other algorithms whose checkpoints it can play from: `planet:breakout-dreamer`.
    """

    config: Callable[[], type[Any]]
    trainer: Callable[[RunConfig, Any, Games, torch.device], Trainer]
    agent: Callable[[str, AtariSettings | None, Any, dict[str, torch.Tensor], torch.device], Agent]
    suited: Callable[[str], Any] | None = None
    view: Callable[[str], AtariSettings] | None = None
    reads: tuple[str, ...] = ()

    def config_for(self, game: str) -> Any:
        """The config with which this game is trained, as long as nothing is set."""
        return self.suited(game) if self.suited else self.config()()

    def settings_for(self, game: str) -> AtariSettings:
        """The settings with which an Atari game is played, as long as nothing is set."""
        from agents.envs.atari import AtariSettings

        return self.view(game) if self.view else AtariSettings()


ALGORITHMS = {
    "a2c": Algorithm(_a2c_config, _a2c_trainer, _a2c_agent, _a2c_config_for, _a2c_view),
    "dqn": Algorithm(_dqn_config, _dqn_trainer, _dqn_agent, _dqn_config_for),
    "dreamer": Algorithm(_dreamer_config, _dreamer_trainer, _dreamer_agent, view=_dreamer_view),
    "dreamer-v1": Algorithm(_dreamer_config, _dreamer_trainer, _dreamer_agent, _dreamer_v1_config_for, _dreamer_view),
    "i2a": Algorithm(_i2a_config, _i2a_trainer, _i2a_agent, _i2a_config_for, _a2c_view),
    "planet": Algorithm(
        _dreamer_config, _planet_trainer, _planet_agent, view=_dreamer_view, reads=("dreamer", "dreamer-v1")
    ),
}


def algorithm(name: str) -> Algorithm:
    """Raises UserError with near matches where there is no such algorithm."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    near = difflib.get_close_matches(name, ALGORITHMS, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(ALGORITHMS))}."
    raise UserError(f"There is no algorithm called '{name}'. {hint}")


def game_settings(game: str, values: dict[str, Any]) -> AtariSettings | None:
    """How a game is played, from the values saved of it; None for those of `CLASSIC_CONTROL`, which have no settings.

    Raises UserError for values that do not fit the game.
    """
    from agents.envs.atari import AtariSettings

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


def build_trainer(run: RunConfig) -> Trainer:
    """The trainer that a run's config describes, at step 0."""
    from agents.layers import choose_device

    kind = algorithm(run.agent)
    config = from_json(kind.config(), run.algorithm)
    games = build_games(run.game, config.num_games, game_settings(run.game, run.settings))
    return kind.trainer(run, config, games, choose_device(run.device))


# -- checkpoints --------------------------------------------------------------------------------------------


def shipped_folder() -> Path:
    """Where the checkpoints that come with the program lie: inside the package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "checkpoints"
    return inside if inside.is_dir() else package.parent / "checkpoints"


def shipped_checkpoints() -> dict[str, Path]:
    """The checkpoints that come with the program, by name."""
    return {path.parent.name: path.parent for path in sorted(shipped_folder().glob("*/config.json"))}


def check_run_name(name: str) -> None:
    """Raise UserError where a run of this name could not be named: the name means a checkpoint or an algorithm."""
    if name in ALGORITHMS or name in shipped_checkpoints():
        kind = "an algorithm" if name in ALGORITHMS else "an agent that comes with the program"
        raise UserError(f"'{name}' is the name of {kind}: give the run another, for example --run my-{name}.")


@dataclass(frozen=True)
class Checkpoint:
    """A trained agent on disk. label: what a person called it, or would."""

    folder: Path
    label: str
    game: str
    agent: str
    settings: dict[str, Any]
    algorithm: dict[str, Any]

    @property
    def identity(self) -> str:
        """Which weights these are, exactly: `breakout-dqn`, or `my-run/step-000000123456`."""
        folder = self.folder.absolute()
        run = folder.parent.parent
        return f"{run.name}/{folder.name}" if (run / "run.json").is_file() else folder.name


def find_checkpoint(named: str, game: str | None = None) -> Checkpoint:
    """A checkpoint by the name of a shipped one, of an algorithm, of a run, or by its folder.

    named: `planet:NAME` is what another algorithm makes of the weights called NAME (`Algorithm.reads`).
    game: the plain name of the game that it must have been trained for; None takes any.
    Raises UserError where nothing is so called, it is damaged, or it plays another game.
    """
    from agents.runs.checkpoint import load_config

    reader, colon, name = named.partition(":")
    if reader not in ALGORITHMS or not colon:
        reader, name = "", named
    folder = _find_folder(name, game)
    config = load_config(folder)
    if reader and config["agent"] not in (reader, *ALGORITHMS[reader].reads):
        raise UserError(f"{reader} can make nothing of '{name}': it was trained by {config['agent']}.")
    if game is not None and config["game"] != game:
        raise UserError(f"'{named}' plays {config['game']}, not {game}. Give {config['game']} as the game.")
    agent = reader or config["agent"]
    return Checkpoint(folder, named, config["game"], agent, config["settings"], config["algorithm"])


def _find_folder(named: str, game: str | None) -> Path:
    from agents.runs.directory import RunDirectory

    shipped = shipped_checkpoints()
    for name in (named, f"{game}-{named}"):
        if name in shipped:
            return shipped[name]
    runs = {run.path.name: run for run in RunDirectory.all()}
    path = Path(os.path.expanduser(named))
    if named in runs or (path / "run.json").is_file():
        run = runs.get(named, RunDirectory(path))
        for folder in run.checkpoint_folders():
            return folder
        raise UserError(f"Run '{run.path.name}' has no checkpoint yet: the first comes after some minutes of training.")
    if path.is_dir():
        return path
    if path.name in ("config.json", "weights.safetensors") and path.is_file():
        return path.parent
    if path.exists():
        raise UserError(f"{path} is no checkpoint: give a folder that holds config.json and weights.safetensors.")
    near = difflib.get_close_matches(named, [*shipped, *runs], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "See what there is: mbrl agents"
    if named in ALGORITHMS:
        hint = f"Train one: mbrl train {game or 'breakout'} --agent {named}"
    raise UserError(f"There is no agent, run or checkpoint folder called '{named}'. {hint}")


def best_checkpoint(game: str) -> Checkpoint | None:
    """The shipped agent with the highest mean score in this game; where none ships, the user's own run with the
    highest score in training; None where there is neither.
    """
    from agents.runs.directory import RunDirectory

    scores = {name: mean_score(folder) for name, folder in shipped_checkpoints().items()}
    own = {run.path.name: run for run in RunDirectory.all()}
    for names in (scores, own):
        found: list[tuple[float, Checkpoint]] = []
        for name in names:
            with contextlib.suppress(UserError):  # damaged, or without a checkpoint yet
                checkpoint = find_checkpoint(name)
                score = scores[name] if name in scores else own[name].read_status().score
                if checkpoint.game == game:
                    found.append((float("-inf") if score is None else score, checkpoint))
        if found:
            return max(found, key=lambda pair: pair[0])[1]
    return None


def mean_score(folder: Path) -> float | None:
    """The mean of a checkpoint's scores.json, or None where it has none."""
    try:
        return float(json.loads((folder / "scores.json").read_text())["mean"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_agent(checkpoint: Checkpoint, device: str = "cpu", sticky: float | None = None) -> Agent:
    """The agent of a checkpoint, ready to play. Raises UserError where its weights do not fit or are damaged.

    sticky: what its look-ahead should assume of the emulator; None takes what it was trained with.
    """
    import dataclasses

    from agents.layers import choose_device
    from agents.runs.checkpoint import load_tensors

    try:
        kind = algorithm(checkpoint.agent)
        settings = game_settings(checkpoint.game, checkpoint.settings)
        config = from_json(kind.config(), checkpoint.algorithm)
    except UserError as error:
        raise UserError(f"{checkpoint.folder / 'config.json'} cannot be used. {error}") from None
    if sticky is not None and settings is not None:
        settings = dataclasses.replace(settings, sticky=sticky)
    weights = load_tensors(checkpoint.folder / "weights.safetensors")
    try:
        return kind.agent(resolve_game(checkpoint.game), settings, config, weights, choose_device(device))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The weights in {checkpoint.folder} do not fit its config.json ({reason[:200]}).") from None
