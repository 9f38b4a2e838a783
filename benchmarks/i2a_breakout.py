"""Claim: what imagination is worth in Breakout: four agents after the same number of environment steps.

    pip install -e '.[bench]' && python -m benchmarks.i2a_breakout --steps 1000000

    a2c         no imagination, no place for it
    none        the I2A's network, whose every imagined frame is the present one (the paper's copy model)
    learnt      I2A with its environment model, 5 steps
    emulator    I2A with a perfect environment model: the game itself

They are runs as `mbrl train breakout` makes them, one after the other; what was interrupted goes on when this is
started again. The steps of the rollout policy count. All have the same encoder, settings and seed. Written are a table,
beside what a lesson claims, and the learning curves (SVG). Scores are means of the last 100 whole games in training,
and of 30 whole games afterwards, without sticky actions; the emulator's state cannot be had of many games at a time, so
that the last agent is scored in training alone.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from agents.catalogue import algorithm, find_checkpoint, game_settings, load_agent
from agents.envs.settings import AtariSettings
from agents.evaluate import play_whole_games
from agents.memory import keep_memory
from agents.runs.directory import RunConfig, RunDirectory
from agents.runs.runner import run_training

CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "a2c": ("a2c", {}),
    "none": ("i2a", {"model": "none"}),
    "learnt": ("i2a", {"model": "learnt"}),
    "emulator": ("i2a", {"model": "emulator"}),
}
CLAIMED = {"a2c": "about 400", "none": "", "learnt": "about 500", "emulator": "about 600"}
"""What the lesson says, without the number of steps."""
EPISODES = 30
POLICY_SHARE = 0.8
"""Of the steps of an agent that imagines, what trains its rollout policy."""


@dataclasses.dataclass(frozen=True)
class Result:
    """curve: (step, score) while training. played: mean of whole games afterwards, or None. rate: steps a second."""

    curve: list[tuple[int, float]]
    played: float | None
    rate: float


def run_of(name: str, steps: int, seed: int, environment_model: str) -> RunDirectory:
    """The run of a contender, as it stands or new."""
    kind, changes = CONTENDERS[name]
    title = f"i2a-study-{name}-{steps}-{seed}"
    for run in RunDirectory.all():
        if run.path.name == title:
            return run
    if name == "learnt" and environment_model:
        checkpoint = find_checkpoint(environment_model, "breakout")
        taken = {field: checkpoint.algorithm[field] for field in ("model_kind", "model_width")}
        changes = changes | taken | {"environment_model": environment_model}
    own = algorithm(kind)
    if kind == "i2a":
        changes = changes | {"policy_steps": int(POLICY_SHARE * steps)}
    config = dataclasses.replace(own.config_for("breakout"), steps=steps, **changes)
    settings = dataclasses.asdict(own.settings_for("breakout"))
    described = RunConfig(title, "breakout", kind, seed, steps, "auto", settings, dataclasses.asdict(config))
    return RunDirectory.create(described)


def result_of(name: str, run: RunDirectory, steps: int) -> Result:
    """Train what is not trained yet, and score it."""
    checkpoint = run.last_checkpoint()
    if checkpoint is None or checkpoint[0] < steps:
        status = run_training(run)
        if status.step < steps:
            raise SystemExit(f"Stopped at step {status.step:,} of {name}. Start again to go on.")
    lines = run.read_metrics()
    curve = [(line["step"], line["score"]) for line in lines if line.get("score") is not None]
    rates = [line["steps_per_second"] for line in lines if line.get("stage", 3.0) == 3.0 and line["steps_per_second"]]
    return Result(curve, None if name == "emulator" else score_of(run), sum(rates) / max(1, len(rates)))


def score_of(run: RunDirectory) -> float:
    """The mean of whole games."""
    checkpoint = find_checkpoint(run.path.name)
    settings = game_settings("breakout", checkpoint.settings)
    assert isinstance(settings, AtariSettings)
    returns, _ = play_whole_games(load_agent(checkpoint), "breakout", EPISODES, settings)
    return sum(returns) / len(returns)


def print_table(results: dict[str, Result]) -> None:
    print(f"{'':10}{'steps':>12}{'last 100 games':>16}{'30 games':>10}{'steps/s':>9}   claimed")
    for name, result in results.items():
        step, score = result.curve[-1] if result.curve else (0, float("nan"))
        played = "–" if result.played is None else f"{result.played:.1f}"
        print(f"{name:10}{step:>12,}{score:>16.1f}{played:>10}{result.rate:>9.0f}   {CLAIMED[name]}")


def draw(results: dict[str, Result], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, result in results.items():
        axes.plot([step / 1e6 for step, _ in result.curve], [score for _, score in result.curve], label=name)
    axes.set_xlabel("million environment steps")
    axes.set_ylabel("score, mean of the last 100 games")
    axes.legend()
    figure.savefig(path, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--environment-model", default="", help="a run whose environment model is taken")
    parser.add_argument("--only", choices=CONTENDERS, action="append", help="these alone; repeatable")
    parser.add_argument("--plot", type=Path, default=Path("docs/i2a-breakout.svg"))
    options = parser.parse_args()
    keep_memory()  # as every process that trains does
    results = {}
    for name in options.only or CONTENDERS:
        run = run_of(name, options.steps, options.seed, options.environment_model)
        results[name] = result_of(name, run, options.steps)
        print(f"{name}: done", flush=True)
    print_table(results)
    draw(results, options.plot)


if __name__ == "__main__":
    main()
