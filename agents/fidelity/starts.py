"""Held-out moments of real games to dream on from: early, middle and late, as several players leave them.

A game is its seed and its actions. It is played once by its player to see what it holds, and the chosen moments are
revisited by playing it again with the measured agent looking on, which so remembers all that led there, seen as it
sees and acted as was really acted.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.fidelity.comparison import BOARD_READERS
from agents.interfaces import Agent, act_in_games
from agents.records import Moment

T = TypeVar("T")

STAGES = ("early", "middle", "late")
HELD_OUT_SEED = 1_000_000
"""Seeds of the games are drawn from here on.

A game without sticky actions knows few beginnings (Breakout: one for each number of idle frames, up to 30): what is
held out is how the games go on, and the players' random actions see to that.
"""
MAX_DECISIONS = 2_000
"""Decisions after which a game is left: a ball can be caught in a loop for ever."""
FIRST_DECISION = 4
"""Starts stand before this decision or a later one: nobody can know how the ball moves from the first frame."""
BRICKS_OF_STAGES = (97, 73)
"""Bricks that stand at least in the early and in the middle stage; of 108, less a ninth and less a third."""


@dataclass(frozen=True)
class Player:
    """Who plays the games.

    name:     in words for a person.
    agent:    decides; None plays at random.
    epsilon:  probability of a random action instead.
    settings: what the agent sees; all that decides how a game goes on is the measured agent's.
    """

    name: str
    agent: Agent | None = None
    epsilon: float = 0.0
    settings: AtariSettings | None = None


@dataclass(frozen=True)
class PlayedGame:
    """One game from its first decision to its end, or as far as it was played.

    actions: (n,) int64, as really taken. rewards: (n,) float32, that came of them.
    stages:  (n,) int64, the stage of the moment before each, as a place in `STAGES`.
    over:    the last action ended the game.
    """

    player: str
    seed: int
    actions: np.ndarray
    rewards: np.ndarray
    stages: np.ndarray
    over: bool


@dataclass(frozen=True)
class Start:
    """A moment before action `step` of a game, and what really followed, for up to H steps.

    moment:     with the measured agent's memory.
    actions:    (n,) int64, n = H, or fewer where the game was over sooner.
    rewards:    (n,) float32, rewards[k] earned on arriving at frame k+1.
    terminated: (n,) bool, whether frame k+1 is terminal.
    frames:     by k, frame k of the wanted horizons k <= n.
    player, stage: whose game it is, and how far it has come (of `STAGES`).
    """

    moment: Moment
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    frames: dict[int, np.ndarray]
    player: str
    stage: str


def seen_by(player: Player, settings: AtariSettings) -> AtariSettings:
    """The measured agent's game, shown as the player is used to see it."""
    same_game = ("frameskip", "noop_max", "sticky", "fire", "frame_cap")
    return dataclasses.replace(player.settings or settings, **{field: getattr(settings, field) for field in same_game})


def play(game: AtariGame, player: Player, seed: int) -> PlayedGame:
    """Play one game of at most `MAX_DECISIONS`, begun from `seed`, which also draws the player's random actions."""
    game.reset(seed)
    random, onlooker = np.random.default_rng(seed), _Onlooker(player.agent, game)
    read = BOARD_READERS.get(game.game)
    actions: list[int] = []
    rewards: list[float] = []
    bricks: list[int] = []
    while not game.over and len(actions) < MAX_DECISIONS:
        if read:
            bricks.append(int(read(game.screen).bricks.sum()))
        if game.needs_fire and game.settings.fire and game.fire_action is not None:
            action = game.fire_action
        elif player.agent is None or random.random() < player.epsilon:
            action = int(random.integers(len(game.action_names)))
        else:
            seen, memory = game.observation[None], onlooker.memory
            probabilities = act_in_games(player.agent, seen, memory, lambda: [game.snapshot()])[0].astype(np.float64)
            action = int(random.choice(len(probabilities), p=probabilities / probabilities.sum()))
        rewards.append(game.step(action).reward)
        actions.append(action)
        onlooker.see(action)
    stages = _stages_of_wall(np.array(bricks)) if read else _stages_of_time(len(actions))
    # Being cut off is no end that a model could foresee, though the emulator does: that step is left out.
    known = slice(len(actions) - int(game.truncated))
    taken, earned = np.array(actions, np.int64)[known], np.array(rewards, np.float32)[known]
    return PlayedGame(player.name, seed, taken, earned, stages[known], game.terminated)


