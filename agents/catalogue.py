"""From names to things: trainers, checkpoints, agents. Heavy imports happen when a thing is made."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.algorithms import ALGORITHMS, algorithm, check_trainable
from agents.envs.games import build_games, game_settings
from agents.envs.names import resolve_game
from agents.errors import UserError
from agents.settings import from_json

if TYPE_CHECKING:
    from agents.envs.settings import AtariSettings
    from agents.interfaces import Agent, Trainer
    from agents.runs.directory import RunConfig


def build_trainer(run: RunConfig) -> Trainer:
    """The trainer that a run's config describes, at step 0."""
    from agents.layers import choose_device

    kind = algorithm(run.agent)
    config = from_json(kind.config(), run.algorithm)
    check_trainable(run.agent, run.game, config)
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
    """A trained agent on disk. label: what a person called it, or would. step: environment steps that it has done."""

    folder: Path
    label: str
    game: str
    agent: str
    settings: dict[str, Any]
    algorithm: dict[str, Any]
    step: int = 0

    def config(self) -> Any:
        """The config of its algorithm. Raises UserError where its settings do not fit this version."""
        try:
            return from_json(algorithm(self.agent).config(), self.algorithm)
        except UserError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: UserError) -> UserError:
        return UserError(f"{self.folder / 'config.json'} cannot be used. {error}")

    def played_with(self, sticky: float | None = None) -> AtariSettings | None:
        """How its agent plays, with sticky actions as given instead, where they are; None for games without settings.

        Raises UserError for settings that do not fit the game, and for sticky actions where there can be none.
        """
        try:
            settings = game_settings(self.game, self.settings)
        except UserError as error:
            raise self._unusable(error) from None
        if sticky is None:
            return settings
        if settings is None:
            raise UserError(f"{self.game} has no sticky actions: leave out --sticky.")
        return dataclasses.replace(settings, sticky=sticky)

    @property
    def lasting_name(self) -> str:
        """What finds it wherever one stands: its label, with the whole path where that was a path."""
        from agents.runs.checkpoint import FILES

        reader, name = _split_reader(self.label)
        path, folder = Path(name).expanduser(), self.folder.resolve()
        named = (folder, *folder.parents, *(folder / file for file in FILES))
        if not path.exists() or path.resolve() not in named:
            return self.label
        return f"{reader}:{path.resolve()}" if reader else str(path.resolve())

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

    reader, name = _split_reader(named)
    folder = _find_folder(name, game)
    config = load_config(folder)
    if reader and config["agent"] not in (reader, *ALGORITHMS[reader].reads):
        raise UserError(f"{reader} can make nothing of '{name}': it was trained by {config['agent']}.")
    if game is not None and config["game"] != game:
        raise UserError(f"'{named}' plays {config['game']}, not {game}. Give {config['game']} as the game.")
    agent = reader or config["agent"]
    how = config["settings"], config["algorithm"], config["step"]
    return Checkpoint(folder, named, config["game"], agent, *how)


def _split_reader(named: str) -> tuple[str, str]:
    """`planet:NAME` as ("planet", NAME), and NAME as ("", NAME)."""
    reader, colon, name = named.partition(":")
    return (reader, name) if colon and reader in ALGORITHMS else ("", named)


def _find_folder(named: str, game: str | None) -> Path:
    from agents.runs.checkpoint import FILES
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
    if path.name in FILES and path.is_file():
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
    from agents.layers import choose_device
    from agents.runs.checkpoint import load_weights

    config, kind, settings = checkpoint.config(), algorithm(checkpoint.agent), checkpoint.played_with(sticky)
    weights = load_weights(checkpoint.folder)
    try:
        return kind.agent(resolve_game(checkpoint.game), settings, config, weights, choose_device(device))
    except RuntimeError as error:
        raise _unfit(checkpoint, error) from None


def start_trained(trainer: Trainer, name: str, game: str) -> None:
    """Let a new trainer go on from the checkpoint called `name`. Raises UserError where it cannot."""
    from agents.runs.checkpoint import load_weights

    checkpoint = find_checkpoint(name, game)
    try:
        trainer.start_from(load_weights(checkpoint.folder), checkpoint.step)
    except RuntimeError as error:
        raise _unfit(checkpoint, error) from None


def _unfit(checkpoint: Checkpoint, error: RuntimeError) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(f"The weights in {checkpoint.folder} do not fit its config.json ({reason[:200]}).")


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
    theirs = checkpoint.played_with()
    if any(getattr(theirs, field) != getattr(settings, field) for field in settings.VIEW):
        raise UserError(f"The {what} of '{name}' sees the game otherwise: give both the same size, crop and stack.")
    if part == "environment_model":
        taken = {field: checkpoint.algorithm[field] for field in ("model_kind", "model_width")}
    else:
        encoder = checkpoint.algorithm["encoder" if checkpoint.agent == "a2c" else "rollout_encoder"]
        taken = {"rollout_encoder": encoder, "encoder": encoder}  # both with the same eyes, as long as nothing is set
    return {part: checkpoint.lasting_name, **taken}
