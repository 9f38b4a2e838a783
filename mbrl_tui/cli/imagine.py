"""`mbrl imagine`: what an agent imagines at some step of a game, without the app."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError
from mbrl_tui.cli.options import MAX_SEED, AtStep, Device, Sticky, check_place

if TYPE_CHECKING:
    from agents.catalogue import Checkpoint
    from agents.envs.settings import AtariSettings
    from agents.interfaces import Agent
    from agents.records import Moment
    from mbrl_tui.dream.sheet import Future

MAX_HORIZON = 50
FORMATS = (".png", ".gif", ".json")


def imagine(
    game: Annotated[str, typer.Argument(metavar="GAME", help="breakout, pong, space-invaders, …")],
    agent: Annotated[
        str, typer.Option(metavar="NAME|RUN|PATH", help="A shipped agent, a run, or a checkpoint's folder.")
    ],
    at_step: AtStep = 100,
    horizon: Annotated[int, typer.Option(min=1, max=MAX_HORIZON, metavar="H", help="Decisions to look ahead.")] = 15,
    actions: Annotated[
        str | None,
        typer.Option(
            metavar="A,…",
            help="Begin with these (RIGHT,RIGHT,LEFT), then the agent chooses (default: a future for each action).",
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, max=16, metavar="N", help="Draws of each future from a stochastic model.")
    ] = 1,
    truth: Annotated[bool, typer.Option("--truth", help="Beside it, what really happens.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, metavar="S", help="Decides all chance.")] = 0,
    sticky: Sticky = None,
    device: Device = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture .png, an animation .gif, or all numbers .json.")
    ] = None,
) -> None:
    """Show what an agent imagines at one step of a game: a future of its own choice, and one for each action."""
    if out is not None and out.suffix.lower() not in FORMATS:
        raise UserError(f"'{out.name}' is no file that can be written: its name must end in {', '.join(FORMATS)}.")
    check_place(out)

    from agents.catalogue import find_checkpoint, load_agent
    from agents.envs.names import resolve_game

    checkpoint = find_checkpoint(agent, resolve_game(game))
    settings = _settings(checkpoint, sticky)
    player = load_agent(checkpoint, device or "auto", sticky)
    given = None if actions is None else _actions(actions, player.action_names, horizon)
    moment = _moment(checkpoint, settings, player, at_step, seed)
    futures = _futures(player, moment, horizon, given, samples)
    if truth:
        futures = _with_truth(futures, checkpoint.game, settings, moment)
    facts = {"game": checkpoint.game, "checkpoint": checkpoint.identity, "step": at_step, "seed": seed}
    _give(out, futures, player.action_names, facts | {"model": futures[0].rollout.model, "horizon": horizon})


def _settings(checkpoint: Checkpoint, sticky: float | None) -> AtariSettings:
    settings = checkpoint.played_with(sticky)
    if settings is None:
        raise UserError(f"{checkpoint.game} cannot be looked into: only Atari games can. Try: mbrl imagine breakout")
    return settings


def _actions(text: str, names: Sequence[str], horizon: int) -> list[int]:
    """Actions by their names, in any case. Raises UserError for one that there is not, or too many."""
    words = [word.strip().upper() for word in text.split(",")]
    for word in words:
        if word not in names:
            raise UserError(f"There is no action '{word}'. There are: {', '.join(names)}.")
    if len(words) > MAX_HORIZON:
        raise UserError(f"{len(words)} actions are too many. Give {MAX_HORIZON} or fewer.")
    if len(words) > horizon:
        raise UserError(f"{len(words)} actions do not fit into {horizon} steps. Give --horizon {len(words)}.")
    return [names.index(word) for word in words]


def _moment(checkpoint: Checkpoint, settings: AtariSettings, agent: Agent, step: int, seed: int) -> Moment:
    """The moment before decision `step` of a game that the agent plays. Raises UserError where it ends before."""
    from mbrl_tui.play.match import Match, Mode
    from mbrl_tui.play.players import AgentPlayer, HumanPlayer

    player = AgentPlayer(agent, settings.fire, checkpoint.label)
    nobody = HumanPlayer(lambda now: frozenset())
    match = Match(checkpoint.game, Mode.WATCH, nobody, player, settings, seed)
    for played in range(step):
        if match.over:
            raise UserError(f"The game of seed {seed} is over after {played} decisions. Give a smaller --at-step.")
        match.step(0.0)
    if match.over:
        raise UserError(f"The game of seed {seed} is over after {step} decisions. Give a smaller --at-step.")
    return match.board.moment()


def _futures(agent: Agent, moment: Moment, horizon: int, given: list[int] | None, samples: int) -> list[Future]:
    import numpy as np

    from mbrl_tui.dream.sheet import Future

    names = agent.action_names
    starts: list[tuple[str, list[int]]] = [("agent", []), *((name, [place]) for place, name in enumerate(names))]
    if given is not None:
        starts = [("given", given)]
    futures = []
    for label, begin in starts:
        rollout = agent.imagine(moment, horizon, np.array([begin], np.int64) if begin else None, samples)
        labels = [label] if samples == 1 else [f"{label} {draw + 1}" for draw in range(samples)]
        futures += [Future(name, rollout.row(row)) for row, name in enumerate(labels)]
    return futures


def _with_truth(futures: list[Future], game: str, settings: AtariSettings, moment: Moment) -> list[Future]:
    from dataclasses import replace

    from agents.envs.emulator import EmulatorModel
    from mbrl_tui.dream.truth import tell

    emulator = EmulatorModel(game, settings)
    return [replace(future, truth=tell(emulator, game, moment, future.rollout)) for future in futures]


def _give(out: Path | None, futures: list[Future], names: Sequence[str], facts: dict[str, Any]) -> None:
    from agents.files import write_atomically
    from mbrl_tui.dream.sheet import animation, as_json, png, strip

    if out is None:
        from mbrl_tui.cli.imagine_table import show

        show(futures, names, facts)
        return
    kind = out.suffix.lower()
    if kind == ".json":
        told = facts | {"futures": [as_json(future, names) for future in futures]}
        write_atomically(out, json.dumps(told, indent=2, allow_nan=False) + "\n")
    else:
        write_atomically(out, animation(futures, names) if kind == ".gif" else png(strip(futures, names)))
    typer.echo(f"{len(futures)} futures of {facts['horizon']} steps through the {facts['model']}: {out}")
