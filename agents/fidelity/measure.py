"""The measure: dream on from real moments under the actions that were really taken, and compare.

    real    x0 -a0-> x1 -a1-> x2 …     from one start the game is dreamt for the longest horizon,
    dreamt  x0 -a0-> y1 -a1-> y2 …     and a horizon h looks at y_h against x_h, and at all rewards up to h

Beside the agent's model stand two others under the same measure: the last real frame again and again, and the
emulator, which is the game itself and errs in nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.fidelity.comparison import BallFate, FrameComparison, compare_frames, matching_events, psnr, reward_events
from agents.fidelity.starts import (
    HELD_OUT_SEED,
    STAGES,
    PlayedGame,
    Player,
    Start,
    choose_starts,
    play,
    revisit,
    seen_by,
)
from agents.imagination import follow
from agents.interfaces import Agent
from agents.records import Moment, Rollout
from agents.settings import check_range

HORIZONS = (1, 5, 15, 50)
MAX_HORIZON = 200
MAX_STARTS = 10_000
STARTS_OF_A_GAME = 10
"""About as many starts are taken from one game; more games are played for more."""

OnProgress = Callable[[str, int, int], None]
Imagine = Callable[[Moment, int, np.ndarray], Rollout]
"""Dreams on from a moment to a horizon under actions (1, K)."""


@dataclass(frozen=True)
class Scores:
    """What a model gets right at one horizon h. None: nothing to judge by, as the ball in games without one.

    frames:            real frames compared: of the starts from which the game went on for h steps.
    psnr:              decibels, of the mean squared error over all frames; at most 100.
    ball_found:        of the frames with a ball, the share whose dream has one; half-hidden balls are left out.
    ball_single:       of the frames where it is found, the share whose dream has one ball and no more.
    ball_false:        of the frames without a ball, the share whose dream has one.
    ball_error_px:     median distance of the two balls where it is found, in native pixels.
    paddle_found:      share of the frames whose dream has a paddle.
    paddle_error_px:   median distance of the two paddles' centres where both are there, in native pixels.
    bricks_correct:    share of all bricks, over all frames.
    reward_precision:  of the dreamt reward events up to h, the share that happened; one to one, within a step.
    reward_recall:     of the real reward events up to h, the share that was dreamt.
    continue_accuracy: of the real steps up to h, the share that were rightly taken for the game's last or not.
    """

    frames: int
    psnr: float | None
    ball_found: float | None
    ball_single: float | None
    ball_false: float | None
    ball_error_px: float | None
    paddle_found: float | None
    paddle_error_px: float | None
    bricks_correct: float | None
    reward_precision: float | None
    reward_recall: float | None
    continue_accuracy: float | None


@dataclass(frozen=True)
class Fidelity:
    """What `measure` found. horizons and baselines: scores by horizon; stages, players: starts of each.

    model: what looked ahead, as the rollouts name it. starts: how many there were.
    """

    model: str
    game: str
    starts: int
    stages: dict[str, int]
    players: dict[str, int]
    horizons: dict[int, Scores]
    baselines: dict[str, dict[int, Scores]]
    seed: int
    sticky: float

    def as_json(self) -> dict[str, Any]:
        def by_horizon(scores: dict[int, Scores]) -> dict[str, Any]:
            return {str(horizon): dataclasses.asdict(found) for horizon, found in scores.items()}

        return {
            "model": self.model,
            "game": self.game,
            "starts": self.starts,
            "horizons": by_horizon(self.horizons),
            "baselines": {name: by_horizon(scores) for name, scores in self.baselines.items()},
            "stages": self.stages,
            "players": self.players,
            "protocol": {"seed": self.seed, "sticky": self.sticky},
        }


def measure(
    agent: Agent,
    game: str,
    settings: AtariSettings | None,
    horizons: Sequence[int] = HORIZONS,
    starts: int = 100,
    seed: int = 0,
    others: Sequence[Player] = (),
    on_progress: OnProgress | None = None,
) -> Fidelity:
    """How far what `agent` imagines comes true.

    Where a game is over before a horizon there is no frame to compare: such a start counts there with its rewards and
    its end alone.

    settings: as the agent is to see and play the game.
    starts:   moments to dream on from; fewer where the games hold fewer.
    others:   players whose games are to be taken too, besides those of the agent itself (alone, with ε 0.1 and with
        ε 0.5) and of one who plays at random.
    on_progress: called with what is being done, how much of it is done, and how much there is.
    Raises UserError for horizons or starts out of range, and for games that are no Atari games.
    """
    if settings is None:
        raise UserError(f"{game} has no emulator to compare with: fidelity is measured on Atari games.")
    horizons = _checked(horizons, starts)
    tell = on_progress or (lambda doing, done, total: None)
    players = [Player("agent", agent), Player("agent ε 0.1", agent, 0.1), Player("agent ε 0.5", agent, 0.5)]
    players += [*others, Player("random")]
    games = _play_games(game, settings, players, starts, seed, tell)
    chosen = choose_starts(games, starts, horizons[-1], np.random.default_rng(seed))
    total = sum(map(len, chosen.values()))
    if not total:
        raise UserError(f"No game went on for {horizons[-1]} steps: give shorter horizons.")

    models: dict[str, Imagine] = {"agent": agent.imagine, **_baselines(game, settings)}
    tallies = {name: [Tally(horizon) for horizon in horizons] for name in models}
    stages, of_player, model = dict.fromkeys(STAGES, 0), {player.name: 0 for player in players}, ""
    board = AtariGame(game, settings)
    visits = (revisit(board, agent, games[place], steps, horizons) for place, steps in chosen.items())
    for done, start in enumerate(itertools.chain.from_iterable(visits)):
        tell("Dreaming on", done, total)
        stages[start.stage] += 1
        of_player[start.player] += 1
        for name, imagine in models.items():
            rollout = imagine(start.moment, horizons[-1], start.actions[None])
            model = model or rollout.model
            for tally in tallies[name]:
                tally.add(game, start, rollout)
    scores = {name: {tally.horizon: tally.scores() for tally in own} for name, own in tallies.items()}
    own = scores.pop("agent")
    return Fidelity(model, game, total, stages, of_player, own, scores, seed, settings.sticky)


def _checked(horizons: Sequence[int], starts: int) -> list[int]:
    """The horizons, rising."""
    if not horizons:
        raise UserError("Give at least one horizon, for example 1,5,15,50.")
    for horizon in horizons:
        check_range("a horizon", horizon, 1, MAX_HORIZON)
    check_range("starts", starts, 1, MAX_STARTS)
    return sorted(set(horizons))


def _play_games(
    game: str, settings: AtariSettings, players: Sequence[Player], starts: int, seed: int, tell: OnProgress
) -> list[PlayedGame]:
    """As many games of each player."""
    rounds = max(1, round(starts / STARTS_OF_A_GAME / len(players)))
    boards = {eyes: AtariGame(game, eyes) for eyes in {seen_by(player, settings) for player in players}}
    played = []
    for place, player in enumerate([*players] * rounds):
        tell("Playing games", place, rounds * len(players))
        drawn = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
        played.append(play(boards[seen_by(player, settings)], player, HELD_OUT_SEED + drawn % 2**30))
    return played


# -- baselines ----------------------------------------------------------------------------------------------


def _baselines(game: str, settings: AtariSettings) -> dict[str, Imagine]:
    emulator = EmulatorModel(game, settings)
    return {
        "copy_last": copy_last,
        "emulator": lambda moment, horizon, actions: follow(emulator, moment, actions, horizon),
    }


def copy_last(moment: Moment, horizon: int, actions: np.ndarray) -> Rollout:
    """The present again and again, without rewards and without an end, for actions (1, K)."""
    taken = np.zeros((1, horizon), np.int64)
    taken[:, : actions.shape[1]] = actions
    return Rollout(
        frames=np.broadcast_to(moment.screen, (1, horizon + 1, *moment.screen.shape)),
        actions=taken,
        rewards=np.zeros((1, horizon), np.float32),
        continues=np.ones((1, horizon), np.float32),
        values=np.zeros((1, horizon + 1), np.float32),
        uncertainty=np.zeros((1, horizon), np.float32),
        model="copy of the last frame",
    )


# -- scores -------------------------------------------------------------------------------------------------


class Tally:
    """What one model made of all starts, up to one horizon."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self._frames: list[FrameComparison] = []
        self._events_real = self._events_dreamt = self._events_matching = 0
        self._steps = self._steps_right = 0

    def add(self, game: str, start: Start, rollout: Rollout) -> None:
        """Row 0 of `rollout`, dreamt from `start`."""
        if self.horizon in start.frames:
            real_frame, dreamt_frame = start.frames[self.horizon], rollout.frames[0, self.horizon]
            self._frames.append(compare_frames(game, real_frame, dreamt_frame))
        steps = min(self.horizon, len(start.actions))
        real, dreamt = reward_events(start.rewards[:steps]), reward_events(rollout.rewards[0, :steps])
        self._events_real += len(real)
        self._events_dreamt += len(dreamt)
        self._events_matching += matching_events(real, dreamt)
        self._steps += steps
        self._steps_right += int(((rollout.continues[0, :steps] > 0.5) != start.terminated[:steps]).sum())

    def scores(self) -> Scores:
        boards = [frame.board for frame in self._frames if frame.board is not None]
        balls = Counter(board.ball for board in boards)
        ball_errors = [board.ball_error for board in boards if board.ball_error is not None]
        paddle_errors = [board.paddle_error for board in boards if board.paddle_error is not None]
        alone = [board.balls == 1 for board in boards if board.ball is BallFate.FOUND]
        frames = len(self._frames)
        return Scores(
            frames=frames,
            psnr=psnr(statistics.fmean(frame.squared_error for frame in self._frames)) if frames else None,
            ball_found=_share(len(alone), balls[BallFate.FOUND] + balls[BallFate.LOST]),
            ball_single=_share(sum(alone), len(alone)),
            ball_false=_share(balls[BallFate.FALSE], balls[BallFate.FALSE] + balls[BallFate.NONE]),
            ball_error_px=statistics.median(ball_errors) if ball_errors else None,
            paddle_found=_share(len(paddle_errors), len(boards)),
            paddle_error_px=statistics.median(paddle_errors) if paddle_errors else None,
            bricks_correct=_share(sum(b.bricks_correct for b in boards), sum(b.bricks for b in boards)),
            reward_precision=_share(self._events_matching, self._events_dreamt),
            reward_recall=_share(self._events_matching, self._events_real),
            continue_accuracy=_share(self._steps_right, self._steps),
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
