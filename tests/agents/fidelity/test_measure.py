"""The measure, held to models whose faults are known because they were put there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from breakout_screens import ball_pixels, without_ball, worn

from agents.envs.atari import AtariGame
from agents.envs.emulator import EmulatorModel
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.fidelity import starts
from agents.fidelity.measure import Fidelity, Scores, Tally, copy_last, measure
from agents.fidelity.starts import Player, Start
from agents.imagination import unroll
from agents.records import Decision, Moment, Rollout

HORIZONS = [1, 4, 12]
FIELDS = ["psnr", "ball_found", "ball_error_px", "paddle_error_px", "bricks_correct"]
FIELDS += ["reward_precision", "reward_recall", "continue_accuracy"]
BREAKOUT_FIELDS = ["ball_found", "ball_single", "ball_false", "ball_error_px"]
BREAKOUT_FIELDS += ["paddle_found", "paddle_error_px", "bricks_correct"]

Fault = Callable[[Rollout], Rollout]
Judge = Callable[[Fault], dict[int, Scores]]


class Dreamer:
    """Plays at random; dreams through the emulator, and then commits a known fault."""

    def __init__(self, fault: Fault, game: str = "breakout", settings: AtariSettings | None = None):
        self.fault, self.emulator = fault, EmulatorModel(game, settings)
        self.action_names = self.emulator.action_names
        self.asked: list[tuple[int, np.ndarray, int]] = []

    def begin(self, rows: int) -> int:
        return 0

    def observe(self, memory: int, observations: np.ndarray, actions: np.ndarray, began: np.ndarray) -> int:
        return 1 if began[0] else memory + 1

    def act_batch(self, observations: np.ndarray, memory: int) -> np.ndarray:
        return np.full((1, len(self.action_names)), 1 / len(self.action_names), np.float32)

    def act(self, moment: Moment) -> Decision:
        raise AssertionError("not asked for single decisions here")

    def imagine(self, moment: Moment, horizon: int, actions: np.ndarray | None = None, samples: int = 1) -> Rollout:
        assert actions is not None
        self.asked.append((horizon, actions, moment.memory))

        def still(state: Any) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros(1, np.int64), np.zeros(1, np.float32)

        true = unroll(self.emulator, moment, horizon, still, actions)
        return self.fault(dataclasses.replace(true, model="learnt world model"))


@pytest.fixture(autouse=True, scope="module")
def short_games() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starts, "MAX_DECISIONS", 120)
        yield


@pytest.fixture(scope="module")
def perfect(short_games: None) -> Fidelity:
    """The measure as a whole, of an agent whose model is as good as the emulator."""
    # Seed 8: somebody hits a brick in these games, and somebody misses the ball.
    return measure(Dreamer(lambda rollout: rollout), "breakout", AtariSettings(), HORIZONS, 16, seed=8)


@pytest.fixture(scope="module")
def dreams(short_games: None) -> list[tuple[Start, Rollout]]:
    """Starts, and from each a dream that is true."""
    board, dreamer = AtariGame("breakout"), Dreamer(lambda rollout: rollout)
    games = [starts.play(board, Player("random"), seed) for seed in range(3)]
    chosen = starts.choose_starts(games, 40, HORIZONS[-1], np.random.default_rng(0))
    found = []
    for place, steps in chosen.items():
        for start in starts.revisit(board, dreamer, games[place], steps, HORIZONS):
            found.append((start, dreamer.imagine(start.moment, HORIZONS[-1], start.actions[None])))
    return found


@pytest.fixture(scope="module")
def judged(dreams: list[tuple[Start, Rollout]]) -> Judge:
    """The scores of a model that errs as `fault` does."""

    def judge(fault: Fault) -> dict[int, Scores]:
        tallies = [Tally(horizon) for horizon in HORIZONS]
        for start, rollout in dreams:
            dream = fault(rollout)
            for tally in tallies:
                tally.add("breakout", start, dream)
        return {tally.horizon: tally.scores() for tally in tallies}

    return judge


def redrawn(redraw: Callable[[np.ndarray], np.ndarray], first: int = 1) -> Fault:
    """A model that draws the frames from `first` on otherwise than they are."""

    def fault(rollout: Rollout) -> Rollout:
        frames = rollout.frames.copy()
        for horizon in HORIZONS:
            if first <= horizon <= rollout.horizon:
                frames[0, horizon] = redraw(frames[0, horizon])
        return dataclasses.replace(rollout, frames=frames)

    return fault


def moved_ball(frame: np.ndarray) -> np.ndarray:
    """The ball 4 to the right and 3 down, drawn over all else."""
    moved = without_ball(frame)
    lines, columns = np.nonzero(ball_pixels(frame))
    moved[lines + 3, columns + 4] = (200, 72, 72)
    return moved


def moved_paddle(frame: np.ndarray) -> np.ndarray:
    moved = frame.copy()
    moved[189:193, 8:152] = 0
    moved[189:193, 13:152] = frame[189:193, 8:147]
    return moved


def two_bricks_less(frame: np.ndarray) -> np.ndarray:
    """Of the upper row, in which random play leaves all standing."""
    less = frame.copy()
    less[57:63, 80:96] = 0
    return less


def assert_perfect(scores: Scores) -> None:
    assert (scores.psnr, scores.ball_found, scores.ball_single, scores.ball_error_px) == (100, 1, 1, 0)
    assert (scores.paddle_found, scores.paddle_error_px, scores.bricks_correct) == (1, 0, 1)
    assert scores.ball_false in (None, 0)
    assert (scores.reward_precision, scores.reward_recall) in ((1, 1), (None, None))
    assert scores.continue_accuracy == 1


def test_the_emulator_is_perfect_and_so_is_a_dream_like_it(perfect: Fidelity) -> None:
    for horizon in HORIZONS:
        assert_perfect(perfect.baselines["emulator"][horizon])
        assert perfect.horizons[horizon] == perfect.baselines["emulator"][horizon]
    # Something was there to be right about.
    assert perfect.horizons[12].reward_recall == 1
    assert perfect.horizons[1].ball_false == 0


def test_the_emulator_is_perfect_under_sticky_actions() -> None:
    settings = AtariSettings(sticky=0.25)
    dreamer = Dreamer(lambda rollout: rollout, settings=settings)
    found = measure(dreamer, "breakout", settings, [20], 8)
    assert_perfect(found.baselines["emulator"][20])
    assert found.as_json()["protocol"] == {"seed": 0, "sticky": 0.25}


def test_being_cut_off_is_no_end_of_the_game() -> None:
    settings = AtariSettings(frame_cap=4 * 30)
    dreamer = Dreamer(lambda rollout: rollout, settings=settings)
    found = measure(dreamer, "breakout", settings, [10], 60)
    assert found.starts == 60  # from 4 to 19 in each of 4 games, so the last steps of some are among them
    assert found.baselines["emulator"][10].continue_accuracy == found.baselines["copy_last"][10].continue_accuracy == 1


def test_copying_the_last_frame_is_not(perfect: Fidelity) -> None:
    scores = perfect.baselines["copy_last"]
    assert scores[1].psnr < 50
    assert scores[1].ball_error_px > 2
    assert scores[12].ball_error_px > 10
    assert scores[12].reward_recall == 0
    assert scores[12].reward_precision is None
    assert scores[12].psnr < scores[1].psnr


def test_json_has_what_was_promised(perfect: Fidelity) -> None:
    found = json.loads(json.dumps(perfect.as_json()))
    assert list(found)[:5] == ["model", "game", "starts", "horizons", "baselines"]
    assert (found["model"], found["game"], found["starts"]) == ("learnt world model", "breakout", 16)
    assert list(found["baselines"]) == ["copy_last", "emulator"]
    for scores in (found["horizons"], *found["baselines"].values()):
        assert list(scores) == ["1", "4", "12"]
        for one in scores.values():
            assert set(FIELDS) <= set(one)
    assert sum(found["stages"].values()) == sum(found["players"].values()) == 16
    assert set(found["stages"]) == {"early", "middle", "late"}
    assert set(found["players"]) == {"agent", "agent ε 0.1", "agent ε 0.5", "random"}


def test_the_agent_is_asked_once_for_each_start_with_what_was_really_done() -> None:
    dreamer = Dreamer(lambda rollout: rollout)
    found = measure(dreamer, "breakout", AtariSettings(), [3, 9], 10)
    assert len(dreamer.asked) == found.starts == 10
    for horizon, actions, memory in dreamer.asked:
        assert horizon == 9
        assert actions.shape[0] == 1
        assert actions.shape[1] <= 9
        assert memory > 4  # it has looked on since the game began, for more frames than one observation holds


def test_a_dream_that_is_true_is_perfect(judged: Judge) -> None:
    found = judged(lambda rollout: rollout)
    for horizon in HORIZONS:
        assert_perfect(found[horizon])
        assert found[horizon].frames == 40


def test_a_ball_erased_from_some_step_on_is_lost_from_there(judged: Judge) -> None:
    found = judged(redrawn(without_ball, first=4))
    assert_perfect(found[1])
    assert (found[4].ball_found, found[12].ball_found) == (0, 0)
    assert found[4].ball_error_px is None
    assert found[4].bricks_correct == 1


def test_a_moved_ball_is_found_as_far_off_as_it_was_moved(judged: Judge) -> None:
    found = judged(redrawn(moved_ball))
    for horizon in HORIZONS:
        assert found[horizon].ball_error_px == pytest.approx(5, abs=0.01)
        assert found[horizon].paddle_error_px == 0


def test_a_moved_paddle_and_missing_bricks_are_counted(judged: Judge) -> None:
    found = judged(redrawn(moved_paddle))[4]
    assert found.paddle_error_px == pytest.approx(5, abs=0.01)
    assert found.ball_error_px == 0
    assert judged(redrawn(two_bricks_less))[4].bricks_correct == pytest.approx(106 / 108)


def test_a_ball_too_many_is_false(judged: Judge) -> None:
    def drawn(frame: np.ndarray) -> np.ndarray:
        more = frame.copy()
        more[150:154, 100:102] = (200, 72, 72)
        return more

    scores = judged(redrawn(drawn))[4]
    assert scores.ball_false == 1
    assert scores.ball_found == 1
    assert scores.ball_single == 0


def test_psnr_is_that_of_the_mean_error(judged: Judge) -> None:
    scores = judged(redrawn(lambda frame: frame + 10))[12]  # no channel is above 200
    assert scores.psnr == pytest.approx(28.1308, abs=1e-3)


def test_a_blurred_dream_at_half_resolution_is_read_to_a_fraction_of_a_pixel(judged: Judge) -> None:
    found = judged(redrawn(lambda frame: worn(frame, blur=0.7, noise=5)))
    for horizon in HORIZONS:
        scores = found[horizon]
        assert scores.ball_found == 1
        assert scores.ball_error_px < 0.3
        assert scores.paddle_error_px < 0.3
        assert scores.bricks_correct == 1
        assert 20 < scores.psnr < 40


def with_rewards(change: Callable[[np.ndarray], np.ndarray]) -> Fault:
    return lambda rollout: dataclasses.replace(rollout, rewards=change(rollout.rewards))


def late(steps: int) -> Fault:
    return with_rewards(lambda rewards: np.pad(rewards, ((0, 0), (steps, 0)))[:, : rewards.shape[1]])


def test_rewards_a_step_late_still_count_and_two_steps_late_do_not(judged: Judge) -> None:
    one, two = judged(late(1))[12], judged(late(2))[12]
    assert one.reward_precision == 1
    assert 0.7 <= one.reward_recall <= 1  # an event at the last step comes after the horizon
    assert two.reward_recall == 0


def test_dreamt_rewards_that_never_come_lower_the_precision_alone(judged: Judge) -> None:
    eager, shy = judged(with_rewards(np.ones_like))[12], judged(with_rewards(lambda rewards: rewards * 0.4))[12]
    assert eager.reward_recall == 1
    assert 0 < eager.reward_precision < 0.3
    assert (shy.reward_precision, shy.reward_recall) == (None, 0)


def test_ends_are_counted_and_frames_behind_them_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_DECISIONS", 1_000)
    board, dreamer = AtariGame("breakout"), Dreamer(lambda rollout: rollout)
    played = starts.play(board, Player("random"), 1)
    assert played.over
    last = len(played.actions) - 1
    endless, knowing = Tally(4), Tally(4)
    # The end is 8, 4 and 2 steps away: behind the horizon, at it, and before it.
    for start in starts.revisit(board, dreamer, played, [last - 7, last - 3, last - 1], [4]):
        rollout = dreamer.imagine(start.moment, 4, start.actions[None])
        knowing.add("breakout", start, rollout)
        endless.add("breakout", start, dataclasses.replace(rollout, continues=np.full((1, 4), 0.9, np.float32)))
    assert knowing.scores().frames == endless.scores().frames == 2
    assert knowing.scores().continue_accuracy == 1
    assert endless.scores().continue_accuracy == pytest.approx(8 / 10)  # of 4 + 4 + 2 steps, two were the last


def test_a_model_that_dreams_of_nan_is_wrong_not_fatal(judged: Judge) -> None:
    def broken(rollout: Rollout) -> Rollout:
        nothing = np.full_like(rollout.rewards, np.nan)
        return dataclasses.replace(rollout, rewards=nothing, continues=nothing)

    scores = judged(broken)[12]
    assert (scores.reward_recall, scores.continue_accuracy) == (0, 0)


def test_other_games_have_no_ball_but_all_the_rest() -> None:
    agent = Dreamer(redrawn(worn), game="pong")
    found = measure(agent, "pong", AtariSettings(), HORIZONS, 4)
    for scores in found.horizons.values():
        values = dataclasses.asdict(scores)
        assert all(values[field] is None for field in BREAKOUT_FIELDS)
        assert 10 < scores.psnr < 60
        assert scores.continue_accuracy == 1
    assert found.baselines["emulator"][12].psnr == 100


def test_the_same_seed_measures_the_same_and_another_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_DECISIONS", 40)
    one, again, other = (
        measure(Dreamer(redrawn(worn)), "breakout", AtariSettings(), [4], 4, seed) for seed in (0, 0, 1)
    )
    assert one == again
    assert one.horizons != other.horizons


def test_other_players_play_too_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_DECISIONS", 40)
    told: list[tuple[str, int, int]] = []
    others = [Player("companion", Dreamer(lambda rollout: rollout), 0.01, AtariSettings(size=40))]
    dreamer = Dreamer(lambda rollout: rollout)
    found = measure(
        dreamer,
        "breakout",
        AtariSettings(),
        [2],
        10,
        0,
        others,
        lambda *what: told.append(what),
    )
    assert found.players["companion"] == 2
    assert [what for what in told if what[0] == "Playing games"] == [("Playing games", game, 5) for game in range(5)]
    assert [what for what in told if what[0] == "Dreaming on"] == [("Dreaming on", start, 10) for start in range(10)]


def test_copies_of_the_last_frame_are_a_rollout() -> None:
    moment = Moment(np.zeros((4, 84, 84), np.uint8), np.full((210, 160, 3), 7, np.uint8))
    rollout = copy_last(moment, 5, np.array([[2, 3]]))
    assert rollout.frames.shape == (1, 6, 210, 160, 3)
    assert (rollout.frames == 7).all()
    assert rollout.actions.tolist() == [[2, 3, 0, 0, 0]]
    assert (rollout.rewards.shape, rollout.continues.shape, rollout.values.shape) == ((1, 5), (1, 5), (1, 6))


@pytest.mark.parametrize(
    ("horizons", "count", "words"),
    [
        ([], 5, "at least one horizon"),
        ([0], 5, "a horizon must be a number from 1"),
        ([1, 201], 5, "a horizon must be a number from 1"),
        ([1], 0, "starts must be"),
        ([1], 10_001, "starts must be"),
    ],
)
def test_what_cannot_be_measured_is_told(horizons: list[int], count: int, words: str) -> None:
    agent = Dreamer(lambda rollout: rollout)
    with pytest.raises(UserError, match=words):
        measure(agent, "breakout", AtariSettings(), horizons, count)


def test_games_without_an_emulator_are_told() -> None:
    with pytest.raises(UserError, match="cartpole has no emulator"):
        measure(Dreamer(lambda rollout: rollout), "cartpole", None)


def test_games_shorter_than_the_horizon_are_told() -> None:
    settings = AtariSettings(frame_cap=40)
    with pytest.raises(UserError, match="No game went on for 30 steps"):
        measure(Dreamer(lambda rollout: rollout, settings=settings), "breakout", settings, [30], 5)
