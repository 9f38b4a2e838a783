"""The one scoring protocol: whole games, true rewards, seeds fixed, all games at a time."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agents.catalogue import build_games
from agents.envs.names import resolve_game
from agents.envs.separate import SeparateGames
from agents.envs.settings import AtariSettings
from agents.interfaces import Agent, DeliberatingAgent, Games, Memoryless, is_continuous, needs_snapshots
from agents.settings import check_range


@dataclass(frozen=True)
class Evaluation:
    """Scores of whole games; `as_json` is what scores.json holds.

    settings: None where the game has none. decisions_per_second: those that were looked up, because the same was seen
    before (`play_whole_games`), count too.
    """

    game: str
    agent: str
    checkpoint: str
    returns: tuple[float, ...]
    settings: AtariSettings | None
    epsilon: float
    seed: int
    decisions_per_second: float

    @property
    def mean(self) -> float:
        return statistics.fmean(self.returns)

    def as_json(self) -> dict[str, Any]:
        protocol: dict[str, Any] = {"epsilon": self.epsilon, "episode": "full game"}
        if self.settings is not None:
            settings = asdict(self.settings)
            protocol |= {name: settings[name] for name in ("sticky", "frameskip", "noop_max", "frame_cap", "fire")}
        return {
            "game": self.game,
            "agent": self.agent,
            "checkpoint": self.checkpoint,
            "episodes": len(self.returns),
            "returns": list(self.returns),
            "mean": self.mean,
            "median": statistics.median(self.returns),
            "std": statistics.pstdev(self.returns),
            "min": min(self.returns),
            "max": max(self.returns),
            "protocol": protocol,
            "seed": self.seed,
            "decisions_per_second": self.decisions_per_second,
        }


def play_whole_games(
    agent: Agent,
    game: str,
    episodes: int,
    settings: AtariSettings | None,
    epsilon: float = 0.0,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[float, ...], float]:
    """Play `episodes` games at a time, game i from seed + i; gives their returns and the decisions a second.

    Who decides by what it imagines, and remembers nothing, decides each observation once, however often games come by
    it; the decisions a second count every time.

    settings: None where the game has none (CartPole).
    epsilon: probability of a random action in place of the agent's.
    on_progress: called with the number of games over and the number of decisions made, all games together.
    """
    check_range("episodes", episodes, 1, 1_000)
    check_range("epsilon", epsilon, 0, 1)
    games = _games_for(agent, game, episodes, settings)
    random = np.random.default_rng(seed)
    observations = games.reset(seed)
    continuous = is_continuous(games)
    taken = np.zeros((episodes, len(games.action_names)), np.float32) if continuous else np.zeros(episodes, np.int64)
    known: dict[bytes, np.ndarray] = {}
    memory, began = agent.begin(episodes), np.ones(episodes, bool)
    returns, playing, decisions = np.zeros(episodes), np.ones(episodes, bool), 0
    begin = time.perf_counter()
    while playing.any():
        memory = agent.observe(memory, observations, taken, began)
        choose = wander if continuous else draw
        steps = games.step(choose(_choices(agent, games, observations, memory, playing, known), epsilon, random))
        observations, taken, began = steps.observations, steps.actions, steps.began
        returns += np.where(playing, steps.rewards, 0)
        decisions += int(playing.sum())
        playing &= ~(steps.terminated | steps.truncated)
        if on_progress:
            on_progress(episodes - int(playing.sum()), decisions)
    seconds = time.perf_counter() - begin
    games.close()
    return tuple(float(value) for value in returns), decisions / seconds


def _games_for(agent: Agent, game: str, episodes: int, settings: AtariSettings | None) -> Games:
    if needs_snapshots(agent):
        return SeparateGames(resolve_game(game), episodes, settings)
    return build_games(game, episodes, settings)


def _choices(
    agent: Agent,
    games: Games,
    observations: np.ndarray,
    memory: Any,
    playing: np.ndarray,
    known: dict[bytes, np.ndarray],
) -> np.ndarray:
    """As `Agent.act_batch`. Who decides by what it imagines, and remembers nothing, is not asked about games that are
    over: each would cost as much as one that is played. For others it costs little, and a batch of another size could
    change the last bit of what they decide.
    """
    if needs_snapshots(agent) and isinstance(games, SeparateGames):
        snapshots = games.snapshots()
        asked = agent.act_snapshots(observations[playing], [snapshots[row] for row in np.flatnonzero(playing)])
    elif isinstance(agent, DeliberatingAgent) and isinstance(agent, Memoryless):
        asked = _decide_once(agent, observations[playing], known)
    else:
        return agent.act_batch(observations, memory)
    choices = np.full((len(observations), asked.shape[1]), 1 / asked.shape[1], np.float32)
    choices[playing] = asked
    return choices


def _decide_once(agent: Agent, observations: np.ndarray, known: dict[bytes, np.ndarray]) -> np.ndarray:
    """As `Agent.act_batch` of an agent without memory; what was decided is looked up in `known`, and written there.

    Breakout's last bricks are often not met for thousands of steps: ball and paddle go round, and so do the frames.
    For agents whose `act_batch` leaves nothing to chance. 300 bytes an observation: 0.2 GB for 30 games of the longest.
    """
    keys = [hashlib.blake2b(observation.tobytes(), digest_size=16).digest() for observation in observations]
    new = {key: row for row, key in enumerate(keys) if key not in known}
    if new:
        known.update(zip(new, agent.act_batch(observations[list(new.values())], None), strict=True))
    return np.stack([known[key] for key in keys])


def draw(probabilities: np.ndarray, epsilon: float, random: np.random.Generator) -> np.ndarray:
    """One action (N,) int64 from each row of probabilities (N, A), mixed with `epsilon` of the uniform policy."""
    mixed = (1 - epsilon) * probabilities.astype(np.float64) + epsilon / probabilities.shape[1]
    # Drawn for every game, over or not, so that no game's end shifts another game's luck.
    thresholds = random.random((len(mixed), 1)) * mixed.sum(1, keepdims=True)
    return (mixed.cumsum(1) > thresholds).argmax(1).astype(np.int64)


def wander(actions: np.ndarray, epsilon: float, random: np.random.Generator) -> np.ndarray:
    """`draw` where actions are numbers: (N, A) float32, each row with probability `epsilon` a uniform one instead."""
    anything = random.uniform(-1, 1, actions.shape).astype(np.float32)
    return np.where(random.random((len(actions), 1)) < epsilon, anything, actions)
