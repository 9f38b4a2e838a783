"""Claim: environment steps a second of A2C training, ours against Stable-Baselines3's, in one run.

    pip install -e '.[bench]' && python -m benchmarks.a2c_throughput

Both train on Breakout with 16 games, 5 steps to an update, RMSProp and a gradient clipped at 0.5, on the CPU: the
settings with which RL Baselines3 Zoo trains its published agent. `nature` has Stable-Baselines3's own network (the
convolutions of Mnih et al. 2015); `small`, our default, has that of the paper (Mnih et al. 2016, section 8). Both
preprocess as the other does: 4 frames to a step, the maximum of two, grey, 84×84, a stack of 4. The contenders take
turns, each in a process of its own; the table holds medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

WARM_UP = 1_600
"""Steps played before the clock starts."""
CONTENDERS = ("sb3", "small", "nature")
NUM_GAMES = 16


def ours(encoder: str, seconds: float) -> float:
    """Steps a second of this project's trainer."""
    from agents.a2c.config import A2CConfig
    from agents.a2c.train import A2CTrainer
    from agents.envs.atari import AtariGames

    trainer = A2CTrainer(A2CConfig(num_games=NUM_GAMES, encoder=encoder), AtariGames("breakout", NUM_GAMES))
    training = trainer.train(10_000_000)
    while next(training).step < WARM_UP:
        pass
    first, begin = trainer.step, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        next(training)
    return (trainer.step - first) / (time.perf_counter() - begin)


def stable_baselines(seconds: float) -> float:
    """Steps a second of Stable-Baselines3's A2C on the same game."""
    import ale_py
    import gymnasium
    from stable_baselines3 import A2C
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
    from stable_baselines3.common.vec_env import VecFrameStack

    class Clock(BaseCallback):
        begin = 0.0
        first = 0

        def _on_step(self) -> bool:
            if self.begin == 0.0 and self.num_timesteps >= WARM_UP:
                self.begin, self.first = time.perf_counter(), self.num_timesteps
            return self.begin == 0.0 or time.perf_counter() - self.begin < seconds

    gymnasium.register_envs(ale_py)
    env = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=NUM_GAMES, seed=0), 4)
    optimizer = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"eps": 1e-5}}
    model = A2C("CnnPolicy", env, ent_coef=0.01, vf_coef=0.25, policy_kwargs=optimizer, device="cpu")
    clock = Clock()
    model.learn(10_000_000, callback=clock)
    return (model.num_timesteps - clock.first) / (time.perf_counter() - clock.begin)


def measure(contender: str, seconds: float) -> float:
    """Steps a second of one contender, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.a2c_throughput", "--contender", contender, "--seconds", str(seconds)]
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
        seconds = options.seconds
        print(stable_baselines(seconds) if options.contender == "sb3" else ours(options.contender, seconds))
        return
    rates: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for _ in range(options.rounds):
        for contender in CONTENDERS:
            rates[contender].append(measure(contender, options.seconds))
    medians = {contender: statistics.median(values) for contender, values in rates.items()}
    print(f"{'':10}{'steps/s':>9}{'lowest':>9}{'highest':>9}{'against sb3':>13}")
    for contender, median in medians.items():
        low, high = min(rates[contender]), max(rates[contender])
        print(f"{contender:10}{median:>9.0f}{low:>9.0f}{high:>9.0f}{median / medians['sb3']:>12.2f}×")


if __name__ == "__main__":
    main()
