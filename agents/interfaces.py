"""What an agent, a world model and a bank of games must offer to be used by everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

import numpy as np

from agents.records import Decision, Moment, Perception, Rollout, Update

if TYPE_CHECKING:
    import torch


class Agent(Protocol):
    """Decides, and looks ahead. One thread at a time; but `begin` and `observe` only compute, in any thread."""

    @property
    def action_names(self) -> tuple[str, ...]: ...

    def act(self, moment: Moment) -> Decision:
        """The agent's own choice at this moment, whose memory has seen its observation; changes nothing."""
        ...

    def begin(self, rows: int) -> Any:
        """The memory of an agent that has seen nothing yet, for `rows` games; None for agents that have none."""
        ...

    def observe(self, memory: Any, observations: np.ndarray, actions: np.ndarray, began: np.ndarray) -> Any:
        """What the agent remembers once it has seen `observations` (N, stack, *frame); `memory` stays as it was.

        actions: (N,) int64, as really taken before these observations.
        began:   (N,) bool, rows in which a game begins: what was before counts for nothing there.
        """
        ...

    def act_batch(self, observations: np.ndarray, memory: Any) -> np.ndarray:
        """The policy in many games at a time: probabilities (N, A) float32; its choice (N, A) where they are numbers.

        observations: (N, stack, *frame), which `memory` has seen already.
        """
        ...

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        """Unroll the agent's model from `moment`.

        actions: (B, K) int64 with K <= horizon. Row b begins with these; the agent chooses the rest.
            None stands for one row in which the agent chooses everything.
        samples: rows of a stochastic model drawn for each row of `actions`, laid out one after another.
        Raises UserError where the moment holds too little to look ahead from.
        """
        ...


class Memoryless:
    """What an agent of `Agent` is that remembers nothing: its observation, a stack of frames, is all that it knows."""

    def begin(self, rows: int) -> None:
        """There is nothing to remember."""

    def observe(self, memory: None, observations: np.ndarray, actions: np.ndarray, began: np.ndarray) -> None:
        """Nor is there afterwards."""


@dataclass(frozen=True)
class Prediction:
    """What a world model expects of K steps, for B rows.

    frames (B, K, h, w, 3) uint8; rewards, continues, uncertainty (B, K) float32, as in `Rollout`.
    """

    frames: np.ndarray
    rewards: np.ndarray
    continues: np.ndarray
    uncertainty: np.ndarray


class WorldModel(Protocol):
    """Stepped like an environment. States are values: passed in, returned, never kept inside."""

    name: str

    def start(self, moment: Moment, rows: int) -> Any:
        """The state of `rows` futures that all begin at `moment`."""
        ...

    def step(self, state: Any, actions: np.ndarray) -> Any:
        """The state after one step of every row under `actions` (B,) int64; `state` stays usable."""
        ...

    def read(self, states: Sequence[Any]) -> Prediction:
        """What K states, each the step after the one before, mean: reading all at once costs a model the least. The
        arrays are the caller's, who may write into them."""
        ...

    def row(self, state: Any, place: int) -> Any:
        """The future in this row (0 to B − 1) of a state alone: a state of one row."""
        ...


