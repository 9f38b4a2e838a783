"""Claim: how the error of a learnt model grows with every step that it imagines, and that its doubt tells.

    pip install -e '.[bench]' && python -m benchmarks.compounding_error

CartPole from its four numbers. An ensemble of perceptrons (256, 256) learns from 20,000 steps of games that are played
well half of the time, and then imagines 50 steps from states that it has not seen, under the actions that were really
taken. Told are the median error in units of the states' own deviation, the power law nearest to it (½: independent
errors, as in a random walk), and how the ensemble's spread goes with the error.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import torch

from agents.state_model import StateEnsemble, StateModel, StateSteps, fit, power_law, unrolled

HORIZON = 50
SKILL = 0.5
"""Share of the actions that push the cart under the pole; the others are random."""


def play(steps: int, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Games of CartPole, at least so many steps of them: states (T + 1, 4) and actions (T,) of each."""
    env, random = gymnasium.make("CartPole-v1"), np.random.default_rng(seed)
    states, actions = [], []
    while sum(map(len, actions)) < steps:
        state, _ = env.reset(seed=int(random.integers(2**31)))
        seen, taken, over = [state], [], False
        while not over:
            falls_right = state[2] + 0.5 * state[3] > 0
            taken.append(int(falls_right) if random.random() < SKILL else int(random.integers(2)))
            state, _, terminated, truncated, _ = env.step(taken[-1])
            seen.append(state)
            over = terminated or truncated
        states.append(np.array(seen, np.float32))
        actions.append(np.array(taken, np.int64))
    return states, actions


def steps_of(states: list[np.ndarray], actions: list[np.ndarray]) -> StateSteps:
    """All steps of these games; a game ends with its last one (but for the few that are cut off at 500)."""
    ends = np.concatenate([np.arange(len(taken)) == len(taken) - 1 for taken in actions])
    before, after = (np.concatenate([seen[cut] for seen in states]) for cut in (slice(-1), slice(1, None)))
    columns = (before, np.concatenate(actions), after, np.ones(len(ends), np.float32), ends.astype(np.float32))
    return StateSteps(*(torch.from_numpy(column) for column in columns))


def measured(ensemble: StateEnsemble, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors and spreads (B, HORIZON) on games that were not learnt from."""
    states, actions = play(20_000, seed)
    starts = [(g, t) for g, taken in enumerate(actions) for t in range(0, len(taken) - HORIZON, 10)]
    real = torch.from_numpy(np.stack([states[g][t : t + HORIZON + 1] for g, t in starts]))
    taken = torch.from_numpy(np.stack([actions[g][t : t + HORIZON] for g, t in starts]))
    imagined, spreads = unrolled(ensemble, real[:, 0], taken)
    unit = ensemble.members[0].spread
    return (((imagined - real[:, 1:]) / unit) ** 2).mean(-1).sqrt().numpy(), spreads.numpy()


def draw(errors: np.ndarray, spreads: np.ndarray, law: tuple[float, float], path: Path) -> None:
    import matplotlib.pyplot as plt

    k = np.arange(1, HORIZON + 1)
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.fill_between(k, *np.quantile(errors, (0.25, 0.75), axis=0), alpha=0.2)
    axes.loglog(k, np.median(errors, 0), label="error, median and quartiles")
    axes.loglog(k, np.median(spreads, 0), "--", label="ensemble's spread, median")
    axes.loglog(k, law[0] * k ** law[1], ":", label=f"{law[0]:.2g} · k^{law[1]:.2f}")
    axes.set_xlabel("steps imagined")
    axes.set_ylabel("deviations of the state")
    axes.legend()
    figure.savefig(path, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--updates", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="where to draw it (needs matplotlib)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    steps = steps_of(*play(20_000, options.seed))
    members = []
    for member in range(options.members):
        torch.manual_seed(options.seed + member)
        members.append(StateModel(4, 2))
        losses = list(fit(members[-1], steps, options.updates, np.random.default_rng(options.seed + member)))
        print(f"member {member + 1}: loss {np.mean(losses[-100:]):.5f}", flush=True)
    ensemble = StateEnsemble(members)
    errors, spreads = measured(ensemble, options.seed + 1_000)
    medians = np.median(errors, 0)
    law = power_law(medians)
    print(f"{len(errors)} starts   steps: " + "  ".join(f"{k:>8}" for k in (1, 5, 15, 50)))
    for name, values in (("error", medians), ("spread", np.median(spreads, 0))):
        print(f"{name:>18}:        " + "  ".join(f"{values[k - 1]:8.5f}" for k in (1, 5, 15, 50)))
    print(f"error ≈ {law[0]:.2g} · k^{law[1]:.2f} after k steps (a random walk: k^0.5)")
    ranks = [np.argsort(np.argsort(column[:, HORIZON // 2])) for column in (errors, spreads)]
    print(f"rank correlation of spread and error after {HORIZON // 2} steps: {np.corrcoef(*ranks)[0, 1]:.2f}")
    if options.plot:
        draw(errors, spreads, law, options.plot)


if __name__ == "__main__":
    main()
