"""Every number of the algorithm, with the paper's where ours differs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from agents.errors import UserError
from agents.settings import check_choice, check_range

OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class DQNConfig:
    steps: int = 10_000_000
    """Environment steps (decisions) in all. Nature: 50 million."""
    num_games: int = 32
    """Games played at a time. Nature: 1; many games let one network call serve them all."""
    batch_size: int = 256
    """Transitions in one update. Nature: 32; a large batch keeps a processor's matrix units busy."""
    replay_ratio: float = 8.0
    """Transitions sampled for each environment step. Nature: 32 every 4 steps, which is 8 too."""
    replay_capacity: int = 1_000_000
    """Transitions kept, the oldest overwritten. Nature: 1 million."""
    updates_per_episode: int = 0
    """Updates after each game that ends, as a lesson has it: 1,000. 0: learn all along, at `replay_ratio`."""
    learning_starts: int = 50_000
    """Steps played at random before the first update. Nature: 50,000."""
    discount: float = 0.99
    """γ, per decision."""
    n_step: int = 1
    """Rewards summed before the bootstrap. Nature: 1; Rainbow (Hessel et al. 2018): 3."""
    double: bool = False
    """The online network chooses the bootstrap's action (van Hasselt et al. 2016). Nature: no."""
    target_network: bool = True
    """Bootstrap from an older copy of the network; without, from the network that learns."""
    target_period: int = 1_250
    """Updates between copies of the online into the target network: 320,000 samples, as Nature's 10,000 × 32."""
    dueling: bool = False
    """Value and advantages from streams of their own (Wang et al. 2016). Nature: no."""
    prioritised: bool = False
    """Draw transitions by their last TD error (Schaul et al. 2016, proportional). Nature: no."""
    priority_exponent: float = 0.6
    """α of prioritised replay: 0 draws uniformly, 1 in proportion to the error."""
    importance_start: float = 0.4
    """β of prioritised replay at the first step; it rises linearly to 1 at the last."""
    dyna: int = 0
    """Updates on steps that a learnt model imagines, after each one on real steps (Dyna-Q; Sutton 1990). 0: none."""
    batch_norm: bool = False
    """Batch normalisation in the encoder; images are then read by five convolutions instead of Nature's three."""
    layer_norm: bool = False
    """Layer normalisation in the encoder instead, as PQN has it: of both of a dueling head's streams as one."""
    channels: int = 32
    """Channels of each of the five convolutions. 128, as a lesson has them, take seven times as long."""
    optimizer: str = "adam"
    """adam, or sgd with momentum. Nature: RMSProp."""
    learning_rate: float = 2.5e-4
    """Of either optimizer, at the first step. Nature: 2.5e-4."""
    learning_rate_end: float = 1.0
    """Share of it that is left at the last step; it falls linearly, and rises again where steps are added. Nature: all
    of it."""
    adam_epsilon: float = 1e-5
    """Added to Adam's denominator."""
    momentum: float = 0.9
    """Of SGD."""
    huber: bool = True
    """Huber's loss: Nature clips the TD error to ±1, which is the same. Without it, half the squared error: what is
    rare and weighs much, such as a lost life, then counts for all that it weighs."""
    gradient_clip: float = 10.0
    """Largest norm of the gradient (Wang et al. 2016). Nature: none, but its TD error is clipped to ±1."""
    epsilon_start: float = 1.0
    """ε at the first step."""
    epsilon_end: float = 0.01
    """ε in the end. Nature: 0.1; a point of Breakout hangs on each of many steps, one slip in a hundred is enough."""
    epsilon_steps: int = 250_000
    """Steps over which ε falls linearly. Nature: 1 million."""
    solved_at: float = 0.0
    """Training ends once the mean score of the last 100 games reaches this; 0: it never does."""

    def __post_init__(self) -> None:
        for name in ("steps", "target_period"):
            check_range(name, getattr(self, name), 1)
        for name, most in (("num_games", 1_024), ("batch_size", 65_536), ("n_step", 100), ("channels", 1_024)):
            check_range(name, getattr(self, name), 1, most)
        for name in ("learning_starts", "epsilon_steps", "learning_rate", "adam_epsilon", "solved_at"):
            check_range(name, getattr(self, name), 0)
        check_range("gradient_clip", self.gradient_clip, 1e-9)
        for name in (
            "learning_rate_end",
            "discount",
            "epsilon_start",
            "epsilon_end",
            "priority_exponent",
            "importance_start",
            "momentum",
        ):
            check_range(name, getattr(self, name), 0, 1)
        check_range("updates_per_episode", self.updates_per_episode, 0, 1_000_000)
        check_range("dyna", self.dyna, 0, 1_000)
        if self.batch_norm and self.layer_norm:
            raise UserError("batch_norm and layer_norm exclude each other; turn one of them off.")
        if self.batch_norm:
            check_range("batch_size with batch_norm", self.batch_size, 2)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_range("replay_ratio", self.replay_ratio, 0, 1_000)
        # An observation is up to 16 frames: below this there is nothing that could be sampled.
        check_range("replay_capacity", self.replay_capacity, self.num_games * (32 + self.n_step), 100_000_000)


def config_for(game: str) -> DQNConfig:
    """The config that suits a game: CartPole's own, else Atari's."""
    return {"cartpole": CARTPOLE, "cartpole-pixels": CARTPOLE_PIXELS}.get(game, ATARI)


ATARI = DQNConfig(
    batch_size=64,
    replay_ratio=1,
    replay_capacity=32_768,
    learning_starts=5_000,
    n_step=3,
    double=True,
    target_period=50,
    layer_norm=True,
    huber=False,
    learning_rate=1e-4,
    learning_rate_end=0.2,
    adam_epsilon=1e-8,
)
"""What learns soonest by the clock on a processor: an eighth of Nature's samples a step, from the newest thousand
steps of each game, as PQN learns. Four samples a step from the last 200,000 steps stood still at 19 points of Breakout:
games without chance are played the same way again and again, and what has not been played is judged wrongly. With a
learning rate of 2.5e-4 it stood still at 30, until that was lowered; 4e-5 took what played for 278 points to 346.
"""


CARTPOLE = DQNConfig(
    steps=200_000,
    num_games=8,
    batch_size=64,
    replay_ratio=16,
    # All that is played: a replay of nothing but good games forgets what the others taught.
    replay_capacity=200_000,
    learning_starts=1_000,
    n_step=16,
    double=True,
    target_period=128,
    batch_norm=True,
    learning_rate=5e-4,
    epsilon_end=0.05,
    epsilon_steps=8_000,
    solved_at=475,
)
"""From the four numbers of the state: solved after some 70,000 steps, in about a minute."""

CARTPOLE_PIXELS = dataclasses.replace(
    CARTPOLE,
    steps=120_000,
    batch_size=32,
    replay_ratio=8,
    replay_capacity=100_000,
    epsilon_end=0.02,
    solved_at=400,
)
"""From the picture."""
