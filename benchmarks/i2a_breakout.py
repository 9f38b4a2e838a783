"""Claim: what imagination is worth in Breakout: four agents after the same number of environment steps.

    pip install -e '.[bench]' && python -m benchmarks.i2a_breakout --steps 1000000

    a2c         no imagination, no place for it
    none        the I2A's network, whose every imagined frame is the present one (the paper's copy model)
    learnt      I2A with its environment model, 5 steps
    emulator    I2A with a perfect environment model: the game itself

They are runs as `mbrl train breakout` makes them, one after the other; what was interrupted goes on when this is
started again, and what was scored is not played again. The steps of the rollout policy count. All have the same
encoder, settings and seed. From nothing that takes days of a processor. With --start-from all begin as an A2C that has
been trained, with a new optimizer and the same learning rates, and go on for --steps: what imagination adds to what it
knows. Written are a table, beside what a lesson claims, and the learning curves (SVG). Scores are means of the last 100
whole games in training, and of 30 whole games afterwards, without sticky actions, at ε 0.01 as in the README.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

from agents.catalogue import Checkpoint, algorithm, find_checkpoint, game_settings, load_agent, part_settings
from agents.envs.settings import AtariSettings
from agents.evaluate import play_whole_games
from agents.files import write_atomically
from agents.runs.directory import RunConfig, RunDirectory
from agents.runs.runner import run_training
from benchmarks.contest import as_trained

CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "a2c": ("a2c", {}),
    "none": ("i2a", {"model": "none"}),
    "learnt": ("i2a", {"model": "learnt"}),
    "emulator": ("i2a", {"model": "emulator"}),
}
CLAIMED = {"a2c": "about 400", "none": "", "learnt": "about 500", "emulator": "about 600"}
"""What the lesson says, without the number of steps."""
EPISODES = 30
EPSILON = 0.01
POLICY_SHARE = 0.8
"""Of the steps of an agent that imagines, what trains its rollout policy."""


@dataclasses.dataclass(frozen=True)
class Result:
    """curve: (step, score) while training. played: mean of whole games afterwards. rate: steps a second."""

    curve: list[tuple[int, float]]
    played: float
    rate: float


@dataclasses.dataclass(frozen=True)
class Study:
    """Environment steps of each contender; the checkpoint of an A2C as which all begin, or ""; a run whose environment
    model is taken, or "".
    """

    steps: int
    seed: int
    start_from: str
    environment_model: str

    def run_of(self, name: str) -> RunDirectory:
        """The run of a contender, as it stands or new."""
        started = f"-{Path(self.start_from).name}" if self.start_from else ""
        title = f"i2a-study-{name}-{self.steps}-{self.seed}{started}"
        for run in RunDirectory.all():
            if run.path.name == title:
                return run
        kind, changes = CONTENDERS[name]
        own, start_from = algorithm(kind), ""
        settings = own.settings_for("breakout")
        if name == "learnt" and self.environment_model:
            changes = changes | part_settings("environment_model", self.environment_model, "breakout", settings)
        if kind == "a2c" and self.start_from:
            start = find_checkpoint(self.start_from, "breakout")
            start_from, changes = start.lasting_name, changes | self._going_on(start)
        elif self.start_from:
            changes = changes | part_settings("rollout_policy", self.start_from, "breakout", settings)
        elif kind == "i2a":
            changes = changes | {"policy_steps": int(POLICY_SHARE * self.steps)}
        config = dataclasses.asdict(dataclasses.replace(own.config_for("breakout"), **{"steps": self.steps} | changes))
        what = (title, "breakout", kind, self.seed, config["steps"], "auto", dataclasses.asdict(settings), config)
        return RunDirectory.create(RunConfig(*what, start_from=start_from))

    def _going_on(self, start: Checkpoint) -> dict[str, Any]:
        """What an A2C must set that goes on for so many steps with an I2A's learning rate, which falls over them."""
        total = start.step + self.steps
        rate = algorithm("i2a").config_for("breakout").learning_rate
        return {"steps": total, "encoder": start.algorithm["encoder"], "learning_rate": rate * total / self.steps}


def result_of(name: str, run: RunDirectory, steps: int) -> Result:
    """Train what is not trained yet, and score it."""
    checkpoint, config = run.last_checkpoint(), run.read_config()
    if checkpoint is None or checkpoint[0] < config.steps:
        status = run_training(run)
        if status.step < config.steps:
            raise SystemExit(f"Stopped at step {status.step:,} of {name}. Start again to go on.")
    lines = run.read_metrics()
    before = config.steps - steps  # of the A2C from which it goes on
    curve = [(line["step"] - before, line["score"]) for line in lines if line.get("score") is not None]
    rates = [line["steps_per_second"] for line in lines if line.get("stage", 3.0) == 3.0 and line["steps_per_second"]]
    return Result(curve, score_of(run), sum(rates) / max(1, len(rates)))


def score_of(run: RunDirectory) -> float:
    """The mean of whole games, which are played but once: where an agent imagines, they take most of an hour."""
    checkpoint = find_checkpoint(run.path.name)
    path, how = run.path / "whole-games.json", {"step": checkpoint.step, "episodes": EPISODES, "epsilon": EPSILON}
    if path.exists() and (played := json.loads(path.read_text())).items() >= how.items():
        return statistics.fmean(played["returns"])
    settings = game_settings("breakout", checkpoint.settings)
    assert isinstance(settings, AtariSettings)
    returns, _ = play_whole_games(load_agent(checkpoint), "breakout", EPISODES, settings, EPSILON)
    write_atomically(path, json.dumps(how | {"returns": list(returns)}))
    return statistics.fmean(returns)


def print_table(results: dict[str, Result]) -> None:
    print(f"{'':10}{'steps':>12}{'last 100 games':>16}{'30 games':>10}{'steps/s':>9}   claimed")
    for name, result in results.items():
        step, score = result.curve[-1] if result.curve else (0, float("nan"))
        print(f"{name:10}{step:>12,}{score:>16.1f}{result.played:>10.1f}{result.rate:>9.0f}   {CLAIMED[name]}")


def draw(study: Study, results: dict[str, Result], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, result in results.items():
        axes.plot([step / 1e6 for step, _ in result.curve], [score for _, score in result.curve], label=name)
    axes.set_xlabel("million environment steps" + (f" after {study.start_from}" if study.start_from else ""))
    axes.set_ylabel("score, mean of the last 100 games")
    axes.legend()
    figure.savefig(path, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start-from", default="", metavar="NAME", help="an A2C as which all begin")
    parser.add_argument("--environment-model", default="", help="a run whose environment model is taken")
    parser.add_argument("--only", choices=CONTENDERS, action="append", help="these alone; repeatable")
    parser.add_argument("--plot", type=Path, default=Path("docs/i2a-breakout.svg"))
    options = parser.parse_args()
    as_trained()
    study = Study(options.steps, options.seed, options.start_from, options.environment_model)
    results = {}
    for name in options.only or CONTENDERS:
        results[name] = result_of(name, study.run_of(name), study.steps)
        print(f"{name}: done", flush=True)
    print_table(results)
    draw(study, results, options.plot)


if __name__ == "__main__":
    main()
