"""Claim: what DQN has learnt of Breakout after so many minutes, ours against Stable-Baselines3's, in one run.

    pip install -e '.[bench]' && python -m benchmarks.dqn_curve --minutes 60

Both train at the same time, each on half of the processor's cores; with --in-turn one after the other, each with all
of them. Ours is what `mbrl train breakout` does; Stable-Baselines3 has the hyper-parameters of RL Baselines3 Zoo for
Atari, with our schedule of exploration instead of its own of a million steps, which would outlast the run. A score is
the mean of the last 100 whole games as they were played in training, exploration included. Written are a table
(CSV) and a plot (SVG) of the score against the minutes, and of the first minute at which it reached 100.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from benchmarks.contest import as_trained

CONTENDERS = {"mbrl": "mbrl", "sb3": "Stable-Baselines3"}
GAMES = 100
"""Whole games of which a score is the mean."""
EVERY = 15.0
"""Seconds between two points of a curve."""
GOAL = 100.0
"""The score to which the time is told."""


@dataclasses.dataclass(frozen=True)
class Point:
    """seconds: since the first game step; steps: of the environment; score: mean of the last games."""

    seconds: float
    steps: int
    score: float


class Curve:
    """Prints a point now and then, and tells it on stderr; done after so many seconds."""

    def __init__(self, contender: str, seconds: float):
        self.contender, self.seconds, self.begin, self.next = contender, seconds, time.monotonic(), EVERY
        self.scores: deque[float] = deque(maxlen=GAMES)

    def goes_on(self, steps: int) -> bool:
        """Called after each step of the games."""
        passed = time.monotonic() - self.begin
        if passed >= self.next and self.scores:
            score = sum(self.scores) / len(self.scores)
            print(f"{passed:.1f} {steps} {score:.2f}", flush=True)
            told = f"{CONTENDERS[self.contender]}: {passed / 60:.1f} min, {steps:,} steps, score {score:.1f}"
            print(told, file=sys.stderr, flush=True)
            self.next = passed + EVERY
        return passed < self.seconds


def ours(curve: Curve) -> None:
    as_trained()
    from agents.algorithms import algorithm
    from agents.dqn.train import DQNTrainer
    from agents.envs.atari import AtariGames

    dqn = algorithm("dqn")
    config = dqn.config_for("breakout")
    trainer = DQNTrainer(config, AtariGames("breakout", config.num_games, dqn.settings_for("breakout")))
    for update in trainer.train(config.steps):
        curve.scores.extend(update.scores)
        if not curve.goes_on(update.step):
            break


def stable_baselines(curve: Curve) -> None:
    import ale_py
    import gymnasium
    from stable_baselines3 import DQN
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    from agents.dqn.config import config_for

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            # The monitor counts whole games and true rewards, below the cutting of lives and clipping of rewards.
            curve.scores.extend(info["episode"]["r"] for info in self.locals["infos"] if "episode" in info)
            return curve.goes_on(self.num_timesteps)

    config = config_for("breakout")
    gymnasium.register_envs(ale_py)
    games = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=1, seed=0), 4)
    model = DQN(
        "CnnPolicy",
        games,
        learning_rate=1e-4,
        batch_size=32,
        buffer_size=100_000,
        learning_starts=config.learning_starts,
        target_update_interval=1_000,
        train_freq=4,
        gradient_steps=1,
        exploration_fraction=(config.learning_starts + config.epsilon_steps) / config.steps,
        exploration_final_eps=config.epsilon_end,
        device="cpu",
    )
    model.learn(config.steps, callback=Watch())


RUNS: dict[str, Callable[[Curve], None]] = {"mbrl": ours, "sb3": stable_baselines}


def start(contender: str, minutes: float, cores: set[int]) -> subprocess.Popen[str]:
    """Its own process, on these cores only."""
    command = [sys.executable, "-m", "benchmarks.dqn_curve", "--contender", contender, "--minutes", str(minutes)]
    threads = {"OMP_NUM_THREADS": str(len(cores))}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process.pid, cores)
    return process


def points_of(contender: str, process: subprocess.Popen[str]) -> list[Point]:
    """All that it printed, once it is done."""
    printed, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{contender} failed; its message stands above.")
    rows = (line.split() for line in printed.splitlines())
    return [Point(float(seconds), int(steps), float(score)) for seconds, steps, score in rows]


def first_at_goal(points: list[Point]) -> float | None:
    """Minutes until the score first reached the goal."""
    return next((point.seconds / 60 for point in points if point.score >= GOAL), None)


def print_table(curves: dict[str, list[Point]]) -> None:
    print(f"{'':20}{'steps':>12}{'steps/s':>9}{'score':>8}{'best':>8}{'minutes to 100':>16}")
    for contender, points in curves.items():
        last, reached = points[-1], first_at_goal(points)
        best = max(point.score for point in points)
        told = f"{reached:.0f}" if reached is not None else "not reached"
        rate = last.steps / last.seconds
        print(f"{CONTENDERS[contender]:20}{last.steps:>12,}{rate:>9.0f}{last.score:>8.1f}{best:>8.1f}{told:>16}")


def write(folder: Path, curves: dict[str, list[Point]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "dqn_curve.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["contender", "seconds", "steps", "score"])
        writer.writerows((name, *dataclasses.astuple(point)) for name, points in curves.items() for point in points)
    pyplot.rcParams |= {"font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "mbrl"}
    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    for (contender, points), colour in zip(curves.items(), ("#1f77b4", "#c0392b"), strict=True):
        minutes = [point.seconds / 60 for point in points]
        axes.plot(minutes, [point.score for point in points], color=colour, label=CONTENDERS[contender])
    axes.set(xlabel="minutes", ylabel="score of the last 100 games", xlim=(0, None), ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(folder / "dqn_curve.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--in-turn", action="store_true", help="one after the other, each with all cores")
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.contender:
        RUNS[options.contender](Curve(options.contender, 60 * options.minutes))
        return
    import matplotlib  # noqa: F401, now: to miss it after an hour of training would be a pity

    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 2))
    half = max(1, len(cores) // 2)
    if options.in_turn:
        curves = {name: points_of(name, start(name, options.minutes, set(cores))) for name in CONTENDERS}
    else:
        shares = {"mbrl": set(cores[:half]), "sb3": set(cores[-half:])}
        running = {name: start(name, options.minutes, share) for name, share in shares.items()}
        curves = {name: points_of(name, process) for name, process in running.items()}
    print_table(curves)
    write(options.out, curves)


if __name__ == "__main__":
    main()
