"""A trained Dreamer: remembers what it saw, decides from its state, looks ahead in its own world model."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from agents.dreamer.behaviour import Behaviour
from agents.dreamer.networks import from_blocks
from agents.dreamer.planning import Planner
from agents.dreamer.rssm import Choice, State
from agents.dreamer.world_model import WorldModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.imagination import Recall, unroll
from agents.interfaces import Prediction
from agents.layers import halve_where_faster
from agents.records import Decision, Moment, Perception, Rollout
from agents.saliency import on_screen


@dataclass(frozen=True)
class DreamState:
    """B dreams at one time.

    screens (B, h, w, 3) uint8: the real ones they began at. waits (B,) bool: FIRE comes next.
    doubt (B,) float32: the entropy in nats of the belief that the state was taken from; 0 where it was seen.
    steps (B,) int64: dreamt so far.
    """

    state: State
    screens: np.ndarray
    waits: np.ndarray
    doubt: torch.Tensor
    steps: torch.Tensor


class DreamModel:
    """The learnt world model under the interface of every other one (implements `agents.interfaces.MixableModel`).

    choose: how a latent comes from the prior: samples for several futures; None, their mean, for a single.
    The model sees a part of the screen; what lies outside stays in every picture as it was in the real present.
    """

    name = "learnt world model"

    def __init__(self, model: WorldModel, settings: AtariSettings, choose: Choice | None = None):
        self._model, self._settings = model, settings
        self._choose = choose
        self.device = next(model.parameters()).device

    def start(self, moment: Moment, rows: int) -> DreamState:
        state = moment.memory.map(lambda part: part.expand(rows, *part.shape[1:]))
        screens = np.broadcast_to(moment.screen, (rows, *moment.screen.shape))
        doubt, steps = (torch.zeros(rows, dtype=kind, device=self.device) for kind in (torch.float32, torch.int64))
        return DreamState(state, screens, np.full(rows, moment.needs_fire), doubt, steps)

    @torch.inference_mode()
    def step(self, state: DreamState, actions: np.ndarray) -> DreamState:
        taken = F.one_hot(torch.tensor(actions, device=self.device), self._model.rssm.num_actions).float()
        steps, latents = state.steps + 1, self._model.rssm.latents
        choose = self._choose or functools.partial(latents.mean, steps=steps)
        after, prior = self._model.rssm.imagine(state.state, taken, choose)
        alive, _ = self._model.goes_on(after.features)
        return DreamState(after, state.screens, (alive < 0.5).cpu().numpy(), latents.entropy(prior), steps)

    @torch.inference_mode()
    def read(self, states: Sequence[DreamState]) -> Prediction:
        features = torch.stack([state.state.features for state in states], 1)  # (B, K, f)
        frames = self.draw(features.flatten(0, 1), states[0].screens)
        return Prediction(
            frames=frames.reshape(*features.shape[:2], *frames.shape[1:]),
            rewards=self._model.rewards(features).cpu().numpy(),
            continues=self._model.goes_on(features)[1].cpu().numpy(),
            uncertainty=torch.stack([state.doubt for state in states], 1).cpu().numpy(),
        )

    def mix(self, state: DreamState, other: DreamState, rows: np.ndarray) -> DreamState:
        """As `MixableModel.mix`."""
        anew = torch.from_numpy(rows).to(self.device)
        return DreamState(
            State(
                torch.where(anew[:, None], other.state.memory, state.state.memory),
                torch.where(anew[:, None, None], other.state.latent, state.state.latent),
            ),
            np.where(rows[:, None, None, None], other.screens, state.screens),
            np.where(rows, other.waits, state.waits),
            torch.where(anew, other.doubt, state.doubt),
            torch.where(anew, other.steps, state.steps),
        )

    def row(self, state: DreamState, place: int) -> DreamState:
        """As `WorldModel.row`."""
        one = slice(place, place + 1)
        dreamt = state.state.map(lambda part: part[one])
        return DreamState(dreamt, state.screens[one], state.waits[one], state.doubt[one], state.steps[one])

    def draw(self, features: torch.Tensor, screens: np.ndarray) -> np.ndarray:
        """States (B·K, f), K of each row, as pictures (B·K, h, w, 3) uint8, in their place on screens (B, h, w, 3)."""
        blocks = self._model.draw(features)
        drawn = ((from_blocks(blocks, 3) + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        frames = np.repeat(screens, len(drawn) // len(screens), 0)
        for frame, picture in zip(frames, drawn, strict=True):
            self._settings.visible(frame)[:] = self._settings.enlarge(picture, frame)
        return frames


class DreamerAgent:
    """Implements `ImaginativeAgent`, `PerceivingAgent` and `SalientAgent`.

    Its memory is the state of the world model, the present picture included.

    It takes the most likely action, as the paper does when it scores. fire_action: pressed in a dream after a lost
    life, as the game does for the agent; None where the game has none.
    settings: None for games that are a few numbers: those have no screen, and are scored, not watched.
    """

    def __init__(
        self,
        model: WorldModel,
        behaviour: Behaviour | Planner,
        action_names: tuple[str, ...],
        settings: AtariSettings | None,
        device: torch.device | None = None,
    ):
        self.device = device or torch.device("cpu")
        self.model = copy.deepcopy(model).to(self.device).eval()
        self.behaviour = copy.deepcopy(behaviour).to(self.device).eval()
        # All but the layers whose numbers are compared; training acts in this precision too.
        for network in (self.model, self.behaviour):
            halve_where_faster(network, "last", "places", "nowhere")
        self.action_names = action_names
        self.settings = settings
        self._recall = Recall()
        self._fire = action_names.index("FIRE") if settings and settings.fire and "FIRE" in action_names else None

    def begin(self, rows: int) -> State:
        return self.model.rssm.initial(rows)

    @torch.inference_mode()
    def observe(self, memory: State, observations: np.ndarray, actions: np.ndarray, began: np.ndarray) -> State:
        embeddings = self.model.encode(self.model.prepare(observations[:, -1]).to(self.device))[None]
        taken = self.behaviour.actions.encode(actions).to(self.device)[None]
        first = torch.from_numpy(began).to(self.device)[None]
        states, _ = self.model.rssm.observe(embeddings, taken, first, memory, self.model.rssm.latents.most_likely)
        return states.map(lambda part: part[0])

    @torch.inference_mode()
    def act(self, moment: Moment) -> Decision:
        actions, probabilities, values = self.behaviour.judge(self.model, self._memory_of(moment))
        if actions.ndim > 1:
            raise UserError("This agent's actions are numbers, and cannot be shown as a choice. Use: mbrl evaluate")
        return Decision(int(actions[0]), float(values[0]), probabilities[0])

    @torch.inference_mode()
    def act_batch(self, observations: np.ndarray, memory: State) -> np.ndarray:
        actions, _, _ = self.behaviour.judge(self.model, memory)
        return self.behaviour.actions.surely(actions)

    def _memory_of(self, moment: Moment) -> State:
        """What it remembers at this moment; where nothing came before, what the one picture tells."""
        if moment.memory is not None:
            memory: State = moment.memory
            return memory
        return self.observe(self.begin(1), moment.observation[None], self.behaviour.actions.none(1), np.ones(1, bool))

    def _remembered(self, moment: Moment) -> Moment:
        """This moment, with what it remembers there."""
        return moment if moment.memory is not None else replace(moment, memory=self._memory_of(moment))

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        """As `Agent.imagine`; one sample is the future in mean latents, several are drawn, the same ones each time."""
        seed, recall = (0, None) if samples > 1 else (None, self._recall)
        return unroll(self.world_model(seed), self._remembered(moment), horizon, self.policy, actions, samples, recall)

    def world_model(self, seed: int | None = None) -> DreamModel:
        if self.settings is None:
            raise UserError("This world model sees numbers, not pictures: it has nothing to show.")
        choose: Choice | None = None
        if seed is not None:
            generator = torch.Generator(self.device).manual_seed(seed)
            choose = functools.partial(self.model.rssm.latents.sample, generator=generator)
        return DreamModel(self.model, self.settings, choose)

    def policy(self, state: DreamState) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            actions, _, values = self.behaviour.judge(self.model, state.state)
        if self._fire is not None:
            actions = np.where(state.waits, self._fire, actions)
        return actions, values

    @torch.inference_mode()
    def perceive(self, moment: Moment, actions: np.ndarray, seen: Moment) -> Perception:
        model, rssm = self.world_model(), self.model.rssm
        dreamt = model.start(self._remembered(moment), 1)
        for action in actions:
            dreamt = model.step(dreamt, np.array([action]))
        memory, latents = dreamt.state.memory, rssm.latents
        blocks = self.model.prepare(seen.observation[-1:]).to(self.device)
        beliefs = torch.cat([rssm.prior(memory), rssm.posterior(memory, rssm.seen(self.model.encode(blocks)))])
        # As in a dream, and as after a look.
        chosen = torch.cat([latents.mean(beliefs[:1], dreamt.steps), latents.most_likely(beliefs[1:])])
        both = State(memory.expand(2, -1), chosen)
        expected_frame, believed_frame = model.draw(both.features, moment.screen[None])
        expected, believed = beliefs.cpu().numpy()
        surprise = float(latents.divergence(beliefs[1], beliefs[0]))
        memory_after = both.map(lambda part: part[1:])
        return Perception(expected, believed, expected_frame, believed_frame, surprise, memory_after)

    def saliency(self, moment: Moment) -> np.ndarray:
        """The gradient of the likeliest action's log-probability at the newest picture; what came before is given."""
        if self.settings is None or not isinstance(self.behaviour, Behaviour):
            raise UserError("What this agent decides has no gradient at a picture: it plans, or sees numbers.")
        actions, rssm = self.behaviour.actions, self.model.rssm
        memory = self._memory_of(moment).memory.clone()  # out of inference mode
        blocks = self.model.prepare(moment.observation[-1:]).to(self.device).float().requires_grad_()
        belief = rssm.posterior(memory, rssm.seen(self.model.encode(blocks)))
        latent = rssm.latents.most_likely(belief)
        if not latent.requires_grad:  # straight through, as in training
            latent = latent + (belief - belief.detach())
        outputs = self.behaviour.actor(State(memory, latent).features)
        decided = actions.log_probability(outputs, actions.best(outputs.detach()))
        (gradient,) = torch.autograd.grad(decided.sum(), blocks)
        return on_screen(from_blocks(gradient, 3)[0].abs().amax(-1).cpu().numpy(), moment.screen, self.settings)
