"""Every number of the algorithm, with the paper's where ours differs."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import check_range


@dataclass(frozen=True)
class PQNConfig:
    steps: int = 10_000_000
    """Environment steps (decisions) in all."""
    num_games: int = 32
    """Games played at a time, in step. Paper: 128."""
    n_step: int = 16
    """Steps of each game between two rounds of learning. Paper: 32."""
    epochs: int = 1
    """How often what was played is learnt from before it is forgotten. Paper: 2, in parts of 128."""
    batches: int = 8
    """Parts into which it is shuffled for that, an update for each. As many updates as with two rounds of twice the
    size, in two thirds of the time."""
    discount: float = 0.99
    """γ, per decision."""
    lambda_: float = 0.65
    """λ, how far a return trusts rewards above the values of what comes in between. Paper: 0.65."""
    learning_rate: float = 2.5e-4
    """RAdam's."""
    gradient_clip: float = 10.0
    """Largest norm of the gradient."""
    epsilon_start: float = 1.0
    """ε at the first step."""
    epsilon_end: float = 0.01
    """ε in the end. Paper: 0.001."""
    epsilon_steps: int = 250_000
    """Steps over which ε falls linearly. Paper: a tenth of all."""
    solved_at: float = 0.0
    """Training ends once the mean score of the last 100 games reaches this; 0: it never does."""

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1)
        for name in ("num_games", "n_step", "epochs"):
            check_range(name, getattr(self, name), 1, 1_024)
        check_range("batches", self.batches, 1, self.num_games * self.n_step)
        for name in ("learning_rate", "epsilon_steps", "solved_at"):
            check_range(name, getattr(self, name), 0)
        check_range("gradient_clip", self.gradient_clip, 1e-9)
        for name in ("discount", "lambda_", "epsilon_start", "epsilon_end"):
            check_range(name, getattr(self, name), 0, 1)


def config_for(game: str) -> PQNConfig:
    """The config that suits a game: CartPole's own, else the defaults, which are Atari's."""
    return {"cartpole": CARTPOLE}.get(game, PQNConfig())


CARTPOLE = PQNConfig(
    steps=500_000, num_games=16, n_step=32, epochs=4, batches=8, lambda_=0.95, epsilon_steps=50_000, epsilon_end=0.05,
    learning_rate=5e-4, solved_at=475,
)  # fmt: skip
"""From the four numbers of the state: solved after 100,000 to 150,000 steps, within a minute."""
