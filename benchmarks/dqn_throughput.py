"""Claim: environment steps a second of DQN training, ours against Stable-Baselines3's, in one run.

    pip install -e '.[bench]' && python -m benchmarks.dqn_throughput

Both train on Breakout at Nature's replay ratio (8 sampled transitions a step), on the CPU, with the same network, the
same exploration (ε 0.05, so that nearly every step asks the network) and a replay that has begun to fill. Batch size
and number of games are free: Stable-Baselines3 has its Atari setting (1 game, batch 32) and one with 8 games; ours
its default and one with 64 games. The contenders take turns, each in a process of its own; the table holds medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

WARM_UP = 2_500
"""Steps played before the clock starts; learning has begun by then."""
CONTENDERS = ("sb3-1", "sb3-8", "mbrl-32", "mbrl-64")


def ours(num_games: int, seconds: float) -> float:
    """Steps a second of this project's trainer."""
    from agents.dqn.config import DQNConfig
    from agents.dqn.train import DQNTrainer
    from agents.envs.atari import AtariGames

    config = DQNConfig(
        num_games=num_games,
        batch_size=8 * num_games,
        replay_ratio=8,
        replay_capacity=100_000,
        learning_starts=1_500,
        epsilon_start=0.05,
        epsilon_end=0.05,
    )
    trainer = DQNTrainer(config, AtariGames("breakout", num_games))
    training = trainer.train(10_000_000)
    while next(training).step < WARM_UP:
        pass
    first, begin = trainer.step, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        next(training)
    return (trainer.step - first) / (time.perf_counter() - begin)


def stable_baselines(num_games: int, seconds: float) -> float:
    """Steps a second of Stable-Baselines3's DQN on the same game."""
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
            if self.begin == 0.0 and self.num_timesteps >= WARM_UP:
                self.begin, self.first = time.perf_counter(), self.num_timesteps
            return self.begin == 0.0 or time.perf_counter() - self.begin < seconds

    gymnasium.register_envs(ale_py)
    env = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=num_games, seed=0), 4)
    # A gradient step on 32 transitions for every 4 environment steps.
    every, updates = (4, 1) if num_games == 1 else (1, num_games // 4)
    model = DQN(
        "CnnPolicy",
        env,
        buffer_size=50_000,
        learning_starts=1_500,
        batch_size=32,
        train_freq=every,
        gradient_steps=updates,
        target_update_interval=1_000,
        exploration_initial_eps=0.05,
        exploration_final_eps=0.05,
        device="cpu",
    )
    clock = Clock()
    model.learn(10_000_000, callback=clock)
    return (model.num_timesteps - clock.first) / (time.perf_counter() - clock.begin)


def measure(contender: str, seconds: float) -> float:
    """Steps a second of one contender, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.dqn_throughput", "--contender", contender, "--seconds", str(seconds)]
    printed = subprocess.run(command, capture_output=True, text=True)
    if printed.returncode:
        sys.exit(f"{contender} failed: {printed.stderr.strip().splitlines()[-1]}")
    return float(printed.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.contender:
        kind, games = options.contender.split("-")
        run = stable_baselines if kind == "sb3" else ours
        print(run(int(games), options.seconds))
        return
    rates: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for _ in range(options.rounds):
        for contender in CONTENDERS:
            rates[contender].append(measure(contender, options.seconds))
    medians = {contender: statistics.median(values) for contender, values in rates.items()}
    print(f"{'':10}{'steps/s':>9}{'lowest':>9}{'highest':>9}{'against sb3-1':>15}{'against sb3-8':>15}")
    for contender, median in medians.items():
        low, high = min(rates[contender]), max(rates[contender])
        ratios = f"{median / medians['sb3-1']:>14.2f}×{median / medians['sb3-8']:>14.2f}×"
        print(f"{contender:10}{median:>9.0f}{low:>9.0f}{high:>9.0f}{ratios}")


if __name__ == "__main__":
    main()
