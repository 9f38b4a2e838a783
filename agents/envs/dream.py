"""A world model as an environment of Gymnasium.

    gymnasium.make("agents.envs.dream:mbrl/Dream-v0", agent="breakout-dqn")

Gymnasium loads no environments of other packages by itself (since 1.0): name this module before the colon, as above, or
import it first.

A dream begins at a moment of a real game that the agent plays, and goes on in the agent's world model alone: other
programs can learn there, or plan. What they see is what the agent's settings show of a screen; what they earn is what
the model expects.

    real   x0 -a-> x1 -a-> x2 … xk        the agent plays up to where a dream begins
    dream                       └ y1 -b-> y2 … yH
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from agents.catalogue import find_checkpoint, load_agent
from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.imagination import is_over
from agents.interfaces import ImaginativeAgent
from agents.records import Moment
from agents.settings import check_range

Start = Literal["real", "beginning"]
MOST_STEPS = 30
"""Decisions that the agent plays, at most, from where one dream began to where the next one does."""
MAX_HORIZON = 10_000


@dataclass(frozen=True)
class DreamAgent:
    """An agent to dream with, the Atari game that it plays, and how it sees it."""

    agent: ImaginativeAgent
    game: str
    settings: AtariSettings


def named(name: str) -> DreamAgent:
    """The shipped agent, the run or the checkpoint's folder of this name.

    Raises UserError where there is none, or none with a model of a game with pictures that could be stepped.
    """
    checkpoint = find_checkpoint(name)
    settings = checkpoint.played_with()
    agent = load_agent(checkpoint)
    if settings is None or not isinstance(agent, ImaginativeAgent):
        raise UserError(f"'{name}' has no world model of a game with pictures that could be stepped.")
    return DreamAgent(agent, checkpoint.game, settings)


class RealGames:
    """Moments of a real game to dream on from, with the agent's memory of it; the agent plays.

    start: "real", each further on in the game, or "beginning", each the first of a game.
    """

    def __init__(self, dreamt: DreamAgent, start: Start):
        self._agent, self._settings, self._start = dreamt.agent, dreamt.settings, start
        self._game = AtariGame(dreamt.game, dreamt.settings)
        self._memory: Any = None

    def seed(self, random: np.random.Generator) -> None:
        """Begin a game that `random` draws."""
        self._begin(int(random.integers(2**31)))

    def _begin(self, seed: int | None = None) -> None:
        self._game.reset(seed)
        self._see(0, began=True)

    def _see(self, action: int, began: bool = False) -> None:
        memory = self._agent.begin(1) if began else self._memory
        seen = self._game.observation[None]
        self._memory = self._agent.observe(memory, seen, np.array([action], np.int64), np.array([began]))

    def next(self, random: np.random.Generator) -> Moment:
        """The moment at which the next dream begins."""
        if self._start == "beginning":
            self._begin()
            return self._game.moment(self._memory)
        for _ in range(1 + int(random.integers(MOST_STEPS))):
            game = self._game
            action = self._agent.act(game.moment(self._memory)).action
            if game.needs_fire and self._settings.fire and game.fire_action is not None:
                action = game.fire_action
            game.step(action)
            if game.over:
                self._begin()
            else:
                self._see(action)
        return self._game.moment(self._memory)


class Dreams:
    """`rows` dreams of one agent, side by side; the core of both environments.

    Raises UserError as `named` does, and for settings out of range.
    """

    def __init__(self, agent: str | DreamAgent, rows: int, start: Start, horizon: int, stochastic: bool):
        check_range("horizon", horizon, 1, MAX_HORIZON)
        if start not in ("real", "beginning"):
            raise UserError(f"A dream cannot start at '{start}'. Use real or beginning.")
        dreamt = named(agent) if isinstance(agent, str) else agent
        self.agent, self.settings = dreamt.agent, dreamt.settings
        self.rows, self.horizon, self._stochastic = rows, horizon, stochastic
        self._reals = RealGames(dreamt, start)
        self._random = np.random.default_rng()
        self._seeded = False
        self.steps = np.zeros(rows, np.int64)
        self._alive = np.ones(rows)  # P(the game has gone on up to here)
        size = self.settings.size
        self.observation_space = spaces.Box(0, 255, (size, size, 3 if self.settings.colour else 1), np.uint8)
        self.action_space = spaces.Discrete(len(self.agent.action_names))

    def reset(self, random: np.random.Generator | None) -> np.ndarray:
        """Begin all dreams, from a game that `random` draws, if given; what is seen, (rows, size, size, channels)."""
        if random is not None or not self._seeded:
            self._random, self._seeded = random or self._random, True
            self._reals.seed(self._random)
            seed = int(self._random.integers(2**31)) if self._stochastic else None
            self._model = self.agent.world_model(seed)
        self.steps[:], self._alive[:] = 0, 1
        moments = [self._reals.next(self._random) for _ in range(self.rows)]
        self._state = self._model.start(moments[0], self.rows)
        for row in range(1, self.rows):
            self._put(row, moments[row])
        self.screens = np.stack([moment.screen for moment in moments])
        return self._seen(self.screens)

    def _put(self, row: int, moment: Moment) -> None:
        self._state = self._model.mix(self._state, self._model.start(moment, self.rows), np.arange(self.rows) == row)

    def begin(self, rows: np.ndarray) -> np.ndarray:
        """Begin the dreams of `rows` (B,) bool anew; what is seen in them now, (n, size, size, channels)."""
        for row in np.flatnonzero(rows):
            moment = self._reals.next(self._random)
            self._put(int(row), moment)
            self.screens[row], self.steps[row], self._alive[row] = moment.screen, 0, 1
        return self._seen(self.screens[rows])

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One decision of every dream, as `gymnasium.Env.step` gives it, with a row for each."""
        self._state = self._model.step(self._state, np.asarray(actions, np.int64))
        told = self._model.read([self._state])
        self.steps += 1
        self.screens = told.frames[:, 0].copy()
        goes_on = told.continues[:, 0]
        self._alive *= goes_on
        info = {"continue": goes_on.copy(), "uncertainty": told.uncertainty[:, 0].copy()}
        ended = np.asarray(is_over(self._alive))
        return self._seen(self.screens), told.rewards[:, 0], ended, self.steps >= self.horizon, info

    def _seen(self, screens: np.ndarray) -> np.ndarray:
        grey = not self.settings.colour
        # ALE's own grey, to a rounding.
        shown = np.rint(screens @ np.array([0.2989, 0.5870, 0.1140])).astype(np.uint8) if grey else screens
        frames = np.stack([self.settings.shrink(frame) for frame in shown])
        return frames[..., None] if grey else frames


class DreamEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One dream at a time. It is over as soon as its game more probably is than not, by all of its steps together.

    agent:      name of a shipped agent, of a run or a checkpoint's folder; or an agent itself.
    start:      "real": at moments of a real game that the agent plays; "beginning": at the first one of a game.
    horizon:    decisions after which a dream is truncated.
    stochastic: draw what the model leaves open, rather than go on with what is expected.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 15}

    def __init__(
        self,
        agent: str | DreamAgent,
        start: Start = "real",
        horizon: int = 50,
        stochastic: bool = True,
        render_mode: str | None = None,
    ):
        self._dreams = Dreams(agent, 1, start, horizon, stochastic)
        self.observation_space, self.action_space = self._dreams.observation_space, self._dreams.action_space
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return self._dreams.reset(self.np_random if seed is not None else None)[0], {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        seen, rewards, ended, truncated, info = self._dreams.step(np.array([action]))
        told = {name: float(values[0]) for name, values in info.items()}
        return seen[0], float(rewards[0]), bool(ended[0]), bool(truncated[0] and not ended[0]), told

    def render(self) -> np.ndarray | None:
        """(h, w, 3) uint8, the whole screen as it is dreamt."""
        return self._dreams.screens[0] if self.render_mode == "rgb_array" else None


class DreamVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` dreams, each step one batch of the model; arguments as for `DreamEnv`.

    A dream that has ended begins anew in the step after its end (`AutoresetMode.NEXT_STEP`), without a reward.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 15,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        agent: str | DreamAgent,
        num_envs: int = 1,
        start: Start = "real",
        horizon: int = 50,
        stochastic: bool = True,
        render_mode: str | None = None,
    ):
        self.num_envs, self.render_mode = num_envs, render_mode
        self._dreams = Dreams(agent, num_envs, start, horizon, stochastic)
        self.single_observation_space = self._dreams.observation_space
        self.single_action_space = self._dreams.action_space
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._over = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """All dreams begin anew; they share one real game, and so one seed: the first, where a list is given."""
        one = seed[0] if isinstance(seed, list) else seed
        super().reset(seed=one)
        self._over[:] = False
        return self._dreams.reset(self.np_random if one is not None else None), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        began = self._over
        seen, rewards, ended, truncated, info = self._dreams.step(actions)
        if began.any():
            seen[began] = self._dreams.begin(began)
            rewards, ended, truncated = (np.where(began, 0, part) for part in (rewards, ended, truncated))
            info["continue"][began], info["uncertainty"][began] = 1, 0  # nothing was dreamt in between
        ended, truncated = ended.astype(bool), truncated.astype(bool) & ~ended.astype(bool)
        self._over = ended | truncated
        return seen, rewards.astype(np.float32), ended, truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The screens as they are dreamt."""
        return tuple(self._dreams.screens) if self.render_mode == "rgb_array" else None


gymnasium.register("mbrl/Dream-v0", entry_point=f"{__name__}:DreamEnv", vector_entry_point=f"{__name__}:DreamVectorEnv")