class Policy(Protocol):
    """Chooses in the states of one world model."""

    def __call__(self, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """Actions (B,) int64 and values (B,) float32 in these states."""
        ...


class MixableModel(WorldModel, Protocol):
    """A world model in whose batch single futures can begin anew."""

    def mix(self, state: Any, other: Any, rows: np.ndarray) -> Any:
        """`state` with the futures of `other`, of as many rows, wherever `rows` (B,) bool is true."""
        ...


@runtime_checkable
class ImaginativeAgent(Agent, Protocol):
    """An agent whose model can be stepped from outside, as a game is."""

    def world_model(self, seed: int | None = None) -> MixableModel:
        """The model that `imagine` unrolls. With a seed it draws one of many futures; None: the one that it expects.

        Raises UserError where the agent has none.
        """
        ...

    def policy(self, state: Any) -> tuple[np.ndarray, np.ndarray]:
        """As `Policy`, in states of that model."""
        ...


@runtime_checkable
class EmulatingAgent(Agent, Protocol):
    """An agent that may decide by the emulator itself, for which observations are not enough."""

    @property
    def needs_snapshots(self) -> bool:
        """Whether it does: `act_batch` then raises UserError."""
        ...

    def act_snapshots(self, observations: np.ndarray, snapshots: Sequence[Any]) -> np.ndarray:
        """As `act_batch`, of games whose emulators stand at `snapshots` (N of `agents.envs.atari.Snapshot`).

        A snapshot knows the game's chance too: with sticky actions, such an agent foresees which of them will stick.
        """
        ...


def needs_snapshots(agent: Agent) -> TypeGuard[EmulatingAgent]:
    """Whether an agent decides by the emulator itself."""
    return isinstance(agent, EmulatingAgent) and agent.needs_snapshots


def act_in_games(
    agent: Agent, observations: np.ndarray, memory: Any, snapshots: Callable[[], Sequence[Any]]
) -> np.ndarray:
    """`Agent.act_batch`, whatever the agent decides by. snapshots: gives those of the games, where they are needed."""
    if needs_snapshots(agent):
        return agent.act_snapshots(observations, snapshots())
    return agent.act_batch(observations, memory)


@runtime_checkable
class PerceivingAgent(Agent, Protocol):
    """An agent whose model expects something before it looks, and believes something afterwards."""

    def perceive(self, moment: Moment, actions: np.ndarray, seen: Moment) -> Perception:
        """Dream from `moment` under `actions` (k,), then look at `seen`, which really came of them; k may be 0."""
        ...


@runtime_checkable
class SalientAgent(Agent, Protocol):
    """An agent that can tell what in the picture its decision hangs on."""

    def saliency(self, moment: Moment) -> np.ndarray:
        """(h, w) float32 over the screen, from 0, without weight, to 1, the most."""
        ...


@runtime_checkable
class DeliberatingAgent(Agent, Protocol):
    """An agent that decides by what it imagines."""

    def deliberate(self, moment: Moment) -> tuple[Rollout, Decision]:
        """The very futures by which it decides here, and what it would decide without them."""
        ...


@dataclass(frozen=True)
class GameSteps:
    """One step of N games; row i is game i.

    observations (N, stack, *frame); actions (N,) int64 as really taken (FIRE may have been forced);
    rewards (N,) float32 unclipped, as the game gives them; terminated and truncated (N,) bool: the game
    ended with this step; life_lost (N,) bool: a life ended, the game goes on; began (N,) bool: this step
    was no transition: it threw the ended game away and began a new one, whose first observation this is.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    life_lost: np.ndarray
    began: np.ndarray


class Games(Protocol):
    """N copies of one game, stepped together; an ended game begins anew in the step after its end.

    Games whose actions are numbers say so: they have an attribute `continuous`, which is true. They take one number
    from −1 to 1 for each of `action_names`: actions are (N, A) float32, wherever others are (N,) int64.
    """

    num_games: int
    action_names: tuple[str, ...]
    frame_shape: tuple[int, ...]
    frame_dtype: np.dtype
    stack: int

    def reset(self, seed: int) -> np.ndarray:
        """Begin all games, game i from seed + i; observations (N, stack, *frame)."""
        ...

    def step(self, actions: np.ndarray) -> GameSteps: ...

    def close(self) -> None: ...


def is_continuous(games: Games) -> bool:
    """Whether the actions of these games are numbers."""
    return bool(getattr(games, "continuous", False))


class Trainer(Protocol):
    """A learning algorithm at work. It yields; the runner (`agents.runs.runner`) logs, saves and stops."""

    @property
    def step(self) -> int: ...

    @property
    def updates(self) -> int: ...

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` environment steps; may be left after any update and called again."""
        ...

    def weights(self) -> dict[str, torch.Tensor]:
        """The network that acts: all that a shipped checkpoint needs."""
        ...

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Every other tensor that resuming needs."""
        ...

    def training_counters(self) -> dict[str, Any]:
        """Everything that resuming needs and is no tensor, as JSON: counters, random generators."""
        ...

    def save_replay(self, folder: Path) -> list[str]:
        """Write what `folder` does not hold yet; gives the names of all files that make up the replay."""
        ...

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        """Go on from the `weights` of a trainer that had done `step` steps, without anything else that it had.

        What follows from the steps done, such as ε or a learning rate that falls, is as it would be there; optimizer,
        replay and chance are new. Raises RuntimeError where the weights do not fit.
        """
        ...

    def restore(
        self,
        weights: dict[str, torch.Tensor],
        tensors: dict[str, torch.Tensor],
        counters: dict[str, Any],
        replay_folder: Path,
        replay_files: list[str],
    ) -> None:
        """Become the trainer that was saved. Raises ValueError, KeyError or RuntimeError where the parts do not fit."""
        ...
