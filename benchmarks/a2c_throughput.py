"""Claim: environment steps a second of A2C training, ours against Stable-Baselines3's, in one run.

    pip install -e '.[bench]' && python -m benchmarks.a2c_throughput

Both train on Breakout with 16 games, 5 steps to an update, RMSProp and a gradient clipped at 0.5, on the CPU: the
settings with which RL Baselines3 Zoo trains its published agent. `nature` has Stable-Baselines3's own network (the
convolutions of Mnih et al. 2015), our default too; `small` has that of the paper (Mnih et al. 2016, section 8). Both
preprocess as the other does: 4 frames to a step, the maximum of two, grey, 84×84, a stack of 4. The contenders take
turns, each in a process of its own; the table holds medians.
"""

from __future__ import annotations

import argparse

from benchmarks.contest import as_trained, print_rates, rate_of, rates_in_turn, stable_baselines_rate

WARM_UP = 1_600
"""Steps played before the clock starts."""
CONTENDERS = ("sb3", "small", "nature")
NUM_GAMES = 16


def ours(encoder: str, seconds: float) -> float:
    """Steps a second of this project's trainer."""
    as_trained()
    from agents.a2c.config import A2CConfig
    from agents.a2c.train import A2CTrainer
    from agents.envs.atari import AtariGames

    trainer = A2CTrainer(A2CConfig(num_games=NUM_GAMES, encoder=encoder), AtariGames("breakout", NUM_GAMES))
    return rate_of(trainer, WARM_UP, seconds)


def stable_baselines(seconds: float) -> float:
    """Steps a second of Stable-Baselines3's A2C on the same game."""
    import ale_py
    import gymnasium
    from stable_baselines3 import A2C
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
    from stable_baselines3.common.vec_env import VecFrameStack

    gymnasium.register_envs(ale_py)
    env = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=NUM_GAMES, seed=0), 4)
    optimizer = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"eps": 1e-5}}
    model = A2C("CnnPolicy", env, ent_coef=0.01, vf_coef=0.25, policy_kwargs=optimizer, device="cpu")
    return stable_baselines_rate(model, WARM_UP, seconds)


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
    print_rates(rates_in_turn("benchmarks.a2c_throughput", CONTENDERS, options.rounds, options.seconds), ["sb3"])


if __name__ == "__main__":
    main()
