"""Every number of the algorithm, with the paper's where ours differs."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import check_range


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
    learning_starts: int = 50_000
    """Steps played at random before the first update. Nature: 50,000."""
    discount: float = 0.99
    """γ, per decision."""
    n_step: int = 1
    """Rewards summed before the bootstrap. Nature: 1; Rainbow (Hessel et al. 2018): 3."""
    double: bool = False
    """The online network chooses the bootstrap's action (van Hasselt et al. 2016). Nature: no."""
    target_period: int = 1_250
    """Updates between copies of the online into the target network: 320,000 samples, as Nature's 10,000 × 32."""
    learning_rate: float = 2.5e-4
    """Adam's. Nature: RMSProp at 2.5e-4."""
    adam_epsilon: float = 1e-5
    """Added to Adam's denominator."""
    gradient_clip: float = 10.0
    """Largest norm of the gradient (Wang et al. 2016). Nature: none, but its TD error is clipped to ±1."""
    epsilon_start: float = 1.0
    """ε at the first step."""
    epsilon_end: float = 0.01
    """ε in the end. Nature: 0.1; a point of Breakout hangs on each of many steps, one slip in a hundred is enough."""
    epsilon_steps: int = 250_000
    """Steps over which ε falls linearly. Nature: 1 million."""

    def __post_init__(self) -> None:
        for name in ("steps", "target_period"):
            check_range(name, getattr(self, name), 1)
        for name, most in (("num_games", 1_024), ("batch_size", 65_536), ("n_step", 100)):
            check_range(name, getattr(self, name), 1, most)
        for name in ("learning_starts", "epsilon_steps", "learning_rate", "adam_epsilon", "gradient_clip"):
            check_range(name, getattr(self, name), 0)
        for name in ("discount", "epsilon_start", "epsilon_end"):
            check_range(name, getattr(self, name), 0, 1)
        check_range("replay_ratio", self.replay_ratio, 0, 1_000)
        # An observation is 4 frames: below this there is nothing that could be sampled.
        check_range("replay_capacity", self.replay_capacity, self.num_games * (16 + self.n_step), 100_000_000)
