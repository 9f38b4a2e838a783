"""Prioritised replay: importance weights by hand, the sum tree against a list, the sampler against what was played."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.interfaces import GameSteps
from agents.replay.frames import SKIP, Draw, FrameReplay
from agents.replay.priorities import SMALLEST, PrioritisedSampler, SumTree, importance_weights

RANDOM = np.random.default_rng(0)


# -- importance weights ---------------------------------------------------------------------------------------


def test_importance_weights_by_hand() -> None:
    # (N·P)^−½ of P = 1/10, 4/10, 9/10 … up to a common factor: 1, 1/2, 1/3; the largest is 1 already
    assert importance_weights(np.array([1.0, 4.0, 9.0]), 0.5).tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    # In full (β = 1) a transition drawn four times as often counts a quarter.
    assert importance_weights(np.array([8.0, 2.0]), 1.0).tolist() == pytest.approx([0.25, 1.0])
    assert importance_weights(np.array([8.0, 2.0]), 0.0).tolist() == [1.0, 1.0]


def test_equal_probabilities_weigh_one_exactly() -> None:
    assert (importance_weights(np.full(7, 0.3), 0.77) == 1).all()


# -- the sum tree ---------------------------------------------------------------------------------------------


def test_the_sum_tree_by_hand() -> None:
    tree = SumTree(5)
    tree.set(np.array([0, 1, 2, 3, 4]), np.array([3.0, 0.0, 1.0, 2.0, 4.0]))
    assert tree.total == 10
    # the running sum is 3 3 4 6 10
    assert tree.find(np.array([0, 2.9, 3, 3.9, 4, 5.9, 6, 9.9])).tolist() == [0, 0, 2, 2, 3, 3, 4, 4]
    tree.set(np.array([3]), 0.0)
    assert tree.find(np.array([3.9, 4.0])).tolist() == [2, 4]


def test_a_mass_past_the_end_finds_the_last_slot_that_weighs_something() -> None:
    tree = SumTree(6)
    tree.set(np.array([1, 3]), np.array([1.0, 2.0]))
    assert tree.find(np.array([3.0, 3.1])).tolist() == [3, 3]


def test_of_a_slot_named_twice_the_last_weight_counts() -> None:
    tree = SumTree(3)
    tree.set(np.array([1, 2, 1]), np.array([5.0, 1.0, 2.0]))
    assert tree.weights.tolist() == [0, 2, 1]
    assert tree.total == 3


# Whole numbers, so that a list adds them up to the same sums in any order.
batches = st.lists(st.lists(st.tuples(st.integers(0, 36), st.integers(0, 9)), min_size=1, max_size=12), max_size=8)


@given(size=st.integers(1, 37), batches=batches, share=st.floats(0, 1, exclude_max=True))
def test_against_a_list_of_weights(size: int, batches: list[list[tuple[int, int]]], share: float) -> None:
    tree, naive = SumTree(size), [0] * size
    for batch in batches:
        for slot, weight in batch:
            naive[slot % size] = weight
        slots, weights = np.array(batch).T
        tree.set(slots % size, weights)
    assert tree.weights.tolist() == naive
    assert tree.total == sum(naive)
    if sum(naive):
        mass = share * sum(naive)
        expected = next(slot for slot, running in enumerate(itertools.accumulate(naive)) if mass < running)
        assert tree.find(np.array([mass])).tolist() == [expected]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.integers(0, 2**32))
def test_nothing_without_weight_is_ever_found(weights: list[float], seed: int) -> None:
    tree = SumTree(len(weights))
    tree.set(np.arange(len(weights)), np.array(weights))
    if tree.total > 0:
        masses = np.append(np.random.default_rng(seed).random(50) * tree.total, [0, tree.total])
        assert (tree.weights[tree.find(masses)] > 0).all()


# -- the sampler ----------------------------------------------------------------------------------------------


def play(replay: FrameReplay, kinds: str) -> None:
    """One step of all games for each letter: '.' goes on, 'x' ends, 's' begins a new game (no transition)."""
    games = replay.num_games
    for kind in kinds:
        number, none = replay.added + 1, np.zeros(games, bool)
        observations = np.full((games, replay.stack, 1, 1), number % 256, np.uint8)
        ended, began = np.full(games, kind == "x"), np.full(games, kind == "s")
        rewards = np.zeros(games, np.float32)
        replay.add_steps(observations, GameSteps(observations, np.zeros(games, int), rewards, ended, none, none, began))


def small(rows: int = 12, games: int = 2) -> FrameReplay:
    return FrameReplay(rows * games, games, (1, 1), np.uint8, stack=3)


def priorities(sampler: PrioritisedSampler) -> list[list[float]]:
    return sampler.state()["priorities"].round(4).tolist()


def at(row: int, game: int) -> Draw:
    return Draw(np.array([row]), np.array([game]), np.ones(1))


def test_new_transitions_have_the_largest_priority_so_far() -> None:
    replay = small()
    sampler = PrioritisedSampler(replay, 2, 0.5)
    play(replay, "....")
    # of four rows, the last two still wait for o_{t+2}
    assert priorities(sampler)[:5] == [[1, 1], [1, 1], [0, 0], [0, 0], [0, 0]]
    sampler.update(at(0, 1), np.array([-9.0]))
    sampler.update(at(1, 0), np.array([0.25]))
    play(replay, "..")
    assert priorities(sampler)[:5] == [[1, 3], [0.5, 1], [3, 3], [3, 3], [0, 0]]


def test_a_transition_without_error_can_still_be_drawn() -> None:
    replay = small()
    sampler = PrioritisedSampler(replay, 1, 0.5)
    play(replay, "..")
    assert sampler.ready()
    sampler.update(at(0, 0), np.array([0.0]))
    assert sampler.tree.weights[0] == pytest.approx(SMALLEST**0.5)


def test_the_beginning_of_a_game_is_never_drawn() -> None:
    replay = small()
    sampler = PrioritisedSampler(replay, 1, 1.0)
    play(replay, "..xs...")
    assert priorities(sampler)[:7] == [[1, 1], [1, 1], [1, 1], [0, 0], [1, 1], [1, 1], [0, 0]]
    replay.break_off()
    play(replay, "..")
    assert priorities(sampler)[5:9] == [[1, 1], [0, 0], [1, 1], [0, 0]]


def test_rows_leave_before_they_are_overwritten() -> None:
    replay = small(rows=6)
    sampler = PrioritisedSampler(replay, 1, 1.0)
    play(replay, "." * 6)
    assert priorities(sampler) == [[1, 1]] * 5 + [[0, 0]]
    play(replay, ".")
    # row 6 lies where row 0 was; rows 1 and 2 have lost frames of their stack
    assert priorities(sampler) == [[0, 0], [0, 0], [0, 0], [1, 1], [1, 1], [1, 1]]


def test_drawing_follows_the_priorities_and_tells_them() -> None:
    replay = small(games=1)
    sampler = PrioritisedSampler(replay, 1, 1.0)
    play(replay, "." * 5)
    assert sampler.ready()
    for row, error in enumerate((1.0, 2.0, 3.0, 4.0)):
        sampler.update(at(row, 0), np.array([error]))
    draw = sampler.draw(10_000, RANDOM)
    # Drawn from equal parts of the total: shares are exact but for the parts at the borders.
    assert np.bincount(draw.rows, minlength=4).tolist() == pytest.approx([1_000, 2_000, 3_000, 4_000], abs=2)
    np.testing.assert_allclose(draw.probabilities, draw.rows + 1, rtol=1e-5)


def test_nothing_to_draw_is_told() -> None:
    sampler = PrioritisedSampler(small(), 3, 0.6)
    play(sampler.replay, "...")
    assert not sampler.ready()
    with pytest.raises(ValueError, match="too few"):
        sampler.draw(1, RANDOM)


stretches = st.lists(st.tuples(st.text("....xs", max_size=30), st.booleans()), min_size=1, max_size=8)


@given(stretches, st.integers(1, 4), st.integers(8, 20), st.integers(0, 2**32))
def test_the_tree_holds_all_that_can_be_drawn_and_nothing_else(stretches, n_step: int, rows: int, seed: int) -> None:
    """Drawn from after every stretch or only now and then, gone round once or many times."""
    replay, random = small(rows), np.random.default_rng(seed)
    sampler = PrioritisedSampler(replay, n_step, 0.7)
    learnt: dict[tuple[int, int], float] = {}
    largest = 1.0
    for kinds, draws in stretches:
        play(replay, kinds)
        if draws and sampler.ready():
            draw, errors = sampler.draw(5, random), random.normal(size=5)
            sampler.update(draw, errors)
            priorities = (np.abs(errors) + SMALLEST) ** 0.7
            learnt |= dict(zip(zip(draw.rows.tolist(), draw.games.tolist(), strict=True), priorities, strict=True))
            largest = max(largest, *priorities)
    sampler.ready()
    held = sampler.tree.weights.reshape(rows, 2)
    first, stop = replay.complete(n_step)
    for row, game in np.ndindex(rows, 2):
        number = first + (row - first) % rows  # of the row that lies, or is about to lie, in this slot
        if number >= stop or replay.ends[row, game] == SKIP:
            assert held[row, game] == 0
        elif (number, game) in learnt:
            assert held[row, game] == pytest.approx(learnt[number, game])
        else:
            assert 1 <= held[row, game] <= largest + 1e-6
    if sampler.tree.total:
        draw = sampler.draw(50, random)
        assert ((draw.rows >= first) & (draw.rows < stop)).all()
        assert replay.is_transition(draw.rows, draw.games).all()


def test_a_saved_sampler_goes_on_exactly() -> None:
    replay = small()
    sampler = PrioritisedSampler(replay, 2, 0.6)
    play(replay, "....xs..........")
    sampler.update(sampler.draw(6, RANDOM), RANDOM.normal(size=6) * 3)
    play(replay, "..")  # rows that the tree has not followed yet
    copy = PrioritisedSampler(replay, 2, 0.6)
    copy.load({name: column.copy() for name, column in sampler.state().items()})
    for _ in range(3):
        play(replay, "...")
        first, second = (own.draw(8, np.random.default_rng(5)) for own in (sampler, copy))
        np.testing.assert_array_equal(first.rows, second.rows)
        np.testing.assert_array_equal(first.games, second.games)
        np.testing.assert_array_equal(first.probabilities, second.probabilities)
        for own, draw in ((sampler, first), (copy, second)):
            own.update(draw, np.arange(8.0))


def test_priorities_of_another_replay_are_refused() -> None:
    state = PrioritisedSampler(small(), 1, 0.6).state()
    with pytest.raises(ValueError, match="not those of this replay"):
        PrioritisedSampler(small(rows=13), 1, 0.6).load(state)
