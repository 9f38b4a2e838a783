"""Every number of the algorithm, with the paper's where ours differs (Hafner et al. 2021, table D.1).

Beside these: the paper decays weights by 1e-6 (ours: not), and has ELU where ours has SiLU.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from agents.errors import UserError
from agents.settings import check_choice, check_range, check_shared, split_names


@dataclass(frozen=True)
class Size:
    """The widths of the networks.

    depth: channels of the encoder's first layer; things: channels of the decoder; deter: units of the recurrent state;
    hidden: units inside the recurrent model; units, layers: of the heads, the actor and the critic.
    """

    depth: int
    things: int
    deter: int
    hidden: int
    units: int
    layers: int


SIZES = {
    "tiny": Size(depth=16, things=16, deter=128, hidden=128, units=128, layers=2),
    "small": Size(depth=32, things=64, deter=512, hidden=256, units=256, layers=2),
    "paper": Size(depth=48, things=96, deter=600, hidden=600, units=400, layers=4),
}

ACTOR_LEARNERS = ("reinforce", "ppo", "dynamics")


@dataclass(frozen=True)
class DreamerConfig:
    steps: int = 1_000_000
    """Environment steps (decisions) of its own in all. Paper: 50 million."""
    model_size: str = "small"
    """tiny: for tasks of a few numbers; small: for a few CPU cores; paper: the widths of the paper."""
    latents: str = "categorical"
    """Of what a latent state consists: categorical or gaussian variables."""
    variables: int = 32
    """Variables in a latent state. DreamerV1, whose are gaussian: 30."""
    classes: int = 32
    """Classes of each categorical one."""
    num_games: int = 16
    """Games played at a time. Paper: 1; many games let one network call serve them all."""
    batch_size: int = 32
    """Sequences in one update. Paper: 50."""
    batch_length: int = 16
    """Steps in each of them. Paper: 50; short ones let matrices grow that long ones multiply step by step."""
    ends_share: float = 0.25
    """Share of the sequences that are drawn for the life, or the game, that ends in them. In the paper's code the end
    of a game is drawn as often as its other steps. Without, dreams hardly know that a ball is lost."""
    replay_ratio: float = 50.0
    """Steps replayed for each step played. Paper: 50 × 50 every 4 steps, which is 625."""
    replay_capacity: int = 200_000
    """Steps of its own that are kept, the oldest overwritten. Paper: 2 million; one costs 19 kB here."""
    learning_starts: int = 20_000
    """Steps to learn from, its own or another agent's, before the first update. Paper's code: 50,000."""
    from_agent: str = ""
    """Other agents (shipped ones, runs, folders; with commas between them) whose games the world model learns from
    too, as evenly as they can share `num_games`. The agent's own never overwrite them: a beginner sees no half-broken
    wall."""
    collect: int = 0
    """Steps of their games that are kept; one costs as much as one of its own, beside `replay_capacity`. They count
    neither as steps nor as score of this agent."""
    collect_per_update: int = 0
    """Steps that they go on to play for each update, those of pretraining too; the oldest are overwritten. 0: none.
    Steps that are seen too often are learnt by heart: after 29,000 updates on the same 240,000, 0.3 % of the bricks of
    walls that are a third gone were wrong, and 7.5 % in games that were new."""
    lent_weight: float = 1.0
    """How often a step of theirs is learnt from, beside 1 for one of its own."""
    exchange_still: bool = False
    """Whether sequences of pictures lend each other what stands still in them (`agents.replay.still`). With new games
    all the time, 1,650 updates made of 4.5 % wrong bricks 4.4 % (15 steps on, in games that were not learnt from); 390
    updates with this, too, made of these 3.8 %."""
    pretrain: int = 1
    """Updates of the world model alone, before the agent plays and dreams. Paper's code: 1."""
    pixel_weight: float = 300.0
    """Weight of a pixel that has changed since the last frame, beside 1 for the others. Paper: 1. With 30, two
    thirds of Breakout's balls are not seen after 500 updates, with 100 all are; 300 learns them sooner still."""
    reward_weight: float = 1.0
    """Of the loss of the reward. Paper's code: 1, beside a β of 0.1."""
    continue_weight: float = 1.0
    """Of the loss of what ends a life, or the game. Paper's code: 5, beside a β of 0.1: fifty
    times the divergence's."""
    overshoot: int = 0
    """Steps that the world model also dreams from each sequence, in mean latents, and by whose pictures, rewards and
    ends it is judged as by those that it saw: observation overshooting (Amos et al. 2018, section 3; Hafner et al. 2019
    prefer that of latents). Paper: none. Without it nothing teaches the model to go on from its own mean latents; and
    through means, unlike through choices, a picture tells every step before it truly what would have been better. In
    the likeliest latents, with 10, it took the Brier score of lives lost in dreams of 15 steps from 0.115 to 0.051."""
    kl_scale: float = 1.0
    """β, weight of the divergence between posterior and prior. Paper: 0.1; but see `pixel_weight`."""
    kl_warmup: int = 1_000
    """Updates over which β grows from 0: a belief that must be predictable before it says anything never will."""
    kl_balance: float = 0.8
    """α, the share of it that trains the prior."""
    free_nats: float = 1.0
    """Divergence that costs nothing. Paper: 0; DreamerV3: 1."""
    model_learning_rate: float = 1e-3
    """Adam's, for the world model. Paper: 2e-4."""
    model_learning_rate_half_life: int = 0
    """Updates in which it halves, again and again, once the model is pretrained; 0: it stays, as in the paper. An actor
    cannot follow a model that changes fast."""
    model_learning_rate_min: float = 4e-5
    """Below this it does not fall."""
    actor_learning_rate: float = 1e-4
    """Adam's, for the actor. Paper: 4e-5."""
    critic_learning_rate: float = 1e-4
    """Adam's, for the critic."""
    adam_epsilon: float = 1e-5
    """Added to Adam's denominator."""
    gradient_clip: float = 100.0
    """Largest norm of each gradient."""
    actor_learner: str = "reinforce"
    """How the actor learns in a dream: reinforce, ppo, or dynamics (gradients straight through the world model)."""
    ppo_clip: float = 0.2
    """ppo: ε, by which share an action may become likelier, or less likely, before new dreams are dreamt."""
    ppo_passes: int = 4
    """ppo: how often actor and critic learn from the same dreams."""
    ppo_batches: int = 1
    """ppo: parts into which a worker's dreams are divided each time, as far as they go, with an update for each."""
    horizon: int = 15
    """Steps of a dream that the actor learns from."""
    dream_temperature: float = 1.0
    """Of the latents' beliefs in the actor's dreams (as in Ha & Schmidhuber 2018, section 4.3): 1 draws from them, 0
    takes the likeliest. Paper: 1. Breakout leaves nothing to chance, but the priors of a young model do: after 1,700
    updates the ball is found after five drawn steps in 32 % of dreams, after five of the likeliest in 94 %. With
    overshooting the Brier score of lost lives is 0.051 at 0, 0.043 at 0.25, 0.046 at 1."""
    dreams: int = 128
    """Dreams dreamt at a time, begun at states of the batch. Paper: one from every state, 2,500."""
    dream_updates: int = 1
    """How often actor and critic learn, in new dreams each time, after each update of the model. Paper: once."""
    discount: float = 0.99
    """γ, per decision. Paper: 0.999."""
    reward_scale: float = 1.0
    """Factor of a reward in a dream, before tanh bounds it. Small where rewards are large, or all become one."""
    lambda_: float = 0.95
    """λ, how far a return trusts rewards above the critic."""
    entropy_scale: float = 1e-3
    """η, the worth of an undecided actor."""
    picture_period: int = 500
    """Updates between pictures of dreams beside what really happened, in the run's folder."""
    target_period: int = 100
    """Updates of the model between copies of the critic into the one that returns are bootstrapped from."""

    plan_horizon: int = 12
    """planet: steps of a plan."""
    plan_candidates: int = 64
    """planet: plans tried at a time. Paper: 1,000."""
    plan_elites: int = 8
    """planet: the best of them, which say where to look next. Paper: 100."""
    plan_iterations: int = 4
    """planet: how often. Paper: 10."""
    plan_exploration: float = 0.1
    """planet: the probability of a random action in training. Paper, where actions are numbers: noise of 0.3."""

    def __post_init__(self) -> None:
        check_choice("model_size", self.model_size, SIZES)
        check_choice("latents", self.latents, ("categorical", "gaussian"))
        check_choice("actor_learner", self.actor_learner, ACTOR_LEARNERS)
        for name, most in (
            ("steps", 10**12),
            ("num_games", 1_024),
            ("batch_size", 4_096),
            ("target_period", 10**9),
            ("picture_period", 10**9),
        ):
            check_range(name, getattr(self, name), 1, most)
        for name, least, most in (
            ("variables", 1, 256),
            ("classes", 2, 256),
            ("batch_length", 2, 1_000),
            ("horizon", 1, 200),
            ("dreams", 1, 65_536),
            ("dream_updates", 1, 1_000),
            ("ppo_passes", 1, 100),
            ("ppo_batches", 1, self.dreams),
            ("ppo_clip", 0, 1),
            ("plan_horizon", 1, 200),
            ("plan_candidates", 1, 100_000),
            ("plan_elites", 1, self.plan_candidates),
            ("plan_iterations", 1, 1_000),
            ("plan_exploration", 0, 1),
        ):
            check_range(name, getattr(self, name), least, most)
        check_range("overshoot (with this batch_length)", self.overshoot, 0, self.batch_length - 1)
        for name in ("kl_balance", "discount", "lambda_", "ends_share", "dream_temperature"):
            check_range(name, getattr(self, name), 0, 1)
        counts = ("learning_starts", "pretrain", "kl_warmup", "model_learning_rate_half_life")
        scales = (
            "pixel_weight",
            "reward_weight",
            "continue_weight",
            "kl_scale",
            "free_nats",
            "reward_scale",
            "entropy_scale",
            "adam_epsilon",
        )
        rates = ("model_learning_rate", "model_learning_rate_min", "actor_learning_rate", "critic_learning_rate")
        for name in (*counts, *scales, *rates):
            check_range(name, getattr(self, name), 0)
        check_range("replay_ratio", self.replay_ratio, 0, 10_000)
        check_range("gradient_clip", self.gradient_clip, 1e-9)
        self._check_replay()

    @property
    def guides(self) -> tuple[str, ...]:
        """The agents that `from_agent` names."""
        return split_names("from_agent", self.from_agent)

    def _check_replay(self) -> None:
        """Whether there can be enough to learn from."""
        check_range("replay_capacity", self.replay_capacity, self.num_games * 2 * self.batch_length, 100_000_000)
        # Whole steps of all games fit in, so a few less than asked for.
        most = self.replay_capacity // self.num_games * self.num_games
        check_range("learning_starts (with this replay_capacity)", self.learning_starts, 0, most)
        check_range("collect", self.collect, 0, 100_000_000)
        check_range("lent_weight", self.lent_weight, 0.001, 1_000)
        check_range("collect_per_update", self.collect_per_update, 0, 1_000_000)
        check_shared(self.guides, self.num_games)
        if bool(self.guides) != bool(self.collect):
            raise UserError(
                "from_agent and collect belong together. Use: --from-agent NAME --collect N, or neither: "
                "--set from_agent= --set collect=0"
            )


