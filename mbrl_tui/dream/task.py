"""What takes its time to compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """run:  computes, in any thread; may raise UserError.
    keep: takes its result, where that is still wanted; to be called by whoever owns what it belongs to.
    fail: takes the reason why there is none.
    """

    run: Callable[[], Any]
    keep: Callable[[Any], None]
    fail: Callable[[str], None]

    def then(self, other: Task) -> Task:
        """Both, one after the other, as one: their results come together."""

        def keep(results: tuple[Any, Any]) -> None:
            self.keep(results[0])
            other.keep(results[1])

        return Task(lambda: (self.run(), other.run()), keep, self.fail)
