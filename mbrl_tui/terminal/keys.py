"""Which keys are held down, told from a terminal that may report presses only."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

TAP = 0.12
"""Seconds for which a lone press counts as held.

A terminal without key releases sends one press and, 0.25 to 0.66 seconds later, the first of its repetitions.
Bridging that gap would make every tap drive Breakout's paddle over half the board, which it crosses in 0.42
seconds. So a press moves it by about two of its widths, a key held down pauses once until its repetitions come,
and tapping goes on without a pause from eight taps a second.
"""

REPETITION = 0.11
"""A press this soon after the last one is the keyboard's repetition, or tapping as fast: the key is down."""

SHORTEST = 0.05
"""Seconds for which a repetition counts at least: three frames, so that one that comes late opens no gap."""

AXES = (frozenset({"left", "right", "a", "d"}), frozenset({"up", "down", "w", "s"}))
"""Keys that cannot be meant together: the one pressed last counts."""


@dataclass
class _Press:
    last: float
    until: float


class HeldKeys:
    """The keys held at a time, from the presses and, where the terminal reports them, the releases.

    A press holds its key for `TAP`; repetitions hold it for twice the time between them, so that it is let go
    soon after the last one. Of two keys on one axis (left and right) the one pressed last is held, and where the
    terminal reports no releases it ends the other. Once a release was reported, keys are simply down until theirs.

    Times are in seconds on any clock that does not run backwards. Keys go by Textual's names.
    """

    def __init__(self) -> None:
        self._presses: dict[str, _Press] = {}  # the one pressed last comes last
        self._releases_reported = False

    def press(self, key: str, now: float) -> None:
        """The key was pressed, or repeated by the keyboard."""
        before = self._presses.get(key)
        if before is not None and before.until > now and self._releases_reported:
            return  # a repetition: the order of the presses stays
        since = inf if before is None else now - before.last
        if self._releases_reported:
            until = inf
        else:
            until = now + (TAP if since > REPETITION else max(SHORTEST, 2 * since))
            for axis in AXES:
                if key in axis:
                    for other in axis - {key}:
                        self._presses.pop(other, None)
        self._presses.pop(key, None)
        self._presses[key] = _Press(now, until)

    def release(self, key: str, now: float) -> None:
        """The terminal reports that the key was let go; from now on it is trusted to report this of every key."""
        if not self._releases_reported:
            self._releases_reported = True
            for held in self._presses.values():
                if held.until > now:
                    held.until = inf
        self._presses.pop(key, None)

    def clear(self) -> None:
        """Let go of everything: the terminal has lost the focus, and releases with it."""
        self._presses.clear()

    def held(self, now: float) -> frozenset[str]:
        """The keys held at `now`, at most one on each axis."""
        held: list[str] = []
        for key in reversed([key for key, press in self._presses.items() if press.until > now]):
            if not any(key in axis and other in axis for axis in AXES for other in held):
                held.append(key)
        return frozenset(held)
