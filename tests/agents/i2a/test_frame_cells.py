"""Frames as cells: nothing is lost, and a network that reads cells reads what it would of frames."""

import numpy as np
import torch

from agents.i2a.cells import from_cells, network_blocks, push, stack_from_cells, stack_to_cells, to_cells
from agents.layers import network_input


def frames(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def test_a_pixel_is_where_it_should_be() -> None:
    seen = frames(3, 16, 24)
    cells = to_cells(seen)
    assert cells.shape == (3, 4, 6, 16)
    assert cells[1, 3, 5, 4 * 1 + 2] == seen[1, 12 + 1, 20 + 2]
    assert torch.equal(from_cells(cells), seen)


def test_stacks_go_there_and_back() -> None:
    seen = frames(2, 4, 16, 24)
    cells = stack_to_cells(seen)
    assert cells.shape == (2, 4, 6, 4, 16)
    assert torch.equal(stack_from_cells(cells), seen)


def test_pushing_drops_the_oldest_frame() -> None:
    seen, new = frames(2, 4, 16, 16), frames(5, 16, 16)[:2]
    pushed = stack_from_cells(push(stack_to_cells(seen), to_cells(new)))
    assert torch.equal(pushed, torch.cat([seen[:, 1:], new[:, None]], 1))


def test_policies_read_cells_as_they_read_observations() -> None:
    seen = frames(3, 4, 80, 80)
    expected = network_input(seen.numpy(), torch.device("cpu"))
    got = network_blocks(stack_to_cells(seen), torch.float32)
    assert torch.equal(got, expected)
    assert got.stride() == expected.stride()
