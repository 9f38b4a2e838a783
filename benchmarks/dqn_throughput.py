"""Claim: environment steps a second of DQN training, ours against Stable-Baselines3's, in one run.

    pip install -e '.[bench]' && python -m benchmarks.dqn_throughput

Both train on Breakout at Nature's replay ratio (8 sampled transitions a step), on the CPU, with the same network, the
same exploration (ε 0.05, so that nearly every step asks the network) and a replay that has begun to fill. Batch size
and number of games are free: Stable-Baselines3 has its Atari setting (1 game, batch 32) and one with 8 games; ours
its default and one with 64 games. The contenders take turns, each in a process of its own; the table holds medians.
"""

from __future__ import annotations

import argparse

from benchmarks.contest import as_trained, print_rates, rate_of, rates_in_turn, stable_baselines_rate

WARM_UP = 2_500
"""Steps played before the clock starts; learning has begun by then."""
CONTENDERS = ("sb3-1", "sb3-8", "mbrl-32", "mbrl-64")


def ours(num_games: int, seconds: float) -> float:
    """Steps a second of this project's trainer."""
    as_trained()
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
    return rate_of(trainer, WARM_UP, seconds)


def stable_baselines(num_games: int, seconds: float) -> float:
    """Steps a second of Stable-Baselines3's DQN on the same game."""
    import ale_py
    import gymnasium
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

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
    return stable_baselines_rate(model, WARM_UP, seconds)


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
    rates = rates_in_turn("benchmarks.dqn_throughput", CONTENDERS, options.rounds, options.seconds)
    print_rates(rates, ["sb3-1", "sb3-8"])


if __name__ == "__main__":
    main()
