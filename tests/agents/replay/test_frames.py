"""The frame replay: stacks, n-step returns and ends on numbers worked by hand and against a naive memory."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import UserError
from agents.interfaces import GameSteps
from agents.replay.frames import SKIP, FrameReplay, UniformSampler


class ScriptedGame:
    """One game of frames 1, 2, 3, …: each frame a single pixel, so that a stack shows which frames it holds."""

    def __init__(self, stack: int = 3):
        self.stack = stack
        self.frame = 0
        self.observation = np.zeros((1, stack, 1, 1), np.uint8)
        self.begin()

    def begin(self) -> None:
        self.observation = np.zeros_like(self.observation)
        self.push()

    def push(self) -> None:
        self.frame += 1
        self.observation = np.concatenate([self.observation[:, 1:], np.full((1, 1, 1, 1), self.frame, np.uint8)], 1)

    def step(self, replay: FrameReplay, reward: float = 0.0, end: str = "") -> None:
        """Take one step that ends as `end` says: '', 'life', 'over', 'cut', or 'began' (a new game begins)."""
        before = self.observation
        self.begin() if end == "began" else self.push()
        replay.add_steps(
            before,
            GameSteps(
                observations=self.observation,
                actions=np.array([self.frame % 4]),
                rewards=np.array([reward], np.float32),
                terminated=np.array([end == "over"]),
                truncated=np.array([end == "cut"]),
                life_lost=np.array([end == "life"]),
                began=np.array([end == "began"]),
            ),
        )


def pixels(observations: np.ndarray) -> list[list[int]]:
    return observations[:, :, 0, 0].tolist()


def draw_all(replay: FrameReplay, n_step: int = 1, discount: float = 0.5) -> dict[int, tuple]:
    """Every transition that can be drawn, by its newest frame."""
    draw = UniformSampler(replay, n_step).draw(600, np.random.default_rng(0))
    batch = replay.transitions(draw, n_step, discount)
    found = {}
    for i in range(600):
        o, after = pixels(batch.observations[i : i + 1])[0], pixels(batch.next_observations[i : i + 1])[0]
        found[o[-1]] = (o, int(batch.actions[i]), float(batch.returns[i]), float(batch.discounts[i]), after)
    return found


def small(capacity: int = 40, **options) -> FrameReplay:
    return FrameReplay(capacity, 1, (1, 1), np.uint8, stack=3, **options)


def test_a_transition_is_the_one_that_was_played() -> None:
    replay, game = small(), ScriptedGame()
    for reward in (0, 7, -3, 0, 0):
        game.step(replay, reward)
    found = draw_all(replay)
    # frames 1 2 3 4 5: o_1 = [0 0 1], the step from it shows frame 2 and has action 2 % 4
    assert found[1] == ([0, 0, 1], 2, 0.0, 0.5, [0, 1, 2])
    assert found[2] == ([0, 1, 2], 3, 1.0, 0.5, [1, 2, 3])  # a reward of 7 is clipped to its sign
    assert found[3] == ([1, 2, 3], 0, -1.0, 0.5, [2, 3, 4])
    assert 5 not in found  # what follows it is not in the replay yet


def test_rewards_can_be_kept_unclipped() -> None:
    replay, game = small(clip_rewards=False), ScriptedGame()
    for reward in (7, 0, 0):
        game.step(replay, reward)
    assert draw_all(replay)[1][2] == 7.0


def test_n_step_returns_by_hand() -> None:
    replay, game = small(), ScriptedGame()
    for reward in (1, 0, 1, 0, 0, 0):
        game.step(replay, reward)
    found = draw_all(replay, n_step=3)
    # G = 1 + 0/2 + 1/4, bootstrapped by 1/8 from the observation three steps on
    assert found[1][2:] == (1.25, 0.125, [2, 3, 4])
    assert found[2][2:] == (0.5, 0.125, [3, 4, 5])


@pytest.mark.parametrize("end", ["life", "over"])
def test_a_terminal_state_cuts_the_return(end: str) -> None:
    replay, game = small(), ScriptedGame()
    game.step(replay, 1)
    game.step(replay, 1, end)
    if end == "over":
        game.step(replay, 0, "began")
    for _ in range(4):
        game.step(replay, 1)
    found = draw_all(replay, n_step=3)
    assert found[1][2:4] == (1.5, 0.0)
    assert found[2][2:4] == (1.0, 0.0)


def test_after_a_lost_life_the_frames_go_on() -> None:
    replay, game = small(), ScriptedGame()
    game.step(replay)
    game.step(replay, 0, "life")
    for _ in range(3):
        game.step(replay)
    assert draw_all(replay)[3][0] == [1, 2, 3]


def test_a_game_cut_off_is_bootstrapped_from_its_last_frame() -> None:
    replay, game = small(), ScriptedGame()
    game.step(replay, 1)
    game.step(replay, 1, "cut")
    game.step(replay, 0, "began")
    for _ in range(4):
        game.step(replay, 1)
    found = draw_all(replay, n_step=3)
    assert found[1][2:] == (1.5, 0.25, [1, 2, 3])
    assert found[2][2:] == (1.0, 0.5, [1, 2, 3])
    assert 3 not in found  # the step that began the new game is no transition
    assert found[4][0] == [0, 0, 4]  # and the new game's stack holds nothing of the old one


def test_breaking_off_parts_the_games_of_two_sessions() -> None:
    replay, game = small(), ScriptedGame()
    game.step(replay)
    game.step(replay)
    replay.break_off()
    game.begin()
    for _ in range(3):
        game.step(replay)
    found = draw_all(replay)
    assert 2 not in found
    assert found[4][0] == [0, 0, 4]
    assert draw_all(replay, n_step=2)[1][2:] == (0.0, 0.5, [0, 1, 2])  # bootstrapped from the last frame, not over it


def test_a_replay_of_nothing_but_broken_games_is_not_ready() -> None:
    replay, game = small(), ScriptedGame()
    for _ in range(4):
        game.step(replay)
        replay.break_off()
        game.begin()
    sampler = UniformSampler(replay, 1)
    assert not sampler.ready()
    with pytest.raises(ValueError, match="too few"):
        sampler.draw(1, np.random.default_rng(0))


kinds = st.sampled_from(["", "", "", "", "life", "over", "cut", "break"])
events = st.lists(st.tuples(st.integers(-2, 2), kinds), min_size=12)


@settings(max_examples=60, deadline=None)
@given(events=events, capacity=st.integers(8, 30), n_step=st.integers(1, 4))
def test_against_a_naive_memory(events: list[tuple[int, str]], capacity: int, n_step: int) -> None:
    """Whatever happened, whatever was overwritten: each draw is a transition that a list of steps gives."""
    replay, game, history = small(capacity), ScriptedGame(), []
    for reward, end in events:
        history.append((game.observation.copy(), np.sign(reward), end))
        game.step(replay, reward, end)
        if end == "break":
            replay.break_off()
            game.begin()
        if end in ("over", "cut"):
            history.append((game.observation.copy(), 0, "began"))
            game.step(replay, 0, "began")
    history.append((game.observation.copy(), 0, ""))
    expected = {}
    for t, (observation, _, kind) in enumerate(history[:-1]):
        if kind in ("began", "break"):
            continue
        total, factor, k = 0.0, 1.0, 0
        while k < n_step and t + k < len(history) - 1:
            _, reward, end = history[t + k]
            if end == "break":
                break
            total += factor * reward
            factor *= 0.5
            k += 1
            if end:
                factor *= end == "cut"
                break
        after = history[t + k][0]
        expected[int(observation[0, -1, 0, 0])] = (pixels(observation)[0], total, factor, pixels(after)[0])
    try:
        found = draw_all(replay, n_step)
    except ValueError:
        return
    for newest, (observation, _, total, factor, after) in found.items():
        assert expected[newest][:3] == (observation, total, factor)
        if factor:
            assert expected[newest][3] == after


def test_too_few_steps_to_sample_from() -> None:
    replay, game = small(), ScriptedGame()
    game.step(replay)
    with pytest.raises(ValueError, match="too few"):
        UniformSampler(replay, 3).draw(1, np.random.default_rng(0))


@settings(max_examples=25, deadline=None)
@given(first=st.integers(1, 40), second=st.integers(0, 40), data=st.data())
def test_a_saved_replay_comes_back(first: int, second: int, data: st.DataObject, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("replay")
    replay, game = small(20), ScriptedGame()
    for _ in range(first):
        game.step(replay, data.draw(st.integers(-1, 1)), data.draw(st.sampled_from(["", "", "life"])))
    replay.save_frames(folder)
    for _ in range(second):
        game.step(replay)
    names = replay.save_frames(folder)
    copy = small(20)
    copy.load(folder, names, {name: column.copy() for name, column in replay.state().items()}, replay.added)
    held = np.arange(max(0, replay.added - replay.rows), replay.added) % replay.rows
    np.testing.assert_array_equal(copy.frames[held], replay.frames[held])
    np.testing.assert_array_equal(copy.ends, replay.ends)
    assert len(copy) == len(replay)


def test_saving_again_writes_only_what_is_new(tmp_path: Path) -> None:
    replay, game = small(400), ScriptedGame()
    for _ in range(150):
        game.step(replay)
    replay.save_frames(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    for _ in range(30):
        game.step(replay)
    replay.save_frames(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.name in before} == before


def test_damaged_files_are_noticed(tmp_path: Path) -> None:
    replay, game = small(), ScriptedGame()
    for _ in range(20):
        game.step(replay)
    names = replay.save_frames(tmp_path)
    state = {name: column.copy() for name, column in replay.state().items()}
    (tmp_path / names[0]).write_bytes((tmp_path / names[0]).read_bytes()[:-3])
    with pytest.raises(ValueError, match="damaged"):
        small().load(tmp_path, names, state, replay.added)
    with pytest.raises(ValueError, match="saved replay"):
        small(80).load(tmp_path, names, state, replay.added)


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    replay, game = small(), ScriptedGame()
    for _ in range(5):
        game.step(replay)
    with pytest.raises(UserError, match="Cannot write"):
        replay.save_frames(tmp_path / "not there")


def test_a_million_atari_transitions_fit_in_7_2_gigabytes() -> None:
    replay = FrameReplay(1_000_000, 32)  # zero pages are not taken from the system until they are written
    assert replay.rows * replay.num_games == 1_000_000
    assert replay.nbytes <= 7.2e9


def test_a_replay_that_holds_less_than_two_observations_is_refused() -> None:
    with pytest.raises(ValueError, match="less than two"):
        FrameReplay(20, 8)


def test_skipped_rows_are_never_drawn() -> None:
    replay, game = small(), ScriptedGame()
    for t in range(30):
        game.step(replay, 0, "over" if t % 3 == 1 else "began" if t % 3 == 2 else "")
    draw = UniformSampler(replay, 1).draw(500, np.random.default_rng(0))
    assert (replay.ends[draw.rows % replay.rows, draw.games] != SKIP).all()
