"""Whether a falling ball is met is read in numbers, learnt of what came of others, and told as a probability."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.catalogue import find_checkpoint, load_agent
from agents.envs.atari import AtariGame
from agents.i2a.agent import I2AAgent
from agents.i2a.cells import stack_to_cells
from agents.i2a.config import I2AConfig
from agents.i2a.environment_model import EnvironmentModel
from agents.i2a.misses import SOON, SPOT, Misses, _numbers
from agents.i2a.model_learner import ModelLearner
from agents.layers import network_input
from agents.replay.sequences import GAME_OVER, GOES_ON, LIFE_LOST, SequenceReplay

SIDE = 40
STACK = 3
WALL, LIT = 142, 110
"""Greys of the walls at both sides, and of ball and paddle."""


def picture(ball: tuple[float, float] | None, paddle: float, width: float = 8) -> np.ndarray:
    """A court with walls of two pixels, a ball of two by two (line, column of its first pixel) and a paddle that begins
    somewhere in the last two lines; what covers half a pixel gives it half its grey."""
    frame = np.zeros((SIDE, SIDE))
    _cover(frame, SIDE - 2, paddle, width)
    if ball is not None:
        _cover(frame, int(ball[0]), ball[1], 2)
    frame[:, :2] = frame[:, -2:] = WALL
    return frame.round().astype(np.uint8)


def _cover(frame: np.ndarray, line: int, begins: float, width: float) -> None:
    columns = np.arange(SIDE)
    share = np.clip(np.minimum(columns + 1, begins + width) - np.maximum(columns, begins), 0, 1)
    frame[line : line + 2] = np.maximum(frame[line : line + 2], share * LIT)


def fall(steps: int, ball: tuple[float, float], motion: tuple[float, float], paddle: float) -> np.ndarray:
    """(steps, h, w): a ball that moves by so much a step, above a paddle at rest, gone where it has left the view."""
    places = [(ball[0] + k * motion[0], ball[1] + k * motion[1]) for k in range(steps)]
    return np.stack([picture(place if place[0] < SIDE - 3 else None, paddle) for place in places])


def calibrated(num_actions: int = 2) -> Misses:
    misses = Misses(num_actions, STACK, (SIDE, SIDE))
    random = np.random.default_rng(0)
    starts = [(6 + random.integers(20), 4 + random.random() * 24, 4 + random.random() * 24) for _ in range(200)]
    shown = [fall(3, (line, column), (4, 1), paddle) for line, column, paddle in starts]
    misses.calibrate(torch.from_numpy(np.stack(shown, 1)))
    return misses


MISSES = calibrated()


@given(
    line=st.integers(5, SIDE - 5),
    column=st.floats(4, SIDE - 8),
    paddle=st.floats(4, SIDE - 14),
    width=st.sampled_from([6.0, 8.0]),
)
def test_places_are_told_in_parts_of_a_pixel(line: int, column: float, paddle: float, width: float) -> None:
    seen = MISSES.read(torch.from_numpy(picture((line, column), paddle, width)))
    left, wide, from_edge, middle, size = seen.tolist()
    assert left == pytest.approx(paddle, abs=0.02)
    assert wide == pytest.approx(width, abs=0.04)
    assert from_edge == pytest.approx(line + 0.5 - (SIDE - 2), abs=0.02)
    assert middle == pytest.approx(column + 0.5, abs=0.02)
    assert size == pytest.approx(4, abs=0.05)


def test_autocast_does_not_round_places() -> None:
    frame = torch.from_numpy(picture((21, 24.5), 11.5))
    with torch.autocast("cpu", torch.bfloat16):
        seen = MISSES.read(frame)
    assert torch.equal(seen, MISSES.read(frame))


def test_what_never_moves_is_not_seen() -> None:
    seen = MISSES.read(torch.from_numpy(picture(None, 10)))
    assert seen[2:].tolist() == [0, 0, 0]
    assert seen[0] == 10


@pytest.mark.parametrize(
    ("lines", "falls"),
    [
        ((20, 26, 32), True),
        ((28, 30, 32), False),  # too slow to be there with the next step
        ((35, 34, 33), False),  # it rises
        ((10, 12, 14), False),
        ((None, 26, 32), True),
        ((26, 32, None), False),  # it is gone
        ((20, None, 32), False),  # how fast it is, is not known
        ((2, 5, 21), False),  # too fast: another one
    ],
)
def test_only_a_ball_about_to_reach_the_edge_falls(lines: tuple[int | None, ...], falls: bool) -> None:
    frames = np.stack([picture(None if line is None else (line, 20), 10) for line in lines])
    assert MISSES.falling(MISSES.read(torch.from_numpy(frames))[None]).tolist() == [falls]


@pytest.mark.parametrize("when", range(STACK))
def test_of_two_balls_nothing_is_foretold(when: int) -> None:
    frames = fall(STACK, (20, 20), (6, 0), 10)
    frames[when, 10:12, 20:24] = LIT
    assert MISSES.read(torch.from_numpy(frames))[when, 4] > SPOT
    assert not MISSES.falling(MISSES.read(torch.from_numpy(frames))[None]).any()


def test_each_line_has_its_own_greys() -> None:
    misses = Misses(2, STACK, (SIDE, SIDE))
    frames = np.stack(
        [fall(3, (line, column), (4, 1), 4.0 + column) for line in range(6, 26) for column in range(4, 20)], 1
    )
    dark, bright = 30 + frames // 2, 200 - frames  # on a dark ground lit, on a bright one dark
    misses.calibrate(torch.from_numpy(np.concatenate([dark[..., :20, :], bright[..., 20:, :]], -2)))
    for line in (12, 28):
        shown = picture((line, 20), 10)
        mixed = np.concatenate([(30 + shown // 2)[:20], (200 - shown)[20:]])
        seen, plain = (misses.read(torch.from_numpy(mixed)), MISSES.read(torch.from_numpy(shown)))
        torch.testing.assert_close(seen, plain)


def test_a_ball_that_was_not_there_has_not_moved() -> None:
    frames = np.stack([picture(None, 10), picture((22, 18), 12), picture((28, 20), 16)])
    numbers = _numbers(MISSES.read(torch.from_numpy(frames))[None])[0]
    figure_and_ball = [16, 8, 20.5, -9.5, 4.5, 6.5, -1.5]
    assert numbers.tolist() == pytest.approx([*figure_and_ball, 0, 2, 0, 6, 2, 4], abs=1e-4)


def test_until_it_has_learnt_all_are_met() -> None:
    stack = torch.from_numpy(fall(STACK, (20, 20), (6, 0), 4))[None]
    assert calibrated()(stack_to_cells(stack), torch.tensor([1])).item() < 1e-6


PERIOD = SOON + 5


def replay_of(
    games: int, falls: int, cut_off: int | None = None, lost_after: int = 8, rows: int | None = None
) -> SequenceReplay:
    """Games, each of balls that fall one after another from random places, over a paddle that its action, 0 or 1, has
    jump to the left or the right half as they arrive: who is not above that half costs a life, or every other time the
    game, so many steps later. cut_off: a step of each fall with which another game begins. rows: that are held."""
    random = np.random.default_rng(3)
    replay = SequenceReplay(games * (rows or falls * PERIOD), games, (SIDE, SIDE), np.uint8)
    for number in range(falls):
        columns, drift, actions = (
            random.random(games) * 26 + 6,
            random.random(games) - 0.5,
            random.integers(2, size=games),
        )
        paths = [fall(4, (16, c), (6, d), 16) for c, d in zip(columns, drift, strict=True)]
        right = columns + 4 * drift + 1 > SIDE / 2
        for t in range(PERIOD):
            frames = [
                path[t] if t < 4 else picture(None, 4 + 20 * act) for path, act in zip(paths, actions, strict=True)
            ]
            lost = np.where((right != actions) & (t == 4 + lost_after), GAME_OVER if number % 2 else LIFE_LOST, GOES_ON)
            over = (right != actions) & (t == 5 + lost_after) & (number % 2 == 1)
            first = over | (t == cut_off)
            replay.add(
                frames=np.stack(frames),
                actions=actions if t == 4 else random.integers(2, size=games),
                rewards=np.zeros(games),
                first=first,
                ends=np.where(first, GOES_ON, lost),
            )
    return replay


def learner() -> ModelLearner:
    torch.manual_seed(0)
    built = ModelLearner(
        I2AConfig(model_rows=4, model_choices=4, model_updates=2),
        EnvironmentModel("local", 8, 2, STACK, (SIDE, SIDE)),
        torch.float32,
    )
    built.model.misses = calibrated()
    return built


def lost_of(replay: SequenceReplay, falls: range) -> list[bool]:
    """Of each fall, and of each game."""
    ends = replay.columns["ends"]
    return [
        any(ends[(4 + number * PERIOD + by) % replay.rows, game] for by in range(SOON))
        for number in falls
        for game in range(replay.num_games)
    ]


@pytest.mark.parametrize("lost_after", [0, 8, SOON - 1])
def test_what_came_of_each_fall_is_found_in_the_replay(lost_after: int) -> None:
    replay = replay_of(games=5, falls=6, lost_after=lost_after)
    seen, actions, missed = learner().falls(replay)
    assert len(seen) == 6 * 5
    assert missed.tolist() == lost_of(replay, range(6))
    assert 0 < missed.sum() < 30
    taken = [replay.columns["actions"][4 + number * PERIOD, game] for number in range(6) for game in range(5)]
    assert actions.tolist() == taken
    torch.testing.assert_close(seen[:, -1, 2], torch.full((30,), 34.5 - (SIDE - 2)))


def test_a_life_that_is_lost_later_was_lost_otherwise() -> None:
    assert learner().falls(replay_of(games=5, falls=6, lost_after=SOON))[2].tolist() == [0.0] * 30


def test_only_what_the_replay_still_holds_is_found() -> None:
    replay = replay_of(games=5, falls=6, rows=2 * PERIOD + 3)  # the oldest fall's last rows, and two whole ones
    _, _, missed = learner().falls(replay)
    assert missed.tolist() == lost_of(replay, range(4, 6))


@pytest.mark.parametrize("step", [2, 4, 8])
def test_of_games_that_were_cut_off_nothing_is_known(step: int) -> None:
    known = learner().falls(replay_of(games=5, falls=6, cut_off=step, lost_after=9))[2]
    assert len(known) == 0


def test_the_last_update_learns_which_balls_are_missed() -> None:
    replay, random = replay_of(games=20, falls=40), np.random.default_rng(0)
    built = learner()
    built.model.misses = Misses(2, STACK, (SIDE, SIDE))
    built.calibrate(replay, random)
    probes = torch.from_numpy(np.stack([fall(STACK, (22, c), (6, 0), 16) for c in (8.0, 8.0, 28.0, 28.0)]))
    stacks, actions = stack_to_cells(probes), torch.tensor([0, 1, 0, 1])
    built.learn(replay, random)
    assert built.model.misses(stacks, actions).max() < 1e-6
    built.learn(replay, random)
    missed = built.model.misses(stacks, actions)
    assert missed[[0, 3]].max() < 0.1
    assert missed[[1, 2]].min() > 0.9


def test_learning_again_from_the_same_gives_the_same() -> None:
    seen, actions, missed = learner().falls(replay_of(games=8, falls=6))
    one, two = calibrated(), calibrated()
    for misses in (one, two):
        torch.rand(1)  # the process's own chance goes on, and says nothing here
        chance = torch.get_rng_state()
        misses.learn(seen, actions, missed, np.random.default_rng(5))
        assert torch.equal(torch.get_rng_state(), chance)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name
    assert any(not torch.equal(tensor, calibrated().state_dict()[name]) for name, tensor in one.state_dict().items())
    first, second, third = (member[0].weight for member in one.members)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


@pytest.mark.parametrize("all_are", [0.0, 1.0])
def test_where_all_were_met_or_missed_nothing_is_learnt(all_are: float) -> None:
    seen, actions, missed = learner().falls(replay_of(games=8, falls=6))
    misses = calibrated()
    before = {name: tensor.clone() for name, tensor in misses.state_dict().items()}
    misses.learn(seen, actions, torch.full_like(missed, all_are), np.random.default_rng(0))
    for name, tensor in misses.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@torch.no_grad()
def test_the_agent_that_ships_knows_which_balls_are_missed() -> None:
    agent = load_agent(find_checkpoint("breakout-i2a"), "cpu", None)
    assert isinstance(agent, I2AAgent)
    model = agent.parts.environment_model
    assert model is not None
    random, foretold, lost = np.random.default_rng(0), [], []
    game = AtariGame("breakout", agent.settings, seed=0)
    while len(lost) < 120:
        observation = torch.from_numpy(game.observation)[None]
        if not game.needs_fire and model.misses.falling(model.misses.read(observation)).item():
            stacks, every = stack_to_cells(observation).expand(4, -1, -1, -1, -1).contiguous(), torch.arange(4)
            foretold += model.misses(stacks, every).tolist()
            now = game.snapshot()
            for action in range(4):
                lives = game.lives
                game.step(action)
                for _ in range(SOON):
                    if not game.over:
                        game.step(0)
                lost.append(game.lives < lives)
                game.restore(now)
        logits, _ = agent.parts.rollout_policy(network_input(observation.numpy(), agent.device))
        drawn = int(random.integers(4)) if random.random() < 0.2 else int(logits.argmax())
        game.step(1 if game.needs_fire else drawn)
        if game.over:
            game = AtariGame("breakout", agent.settings, seed=int(random.integers(1_000)))
    wrong = np.mean((np.array(foretold) > 0.5) != np.array(lost))
    assert wrong < min(0.1, np.mean(lost) / 3, 1 - np.mean(lost))