BREAKOUT = DreamerConfig(
    from_agent="breakout-a2c,breakout-pqn",
    collect=160_000,
    collect_per_update=128,
    exchange_still=True,
    pretrain=9_000,
    dream_temperature=0.25,
    overshoot=10,
    reward_weight=10.0,
    continue_weight=50.0,
    # An actor exploits what the model has not seen: balls at the edge of the paddle. Its misses are to be known soon.
    replay_ratio=15.0,
    model_learning_rate_half_life=2_000,
    actor_learner="ppo",
    ppo_passes=2,
    ppo_batches=8,
    dream_updates=4,
    target_period=1,
    lambda_=0.9,
    entropy_scale=3e-3,
    actor_learning_rate=3e-4,
    critic_learning_rate=3e-4,
)
"""Agents that ship show the world model what becomes of the wall. Once a beginner's games had overwritten theirs, it
drew its own walls rightly but for one brick in 700, and those of other players but for one in 35. The updates before it
plays are those of the one that ships: an actor that began after 3,000 learnt nothing.

Its actor learns in many small steps, as A2C does. With REINFORCE, η = 1e-3 and one step for an update of the model, it
had made up its mind after 4,000 updates, and scored 5; begun anew on the same model with PPO, 9.6 after 500 updates
(η = 0.01), and 13.3 another 100 after η had been lowered to 0.003. There it stood still, until the model was judged by
its dreams too: 34 after 2,800 updates more, over which the model's learning rate fell from 2e-4 to 4e-5 by hand.
"""

