"""Learning from parts of frames: a part is taught as the whole is, where its neighbours are to be seen."""

import numpy as np
import pytest
import torch

from agents.i2a.cells import to_cells
from agents.i2a.environment_model import RIM, EnvironmentModel, moving_parts


def model(**changes) -> EnvironmentModel:
    torch.manual_seed(0)
    built = EnvironmentModel("local", 8, num_actions=3, stack=2, frame_shape=(64, 64))
    built.usual.uniform_(0, 0.5)
    built.spread.uniform_(0.1, 1)
    return built


def part(lines: list[int], columns: list[int], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    span = torch.arange(size)
    return (torch.tensor(lines)[:, None] + span)[:, :, None], (torch.tensor(columns)[:, None] + span)[:, None, :]


def test_a_part_is_drawn_as_in_the_whole_away_from_its_rim() -> None:
    built, places = model(), part([3, 0], [5, 6], 10)
    stacks = torch.randint(0, 256, (2, 16, 16, 2, 16), dtype=torch.uint8)
    rows, actions = torch.arange(2)[:, None, None], torch.tensor([2, 1])
    with torch.no_grad():
        whole = built(stacks, actions, ()).change[rows, *places]
        alone = built(stacks[rows, *places], actions, (), places).change
    inner = slice(3, -3)  # three convolutions look three cells far
    torch.testing.assert_close(alone[:, inner, inner], whole[:, inner, inner])
    torch.testing.assert_close(alone[1, 0, inner], whole[1, 0, inner])  # at the upper edge of the frame
    assert not torch.allclose(alone[0, 0], whole[0, 0])


def test_the_rim_teaches_nothing_unless_the_frame_ends_there() -> None:
    seen = model()._well_seen(part([3, 0], [6, 3], 10))
    assert seen.shape == (2, 10, 10)
    assert seen[0].sum() == (10 - 2 * RIM) * (10 - RIM)  # its right edge is the frame's
    assert seen[1].sum() == (10 - RIM) * (10 - 2 * RIM)
    assert seen[0, RIM, -1] == 1
    assert seen[0, RIM, RIM - 1] == 0


def test_what_lies_outside_of_a_part_does_not_matter_and_what_lies_inside_does() -> None:
    built, places = model(), part([3], [4], 8)
    frames = torch.randint(0, 256, (4, 1, 64, 64), dtype=torch.uint8)
    none = torch.zeros(4, 1)
    columns = [torch.ones(4, 1, dtype=torch.int64), none, none.bool(), none + 1, none + 1]
    loss, parts = built.loss(frames, *columns, places)
    assert set(parts) == {"change", "value"}
    outside, inside = frames.clone(), frames.clone()
    outside[:, :, :12] = 7
    inside[-1, :, 28:32, 32:36] = 255 - inside[-1, :, 28:32, 32:36]
    assert built.loss(outside, *columns, places)[0].item() == pytest.approx(loss.item())
    assert built.loss(inside, *columns, places)[0].item() != pytest.approx(loss.item())


def test_parts_lie_around_what_moves() -> None:
    frames = torch.zeros(5, 3, 64, 64, dtype=torch.uint8)
    frames[2, 0, 20, 44] = 99  # cell (5, 11)
    frames[2, 1, 0, 63] = 99  # a corner
    lines, columns = moving_parts(frames, 6, torch.from_numpy(np.random.default_rng(0).random((3, 16, 16))))
    assert lines[0].flatten().tolist() == list(range(2, 8))
    assert columns[0].flatten().tolist() == list(range(8, 14))
    assert (lines[1, 0, 0], columns[1, 0, -1]) == (0, 15)
    assert to_cells(frames)[:, torch.arange(3)[:, None, None], lines, columns].shape == (5, 3, 6, 6, 16)
