"""What I2A can imagine with: its environment model, the emulator, or nothing; all three stepped in the same way.

A state is B futures at one time. Beside what every world model offers (`agents.interfaces.WorldModel`), an
`Imaginable` one begins from many observations at once and shows what an agent would see of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from agents.envs.atari import Snapshot
from agents.envs.emulator import EmulatorModel, EmulatorState
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.i2a.cells import from_cells, network_blocks, stack_from_cells, stack_to_cells, to_cells
from agents.i2a.environment_model import EnvironmentModel
from agents.interfaces import Prediction
from agents.layers import autocast, network_input
from agents.records import Moment


class Imaginable(Protocol):
    """Futures of N games at a time."""

    def begin(self, observations: np.ndarray, snapshots: Sequence[Snapshot] | None) -> Any:
        """N games as they are: observations (N, S, h, w) uint8. The emulator needs their snapshots too."""
        ...

    def repeat(self, state: Any, each: int) -> Any:
        """`each` futures of each row, one after another."""
        ...

    def step(self, state: Any, actions: np.ndarray) -> Any: ...

    def seen(self, state: Any, dtype: torch.dtype) -> torch.Tensor:
        """The observations in these states, as `agents.layers.network_input` gives them."""
        ...

    def newest(self, state: Any) -> torch.Tensor:
        """Their newest frames as cells (B, h/4, w/4, 16) uint8."""
        ...

    def rewards(self, state: Any) -> torch.Tensor:
        """(B,) float32, earned on arriving at these states."""
        ...

    def observations(self, state: Any) -> np.ndarray:
        """(B, S, h, w) uint8, as a game would show them."""
        ...

    def waits(self, state: Any) -> np.ndarray:
        """(B,) bool, whether FIRE comes next."""
        ...

    def life_lost(self, before: Any, state: Any) -> np.ndarray:
        """(B,) float32, how likely the step from `before` has cost a life, or ended the game."""
        ...

    def over(self, state: Any) -> np.ndarray:
        """(B,) bool, whether the game has ended."""
        ...


@dataclass(frozen=True)
class ModelState:
    """B futures in the environment model.

    stacks (B, h/4, w/4, S, 16) uint8, memory: of the model's trunk, parts (B, …).
    change (B, h/4, w/4, 16), rewards, alive, playing, doubt (B,): what was expected of the step that led here
    (`agents.i2a.environment_model.Expectation`). missed (B,): how likely a ball
    that it took to the edge is missed, as `Misses` has it.
    began (B, S, h, w) uint8: the real observations they began at.
    screens (B, H, W, 3) uint8: the real screens, or None where nobody is to look at them.
    """

    stacks: torch.Tensor
    memory: tuple[torch.Tensor, ...]
    change: torch.Tensor
    rewards: torch.Tensor
    alive: torch.Tensor
    playing: torch.Tensor
    doubt: torch.Tensor
    missed: torch.Tensor
    began: np.ndarray
    screens: np.ndarray | None = None


SURELY = 30.0
"""A logit that leaves no doubt."""


def distinct(stacks: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Rows (K,) of which each is another, and which of these each row is (B,); None twice where all rows differ.

    In most games some actions do the same: their futures are one, and are imagined once.
    stacks (B, …) uint8; actions (B,) int64.
    """
    rows = zip(stacks.flatten(1).cpu().numpy(), actions.tolist(), strict=True)
    places: dict[tuple[bytes, int], int] = {}
    alone: list[int] = []
    of: list[int] = []
    for number, (row, action) in enumerate(rows):
        place = places.setdefault((row.tobytes(), action), len(alone))
        if place == len(alone):
            alone.append(number)
        of.append(place)
    if len(alone) == len(of):
        return None, None
    return torch.tensor(alone, device=stacks.device), torch.tensor(of, device=stacks.device)