V1 = DreamerConfig(latents="gaussian", variables=30, actor_learner="dynamics", kl_scale=2.0, kl_balance=0.5)
"""DreamerV1 (Hafner et al. 2020): balanced by half, a divergence pulls on both sides half as much as alone."""

PENDULUM = dataclasses.replace(
    V1,
    model_size="tiny",
    steps=8_000,
    variables=16,
    # Three numbers make a small error beside a divergence: with more than this, little is seen at all.
    kl_scale=0.1,
    kl_warmup=0,
    free_nats=0.0,
    num_games=4,
    batch_size=32,
    batch_length=12,
    replay_ratio=48.0,
    replay_capacity=50_000,
    learning_starts=1_000,
    pretrain=150,
    model_learning_rate=2e-3,
    actor_learning_rate=5e-4,
    critic_learning_rate=2e-3,
    target_period=20,
    horizon=10,
    discount=0.97,
    reward_scale=0.1,
    # Less, and the actor is at the ends of the torque, where tanh is flat, before the model knows anything.
    entropy_scale=3e-2,
)
"""Pendulum from its numbers: DreamerV1's own task was like it, but from pictures."""


def config_for(game: str) -> DreamerConfig:
    """DreamerV2's config for a game, by its plain name."""
    return BREAKOUT if game == "breakout" else DreamerConfig()


def v1_config_for(game: str) -> DreamerConfig:
    """DreamerV1's config for a game, by its plain name."""
    return PENDULUM if game == "pendulum" else V1
