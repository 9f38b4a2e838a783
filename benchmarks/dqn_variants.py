"""Claim: what each part of DQN is worth on CartPole, and what the missing target network does.

    pip install -e '.[bench]' && python -m benchmarks.dqn_variants

Every variant is plain DQN with one part added or left out, but for one, which has four of them together. Dyna learns
three times from imagined steps after each update on real ones, of a model that it learns meanwhile; "as many updates"
is its fair opponent, which learns as often from real steps alone. Each trains from five seeds for the same number of
steps, and is scored greedily on the same 20 games every 1,000 steps. Written are a table (CSV), all curves and settings
(JSON) and a plot (SVG).

    area       mean score over the whole training: how soon and how steadily it plays well
    first 475  environment steps until the first score of 475 or more, in the median seed
    final      score of the last network over 100 games that nothing else was chosen by
    solved     seeds whose last network scores 475 or more there
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from agents.dqn.config import CARTPOLE

PLAIN: dict[str, Any] = {"n_step": 1, "double": False, "dueling": False, "prioritised": False, "solved_at": 0.0}
N_STEP = {"n_step": 8}
IMAGINED = 3
"""Updates on imagined steps after each on real ones."""
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "double": {"double": True},
    "dueling": {"dueling": True},
    "prioritised": {"prioritised": True},
    "n-step": N_STEP,
    "all together": {"double": True, "dueling": True, "prioritised": True} | N_STEP,
    "no target network": {"target_network": False},
    "Dyna": {"dyna": IMAGINED},
    "as many updates": {"replay_ratio": CARTPOLE.replay_ratio * (1 + IMAGINED)},
}
SOLVED = 475
"""Gymnasium's own threshold for CartPole-v1."""
CURVE_GAMES, FINAL_GAMES = 20, 100
CURVE_SEED, FINAL_SEED = 1_000_000, 2_000_000
"""Games from which no training begins."""


@dataclasses.dataclass(frozen=True)
class Training:
    """One variant from one seed: scores after so many steps each, of the last network, and the CPU time of it all."""

    variant: str
    seed: int
    steps: list[int]
    scores: list[float]
    final: float
    seconds: float

    @property
    def area(self) -> float:
        return statistics.fmean(self.scores)

    @property
    def first_solved(self) -> float:
        """Steps until the first score of 475; infinite where there is none."""
        return next(
            (step for step, score in zip(self.steps, self.scores, strict=True) if score >= SOLVED), float("inf")
        )


