import math

import numpy as np
import pytest

from agents.records import Moment
from mbrl_tui.dream.tree import Kind, Start, Tree, discounted_return, joined

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


@pytest.fixture
def tree(future) -> Tree:
    """Two steps ahead, all imagined; the last value of root k is k."""
    tree = Tree(Moment(np.zeros((4, 84, 84), np.uint8), np.full((2, 2, 3), 99, np.uint8)), NAMES, 2)
    for place, root in enumerate(tree.roots):
        root.imagined(future([0, 0], [0, 0, place], actions=[*root.given, 3, 3][:2]))
    return tree


def test_the_return_is_discounted_rewards_and_the_last_value(future):
    # 1 + 0.5·2 + 0.25·8
    assert discounted_return(future([1, 2], [9, 9, 8]), 0, 0.5) == pytest.approx(4)


def test_the_return_counts_nothing_after_the_end(future):
    # The reward on the way to the end counts; the second one and the value do so by the chance to see them.
    assert discounted_return(future([1, 2], [9, 9, 8], continues=[0.5, 0.5]), 0, 0.5) == pytest.approx(1 + 0.5 + 0.5)
    assert discounted_return(future([1, 2], [9, 9, 8], continues=[0, 1]), 0) == pytest.approx(1)


def test_the_return_is_of_the_row_asked_for(future, stacked):
    both = stacked(future([1, 0], [0, 0, 0]), future([0, 0], [0, 0, 100]))
    assert discounted_return(both, 0, 0.9) == pytest.approx(1)
    assert discounted_return(both, 1, 0.9) == pytest.approx(81)


def test_there_is_a_future_of_the_agents_own_choice_and_one_for_each_action():
    tree = Tree(Moment(np.zeros(1), np.zeros((2, 2, 3), np.uint8)), NAMES, 5)
    assert [root.label for root in tree.roots] == ["agent", *NAMES]
    assert [root.given for root in tree.roots] == [(), (0,), (1,), (2,), (3,)]
    assert tree.missing() == tree.roots
    assert tree.best == frozenset()
    assert tree.model is None


def test_the_best_futures_are_known_when_all_have_come(tree, future):
    assert tree.best == {tree.roots[4]}
    tree.roots[1].imagined(future([0, 0], [0, 0, 4]))
    assert tree.best == {tree.roots[1], tree.roots[4]}
    tree.branch(tree.roots[0], 1, 2)
    assert tree.best == frozenset()


def test_a_branch_shares_its_parents_actions_up_to_where_it_leaves(tree):
    parent = tree.roots[2]
    child = tree.branch(parent, 1, 0)
    assert child.given == (1, 0)
    assert (child.parent, child.at, child.depth, child.label) == (parent, 1, 1, "2 NOOP")
    assert tree.visible == [*tree.roots[:3], child, *tree.roots[3:]]
    assert tree.branch(parent, 1, 0) is child  # and no second one
    assert tree.missing() == [child]


def test_a_foreseen_branch_is_in_no_tree_until_it_is_grown(tree, future):
    parent = tree.roots[2]
    tree.foresee(parent, 1, 0)
    foreseen = tree.foreseen
    assert foreseen.given == (1, 0)
    assert foreseen not in tree.branches
    assert tree.missing() == []
    foreseen.imagined(future([0, 0], [0, 0, 9], actions=[1, 0]))
    assert tree.branch(parent, 1, 1) is not foreseen
    assert tree.branch(parent, 1, 0) is foreseen
    assert foreseen in parent.children
    assert tree.foreseen is None
    tree.foresee(parent, 1, 0)  # it is there
    assert tree.foreseen is None


def test_branches_grow_on_branches(tree, future):
    child = tree.branch(tree.roots[2], 0, 3)
    child.imagined(future([0, 0], [0, 0, 0], actions=[3, 1]))
    grandchild = tree.branch(child, 1, 2)
    assert grandchild.given == (3, 2)
    assert grandchild.depth == 2