class LearntModel:
    """The environment model (implements `agents.interfaces.MixableModel` and `Imaginable`).

    settings: how it sees the game; what lies outside stays in every picture as it was in the real present.
    """

    name = "learnt environment model"

    def __init__(self, model: EnvironmentModel, settings: AtariSettings, precision: torch.dtype = torch.float32):
        self.model, self.settings, self.precision = model, settings, precision
        self.device = model.usual.device

    @torch.no_grad()
    def begin(self, observations: np.ndarray, snapshots: Sequence[Snapshot] | None = None) -> ModelState:
        stacks = stack_to_cells(torch.from_numpy(observations).to(self.device))
        with autocast(self.device, self.precision):
            memory = self.model.begin(stacks)
        nothing = torch.full(stacks[..., -1, :].shape, -SURELY, device=self.device)
        sure = torch.full((len(stacks),), SURELY, device=self.device)
        zero = torch.zeros_like(sure)
        return ModelState(stacks, memory, nothing, zero, sure, sure, zero, zero, observations)

    def start(self, moment: Moment, rows: int) -> ModelState:
        state = replace(self.begin(moment.observation[None]), screens=moment.screen[None])
        return self.repeat(state, rows)

    def repeat(self, state: ModelState, each: int) -> ModelState:
        return self._rows(lambda part, _: part.repeat_interleave(each, 0), lambda part, _: part.repeat(each, 0), state)

    def mix(self, state: ModelState, other: ModelState, rows: np.ndarray) -> ModelState:
        """As `MixableModel.mix`."""
        chosen = torch.from_numpy(rows).to(self.device)

        def mixed(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
            return torch.where(chosen.view(-1, *[1] * (old.dim() - 1)), new, old)

        def mixed_arrays(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.where(rows.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        return self._rows(mixed, mixed_arrays, state, other)

    def row(self, state: ModelState, place: int) -> ModelState:
        """As `WorldModel.row`."""
        one = slice(place, place + 1)
        return self._rows(lambda part, _: part[one], lambda part, _: part[one], state)

    @staticmethod
    def _rows(
        of_tensors: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        of_arrays: Callable[[np.ndarray, np.ndarray], np.ndarray],
        state: ModelState,
        other: ModelState | None = None,
    ) -> ModelState:
        """A state whose every part is made of those of two others."""
        other = other or state
        names = ("stacks", "change", "rewards", "alive", "playing", "doubt", "missed")
        return ModelState(
            memory=tuple(of_tensors(old, new) for old, new in zip(state.memory, other.memory, strict=True)),
            began=of_arrays(state.began, other.began),
            screens=None if state.screens is None or other.screens is None else of_arrays(state.screens, other.screens),
            **{name: of_tensors(getattr(state, name), getattr(other, name)) for name in names},
        )

    @torch.no_grad()
    def step(self, state: ModelState, actions: np.ndarray) -> ModelState:
        taken = torch.tensor(actions, device=self.device)
        alone, of = (None, None) if state.memory else distinct(state.stacks, taken)
        with autocast(self.device, self.precision):
            before = state.stacks
            if alone is not None:
                before, taken = before[alone], taken[alone]
            stacks, expected = self.model.step(before, taken, state.memory)
        missed = self.model.misses(before, taken)

        def of_all(part: torch.Tensor) -> torch.Tensor:
            """A copy: what is remembered of a step should not hold all that was drawn."""
            return part.clone() if of is None else part[of]

        return ModelState(
            stacks=of_all(stacks),
            memory=expected.memory,
            change=of_all(expected.change),
            rewards=of_all(expected.rewards),
            alive=of_all(expected.alive),
            playing=of_all(expected.playing),
            doubt=of_all(expected.doubt),
            missed=of_all(missed),
            began=state.began,
            screens=state.screens,
        )

    def seen(self, state: ModelState, dtype: torch.dtype) -> torch.Tensor:
        return network_blocks(state.stacks, dtype)

    def observations(self, state: ModelState) -> np.ndarray:
        """(B, S, h, w) uint8, as a game would show them."""
        return stack_from_cells(state.stacks).cpu().numpy()

    def newest(self, state: ModelState) -> torch.Tensor:
        return state.stacks[..., -1, :]

    def rewards(self, state: ModelState) -> torch.Tensor:
        return state.rewards

    def waits(self, state: ModelState) -> np.ndarray:
        return (state.alive < 0).cpu().numpy()

    def life_lost(self, before: ModelState, state: ModelState) -> np.ndarray:
        # When a ball that is out of sight counts as lost is a matter of chance to who sees the court alone: that it is
        # missed is known earlier.
        kept = (1 - state.missed) * state.alive.float().sigmoid()
        return (1 - kept).cpu().numpy()

    def over(self, state: ModelState) -> np.ndarray:
        return (state.playing < 0).cpu().numpy()

    @torch.no_grad()
    def read(self, states: Sequence[ModelState]) -> Prediction:
        """As `WorldModel.read`; uncertainty is the entropy, in nats, of where things go, and of which pixels change if
        they go to the likeliest places."""
        change, rewards, playing, doubt = (
            torch.stack([getattr(state, name) for state in states], 1).float()
            for name in ("change", "rewards", "playing", "doubt")
        )
        of_pixels = torch.distributions.Bernoulli(logits=change).entropy().sum((2, 3, 4))  # (B, K)
        return Prediction(
            frames=self._on_screens(states),
            rewards=rewards.cpu().numpy(),
            continues=playing.sigmoid().cpu().numpy(),
            uncertainty=(doubt + of_pixels).cpu().numpy(),
        )

    def _on_screens(self, states: Sequence[ModelState]) -> np.ndarray:
        """The newest frames of K states as screens (B, K, H, W, 3): what has not changed is the real screen's own."""
        real = [state.screens for state in states if state.screens is not None]
        if len(real) < len(states):
            raise ValueError("these futures did not begin at a moment that had a screen")
        screens = np.empty((len(real[0]), len(states), *real[0].shape[1:]), np.uint8)
        colours = self.model.colours.cpu().numpy()
        lines = np.arange(len(colours))[:, None]
        for place, state in enumerate(states):
            screens[:, place] = real[place]
            frames = from_cells(self.newest(state)).cpu().numpy()  # (B, h, w)
            for screen, frame, observation in zip(screens[:, place], frames, state.began, strict=True):
                seen = self.settings.visible(screen)
                picture = self.settings.enlarge(colours[lines, frame], screen)
                changed = (frame != observation[-1]).astype(np.uint8)
                changed = cv2.resize(changed, (seen.shape[1], seen.shape[0]), interpolation=cv2.INTER_NEAREST)
                cv2.copyTo(picture, changed, seen)
        return screens


class PerfectModel:
    """The emulator under the same calls (implements `Imaginable`)."""

    def __init__(self, emulator: EmulatorModel, device: torch.device):
        self.emulator, self.device = emulator, device

    def begin(self, observations: np.ndarray, snapshots: Sequence[Snapshot] | None = None) -> EmulatorState:
        if snapshots is None:
            raise UserError(
                "This agent imagines with the emulator, whose state these games do not tell: "
                "use it in mbrl play, mbrl evaluate or mbrl inspect."
            )
        return EmulatorState(tuple(snapshots), np.zeros(len(snapshots), np.float32))

    def repeat(self, state: EmulatorState, each: int) -> EmulatorState:
        rows = tuple(snapshot for snapshot in state.snapshots for _ in range(each))
        return EmulatorState(rows, state.rewards.repeat(each))

    def step(self, state: EmulatorState, actions: np.ndarray) -> EmulatorState:
        return self.emulator.step(state, actions)

    def seen(self, state: EmulatorState, dtype: torch.dtype) -> torch.Tensor:
        return network_input(state.observations, self.device, dtype)

    def newest(self, state: EmulatorState) -> torch.Tensor:
        return to_cells(torch.from_numpy(state.observations[:, -1]).to(self.device))

    def rewards(self, state: EmulatorState) -> torch.Tensor:
        return torch.from_numpy(state.rewards).to(self.device)

    def waits(self, state: EmulatorState) -> np.ndarray:
        return state.needs_fire

    def life_lost(self, before: EmulatorState, state: EmulatorState) -> np.ndarray:
        pairs = zip(before.snapshots, state.snapshots, strict=True)
        return np.array([new.lives < old.lives or new.over > old.over for old, new in pairs], np.float32)

    def observations(self, state: EmulatorState) -> np.ndarray:
        return state.observations

    def over(self, state: EmulatorState) -> np.ndarray:
        return state.over
