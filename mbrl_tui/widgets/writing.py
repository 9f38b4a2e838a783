"""Words and numbers in a given number of cells."""

from __future__ import annotations

from math import isfinite

from rich.cells import cell_len, set_cell_size


def exactly(text: str, width: int, *, centre: bool = False, right: bool = False) -> str:
    """The text in `width` cells of one line: padded, or cut with an ellipsis."""
    text = " ".join(text.splitlines())
    width = max(0, width)
    room = width - cell_len(text)
    if room < 0:
        return set_cell_size(set_cell_size(text, max(0, width - 1)) + "…", width)
    left = room if right else room // 2 if centre else 0
    return " " * left + text + " " * (room - left)


def brief(number: float, digits: int = 3) -> str:
    """To about `digits` significant digits: 1.52, 12.3, 123, 1234."""
    if not isfinite(number):
        return "–"
    if abs(number) >= 1e6:
        return f"{number:.0e}"
    return f"{number:.{max(0, digits - len(f'{abs(number):.0f}'))}f}"


def signed(number: float) -> str:
    """A reward, to one decimal: +1, −20, +0.5; nothing for one that rounds to 0, as a learnt model expects many."""
    if not isfinite(number):
        return "–"
    text = f"{number:+.1f}".removesuffix(".0").replace("-", "−")
    return "" if text in ("+0", "−0") else text


def share(number: float) -> str:
    """A probability: 99%, 0%; – for what is no number."""
    return f"{number:.0%}" if isfinite(number) else "–"
