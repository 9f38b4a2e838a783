"""An agent that writes down what it is asked, a time that stands still, and waiting for threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable

import numpy as np
import pytest
from hazy import DreamingAgent, HazyAgent, HazyModel

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.imagination import unroll
from agents.records import Decision, Moment, Rollout
from mbrl_tui.play import players
from mbrl_tui.play.clock import FRAME_RATE


class TapeAgent:
    """Implements `Agent` by a rule over emulator frames: it moves about, and expects ever more.

    tape:     ("act", frame) and ("imagine", frame, horizon, first actions), in the order in which it was asked.
    memory:   of a game, what it saw: for each decision the action before it (None at the beginning) and the picture.
    may_look: clear it, and looking ahead waits until it is set again.
    """

    def __init__(self, emulator: EmulatorModel):
        self.emulator = emulator
        self.action_names = self.emulator.action_names
        self.tape: list[tuple] = []
        self.may_look = threading.Event()
        self.may_look.set()

    def q_values(self, frame: int) -> np.ndarray:
        """(A,) float32 for an emulator frame: the best action changes every third decision."""
        best = 2 + frame // 12 % (len(self.action_names) - 2)
        return np.where(np.arange(len(self.action_names)) == best, 1.5, 1.0).astype(np.float32) + frame / 1_000

    def begin(self, rows: int) -> tuple:
        assert rows == 1
        return ()

    def observe(self, memory: tuple, observations: np.ndarray, actions: np.ndarray, began: np.ndarray) -> tuple:
        seen = (None if began[0] else int(actions[0]), observations[0, -1])
        return (seen,) if began[0] else (*memory, seen)

    def act(self, moment: Moment) -> Decision:
        frame = moment.snapshot.frame
        self.tape.append(("act", frame))
        q = self.q_values(frame)
        return Decision(int(q.argmax()), float(q.max()), np.eye(len(q), dtype=np.float32)[q.argmax()], q)

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        assert self.may_look.wait(10)
        first = None if actions is None else actions.tolist()
        self.tape.append(("imagine", moment.snapshot.frame, horizon, first))
        return unroll(self.emulator, moment, horizon, self.policy, actions, samples)

    def policy(self, state: EmulatorState) -> tuple[np.ndarray, np.ndarray]:
        q = np.stack([self.q_values(snapshot.frame) for snapshot in state.snapshots])
        actions = np.where(state.needs_fire, self.emulator.fire_action, q.argmax(-1))
        # Where the paddle is makes a difference between futures, as it does for a real critic.
        paddle = state.observations[:, -1, 76, 8:76].astype(np.float32)
        return actions, (q.max(-1) + paddle @ np.arange(68) / 1e6).astype(np.float32)


class StillTime:
    """Implements `Time`: it passes only when a test lets it, one sleep at a time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleeper: tuple[float, asyncio.Event] | None = None

    def now(self) -> float:
        return self._now

    def work(self) -> float:
        return self._now / 4  # of every 16.7 milliseconds, 4.2 are work

    async def sleep(self, seconds: float) -> None:
        done = asyncio.Event()
        self._sleeper = (self._now + seconds, done)
        await done.wait()

    async def pass_frames(self, count: int) -> None:
        """Let so many pictures become due, and be made."""
        for _ in range(count):
            await wait_until(lambda: self._sleeper is not None)
            assert self._sleeper is not None
            self._now, done = self._sleeper
            self._sleeper = None
            done.set()
        await wait_until(lambda: self._sleeper is not None)

    async def pass_seconds(self, seconds: float) -> None:
        await self.pass_frames(round(seconds * FRAME_RATE))


async def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0.001)


def stand_alike(one: AtariGame, other: AtariGame) -> bool:
    a, b = one.snapshot(), other.snapshot()
    return (
        np.array_equal(a.screen, b.screen)
        and np.array_equal(a.observation, b.observation)
        and np.array_equal(a.raw, b.raw)
        and (a.frame, a.lives, a.score, a.needs_fire, a.over) == (b.frame, b.lives, b.score, b.needs_fire, b.over)
        and a.last_action == b.last_action
        and repr(a.luck) == repr(b.luck)  # of NumPy's generator: its first and last numbers, and its position
    )


@pytest.fixture(autouse=True)
def _nobody_is_slow(monkeypatch) -> None:
    """However busy the machine is: who is slow thinks in a thread of its own, and tests of that say so."""
    monkeypatch.setattr(players, "SLOW", float("inf"))


@pytest.fixture(scope="session")
def emulator() -> EmulatorModel:
    """One for all: loading it takes a tenth of a second, and it keeps nothing from one look ahead to the next."""
    return EmulatorModel("breakout")


@pytest.fixture
def agent(emulator) -> TapeAgent:
    return TapeAgent(emulator)


@pytest.fixture
def hazy(emulator) -> HazyAgent:
    return HazyAgent(emulator)


@pytest.fixture
def dreaming(emulator) -> DreamingAgent:
    return DreamingAgent(emulator)


@pytest.fixture
def continuing(monkeypatch) -> Callable[[Iterable[float]], None]:
    """Lets hazy models give these probabilities, one reading after another, that the game goes on."""

    def continuing(probabilities: Iterable[float]) -> None:
        read, told = HazyModel.read, iter(probabilities)

        def doubtful(self, states):
            prediction = read(self, states)
            prediction.continues[:] = next(told)
            return prediction

        monkeypatch.setattr(HazyModel, "read", doubtful)

    return continuing


@pytest.fixture
def time() -> StillTime:
    return StillTime()


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits for threads and messages until a condition holds."""
    return wait_until


@pytest.fixture
def same_instant() -> Callable[[AtariGame, AtariGame], bool]:
    """Whether two games stand at the same instant, to the bit."""
    return stand_alike
