"""Every number of the algorithm, with the paper's (Weber et al. 2017, appendix) or the lesson's where ours differs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from agents.a2c.config import ENCODERS, A2CConfig
from agents.errors import UserError
from agents.settings import check_choice, check_range, check_shared, split_names

MODELS = ("learnt", "emulator", "none")
KINDS = ("local", "convolutional", "convlstm")


@dataclass(frozen=True)
class I2AConfig(A2CConfig):
    """Policy and critic are trained as an A2C is, with its settings."""

    encoder: str = "small"
    """The model-free path's, as A2C's: most of the work is the imagination's anyway."""
    model: str = "learnt"
    """What imagines: learnt; emulator: the game itself, on copies; none: nothing, every imagined frame is the present
    one and earns nothing (the paper's copy model: the same network, as the fair baseline)."""
    horizon: int = 5
    """Steps of a rollout. Paper: 5 for Sokoban; a lesson: 5."""
    rollout_channels: int = 32
    """Channels of the rollout encoder's convolutions. A lesson: 32 and 64."""
    rollout_units: int = 128
    """Units of its LSTM, of which one vector for each action comes. A lesson: 256; paper: 512."""
    distillation_scale: float = 0.1
    """Weight of the loss that draws the rollout policy to the agent's. The paper does not say."""
    environment_model: str = ""
    """A run whose environment model is taken, instead of training one."""
    model_kind: str = "local"
    """local: cells of 4×4 pixels near what moves; convolutional: encoder and decoder, as a lesson has it; convlstm: the
    same with a memory."""
    model_width: int = 32
    """Channels of the environment model; a local one has four times as many in its layers. A lesson: 64, and 128
    further in."""
    from_agent: str = ""
    """Agents (shipped ones, runs, folders; with commas between them) whose games, at many degrees of chance, the
    environment model learns from, as evenly as they can share `num_games`; without, random games."""
    collect: int = 100_000
    """Steps of them that are kept; they count neither as steps nor as score of this agent. A lesson: 50,000, all
    random."""
    collect_per_update: int = 64
    """Steps that they go on to play for each update of the model; the oldest are overwritten. 0: none. Steps that are
    seen too often are learnt by heart: where the ball goes from the paddle, a model that had learnt for long from the
    same 900,000 knew to the pixel in 94 % of them, and in 81 % of other games."""
    model_updates: int = 20_000
    """Updates of the environment model."""
    model_learning_rate: float = 2e-3
    """Adam's, for the environment model; it falls linearly to 0. A lesson: 1e-3."""
    model_rows: int = 64
    """Predicted and drawn steps in one update of it."""
    model_choices: int = 256
    """Steps of which a local one learns in each update only where things go, without drawing them: that is the hard
    part, and takes a fifth of the time."""
    rollout_policy: str = ""
    """A run whose policy is taken to go on with in rollouts, instead of training one."""
    rollout_encoder: str = "small"
    """The rollout policy's, as A2C's `encoder`."""
    warm_start: bool = False
    """The agent begins as the rollout policy, where it has one, and learns what its rollouts are worth. Paper: it
    begins from nothing."""
    trust: float = 0.0
    """By how much the logit of an action then rises with each point that its rollout promises beyond the others'. The
    critic's small differences mean little: of 30 games of Breakout, 5 made 325 points, 1 with a `life_cost` of 10 and a
    model that had seen more balls missed made 399, the rollout policy alone 392."""
    life_cost: float = 0.0
    """Points that the loss of a life takes from what a rollout promises, beside all that would have come. Of 3,637
    decisions of `breakout-a2c` with the ball near the paddle there are 93 where it misses a ball that another action
    keeps: an agent at 0 keeps 41 of them, at 5 73, at 20 76, and misses 1, 6 and 11 that it would have had."""
    policy_steps: int = 100_000
    """Environment steps that train the rollout policy; they count as steps of this agent. A lesson: 100,000."""
    policy_learning_rate: float = 7e-4
    """RMSProp's for it, as A2C's `learning_rate`, which is the agent's own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in (("horizon", 50), ("rollout_channels", 1_024), ("rollout_units", 4_096)):
            check_range(name, getattr(self, name), 1, most)
        for name, most in (("model_width", 1_024), ("model_rows", 65_536), ("collect", 100_000_000)):
            check_range(name, getattr(self, name), 1, most)
        check_range("model_choices", self.model_choices, 0, 65_536)
        check_range("collect_per_update", self.collect_per_update, 0, 1_000_000)
        for name in (
            "distillation_scale",
            "model_updates",
            "model_learning_rate",
            "policy_steps",
            "trust",
            "life_cost",
            "policy_learning_rate",
        ):
            check_range(name, getattr(self, name), 0)
        for name, choices in (("model", MODELS), ("model_kind", KINDS), ("rollout_encoder", ENCODERS)):
            check_choice(name, getattr(self, name), choices)
        if self.warm_start and self.encoder != self.rollout_encoder:
            raise UserError(f"warm_start needs encoder and rollout_encoder alike: set both to {self.encoder}.")
        check_shared(self.guides, self.num_games)
        if self.trains_policy and self.policy_steps >= self.steps:
            raise UserError(f"policy_steps must be less than steps ({self.steps:,}): what is left trains the agent.")

    @property
    def guides(self) -> tuple[str, ...]:
        """The agents that `from_agent` names."""
        return split_names("from_agent", self.from_agent)

    @property
    def trains_policy(self) -> bool:
        """Whether a rollout policy is trained: one is needed, and none was handed in."""
        return self.model != "none" and not self.rollout_policy

    @property
    def begins_as_policy(self) -> bool:
        """Whether there is a rollout policy as which the agent is to begin."""
        return self.warm_start and (self.model != "none" or bool(self.rollout_policy))

    def for_rollouts(self) -> A2CConfig:
        """The config with which the rollout policy is trained."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(A2CConfig)}
        return A2CConfig(
            **own
            | {
                "steps": max(1, self.policy_steps),
                "encoder": self.rollout_encoder,
                "learning_rate": self.policy_learning_rate,
                "solved_at": 0.0,
            }
        )


def config_for(game: str) -> I2AConfig:
    """The config that suits a game: Breakout's own, else the defaults."""
    return BREAKOUT if game == "breakout" else I2AConfig()


BREAKOUT = I2AConfig(
    steps=3_000_000,
    encoder="nature",
    rollout_encoder="nature",
    warm_start=True,
    trust=1.0,
    life_cost=5.0,
    learning_rate=2e-4,
    policy_steps=2_400_000,
    from_agent="breakout-a2c,breakout-dqn",
)
"""Agents that ship show the model what good play looks like; most steps are its policy's, which cost the least."""
