"""Trainers that take turns, each in a process of its own, and how many steps a second each makes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from agents.memory import keep_memory
from agents.threads import rest_soon


class Counting(Protocol):
    """What tells how far it is."""

    @property
    def step(self) -> int: ...


def as_trained() -> None:
    """What every process of this project that trains begins with; before torch is imported."""
    keep_memory()
    rest_soon()


def rate_of(trainer: Any, warm_up: int, seconds: float) -> float:
    """Steps a second of a trainer of this project, for so many seconds after its first `warm_up` steps."""
    training: Iterator[Counting] = trainer.train(10_000_000)
    while next(training).step < warm_up:
        pass
    first, begin = trainer.step, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        next(training)
    return (trainer.step - first) / (time.perf_counter() - begin)


def stable_baselines_rate(model: Any, warm_up: int, seconds: float) -> float:
    """The same of a model of Stable-Baselines3."""
    from stable_baselines3.common.callbacks import BaseCallback

    class Clock(BaseCallback):
        begin = 0.0
        first = 0

        def _on_step(self) -> bool:
            if self.begin == 0.0 and self.num_timesteps >= warm_up:
                self.begin, self.first = time.perf_counter(), self.num_timesteps
            return self.begin == 0.0 or time.perf_counter() - self.begin < seconds

    clock = Clock()
    model.learn(10_000_000, callback=clock)
    return (model.num_timesteps - clock.first) / (time.perf_counter() - clock.begin)


def rates_in_turn(module: str, contenders: Sequence[str], rounds: int, seconds: float) -> dict[str, list[float]]:
    """What `python -m MODULE --contender NAME --seconds S` prints last, for each contender, in so many rounds."""
    rates: dict[str, list[float]] = {contender: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            command = [sys.executable, "-m", module, "--contender", contender, "--seconds", str(seconds)]
            printed = subprocess.run(command, capture_output=True, text=True)
            if printed.returncode:
                sys.exit(f"{contender} failed: {printed.stderr.strip().splitlines()[-1]}")
            rates[contender].append(float(printed.stdout.split()[-1]))
    return rates


def print_rates(rates: dict[str, list[float]], against: Sequence[str]) -> None:
    """Medians, extremes, and how many times those of the contenders `against`."""
    medians = {contender: statistics.median(values) for contender, values in rates.items()}
    print(f"{'':10}{'steps/s':>9}{'lowest':>9}{'highest':>9}" + "".join(f"{f'against {name}':>15}" for name in against))
    for contender, median in medians.items():
        ratios = "".join(f"{median / medians[name]:>14.2f}×" for name in against)
        print(f"{contender:10}{median:>9.0f}{min(rates[contender]):>9.0f}{max(rates[contender]):>9.0f}{ratios}")