@pytest.mark.parametrize("step", [-1, 2, 7])
def test_nothing_branches_off_where_nothing_follows(tree, step):
    with pytest.raises(ValueError, match="nothing follows"):
        tree.branch(tree.roots[0], step, 0)


def test_folding_hides_what_leaves_a_future(tree):
    child = tree.branch(tree.roots[0], 1, 0)
    tree.roots[0].folded = True
    assert child not in tree.visible
    assert child in tree.branches
    tree.branch(tree.roots[0], 1, 1)  # growing unfolds
    assert child in tree.visible


def test_a_pruned_branch_is_gone_with_all_that_leave_it(tree, future):
    child = tree.branch(tree.roots[0], 1, 0)
    child.imagined(future([0, 0], [0, 0, 0], actions=[3, 0]))
    tree.branch(child, 1, 1)
    tree.prune(child)
    tree.prune(tree.roots[0])  # those of the present stay
    assert tree.visible == tree.roots


def test_draws_repeat_all_actions_and_do_not_compete(tree, future):
    parent = tree.roots[3]
    draws = tree.sample(parent, 3)
    assert [draw.draw for draw in draws] == [(0, 3), (1, 3), (2, 3)]
    assert {draw.given for draw in draws} == {parent.actions}
    for draw in draws:
        draw.imagined(future([50, 50], [0, 0, 50]))
    assert tree.best == {tree.roots[4]}
    tree.sample(parent, 2)
    assert [child.draw for child in parent.children] == [(0, 2), (1, 2)]
    with pytest.raises(ValueError, match="expects"):
        tree.sample(parent.children[0], 2)


def test_a_branch_of_a_draw_is_drawn_alike(tree, future):
    draw = tree.sample(tree.roots[0], 4)[2]
    draw.imagined(future([0, 0], [0, 0, 0], actions=[3, 3]))
    assert tree.branch(draw, 1, 0).draw == (2, 4)


def test_a_longer_horizon_asks_for_all_anew_and_a_shorter_one_drops_what_lies_beyond(tree):
    child = tree.branch(tree.roots[0], 1, 0)
    tree.set_horizon(3)
    assert set(tree.missing()) == {*tree.roots, child}
    assert tree.roots[0].rollout is not None  # to be looked at until the new one is there
    tree.set_horizon(1)
    assert child not in tree.branches
    tree.set_horizon(0)
    assert tree.horizon == 1
    tree.set_horizon(999)
    assert tree.horizon == 50


def test_a_look_begins_anew_from_its_step_with_what_came_before(tree, future):
    parent = tree.roots[1]
    start = Start(tree.moment, 1, parent.rollout)
    child = tree.look(parent, start)
    assert (child.kind, child.at, child.given) == (Kind.LOOK, 1, parent.actions)
    child.imagined(future([5], [6, 7], actions=[2]))
    assert child.rollout.actions.tolist() == [[0, 2]]
    assert child.rollout.rewards.tolist() == [[0, 5]]
    assert child.rollout.values.tolist() == [[0, 6, 7]]
    # What branches off before the look leaves the future that had not looked yet.
    assert tree.branch(child, 0, 3).parent is parent
    later = tree.branch(child, 1, 3)
    assert (later.parent, later.start) == (child, start)


def test_joining_by_hand(future):
    both = joined(future([1, 2, 3], [1, 2, 3, 4]), 2, future([8, 9], [7, 8, 9]))
    assert both.rewards.tolist() == [[1, 2, 8, 9]]
    assert both.values.tolist() == [[1, 2, 7, 8, 9]]
    assert both.frames[0, :, 0, 0, 0].tolist() == [0, 1, 0, 1, 2]


def test_a_model_that_gives_no_number_is_found_out(tree, future):
    broken = tree.roots[0]
    broken.imagined(future([0, math.nan], [0, 0, 1]))
    assert broken.broken == 2
    assert broken.worth is None
    assert tree.best == {tree.roots[4]}
    broken.imagined(future([0, 0], [math.inf, 0, 1]))
    assert broken.broken == 0
    for root in tree.roots:
        root.imagined(future([0, 0], [0, 0, math.nan]))
    assert tree.best == frozenset()
