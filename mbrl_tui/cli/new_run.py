"""What a new run is to be, from what was typed: from nothing, or on from what has been trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.errors import UserError

if TYPE_CHECKING:
    from agents.catalogue import Checkpoint
    from agents.envs.settings import AtariSettings
    from agents.runs.directory import RunDirectory

COLLECT = 100_000

SETTLED = {
    "i2a": (
        *("model", "environment_model", "model_updates", "rollout_policy", "policy_steps"),
        *("from_agent", "collect", "collect_per_update"),
    )
}
"""What cannot be changed of an agent that goes on: it would change nothing, or undo what was learnt."""


@dataclass(frozen=True)
class Usual:
    """What is trained, and how, as long as nothing is set. game: its plain name; settings: None where it has none;
    start: the checkpoint from which it goes on.
    """

    game: str
    agent: str
    config: Any
    settings: AtariSettings | None
    start: Checkpoint | None = None


def from_nothing(game: str | None, agent: str) -> Usual:
    """What is trained anew. Raises UserError where it cannot be: that leaves no trace."""
    from agents.algorithms import algorithm, check_trainable
    from agents.envs.names import CLASSIC_CONTROL, resolve_game

    if game is None:
        raise UserError(f"Say which game: mbrl train breakout --agent {agent}")
    played = resolve_game(game)
    check_trainable(agent, played)
    settings = None if played in CLASSIC_CONTROL else algorithm(agent).settings_for(played)
    return Usual(played, agent, algorithm(agent).config_for(played), settings)


def trained(name: str, game: str | None, agent: str | None) -> Usual:
    """What goes on from the checkpoint called `name`, with the settings that it has."""
    from agents.algorithms import algorithm
    from agents.catalogue import find_checkpoint
    from agents.envs.names import resolve_game

    start = find_checkpoint(name, game and resolve_game(game))
    if agent not in (None, start.agent):
        reads = start.agent in algorithm(agent).reads
        way = f"give --start-from {agent}:{name}" if reads else f"leave out --agent {agent}"
        raise UserError(f"'{name}' is an agent of {start.agent}: {way}.")
    return Usual(start.game, start.agent, start.config(), start.played_with(), start)


def create(
    name: str | None, usual: Usual, seed: int, device: str, algorithm: dict[str, Any], settings: dict[str, Any]
) -> RunDirectory:
    """The folder of the new run. Raises UserError where it could not begin."""
    from agents.catalogue import check_run_name
    from agents.runs.directory import RunConfig, RunDirectory

    check_run_name(name or "")
    check_device(device)
    steps, start = algorithm["steps"], usual.start
    if start:
        _check_start(usual, start, algorithm, settings)
    named = RunDirectory.free_name(usual.game, usual.agent) if name is None else name
    what = (named, usual.game, usual.agent, seed, steps, device, settings, algorithm)
    return RunDirectory.create(RunConfig(*what, start_from=start.lasting_name if start else ""))


def check_device(name: str) -> None:
    """Before anything is written: a run that cannot begin leaves no trace."""
    if name == "cuda":
        from agents.layers import choose_device

        choose_device(name)


def _check_start(usual: Usual, start: Checkpoint, algorithm: dict[str, Any], settings: dict[str, Any]) -> None:
    """Now, rather than in the background."""
    from dataclasses import replace

    from agents.catalogue import find_checkpoint, load_agent
    from agents.settings import split_names

    if not start.step:
        raise UserError(f"'{start.label}' has done no steps yet: there is nothing to go on from.")
    if start.step >= algorithm["steps"]:
        way = f"mbrl train {start.game} --start-from {start.label} --steps {2 * start.step}"
        raise UserError(f"'{start.label}' has done {start.step:,} steps. Train on: {way}")
    settled = SETTLED.get(usual.agent, ())
    for name in settled:
        if algorithm[name] != getattr(usual.config, name):
            raise UserError(f"{name} is settled once training has begun: leave it out, or train anew.")
    for name in split_names("from_agent", algorithm.get("from_agent", "")) if "from_agent" not in settled else ():
        try:
            find_checkpoint(name, start.game)
        except UserError as error:
            way = "Name others with --from-agent, or none: --set from_agent= --set collect=0"
            raise UserError(f"'{start.label}' learns from the games of '{name}'. {error} {way}") from None
    load_agent(start)
    try:
        load_agent(replace(start, algorithm=algorithm, settings=settings))
    except UserError:
        raise UserError(
            f"'{start.label}' does not fit these settings: leave out the --set that changes its networks or its view."
        ) from None


def borrowed(usual: Usual, from_agent: str | None, collect: int | None) -> list[str]:
    """What `--from-agent` and `--collect` set."""
    if from_agent is None and collect is None:
        return []
    from agents.catalogue import find_checkpoint
    from agents.settings import split_names

    own, game = usual.config, usual.game
    if not hasattr(own, "from_agent"):
        option = "--from-agent" if from_agent is not None else "--collect"
        raise UserError(f"{usual.agent} cannot learn from another agent's games: leave out {option}.")
    steps = f"collect={collect or own.collect or COLLECT}"
    if from_agent is None:
        if not own.from_agent:
            raise UserError("--collect needs to know whose games: add --from-agent NAME.")
        return [steps]
    # Now, rather than in the background.
    names = [find_checkpoint(name, game).lasting_name for name in split_names("--from-agent", from_agent)]
    return [f"from_agent={','.join(names)}", steps]


def parts(
    usual: Usual,
    sticky: float | None,
    assignments: list[str],
    model: str | None,
    environment_model: str | None,
    rollout_policy: str | None,
) -> list[str]:
    """What `--model`, `--environment-model` and `--rollout-policy` set."""
    handed = {"environment_model": environment_model, "rollout_policy": rollout_policy}
    given = {"model": model} | handed
    if not any(given.values()):
        return []
    from agents.catalogue import part_settings
    from agents.envs.settings import AtariSettings
    from agents.settings import parse_assignments

    option = next(name for name, value in given.items() if value).replace("_", "-")
    if usual.start:
        raise UserError(f"'{usual.start.label}' has all its parts: leave out --{option}.")
    if usual.agent != "i2a":
        raise UserError(f"Only i2a has such parts: leave out --{option}, or add --agent i2a.")
    assert usual.settings is not None  # it is trained on Atari games only
    taken: dict[str, Any] = {} if model is None else {"model": model}
    own, game_values = parse_assignments([type(usual.config), AtariSettings], assignments)
    settings = _game_settings(usual.agent, usual.settings, sticky, game_values)
    for part, name in handed.items():
        if name is not None:
            taken |= part_settings(part, name, usual.game, settings)
    if "encoder" in own:
        taken.pop("encoder", None)
    return [f"{name}={value}" for name, value in taken.items()]


def _game_settings(agent: str, usual: AtariSettings, sticky: float | None, values: dict[str, Any]) -> AtariSettings:
    """How an agent of this kind is to play and see an Atari game, with what was set."""
    from dataclasses import replace

    settings = replace(usual, **_once(values, "sticky", sticky))
    for name in ("size", "colour"):
        if getattr(settings, name) != getattr(usual, name):
            raise UserError(f"{name} must be {getattr(usual, name)}: the networks of {agent} read such frames only.")
    return settings


def settings_of(
    usual: Usual, steps: int | None, sticky: float | None, assignments: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the algorithm and of the game (none for CartPole): the usual ones but for what was given."""
    from dataclasses import asdict, replace

    from agents.algorithms import check_trainable
    from agents.envs.settings import AtariSettings
    from agents.settings import parse_assignments

    if usual.settings is None and sticky is not None:
        raise UserError(f"{usual.game} has no sticky actions: leave out --sticky.")
    kinds = [type(usual.config), *([AtariSettings] if usual.settings else [])]
    values, *rest = parse_assignments(kinds, assignments)
    settings = _game_settings(usual.agent, usual.settings, sticky, rest[0]) if usual.settings else None
    config = replace(usual.config, **_once(values, "steps", steps))
    check_trainable(usual.agent, usual.game, config)
    return asdict(config), asdict(settings) if settings else {}


def _once(values: dict[str, Any], name: str, given: float | None) -> dict[str, Any]:
    """`values` with what an option of its own gave."""
    if given is None:
        return values
    if name in values:
        raise UserError(f"{name} is given twice: leave out --set {name}, or --{name}.")
    return values | {name: given}
