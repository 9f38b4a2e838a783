"""Every number of the algorithm; the defaults are those with which Breakout is known to be learnt by it."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import check_choice, check_range

ENCODERS = ("small", "nature")


@dataclass(frozen=True)
class A2CConfig:
    steps: int = 10_000_000
    """Environment steps (decisions) in all. Paper: 80 million, a day on 16 cores."""
    num_games: int = 16
    """Games played at a time, in step. Paper: 16, each in a thread of its own."""
    n_step: int = 5
    """Steps between two updates, and the rewards summed at most before the bootstrap. Paper: 5."""
    discount: float = 0.99
    """γ, per decision. Paper: 0.99."""
    entropy_scale: float = 0.01
    """β, weight of the policy's entropy. Paper: 0.01."""
    value_scale: float = 0.25
    """Weight of the critic's squared error. Paper's code: 0.5 of half of it, which is 0.25 too."""
    learning_rate: float = 7e-4
    """RMSProp's, once it has grown to this over 100 updates; it falls linearly to 0 at the last step. Paper: drawn from
    1e-4 to 1e-2."""
    rmsprop_decay: float = 0.99
    """α, of the mean of squared gradients. Paper: 0.99."""
    rmsprop_epsilon: float = 1e-5
    """Added to RMSProp's root. Paper: 0.1, under the root: with 1e-5 there, the gradients of Breakout's first hours are
    too small to be told from it, and after 500,000 steps nothing was learnt."""
    gradient_clip: float = 0.5
    """Largest norm of the gradient."""
    encoder: str = "nature"
    """nature: the convolutions of Mnih et al. 2015; small: the paper's, 16 and 32 filters and 256 units, a third of the
    work for a step."""
    solved_at: float = 0.0
    """Training ends once the mean score of the last 100 games reaches this; 0: it never does."""

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1)
        check_range("num_games", self.num_games, 1, 1_024)
        check_range("n_step", self.n_step, 1, 1_000)
        for name in ("entropy_scale", "value_scale", "learning_rate", "solved_at"):
            check_range(name, getattr(self, name), 0)
        check_range("gradient_clip", self.gradient_clip, 1e-9)
        for name in ("discount", "rmsprop_decay"):
            check_range(name, getattr(self, name), 0, 1)
        check_range("rmsprop_epsilon", self.rmsprop_epsilon, 1e-12)
        check_choice("encoder", self.encoder, ENCODERS)


def config_for(game: str) -> A2CConfig:
    """The config that suits a game: CartPole's own, else the defaults, which are Atari's."""
    return {"cartpole": CARTPOLE}.get(game, A2CConfig())


CARTPOLE = A2CConfig(steps=500_000, num_games=8, entropy_scale=0.0, value_scale=0.5, solved_at=475)
"""From the four numbers of the state."""
