"""The local trunk: it looks where something moves or may begin to, and no further than two looks reach."""

import pytest
import torch

from agents.i2a.cells import stack_to_cells
from agents.i2a.finding import MOVERS
from agents.i2a.local_trunk import MOST, REACH, SURELY, LocalTrunk, near_change

SIDE = 16
"""Cells."""


def trunk() -> LocalTrunk:
    torch.manual_seed(0)
    built = LocalTrunk(8, num_actions=3, stack=2, cells=(SIDE, SIDE))
    torch.nn.init.normal_(built.action, std=0.1)
    torch.nn.init.normal_(built.draw.weight)
    for layer in (built.movers.draw, built.movers.look):  # what it draws of what moves: test_movers.py
        torch.nn.init.zeros_(layer.weight)
    return built


def stacks_of(*pixels: tuple[int, int, int, int]) -> torch.Tensor:
    """Black stacks of two frames, but for (row of the batch, frame, line, column) of single pixels."""
    frames = torch.zeros(1 + max(row for row, *_ in pixels), 2, 4 * SIDE, 4 * SIDE, dtype=torch.uint8)
    for row, frame, line, column in pixels:
        frames[row, frame, line, column] = 200
    return stack_to_cells(frames)


def drawn_at(logits: torch.Tensor) -> list[tuple[int, int]]:
    """The first and the last cell, line and column, of which something is said: (h', w', 16, PLANES)."""
    active = (logits[..., 0] != -SURELY).any(-1).nonzero()
    return [tuple(active.amin(0).tolist()), tuple(active.amax(0).tolist())]


def test_it_draws_around_what_has_moved_and_nowhere_else() -> None:
    stacks = stacks_of((0, 1, 4 * 5 + 1, 4 * 9 + 3))  # in cell (5, 9), where nothing was before
    with torch.no_grad():
        drawn = trunk()(stacks, torch.tensor([1]), ()).planes
    assert drawn_at(drawn[0]) == [(5 - REACH, 9 - REACH), (5 + REACH, 9 + REACH)]
    assert ((drawn[0, ..., 0] != -SURELY).any(-1)).sum() == (2 * REACH + 1) ** 2


def test_what_stands_still_is_at_rest() -> None:
    stacks = stacks_of((0, 0, 30, 30), (0, 1, 30, 30))
    with torch.no_grad():
        drawn = trunk()(stacks, torch.tensor([1]), ()).planes
    assert (drawn[..., 0] == -SURELY).all()


def test_it_learns_where_things_begin_by_themselves() -> None:
    frames = torch.zeros(3, 2, 4 * SIDE, 4 * SIDE, dtype=torch.uint8)
    frames[1:, 0, 8, 8] = 99  # in cell (2, 2)
    frames[2, 0, 12, 12] = 99  # one cell further: no surprise
    frames[2, 1, 40, 60] = 99  # in cell (10, 15), from nothing
    built = trunk()
    built.calibrate(frames)
    assert built.restless.nonzero().tolist() == [[10, 15]]
    with torch.no_grad():
        drawn = built(stacks_of((0, 0, 0, 0), (0, 1, 0, 0)), torch.tensor([0]), ()).planes
    assert drawn_at(drawn[0]) == [(10, 15), (10, 15)]


@pytest.mark.parametrize(("away", "matters"), [(2 * REACH, True), (2 * REACH + 1, False)])
def test_two_looks_reach_so_far(away: int, matters: bool) -> None:
    """Through cells in between, which are active too."""
    moving = [(0, 1, 4 * 8, 4 * column) for column in range(4, 14)]
    one, two = stacks_of(*moving), stacks_of(*moving, (0, 0, 4 * 8 + 2, 4 * (4 + away) + 2))
    built = trunk()
    with torch.no_grad():
        before, after = (built(stacks, torch.tensor([2]), ()).planes[0, 8, 4] for stacks in (one, two))
    assert torch.allclose(before, after) != matters


def test_a_busy_row_changes_nothing_in_a_quiet_one() -> None:
    quiet = (0, 1, 30, 30)
    busy = [(1, 1, line, column) for line in range(0, 60, 9) for column in range(0, 60, 9)]
    built, actions = trunk(), torch.tensor([1, 2])
    with torch.no_grad():
        together = built(stacks_of(quiet, *busy), actions, ())
        alone = built(stacks_of(quiet), actions[:1], ())
    torch.testing.assert_close(together.planes[:1], alone.planes)
    assert together.features.shape[2] == MOST + MOVERS
    torch.testing.assert_close(together.features[0].amax(1), alone.features[0].amax(1))
    torch.testing.assert_close(together.features[0].sum(1), alone.features[0].sum(1))


def test_actions_matter_and_their_gradients_arrive() -> None:
    built, stacks = trunk(), stacks_of((0, 1, 30, 30), (1, 1, 30, 30))
    torch.nn.init.normal_(built.movers.draw.weight)
    both = built(stacks, torch.tensor([0, 1]), (), stacks_of((0, 0, 30, 30), (0, 1, 30, 33), (1, 1, 30, 33)))
    assert not torch.allclose(both.planes[0], both.planes[1])
    (both.planes[..., 0].sum() + both.features.sum() + both.moves.sum()).backward()
    for name, parameter in built.named_parameters():
        # Two frames cannot tell what is hidden, and no place is known where something appears.
        hides = name == "movers.hidden" or name.startswith("movers.births.")
        assert (parameter.grad.abs().max() > 0) != hides, name
    assert built.action.grad[0, 7 * SIDE + 7].abs().max() > 0
    assert built.action.grad[2].abs().max() == 0


def test_nearness_by_hand() -> None:
    before, now = torch.zeros(2, 1, 6, 6, 16, dtype=torch.uint8)
    now[0, 1, 4, 3], now[0, 1, 4, 9] = 1, 1
    near = near_change(before, now)[0]
    assert torch.equal(near, near_change(before, now * (torch.arange(16) > 7))[0])  # any pixel of a cell counts
    assert near.nonzero()[:, 0].unique().tolist() == [0, 1, 2, 3]
    assert near.nonzero()[:, 1].unique().tolist() == [2, 3, 4, 5]
