"""Imagined futures as a picture, an animation, or plain data: what `mbrl imagine` gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from agents.errors import UserError
from agents.records import Rollout
from mbrl_tui.dream.tree import discounted_return
from mbrl_tui.dream.truth import Truth
from mbrl_tui.terminal import cells

SIDE = 128
"""Height and width of a frame. A television drew Atari's pixels wider than high, so a screen is about square."""
GAP = 6
LINE = 16
"""Height of a line of words."""
MARGIN = 96
"""Width of the words at the left."""
BACKGROUND, INK, FAINT, LOST = (16, 14, 20), (224, 217, 213), (140, 132, 124), (110, 120, 230)
"""Colours, blue first, as OpenCV's drawing takes them."""
STEP_MS = 250
"""Time for which an animation shows a step."""


@dataclass(frozen=True)
class Future:
    """One imagined future, a rollout of one row, and what is true of it, where that was asked for."""

    label: str
    rollout: Rollout
    truth: Truth | None = None

    @property
    def words(self) -> list[str]:
        """What there is to say of all of it."""
        worth = discounted_return(self.rollout, 0)
        words = [self.label, f"return {worth:.2f}" if np.isfinite(worth) else "no return"]
        if self.truth is not None:
            parted = self.truth.parted
            words.append("stays true" if parted is None else f"parts at {parted}")
        return words


def strip(futures: Sequence[Future], action_names: Sequence[str]) -> np.ndarray:
    """All steps of all futures as one picture (height, width, 3) uint8: time to the right, a future below the other."""
    rows = []
    for future in futures:
        columns = [_column(future, step, action_names) for step in range(future.rollout.horizon + 1)]
        rows.append(np.concatenate([_margin(future, len(columns[0])), *columns], axis=1))
    return _rgb(np.concatenate(rows))


def animation(futures: Sequence[Future], action_names: Sequence[str]) -> bytes:
    """The futures beside each other, a step after the other, as a GIF. Raises UserError where it cannot be."""
    pictures = []
    for step in range(futures[0].rollout.horizon + 1):
        columns = []
        for future in futures:
            label = _words([future.label], SIDE + GAP, LINE)
            columns.append(np.concatenate([label, _column(future, step, action_names)]))
        pictures.append(np.concatenate(columns, axis=1))
    film = cv2.Animation()
    film.frames = pictures
    film.durations = [STEP_MS] * (len(pictures) - 1) + [4 * STEP_MS]
    done, data = cv2.imencodeanimation(".gif", film)
    if not done:
        raise UserError("OpenCV cannot write GIF here: give a file that ends in .png or .json.")
    return bytes(data)


def png(picture: np.ndarray) -> bytes:
    """A picture (h, w, 3) uint8 as PNG."""
    _, data = cv2.imencode(".png", _rgb(picture))
    return bytes(data)


def as_json(future: Future, action_names: Sequence[str]) -> dict[str, Any]:
    """All numbers of a future; None for those that are none."""
    rollout, truth = future.rollout, future.truth
    told: dict[str, Any] = {
        "label": future.label,
        "actions": [action_names[action] for action in rollout.actions[0]],
        "rewards": numbers(rollout.rewards[0]),
        "continues": numbers(rollout.continues[0]),
        "values": numbers(rollout.values[0]),
        "uncertainty": numbers(rollout.uncertainty[0]),
        "return": numbers([discounted_return(rollout, 0)])[0],
    }
    if truth is not None:
        steps = []
        for comparison in truth.comparisons:
            board = comparison.board
            step: dict[str, Any] = {"psnr": round(comparison.psnr, 2), "parted": comparison.parted}
            if board is not None:
                step |= {"ball": board.ball.value, "ball_error": board.ball_error, "paddle_error": board.paddle_error}
            steps.append(step)
        rewards = numbers(truth.rollout.rewards[0])
        told["truth"] = {"rewards": rewards, "parts_at": truth.parted, "ball_lost_at": truth.ball_lost}
        told["truth"] |= {"ends_at": truth.ends, "steps": steps}
    return told


def numbers(values: Any) -> list[float | None]:
    """As JSON can hold them."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _column(future: Future, step: int, action_names: Sequence[str]) -> np.ndarray:
    """One step of a future: words, the dream, numbers; below it the truth and the difference, where known."""
    rollout, truth = future.rollout, future.truth
    title = f"{step} {action_names[rollout.actions[0, step - 1]]}" if step else "now"
    parted = truth is not None and truth.parted is not None and step >= truth.parted
    value = rollout.values[0, step]
    figures = f"v {value:.2f}" if np.isfinite(value) else "v -"
    if step and np.isfinite(rollout.rewards[0, step - 1]) and abs(rollout.rewards[0, step - 1]) >= 0.05:
        figures = f"{rollout.rewards[0, step - 1]:+.1f}  {figures}"
    parts = [
        _words([title], SIDE + GAP, LINE, LOST if parted else INK),
        _framed(rollout.frames[0, step]),
        _words([figures], SIDE + GAP, LINE, FAINT),
    ]
    if truth is not None:
        parts += [_framed(truth.rollout.frames[0, step]), _framed(truth.differences.frames[0, step])]
    return np.concatenate([*parts, np.full((GAP, SIDE + GAP, 3), BACKGROUND, np.uint8)])


def _framed(frame: np.ndarray) -> np.ndarray:
    small = cells.resize(frame, SIDE, SIDE // 2)
    return cv2.copyMakeBorder(_rgb(small), 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=BACKGROUND)


def _margin(future: Future, height: int) -> np.ndarray:
    """The words at the left of a future's row."""
    margin = _words(["", *future.words], MARGIN, height)
    if future.truth is not None:
        for place, word in enumerate(("really", "difference")):
            top = 2 * LINE + (SIDE + GAP) * (place + 1) + LINE
            _write(margin, word, top, FAINT)
    return margin


def _words(lines: Sequence[str], width: int, height: int, colour: tuple[int, int, int] = INK) -> np.ndarray:
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    for place, line in enumerate(lines):
        _write(picture, line, LINE * place + LINE - 4, colour)
    return picture


def _write(picture: np.ndarray, text: str, bottom: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, (GAP // 2, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def _rgb(picture: np.ndarray) -> np.ndarray:
    """Red and blue exchanged: OpenCV writes and draws blue first."""
    return np.ascontiguousarray(picture[..., ::-1])
