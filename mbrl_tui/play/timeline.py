"""What has happened in a game so far, decision by decision, for the charts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Timeline:
    """One entry for each decision of one game.

    values: the critic's value of the moment of decision; None where no agent looked at it. Of one before, where a slow
            agent looks on.
    scores: the score at that moment.
    """

    values: list[float | None] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def add(self, value: float | None, score: float) -> None:
        self.values.append(value)
        self.scores.append(score)

    def __len__(self) -> int:
        return len(self.scores)
