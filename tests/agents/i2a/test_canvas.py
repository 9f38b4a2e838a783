"""Drawings are added where they belong, and what is drawn on the rim is cut off."""

import torch

from agents.i2a.canvas import RIM, Canvas, order_of_cells, with_rim
from agents.i2a.cells import PLANES, from_cells

CELLS = (2, 3)


def drawn(pixels: torch.Tensor, count: int = 2) -> torch.Tensor:
    """What is seen of ones in these pixels (K, n): (count, h, w)."""
    canvas = Canvas(count, CELLS, torch.device("cpu"))
    canvas.draw(pixels, torch.ones(*pixels.shape, PLANES))
    frames = canvas.frames()
    assert frames.shape == (count, *CELLS, 16, PLANES)
    assert (frames == frames[..., :1]).all()
    return from_cells(frames[..., 0])


def test_cells_by_hand() -> None:
    canvas = Canvas(2, CELLS, torch.device("cpu"))
    seen = drawn(canvas.pixels_of(torch.tensor([1]), torch.tensor([1]), torch.tensor([2])))
    wanted = torch.zeros(2, 8, 12)
    wanted[1, 4:8, 8:12] = 1
    assert torch.equal(seen, wanted)


def test_pixels_by_hand() -> None:
    height, width = (4 * side for side in with_rim(CELLS))
    line, column = 4 * RIM + 5, 4 * RIM + 11
    at = order_of_cells(CELLS)[line * width + column]
    seen = drawn(torch.tensor([[at + height * width, at + height * width]]))
    assert seen.nonzero().tolist() == [[1, 5, 11]]
    assert seen[1, 5, 11] == 2  # drawings are added


def test_the_rim_is_cut_off() -> None:
    width = 4 * with_rim(CELLS)[1]
    order = order_of_cells(CELLS)
    assert sorted(order.tolist()) == list(range(len(order)))
    above, left = (4 * RIM - 1) * width + 4 * RIM + 2, 4 * RIM * width + 4 * RIM - 1
    assert not drawn(order[[above, left]][None]).any()
