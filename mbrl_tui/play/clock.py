"""Sixty emulator frames a second: a clock that neither drifts nor runs after lost time, and its measurement."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

FRAME_RATE = 60.0
"""Emulator frames a second at speed 1: those of the console."""
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)


class Time(Protocol):
    """Where time comes from; tests bring their own."""

    def now(self) -> float:
        """Seconds, from any beginning."""
        ...

    def work(self) -> float:
        """Seconds for which the calling thread has kept a processor busy."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class RealTime:
    """The machine's own (implements `Time`)."""

    def now(self) -> float:
        return time.monotonic()

    def work(self) -> float:
        return time.thread_time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FrameClock:
    """Says when the next picture is due, and how many emulator frames it takes the game on.

    Each picture is due one interval after the last one was due, not after it was ready, so small delays even
    out and the rate does not drift. What is late by more than `forgiven` seconds is forgiven: the game then
    slows, and neither jumps nor hurries to catch up.
    """

    forgiven = 3 / FRAME_RATE

    def __init__(self, now: float):
        self.speed = 1.0
        self._due = now

    @property
    def frames(self) -> int:
        """Emulator frames for one picture: more than one at more than full speed."""
        return max(1, round(self.speed))

    def wait(self, now: float) -> float:
        """Seconds until the next picture is due; 0 when it is late."""
        return max(0.0, self._due - now)

    def begin(self, now: float) -> None:
        """A picture is being made now: put the next one on the calendar."""
        if now - self._due > self.forgiven:
            self._due = now
        self._due += self.frames / (FRAME_RATE * self.speed)

    def wait_no_longer(self, now: float) -> None:
        """What the picture was late for is not made up for: it is due now, and the next ones as long after it."""
        self._due = now

    def change_speed(self, by: int) -> None:
        """So many steps faster (or slower, if negative) along `SPEEDS`, as far as they go."""
        at = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]


class FrameMeter:
    """Pictures a second and work for each, over the last second.

    pictures: how many there were since the beginning.
    """

    window = 1.0

    def __init__(self) -> None:
        self.pictures = 0
        self._last: deque[tuple[float, float]] = deque()

    def add(self, now: float, work: float) -> None:
        """A picture begins at `now`; the thread has worked for `work` seconds since it was born."""
        self.pictures += 1
        self._last.append((now, work))
        while now - self._last[0][0] > self.window:
            self._last.popleft()

    def clear(self) -> None:
        self._last.clear()

    @property
    def rate(self) -> float:
        """Pictures a second; 0 until two were made."""
        seconds = self._span(0)
        return (len(self._last) - 1) / seconds if seconds > 0 else 0.0

    @property
    def work_ms(self) -> float:
        """Milliseconds of the thread's own work for one picture: game, terminal, and an agent that is not slow."""
        count = len(self._last) - 1
        return 1_000 * self._span(1) / count if count > 0 else 0.0

    def _span(self, column: int) -> float:
        return self._last[-1][column] - self._last[0][column] if self._last else 0.0
