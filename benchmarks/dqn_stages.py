"""Claim: where the time of DQN training goes, ours beside Stable-Baselines3's, in one run.

    pip install -e '.[bench]' && python -m benchmarks.dqn_stages

Environment steps a second on Breakout, on the CPU, with 1, 8, 32 and 64 games: the games alone, the network that
chooses alone, learning alone (at 8 sampled transitions a step), and the whole loop. Both learn with Nature's network;
Stable-Baselines3 on batches of 32, as it is tuned for Atari, ours on 8 transitions for each game (32 at least). The
contenders take turns, each in a process of its own. Below: what a replay of a million transitions takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.contest import as_trained

GAMES = (1, 8, 32, 64)
STAGES = ("games", "choosing", "learning", "whole loop")
MILLION = 1_000_000
SAMPLES_A_STEP = 8


def rate(work: Callable[[], object], steps: float, seconds: float) -> float:
    """Steps a second of `work`, which counts as `steps` of them; the first calls are not timed."""
    for _ in range(3):
        work()
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds or done < 3:
        work()
        done += 1
    return done * steps / (time.perf_counter() - begin)


def ours(num_games: int, seconds: float) -> dict[str, float]:
    as_trained()
    from agents.dqn.config import DQNConfig
    from agents.dqn.train import DQNTrainer
    from agents.envs.atari import AtariGames

    batch = max(32, SAMPLES_A_STEP * num_games)
    config = DQNConfig(
        **{"num_games": num_games, "batch_size": batch, "replay_ratio": SAMPLES_A_STEP, "replay_capacity": 50_000},
        **{"learning_starts": 1_500, "epsilon_start": 0.05, "epsilon_end": 0.05},
    )
    trainer = DQNTrainer(config, AtariGames("breakout", num_games))
    training = trainer.train(10_000_000)
    while next(training).step < 2_000:
        pass

    def loop() -> None:
        step = trainer.step
        while trainer.step < step + batch:
            next(training)

    whole = rate(loop, batch, seconds)
    observations = trainer.games.reset(0)
    actions = np.random.default_rng(0).integers(0, 4, num_games)
    return {
        "games": rate(lambda: trainer.games.step(actions), num_games, seconds),
        "choosing": rate(lambda: trainer._explore(observations), num_games, seconds),
        "learning": rate(trainer.learn, batch / SAMPLES_A_STEP, seconds),
        "whole loop": whole,
    }


def stable_baselines(num_games: int, seconds: float) -> dict[str, float]:
    import ale_py
    import gymnasium
    from stable_baselines3 import DQN
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    class Clock(BaseCallback):
        begin = 0.0
        first = 0

        def _on_step(self) -> bool:
            if self.begin == 0.0 and self.num_timesteps >= 2_000:
                self.begin, self.first = time.perf_counter(), self.num_timesteps
            return self.begin == 0.0 or time.perf_counter() - self.begin < seconds

    gymnasium.register_envs(ale_py)
    env = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=num_games, seed=0), 4)
    every, updates = (4, 1) if num_games == 1 else (1, num_games // 4)
    model = DQN(
        *("CnnPolicy", env),
        **{"buffer_size": 20_000, "learning_starts": 1_500, "batch_size": 32, "train_freq": every},
        **{"gradient_steps": updates, "target_update_interval": 1_000, "device": "cpu"},
        **{"exploration_initial_eps": 0.05, "exploration_final_eps": 0.05},
    )
    clock = Clock()
    model.learn(10_000_000, callback=clock)
    whole = (model.num_timesteps - clock.first) / (time.perf_counter() - clock.begin)
    observations = np.asarray(env.reset())
    actions = np.random.default_rng(0).integers(0, 4, num_games)
    return {
        "games": rate(lambda: env.step(actions), num_games, seconds),
        "choosing": rate(lambda: model.predict(observations, deterministic=True), num_games, seconds),
        "learning": rate(lambda: model.train(gradient_steps=1, batch_size=32), 32 / SAMPLES_A_STEP, seconds),
        "whole loop": whole,
    }


def million() -> dict[str, float]:
    """Bytes of a replay of a million transitions: ours, and Stable-Baselines3's with and without its saving mode."""
    from agents.replay.frames import FrameReplay

    frame = 84 * 84
    numbers = 4 + 8 + 4 + 4  # of a transition beside its frames, as its ReplayBuffer stores them
    return {
        "mbrl": FrameReplay(MILLION, 32).nbytes,
        "Stable-Baselines3, optimize_memory_usage": MILLION * (4 * frame + numbers),
        "Stable-Baselines3": MILLION * (8 * frame + numbers),
    }


def measure(contender: str, games: int, seconds: float) -> dict[str, float]:
    """The stages of one contender, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.dqn_stages", "--contender", contender, "--games", str(games)]
    printed = subprocess.run([*command, "--seconds", str(seconds)], capture_output=True, text=True)
    if printed.returncode:
        sys.exit(f"{contender} failed: {printed.stderr.strip().splitlines()[-1]}")
    stages: dict[str, float] = json.loads(printed.stdout.splitlines()[-1])
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contender", choices=("mbrl", "sb3"))
    parser.add_argument("--games", type=int, choices=GAMES)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    if options.contender:
        run = stable_baselines if options.contender == "sb3" else ours
        print(json.dumps(run(options.games or GAMES[0], options.seconds)))
        return
    print(f"{'games':>5}{'':8}" + "".join(f"{stage:>12}" for stage in STAGES))
    for games in GAMES:
        found = {contender: measure(contender, games, options.seconds) for contender in ("sb3", "mbrl")}
        for contender, stages in found.items():
            print(f"{games:>5}  {contender:6}" + "".join(f"{stages[stage]:>12,.0f}" for stage in STAGES))
        ratios = (found["mbrl"][stage] / found["sb3"][stage] for stage in STAGES)
        print(f"{'':13}" + "".join(f"{ratio:>11.1f}×" for ratio in ratios), flush=True)
    print("\na replay of a million transitions")
    for name, size in million().items():
        print(f"  {size / 1e9:6.2f} GB  {name}")


if __name__ == "__main__":
    main()
