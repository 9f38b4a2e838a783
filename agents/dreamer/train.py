"""Play, learn the world from what was played, learn to act in dreams (Hafner et al. 2021, section 2)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.dreamer.actions import actions_of
from agents.dreamer.behaviour import Behaviour
from agents.dreamer.config import DreamerConfig
from agents.dreamer.learners import Learner, Lesson
from agents.dreamer.lessons import Lessons
from agents.dreamer.planning import Planner
from agents.dreamer.rssm import State
from agents.dreamer.strips import CONTEXT, DREAMT, dream_on, strip
from agents.dreamer.world_model import Batch, WorldModel
from agents.envs.guided import Guided
from agents.errors import check_finite
from agents.interfaces import Games, is_continuous
from agents.layers import Workers, as_saved, autocast, channels_last, faster_precision, from_saved
from agents.optimizers import load_optimizer, optimizer_tensors, set_gradients
from agents.records import Update
from agents.replay.sequences import SequenceReplay, Sequences, sample_together
from agents.replay.still import exchange_still
from agents.scores import Scores
from agents.tensors import from_columns, to_columns, with_prefix

SMALLEST_PART = 8
"""Sequences below which the part of a batch is not worth a gradient of its own."""
PICTURED = 4
"""Sequences in a picture of dreams."""
CALIBRATION = 512
"""Pictures from which the world model learns what is usual."""

SETTLED = 3
"""Steps after which a state knows how fast things move."""

LENT = "lent"
"""Prefix of the files of other agents' games."""

RATES = "smaller learning rates"

Gradients = dict[str, tuple[torch.Tensor, ...]]


@dataclass(frozen=True)
class Awake:
    """From where a worker's dreams begin: states (T, B, …), where the game goes on (T, B), and chance of its own."""

    states: State
    playing: torch.Tensor
    generator: torch.Generator


