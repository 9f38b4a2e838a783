from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region

from mbrl_tui.screens.arrangement import SMALLEST, Arrangement, InspectorArrangement, arrange, arrange_inspection

columns = st.integers(SMALLEST[0], 400)
rows = st.integers(SMALLEST[1] - 2, 120)
actions = st.integers(2, 18)


def parts(arrangement: Arrangement) -> list[Region]:
    """All parts that are shown."""
    everything = (*arrangement.boards, arrangement.facts, arrangement.bars, arrangement.chart)
    return [part for part in everything if part.area]


@given(columns, rows, actions, st.sampled_from([1, 2]), st.sampled_from([1.0, 1.3, 1.75]))
def test_parts_fill_the_terminal_without_overlapping(columns, rows, actions, boards, aspect):
    arrangement = arrange(columns, rows, aspect, boards, actions)
    room = Region(0, 0, columns, rows)
    shown = parts(arrangement)
    assert all(room.contains_region(part) for part in shown)
    assert not any(one.overlaps(other) for one, other in combinations(shown, 2))
    # Of two boards in an odd number of columns, one column is over.
    assert sum(part.area for part in shown) >= room.area - (columns % 2) * rows
    assert len(arrangement.boards) == boards
    assert all(board.width >= 20 and board.height >= 8 for board in arrangement.boards)


def test_the_picture_is_as_large_as_fits_beside_its_panels():
    alone = arrange(120, 39, 1.3, 1, 4)
    assert alone.boards == (Region(0, 0, 75, 39),)  # 73×37 cells of picture, within its border
    assert alone.facts.height + alone.bars.height + alone.chart.height == 39


def test_boards_are_alike():
    versus = arrange(200, 59, 1.3, 2, 4)
    assert versus.boards[0].size == versus.boards[1].size


def test_where_rows_are_few_the_chart_gives_way():
    assert arrange(60, 19, 1.3, 1, 4).chart.area == 0
    assert arrange(60, 19, 1.3, 2, 4).facts.area == 0


@given(columns, rows, actions, st.sampled_from([1.0, 1.3, 1.75]))
def test_the_inspectors_pictures_leave_room_for_numbers_and_strips(columns, rows, actions, aspect):
    place = arrange_inspection(columns, rows, aspect, actions)
    assert 3 * place.view <= columns - 20
    assert place.view >= 8
    assert 8 <= place.height <= rows - 8
    assert place.bars == 0 or place.height - place.bars >= 13


def test_the_inspector_in_usual_terminals():
    assert arrange_inspection(120, 40, 1.3, 4) == InspectorArrangement(17, 32, 0)
    assert arrange_inspection(200, 60, 1.3, 4).bars == 7
