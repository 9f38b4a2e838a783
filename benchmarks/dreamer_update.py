"""Claim: an update of DreamerV2 takes less than half as long as sheeprl's, at the same sizes, on the same machine.

    python3 -m venv PEER && PEER/bin/pip install sheeprl
    python -m benchmarks.dreamer_update --peer PEER/bin/python

Both learn from 16 sequences of 50 frames of 64×64 in colour, and dream 15 steps from each of the 800 states, with the
same widths of the recurrent model, the heads, the actor and the critic, and as many channels in the encoder's first
layer. The networks that read and draw frames are each project's own. They take turns, each in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.contest import as_trained

SIZES = {
    "paper": {"depth": 48, "deter": 600, "hidden": 600, "units": 400, "layers": 4},
    "small": {"depth": 16, "deter": 256, "hidden": 256, "units": 256, "layers": 2},
}
TASK = {"size": 64, "batch": 16, "length": 50, "horizon": 15}
FRAMES = 60
"""Steps of each of the 16 games that are played before."""


def seconds_of_ours(name: str, updates: int) -> float:
    """The median of so many updates of model, actor and critic, with their sampling from the replay."""
    as_trained()
    from agents.dreamer import config as sizes
    from agents.dreamer.config import DreamerConfig, Size
    from agents.dreamer.train import DreamerTrainer
    from agents.envs.games import build_games
    from agents.envs.settings import AtariSettings

    sizes.SIZES[name] = Size(things=2 * SIZES[name]["depth"], **SIZES[name])
    config = DreamerConfig(
        model_size=name,
        batch_size=TASK["batch"],
        batch_length=TASK["length"],
        horizon=TASK["horizon"],
        dreams=TASK["batch"] * TASK["length"],
        num_games=16,
        replay_capacity=16 * 2 * FRAMES,
        learning_starts=16 * FRAMES,
        pretrain=0,
        replay_ratio=0,
    )
    games = build_games("breakout", 16, AtariSettings(stack=1, size=TASK["size"], colour=True))
    trainer = DreamerTrainer(config, games)
    for update in trainer.train(10**9):
        if update.step >= 16 * FRAMES:
            break
    seconds = []
    for _ in range(updates + 1):
        begin = time.perf_counter()
        trainer.learn()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def printed_by(command: list[str]) -> float:
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{' '.join(command)} failed: {ran.stderr.strip().splitlines()[-1]}")
    return float(ran.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, help="the Python of an environment with sheeprl")
    parser.add_argument("--updates", type=int, default=5, help="updates of each in each round, of which the median")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", choices=SIZES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        print(seconds_of_ours(options.ours, options.updates))
        return
    if options.peer is None:
        parser.error("give --peer, the Python of an environment with sheeprl")
    updates = ["--updates", str(options.updates)]
    for name, size in SIZES.items():
        widths = [word for key, value in (size | TASK).items() for word in (f"--{key}", str(value))]
        peer = [str(options.peer), str(Path(__file__).with_name("dreamer_peer.py")), *widths, *updates]
        contenders = {
            "ours": [sys.executable, "-m", "benchmarks.dreamer_update", "--ours", name, *updates],
            "sheeprl, float32": [*peer, "--precision", "float32"],
            "sheeprl, bfloat16": [*peer, "--precision", "bfloat16"],
        }
        seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(options.rounds):
            for contender, command in contenders.items():
                seconds[contender].append(printed_by(command))
        medians = {contender: statistics.median(rounds) for contender, rounds in seconds.items()}
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in (size | TASK).items())}")
        for contender, median in medians.items():
            print(
                f"  {contender:18}{median:7.2f} s   ({min(seconds[contender]):.2f} to {max(seconds[contender]):.2f})"
                f"   {median / medians['ours']:.2f}×"
            )


if __name__ == "__main__":
    main()