def train(variant: str, seed: int, steps: int, every: int) -> Training:
    """Train one variant from one seed, in one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from agents.dqn.agent import DQNAgent
    from agents.dqn.train import DQNTrainer
    from agents.envs.cartpole import CartPoleGames
    from agents.evaluate import play_whole_games

    torch.set_num_threads(1)
    config = config_of(variant, steps)
    trainer = DQNTrainer(config, CartPoleGames(config.num_games), seed)
    agent = DQNAgent(trainer.online, trainer.games.action_names)  # the network that learns, not a copy of it

    def score(games: int, first: int) -> float:
        return statistics.fmean(play_whole_games(agent, "cartpole", games, None, seed=first)[0])

    begin, at, scores = time.process_time(), [], []
    for update in trainer.train(steps):
        if not update.metrics and update.step >= every * (len(at) + 1):
            at.append(update.step)
            scores.append(score(CURVE_GAMES, CURVE_SEED))
    final = score(FINAL_GAMES, FINAL_SEED)
    return Training(variant, seed, at, scores, final, time.process_time() - begin)


def config_of(variant: str, steps: int) -> Any:
    """CartPole's own config, made plain, with the variant's parts."""
    from agents.dqn.config import config_for

    return dataclasses.replace(config_for("cartpole"), **(PLAIN | VARIANTS[variant] | {"steps": steps}))


# -- what is written ------------------------------------------------------------------------------------------


def summary(trainings: list[Training]) -> list[dict[str, Any]]:
    """A row for each variant, in their order."""
    rows = []
    for variant in VARIANTS:
        own = [training for training in trainings if training.variant == variant]
        areas, finals = [training.area for training in own], [training.final for training in own]
        first = statistics.median_low(training.first_solved for training in own)
        rows.append(
            {
                "variant": variant,
                "area": round(statistics.fmean(areas), 1),
                "area_error": round(standard_error(areas), 1),
                "first_475": int(first) if first < float("inf") else "never",
                "final": round(statistics.fmean(finals), 1),
                "final_error": round(standard_error(finals), 1),
                "solved": f"{sum(final >= SOLVED for final in finals)} of {len(own)}",
                "cpu_seconds": round(statistics.fmean(training.seconds for training in own), 1),
            }
        )
    return rows


def standard_error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'':20}{'area':>14}{'first 475':>11}{'final':>16}{'solved':>9}{'CPU s':>8}")
    for row in rows:
        area = f"{row['area']:.0f} ± {row['area_error']:.0f}"
        final = f"{row['final']:.0f} ± {row['final_error']:.0f}"
        first = f"{row['first_475']:,}" if row["first_475"] != "never" else "never"
        print(f"{row['variant']:20}{area:>14}{first:>11}{final:>16}{row['solved']:>9}{row['cpu_seconds']:>8.0f}")


def write(folder: Path, trainings: list[Training], rows: list[dict[str, Any]], steps: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "dqn_variants.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    whole = {
        "game": "CartPole-v1",
        "configs": {variant: dataclasses.asdict(config_of(variant, steps)) for variant in VARIANTS},
        "summary": rows,
        "trainings": [dataclasses.asdict(training) for training in trainings],
    }
    (folder / "dqn_variants.json").write_text(json.dumps(whole, indent=1) + "\n")
    draw(folder / "dqn_variants.svg", trainings)


def draw(path: Path, trainings: list[Training]) -> None:
    """A panel for each variant: the mean of its seeds over plain DQN's, its best and worst seed shaded."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams |= {
        "font.family": "sans-serif",
        "font.size": 9,
        "svg.hashsalt": "mbrl",
        "axes.edgecolor": "#999999",
    }
    figure, grid = pyplot.subplots(2, 5, figsize=(12, 4.6), sharex=True, sharey=True, layout="constrained")
    steps, plain = curves(trainings, "plain")
    for axes, variant in zip(grid.flat, VARIANTS, strict=False):
        _, scores = curves(trainings, variant)
        colour = "#c0392b" if variant == "no target network" else "#555555" if variant == "plain" else "#1f77b4"
        axes.axhline(SOLVED, color="#999999", linewidth=0.8, linestyle=":")
        axes.fill_between(steps, scores.min(0), scores.max(0), color=colour, alpha=0.15, linewidth=0)
        if variant != "plain":
            axes.plot(steps, plain.mean(0), color="#999999", linewidth=1)
        axes.plot(steps, scores.mean(0), color=colour, linewidth=1.8)
        axes.set_title(variant, color=colour, loc="left", fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
    last = grid.flat[-1]
    last.set_axis_off()
    for row, (text, colour, width) in enumerate(
        [("mean of the seeds", "#1f77b4", 1.8), ("plain, for comparison", "#999999", 1)]
    ):
        last.plot([0.0, 0.16], [0.8 - 0.2 * row] * 2, transform=last.transAxes, color=colour, linewidth=width)
        last.text(0.22, 0.8 - 0.2 * row, text, transform=last.transAxes, va="center")
    last.text(0, 0.4, "shaded: best to worst seed\ndotted: 475, solved", transform=last.transAxes, va="center")
    for axes in grid[:, 0]:
        axes.set_ylabel("score")
    for axes in (*grid[1, :4], grid[0, 4]):
        axes.set_xlabel("environment steps")
        axes.xaxis.set_major_formatter(lambda step, _: f"{step / 1_000:.0f}k")
    grid[0, 0].set(ylim=(0, 510), xlim=(0, steps[-1]))
    grid[0, 4].tick_params(labelbottom=True)
    figure.savefig(path, metadata={"Date": None})


def curves(trainings: list[Training], variant: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps (T,) and scores (seeds, T) of a variant."""
    own = [training for training in trainings if training.variant == variant]
    return np.array(own[0].steps), np.array([training.scores for training in own])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--every", type=int, default=1_000, help="environment steps between two scores")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    import matplotlib  # noqa: F401, now: to miss it after minutes of training would be a pity

    wanted = [(variant, seed) for seed in range(options.seeds) for variant in VARIANTS]
    # Processes of their own kind: PyTorch's threads do not survive a fork.
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(train, variant, seed, options.steps, options.every) for variant, seed in wanted]
        trainings = []
        for done in running:
            training = done.result()
            trainings.append(training)
            print(
                f"{training.variant:20} seed {training.seed}   area {training.area:4.0f}   final {training.final:4.0f}"
            )
    rows = summary(trainings)
    print_table(rows)
    write(options.out, trainings, rows, options.steps)


if __name__ == "__main__":
    main()