class DreamerTrainer:
    """Plays, remembers, learns (implements `Trainer`).

    learner: how the actor learns in dreams; None takes what the config names.
    planner: decides instead of an actor; then there is nothing to be learnt in dreams.
    guide: makes the games of the agents that the config names. They play `config.collect` steps before this one plays
        its own, which never overwrites them, and go on as `config.collect_per_update` says.
    All that it does follows from the config, the seed, and how the machine computes: the precision that was found
    faster when training began, which a resumed training keeps, and the number of threads.
    """

    def __init__(
        self,
        config: DreamerConfig,
        games: Games,
        seed: int = 0,
        device: torch.device | None = None,
        guide: Callable[[], Guided] | None = None,
        learner: Learner | None = None,
        planner: Planner | None = None,
    ):
        self.config, self.games, self.guide = config, games, guide
        self._guided: Guided | None = None
        self.device = device or torch.device("cpu")
        torch.manual_seed(seed)
        num_actions = len(games.action_names)
        self.model = channels_last(WorldModel(config, num_actions, games.frame_shape)).to(self.device)
        self.behaviour: Behaviour | Planner = planner or Behaviour(config, actions_of(games)).to(self.device)
        self.lessons = Lessons(config, self.behaviour, learner) if isinstance(self.behaviour, Behaviour) else None
        networks = {"model": self.model, **(self.lessons.networks if self.lessons else {})}
        self.parameters = {name: list(network.parameters()) for name, network in networks.items()}
        adam = functools.partial(torch.optim.Adam, eps=config.adam_epsilon, fused=True)
        self.optimizers = {
            name: adam(network.named_parameters(), getattr(config, f"{name}_learning_rate"))
            for name, network in networks.items()
        }
        self.replay = self._new_replay(config.replay_capacity)
        self.lent = self._new_lent_replay()
        self.random = np.random.default_rng(seed)
        self.step, self.updates, self.borrowed = 0, 0, 0
        self._steps_owed, self._looks_owed = 0.0, 0
        # As for DQN: independent parts for independent threads beat threads that meet after every layer.
        most = max(1, min(config.batch_size // SMALLEST_PART, torch.get_num_threads()))
        equal = next(count for count in range(most, 0, -1) if config.batch_size % count == 0)
        self._workers = Workers(equal if self.device.type == "cpu" else 1)
        self.precision = self._choose_precision()

    def _new_replay(self, capacity: int) -> SequenceReplay:
        action_size = self.behaviour.actions.size if is_continuous(self.games) else 0
        kind = self.games.frame_shape, self.games.frame_dtype
        return SequenceReplay(capacity, self.games.num_games, *kind, action_size)

    def _new_lent_replay(self) -> SequenceReplay:
        """With a row more for the games' first pictures, and one for each further agent: older runs, in which each had
        games of its own, were saved so.
        """
        count, agents = self.games.num_games, max(1, len(self.config.guides))
        return self._new_replay((math.ceil(self.config.collect / count) + agents) * count)

    def _choose_precision(self) -> torch.dtype:
        """The one in which a look at pictures and a step of dreams, of which most of an update consists, are faster."""
        rows, actions, rssm = self.config.dreams, self.behaviour.actions, self.model.rssm
        blank = np.zeros((64, *self.games.frame_shape), self.games.frame_dtype)
        blocks, state = self.model.prepare(blank).to(self.device), rssm.initial(rows)
        taken = actions.encode(actions.none(rows)).to(self.device)

        def work(dtype: torch.dtype) -> None:
            self.model.encode(blocks)
            if blank.ndim > 2:
                rssm.prior(rssm.remember(state, taken))

        return faster_precision(self.device, work)

    # -- playing ---------------------------------------------------------------------------------------------

    def train(self, total_steps: int) -> Iterator[Update]:
        """Go on until `total_steps` steps of its own; yields after each step of the games and each update.

        The games begin anew: a resumed run keeps its replay, but not the games that were being played.
        """
        c, count = self.config, self.games.num_games
        yield from self._borrow()
        yield from self._pretrain()
        observations = self.games.reset(seed=int(self.random.integers(2**31)))
        self.replay.add_first(observations)
        taken, began = self.behaviour.actions.none(count), np.ones(count, bool)
        state, scores = self.model.rssm.initial(count), Scores(count)
        while self.step < total_steps:
            state, actions = self._choose(state, observations, taken, began)
            steps = self.games.step(actions)
            self.replay.add_steps(steps)
            observations, taken, began = steps.observations, steps.actions, steps.began
            self.step += count
            if self._can_learn:
                self._steps_owed += count * c.replay_ratio
            yield Update(self.step, self.updates, scores=scores.add(steps))
            while self._steps_owed >= c.batch_size * c.batch_length:
                self._steps_owed -= c.batch_size * c.batch_length
                metrics = self.learn()
                yield Update(self.step, self.updates, metrics, picture=self._picture())

    def _borrow(self) -> Iterator[Update]:
        """Look on at games of other agents, before its own; none of these steps counts as the agent's own."""
        while self.guide and self.borrowed < self.config.collect:
            self._look_on()
            yield Update(self.step, self.updates, {"borrowed": float(self.borrowed)})

    def _look_on(self) -> None:
        """One step of other agents' games, which begin anew where a run goes on."""
        if self._guided is None:
            assert self.guide is not None
            self._guided = self.guide()
            self.lent.add_first(self._guided.reset(int(self.random.integers(2**31))))
        self.lent.add_steps(self._guided.step(self.random))
        self.borrowed += self.games.num_games

    def _let_others_go_on(self) -> None:
        """So many steps as are due before an update."""
        self._looks_owed += self.config.collect_per_update if self.guide else 0
        while self._looks_owed >= self.games.num_games:
            self._looks_owed -= self.games.num_games
            self._look_on()

    def _pretrain(self) -> Iterator[Update]:
        """Learn the world from what was borrowed, where there is enough of it."""
        while self.updates < self.config.pretrain and self._can_learn:
            metrics = self.learn()
            yield Update(self.step, self.updates, metrics, picture=self._picture())

    def _picture(self) -> np.ndarray | None:
        """Now and then, dreams beside what really happened; None at other times, and where there is nothing to see."""
        length = CONTEXT + DREAMT
        shown = len(self.games.frame_shape) == 3 and self.updates % self.config.picture_period == 0
        if not shown or not any(replay.ready(length) for replay in self._replays):
            return None
        # With chance of its own: looking changes nothing.
        sequences = sample_together(self._replays, PICTURED, length, np.random.default_rng(self.updates))
        dreamt = dream_on(self.model, sequences, self._batch(sequences).actions, CONTEXT)
        return strip(sequences.frames[CONTEXT:], dreamt)

    @property
    def _replays(self) -> tuple[SequenceReplay, SequenceReplay]:
        return self.replay, self.lent

    @property
    def _can_learn(self) -> bool:
        ready = any(replay.ready(self.config.batch_length) for replay in self._replays)
        return ready and sum(map(len, self._replays)) >= self.config.learning_starts

    def _choose(
        self, state: State, observations: np.ndarray, taken: np.ndarray, began: np.ndarray
    ) -> tuple[State, np.ndarray]:
        """What the model makes of `observations` (N, 1, *frame), and the actions (N,) of an agent that explores."""
        generator, actions = self._generator(), self.behaviour.actions
        if self.updates == 0:
            return state, actions.any(self.games.num_games, self.random)
        with torch.inference_mode(), autocast(self.device, self.precision):
            embeddings = self.model.encode(self.model.prepare(observations[:, -1]).to(self.device))[None]
            first = torch.from_numpy(began[None]).to(self.device)
            choose = functools.partial(self.model.rssm.latents.sample, generator=generator)
            vectors = actions.encode(taken[None]).to(self.device)
            states, _ = self.model.rssm.observe(embeddings, vectors, first, state, choose)
            state = states.map(lambda part: part[0])
            return state, actions.decode(self.behaviour.explore(self.model, state, generator))

    @property
    def model_learning_rate(self) -> float:
        """The model's learning rate now."""
        c = self.config
        if not c.model_learning_rate_half_life:
            return c.model_learning_rate
        halvings = max(0, self.updates - c.pretrain) / c.model_learning_rate_half_life
        return max(min(c.model_learning_rate_min, c.model_learning_rate), c.model_learning_rate * 0.5**halvings)

    # -- learning --------------------------------------------------------------------------------------------

    def learn(self) -> dict[str, float]:
        """One update of the model and, once it is pretrained, what actor and critic learn in dreams; gives its metrics.
        The games of others, if there are any, go on before.

        Raises TrainingDiverged where a number is not finite, and UserError where one of the others cannot be loaded.
        """
        if self.updates == 0:
            self._calibrate()
        c = self.config
        for group in self.optimizers["model"].param_groups:
            group["lr"] = self.model_learning_rate
        self._let_others_go_on()
        sizes, weights = (c.batch_size, c.batch_length), (1.0, c.lent_weight)
        drawn = sample_together(self._replays, *sizes, self.random, c.ends_share, weights)
        if c.exchange_still and self.model.pictures:
            drawn = exchange_still(drawn, self.random)
        results = list(self._workers.map(self._model_gradient, self._split(drawn)))
        metrics = self._descend([(losses, gradients) for losses, gradients, _ in results])
        starts = [awake for _, _, awake in results]
        if self.lessons and self.updates >= c.pretrain:
            for _ in range(c.dream_updates):
                dreamt = list(self._workers.map(self._dream, starts))
                for lessons in self.lessons.divide(dreamt, starts[0].generator):
                    metrics |= self._descend(list(self._workers.map(self._behaviour_gradient, lessons)))
        self.updates += 1
        if self.lessons:
            self.lessons.after(self.updates)
        return metrics

    def _descend(self, results: list[tuple[dict[str, float], Gradients]]) -> dict[str, float]:
        """One step of the optimizers along the mean of the workers' gradients; gives the mean of their metrics."""
        metrics = {name: sum(losses[name] for losses, _ in results) / len(results) for name in results[0][0]}
        for name in results[0][1]:
            parameters = self.parameters[name]
            each = zip(*(gradients[name] for _, gradients in results), strict=True)
            set_gradients(parameters, (functools.reduce(torch.add, parts).div_(len(results)) for parts in each))
            metrics[f"{name}_gradient"] = torch.nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip).item()
        finite = all(math.isfinite(number) for number in metrics.values())
        check_finite(finite, self.step, "a loss or its gradient", RATES)
        for name in results[0][1]:
            self.optimizers[name].step()
            whole = torch.nn.utils.get_total_norm(self.parameters[name])
            check_finite(bool(whole.isfinite()), self.step, f"a weight of the {name}", RATES)
        return metrics

    def _calibrate(self) -> None:
        frames = sample_together(self._replays, CALIBRATION, 1, self.random).frames[0]
        self.model.calibrate(self.model.prepare(frames).to(self.device))

    def _generator(self) -> torch.Generator:
        """Chance that follows from the trainer's own, whatever thread uses it."""
        return torch.Generator(self.device).manual_seed(int(self.random.integers(2**62)))

    def _split(self, batch: Sequences) -> list[tuple[Sequences, torch.Generator]]:
        """The batch in equal parts, one for each worker, with chance of its own."""
        columns = [np.array_split(column, self._workers.count, axis=1) for column in vars(batch).values()]
        return [(Sequences(*part), self._generator()) for part in zip(*columns, strict=True)]

    @property
    def _kl_share(self) -> float:
        """How much of β counts by now."""
        return min(1.0, self.updates / self.config.kl_warmup) if self.config.kl_warmup else 1.0

    def _dream_begins(self, generator: torch.Generator) -> int:
        """The time after which dreams of a part are judged: any that leaves room for them, not among the first."""
        if not self.config.overshoot:
            return 0
        latest = self.config.batch_length - self.config.overshoot
        return int(torch.randint(min(SETTLED, latest - 1), latest, (), generator=generator, device=self.device))

    def _time_to_draw(self, begin: int, generator: torch.Generator) -> int | None:
        """When a part teaches how to draw for a person: at one of the times at which it can, or None. Pictures take
        most of an update's time already.
        """
        times = self.model.times_to_draw(begin, self.config.batch_length)
        return (
            int(torch.randint(times.start, times.stop, (), generator=generator, device=self.device)) if times else None
        )

    def _model_gradient(self, part: tuple[Sequences, torch.Generator]) -> tuple[dict[str, float], Gradients, Awake]:
        """Metrics and gradients of a part of a batch, and from where dreams can begin."""
        sequences, generator = part
        choose = functools.partial(self.model.rssm.latents.sample, generator=generator)
        batch = self._batch(sequences)
        begin = self._dream_begins(generator)
        with autocast(self.device, self.precision):
            loss, states, parts = self.model.loss(
                batch, choose, self._kl_share, begin, self._time_to_draw(begin, generator)
            )
        losses = {name: value.item() for name, value in (parts | {"loss": loss}).items()}
        # Where there are too few steps to learn to draw for a person, that has no gradient.
        gradients: Gradients = {"model": torch.autograd.grad(loss, self.parameters["model"], materialize_grads=True)}
        return losses, gradients, Awake(states.map(torch.Tensor.detach), batch.playing, generator)

    def _dream(self, awake: Awake) -> Lesson:
        """One worker's share of the dreams, and what came of them."""
        assert self.lessons is not None
        with autocast(self.device, self.precision):
            count = max(1, self.config.dreams // self._workers.count)
            return self.lessons.dream(self.model, awake.states, awake.playing, count, awake.generator)

    def _behaviour_gradient(self, lesson: Lesson) -> tuple[dict[str, float], Gradients]:
        """Metrics and gradients of actor and critic."""
        assert self.lessons is not None
        with autocast(self.device, self.precision):
            losses, parts = self.lessons.losses(lesson)
        gradients = {name: torch.autograd.grad(loss, self.parameters[name]) for name, loss in losses.items()}
        return {name: value.item() for name, value in (losses | parts).items()}, gradients

    def _batch(self, sequences: Sequences) -> Batch:
        frames = sequences.frames
        tensors = [torch.from_numpy(column).to(self.device) for column in list(vars(sequences).values())[2:]]
        blocks = self.model.prepare(frames.reshape(-1, *frames.shape[2:])).to(self.device)
        return Batch(blocks, self.behaviour.actions.encode(sequences.actions).to(self.device), *tensors)

    # -- saving ----------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, torch.Tensor]:
        """World model and behaviour: all that acts and imagines."""
        model = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return model | {f"behaviour.{name}": tensor for name, tensor in self.behaviour.state_dict().items()}

    def training_tensors(self) -> dict[str, torch.Tensor]:
        """Every other tensor that resuming needs: `target.…`, `adam.<network>.<parameter>/<slot>`, `replay.…` of what
        the agent played and `lent.…` of what others did.
        """
        slow = self.lessons.target_critic.state_dict() if self.lessons else {}
        tensors = {f"target.{name}": tensor for name, tensor in slow.items()}
        tensors |= from_columns(self.replay.state(), "replay.") | from_columns(self.lent.state(), "lent.")
        for name, optimizer in self.optimizers.items():
            tensors |= optimizer_tensors(optimizer, f"adam.{name}.")
        return tensors

    def training_counters(self) -> dict[str, Any]:
        """Everything that is no tensor, as JSON."""
        return {
            "step": self.step,
            "updates": self.updates,
            "borrowed": self.borrowed,
            "steps_owed": self._steps_owed,
            "looks_owed": self._looks_owed,
            "replay_added": self.replay.added,
            "lent_added": self.lent.added,
            "precision": as_saved(self.device, self.precision),
            "random": self.random.bit_generator.state,
        }

    def save_replay(self, folder: Path) -> list[str]:
        return self.replay.save_frames(folder) + self.lent.save_frames(folder, LENT)

    def start_from(self, weights: dict[str, torch.Tensor], step: int) -> None:
        """As `Trainer.start_from`; the world model has been pretrained, and knows what is usual. It counts as many
        updates as the config makes of so many steps.
        """
        self._load(weights)
        if self.lessons:
            self.lessons.follow()
        c = self.config
        learnt_from = step if c.guides else max(0, step - c.learning_starts)
        updates = int(learnt_from * c.replay_ratio / (c.batch_size * c.batch_length))
        self.step, self.updates = step, max(1, c.kl_warmup, c.pretrain + updates)

    def _load(self, weights: dict[str, torch.Tensor]) -> None:
        self.model.load_state_dict(with_prefix(weights, "model."))
        if self.lessons:  # else nothing but the model has weights
            self.behaviour.load_state_dict(with_prefix(weights, "behaviour."))

    def restore(
        self,
        weights: dict[str, torch.Tensor],
        tensors: dict[str, torch.Tensor],
        counters: dict[str, Any],
        replay_folder: Path,
        replay_files: list[str],
    ) -> None:
        """Become the trainer that was saved. Raises ValueError or RuntimeError where the parts do not fit."""
        self._load(weights)
        if self.lessons:
            self.lessons.target_critic.load_state_dict(with_prefix(tensors, "target."))
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, tensors, f"adam.{name}.")
        lent = [name for name in replay_files if name.startswith(LENT)]
        own = [name for name in replay_files if name not in lent]
        self.replay.load(replay_folder, own, to_columns(tensors, "replay."), counters["replay_added"])
        self.step, self.updates, self.borrowed = counters["step"], counters["updates"], counters["borrowed"]
        if "lent_added" in counters:
            self.lent.load(replay_folder, lent, to_columns(tensors, "lent."), counters["lent_added"], LENT)
        else:  # an older run, which kept what it borrowed among its own steps and overwrites it
            self.lent, self.borrowed = self._new_lent_replay(), 0
        self._steps_owed, self._looks_owed = counters["steps_owed"], counters.get("looks_owed", 0)
        self.random.bit_generator.state = counters["random"]
        self.precision = from_saved(counters["precision"], self.device, self.precision)