def _stages_of_wall(bricks: np.ndarray) -> np.ndarray:
    """(n,) the stages of moments with so many bricks (n,)."""
    early, middle = BRICKS_OF_STAGES
    return np.where(bricks >= early, 0, np.where(bricks >= middle, 1, 2))


def _stages_of_time(decisions: int) -> np.ndarray:
    """(n,) the thirds of a game of so many decisions."""
    return np.arange(decisions) * len(STAGES) // max(decisions, 1)


class _Onlooker:
    """What an agent remembers of a game that it looks on at; without an agent, nothing."""

    def __init__(self, agent: Agent | None, game: AtariGame):
        self._agent, self._game = agent, game
        self.memory: Any = agent.begin(1) if agent else None
        self.see(0, began=True)

    def see(self, action: int, began: bool = False) -> None:
        """What the game shows now, after `action`."""
        if self._agent is not None:
            seen = self._game.observation[None]
            self.memory = self._agent.observe(self.memory, seen, np.array([action], np.int64), np.array([began]))


def choose_starts(
    games: Sequence[PlayedGame], count: int, horizon: int, random: np.random.Generator
) -> dict[int, list[int]]:
    """Of `count` starts, or of as many as there are, the decisions before which they stand, for the games by place.

    Stages take turns, and within a stage the players: a stage or player with few moments gives all it has. From a
    start the game is known for `horizon` steps, or to its end.
    """
    cells: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for place, game in enumerate(games):
        known = len(game.actions) if game.over else len(game.actions) - horizon + 1
        for step in range(FIRST_DECISION, known):
            cells.setdefault((int(game.stages[step]), game.player), []).append((place, step))
    for moments in cells.values():
        random.shuffle(moments)
    players_of = [[moments for (stage, _), moments in sorted(cells.items()) if stage == place] for place in range(3)]
    chosen: dict[int, list[int]] = {}
    for place, step in itertools.islice(_in_turn(map(_in_turn, players_of)), count):
        chosen.setdefault(place, []).append(step)
    return {place: sorted(steps) for place, steps in sorted(chosen.items())}


def _in_turn(sources: Iterable[Iterable[T]]) -> Iterator[T]:
    """An item of each source, and again of each that has more, until all are empty."""
    waiting = deque(map(iter, sources))
    while waiting:
        source = waiting.popleft()
        for item in source:
            yield item
            waiting.append(source)
            break


def revisit(
    game: AtariGame, agent: Agent, played: PlayedGame, steps: Sequence[int], horizons: Sequence[int]
) -> Iterator[Start]:
    """Play a game again, as `agent` sees it; the starts before the decisions `steps`, in their order."""
    game.reset(played.seed)
    onlooker = _Onlooker(agent, game)
    wanted = {step + horizon for step in steps for horizon in horizons}
    moments: dict[int, Moment] = {}
    frames: dict[int, np.ndarray] = {}
    for step, action in enumerate(played.actions[: max(wanted)]):
        if step in steps:
            moments[step] = game.moment(onlooker.memory)
        game.step(int(action))
        onlooker.see(int(action))
        if step + 1 in wanted:
            frames[step + 1] = game.screen
    for step in steps:
        end = min(step + max(horizons), len(played.actions))
        terminated = np.zeros(end - step, bool)
        terminated[-1] = played.over and end == len(played.actions)
        reached = {horizon: frames[step + horizon] for horizon in horizons if step + horizon <= end}
        yield Start(
            moment=moments[step],
            actions=played.actions[step:end],
            rewards=played.rewards[step:end],
            terminated=terminated,
            frames=reached,
            player=played.player,
            stage=STAGES[played.stages[step]],
        )
