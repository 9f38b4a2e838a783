"""Breakout screens for tests: drawn by hand, worn down, and taken apart pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

BRICK_COLOURS = [(200, 72, 72), (198, 108, 58), (180, 122, 48), (162, 162, 42), (72, 160, 72), (66, 72, 200)]
GREY, RED, GREEN = (142, 142, 142), (200, 72, 72), (66, 158, 130)


def line_colours() -> np.ndarray:
    """(210, 3) uint8: the colour of what is lit on each line of the field."""
    lines = np.empty((210, 3), np.uint8)
    lines[:57], lines[57:] = GREY, RED
    for row, colour in enumerate(BRICK_COLOURS):
        lines[57 + 6 * row : 63 + 6 * row] = colour
    return lines


def draw_screen(
    bricks: np.ndarray | None = None,
    ball: tuple[int, int] | None = None,
    paddle: int | None = 80,
    paddle_width: int = 16,
    ball_light: float = 1.0,
) -> np.ndarray:
    """A screen (210, 160, 3) uint8 as the emulator draws it, without the score.

    bricks: (6, 18) bool or light from 0 to 1; None for all. ball, paddle: their left and upper edges.
    """
    light = np.zeros((210, 160), np.float32)
    light[57:93, 8:152] = np.kron(np.ones((6, 18)) if bricks is None else bricks, np.ones((6, 8)))
    if ball is not None:
        x, y = ball
        box = light[y : y + 4, x : x + 2]
        box[:] = np.maximum(box, ball_light)
    if paddle is not None:
        light[189:193, paddle : paddle + paddle_width] = 1
    screen = (light[..., None] * line_colours()[:, None]).astype(np.uint8)
    screen[17:32] = screen[17:196, :8] = screen[17:196, 152:] = GREY
    screen[189:196, :8], screen[189:196, 152:] = GREEN, RED
    return screen


def worn(frame: np.ndarray, half: bool = True, blur: float = 0.0, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """As a model might dream it: of half the resolution, noisy, enlarged again, blurred (in native pixels)."""
    height, width = frame.shape[:2]
    if half:
        frame = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    if noise:
        frame = np.clip(frame + np.random.default_rng(seed).normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
    if half:
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame


def standing_bricks(screen: np.ndarray) -> np.ndarray:
    """(6, 18) bool of a real screen: more than half of a brick's pixels are lit."""
    lit = (screen[57:93, 8:152, 0] > 0).reshape(6, 6, 18, 8)  # every colour has some red
    return lit.sum((1, 3)) > 24


def ball_pixels(screen: np.ndarray) -> np.ndarray:
    """(210, 160) bool of a real screen: what is lit above the paddle's lines and no brick or wall."""
    lit = screen[..., 0] > 0
    lit[:32], lit[189:], lit[:, :8], lit[:, 152:] = False, False, False, False
    lit[57:93, 8:152] &= ~np.kron(standing_bricks(screen), np.ones((6, 8), bool))
    return lit


def without_ball(screen: np.ndarray) -> np.ndarray:
    return np.where(ball_pixels(screen)[..., None], 0, screen).astype(np.uint8)
