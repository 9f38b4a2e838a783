"""Reading Breakout's screen: exact on real ones, and still good on worn ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from breakout_screens import ball_pixels, draw_screen, standing_bricks, without_ball, worn
from hypothesis import assume, example, given
from hypothesis import strategies as st

from agents.envs.atari import AtariGame
from agents.fidelity.breakout import read_screen

# The emulator's RAM (128 bytes) knows where things are; only tests look there.
BALL_X, BALL_Y, PADDLE_X, PADDLE_WIDTH = 99, 101, 72, 108


@dataclass(frozen=True)
class RealScreen:
    """A screen, the RAM behind it, and how much of the ball is to be seen: pixels, and their centre."""

    screen: np.ndarray
    ram: np.ndarray
    ball_pixels: int
    ball: tuple[float, float]


@pytest.fixture(scope="module")
def real() -> list[RealScreen]:
    """Of games in which the paddle follows the ball; some begin with the ball above the bricks."""
    seen = []
    for seed in range(6):
        game = AtariGame("breakout", seed=seed)
        emulator, random = game._emulator, np.random.default_rng(seed)
        game.step(0)
        if seed % 2:
            emulator.setRAM(BALL_Y, 20 + 5 * seed)
        for step in range(260):
            ram = emulator.getRAM()
            follow = 2 if int(ram[PADDLE_X]) + 6 < int(ram[BALL_X]) else 3
            game.step(1 if game.needs_fire else follow if random.random() < 0.8 else int(random.integers(4)))
            if game.over:
                break
            if step % 2:
                screen = game.screen
                lines, columns = np.nonzero(ball_pixels(screen))
                centre = (columns.mean() + 0.5, lines.mean() + 0.5) if len(lines) else (np.nan, np.nan)
                seen.append(RealScreen(screen, emulator.getRAM().astype(int), len(lines), centre))
    return seen


def test_the_ball_of_a_real_screen_is_where_the_emulator_has_it(real: list[RealScreen]) -> None:
    above = among = below = 0
    for one in real:
        if one.ball_pixels != 8:  # hidden, in part or whole, or stretched where two of its drawing routines meet
            continue
        x, y = one.ram[BALL_X] - 49, one.ram[BALL_Y] + (8 if one.ram[BALL_Y] < 84 else 9)
        found = read_screen(one.screen)
        assert found.ball == pytest.approx((x + 1, y + 2), abs=0.01)
        assert found.contrast == pytest.approx(1, abs=0.01)
        assert found.balls == 1
        above, among, below = above + (y < 53), among + (53 <= y < 93), below + (y >= 93)
    assert min(above, among) > 10
    assert below > 300


def test_a_real_screen_without_a_ball_shows_none(real: list[RealScreen]) -> None:
    hidden = [one.screen for one in real if not one.ball_pixels]
    assert len(hidden) > 20
    for screen in hidden:
        assert read_screen(screen).ball is None
        assert read_screen(screen).contrast < 0.01
        assert read_screen(screen).balls == 0


def test_a_ball_half_hidden_is_read_from_what_is_to_be_seen(real: list[RealScreen]) -> None:
    halves = [one for one in real if one.ball_pixels == 4]
    assert len(halves) > 5
    for one in halves:
        found = read_screen(one.screen)
        assert found.ball == pytest.approx(one.ball, abs=0.01)
        assert found.contrast <= 0.51


def test_paddle_and_bricks_of_real_screens(real: list[RealScreen]) -> None:
    widths = set()
    for one in real:
        found, width, left = read_screen(one.screen), 2 * one.ram[PADDLE_WIDTH], one.ram[PADDLE_X] - 47
        np.testing.assert_array_equal(found.bricks, standing_bricks(one.screen))
        seen = 16 if left + width > 151 else width
        touched = one.ram[BALL_Y] + 13 > 189  # the ball, of the same colour, makes it look wider
        assert found.paddle == pytest.approx(left + seen / 2, abs=1 if touched else 0.01)
        widths.add(width)
    assert widths == {12, 16}


@pytest.mark.parametrize(
    ("wear", "found", "typical", "worst"),
    [
        ({}, 1.0, 0.05, 0.6),
        ({"noise": 10}, 1.0, 0.2, 0.8),
        ({"blur": 0.7}, 0.995, 0.05, 0.8),
        ({"blur": 1.2}, 0.99, 0.1, 1.0),
        ({"blur": 1, "noise": 8}, 0.99, 0.2, 1.0),
        ({"half": False, "blur": 1.5}, 0.98, 0.1, 1.0),
    ],
    ids=str,
)
def test_worn_real_screens_are_still_read(
    real: list[RealScreen], wear: dict[str, float], found: float, typical: float, worst: float
) -> None:
    errors: list[float] = []
    lost = false = wrong_bricks = 0
    paddles = []
    for place, one in enumerate(real[::2]):
        truth, dream = read_screen(one.screen), read_screen(worn(one.screen, **wear))
        wrong_bricks += int((truth.bricks != dream.bricks).sum())
        assert truth.paddle is not None
        assert dream.paddle is not None
        paddles.append(abs(truth.paddle - dream.paddle))
        if place % 4 == 0:
            false += read_screen(worn(without_ball(one.screen), **wear)).ball is not None
        if one.ball_pixels != 8:
            continue
        if dream.ball is None:
            lost += 1
        else:
            errors.append(float(np.hypot(one.ball[0] - dream.ball[0], one.ball[1] - dream.ball[1])))
    assert len(errors) > 200
    assert len(errors) / (len(errors) + lost) >= found
    assert np.median(errors) <= typical
    assert np.max(errors) <= worst
    assert (false, wrong_bricks) == (0, 0)
    assert np.median(paddles) < 0.3
    assert np.max(paddles) < 2.5


def near(bricks: np.ndarray, ball: tuple[int, int], margin: int) -> bool:
    """Whether a standing brick comes nearer than `margin` to the ball's box."""
    x, y = ball
    lit = np.zeros((210, 160), bool)
    lit[57:93, 8:152] = np.kron(bricks, np.ones((6, 8), bool))
    return bool(lit[y - margin : y + 4 + margin, x - margin : x + 2 + margin].any())


walls = st.builds(
    lambda seed, share: np.random.default_rng(seed).random((6, 18)) < share,
    st.integers(0, 1_000),
    st.sampled_from([0.0, 0.3, 0.7, 0.95, 1.0]),
)
balls = st.tuples(st.integers(8, 150), st.integers(32, 185))
wears = st.fixed_dictionaries(
    {"half": st.booleans(), "blur": st.sampled_from([0.0, 0.6, 1.0]), "noise": st.sampled_from([0.0, 5.0, 8.0])}
)


@given(walls, balls, st.integers(8, 136), wears)
@example(np.ones((6, 18), bool), (8, 32), 8, {"half": True, "blur": 1.0, "noise": 0.0})
@example(np.ones((6, 18), bool), (150, 183), 136, {"half": True, "blur": 1.0, "noise": 0.0})
def test_a_ball_drawn_anywhere_is_found_at_its_place(
    bricks: np.ndarray, ball: tuple[int, int], paddle: int, wear: dict[str, float]
) -> None:
    assume(not near(bricks, ball, 4) and ball[1] <= 183)
    screen = read_screen(worn(draw_screen(bricks, ball, paddle), **wear))
    assert screen.ball == pytest.approx((ball[0] + 1, ball[1] + 2), abs=0.5)
    np.testing.assert_array_equal(screen.bricks, bricks)
    assert screen.paddle == pytest.approx(paddle + 8, abs=0.6)


@given(walls, balls, st.sampled_from([0.0, 0.6]))
def test_a_ball_beside_bricks_and_paddle_is_found_within_a_pixel(
    bricks: np.ndarray, ball: tuple[int, int], blur: float
) -> None:
    assume(not near(bricks, ball, 0))
    screen = read_screen(worn(draw_screen(bricks, ball), blur=blur))
    assert screen.ball == pytest.approx((ball[0] + 1, ball[1] + 2), abs=1)
    np.testing.assert_array_equal(screen.bricks, bricks)


@given(walls, st.integers(8, 136), wears)
def test_where_there_is_no_ball_none_is_found(bricks: np.ndarray, paddle: int, wear: dict[str, float]) -> None:
    assert read_screen(worn(draw_screen(bricks, None, paddle), **wear)).ball is None


@given(walls, st.integers(0, 1_000))
def test_fading_bricks_are_no_balls(bricks: np.ndarray, seed: int) -> None:
    light = np.where(bricks, 1.0, np.random.default_rng(seed).uniform(0, 0.45, (6, 18)))
    screen = read_screen(worn(draw_screen(light)))
    assert screen.ball is None
    np.testing.assert_array_equal(screen.bricks, bricks)


@pytest.mark.parametrize(("light", "found"), [(1.0, True), (0.5, True), (0.25, True), (0.15, False), (0.0, False)])
def test_a_ball_counts_until_it_has_faded(light: float, found: bool) -> None:
    screen = read_screen(draw_screen(ball=(70, 130), ball_light=light))
    assert (screen.ball is not None) is found
    assert screen.contrast == pytest.approx(light, abs=0.01)


def test_of_two_balls_the_brighter_is_read() -> None:
    faint, bright = draw_screen(ball=(30, 120), ball_light=0.4), draw_screen(ball=(110, 150), ball_light=0.7)
    assert read_screen(np.maximum(faint, bright)).ball == pytest.approx((111, 152), abs=0.01)


def test_colours_do_not_matter_only_light_does() -> None:
    grey = draw_screen(ball=(70, 130)).mean(-1, keepdims=True).repeat(3, -1).astype(np.uint8)
    found = read_screen(grey)
    assert found.ball == pytest.approx((71, 132), abs=0.05)
    assert found.paddle == pytest.approx(88, abs=0.05)
    assert found.bricks.all()


def test_a_screen_without_a_paddle_has_none() -> None:
    found = read_screen(draw_screen(paddle=None, ball=(70, 130)))
    assert found.paddle is None
    assert found.ball == pytest.approx((71, 132), abs=0.01)


@pytest.mark.parametrize("left", [8, 9, 70, 135, 136])
@pytest.mark.parametrize("width", [16, 12])
def test_the_paddles_centre(left: int, width: int) -> None:
    assert read_screen(draw_screen(paddle=left, paddle_width=width)).paddle == pytest.approx(left + width / 2)


def test_where_the_wall_hides_its_end_the_paddle_is_taken_as_wide() -> None:
    assert read_screen(draw_screen(paddle=144)).paddle == pytest.approx(152)


def test_a_dreamt_scrap_at_the_wall_is_a_paddle_that_the_wall_hides() -> None:
    screen = draw_screen(paddle=None)
    screen[189:193, 150:152] = 255
    assert read_screen(screen).paddle == pytest.approx(158)


def test_a_black_frame_shows_nothing() -> None:
    found = read_screen(np.zeros((210, 160, 3), np.uint8))
    assert (found.ball, found.paddle, found.bricks.any()) == (None, None, False)


@pytest.mark.parametrize("frame", [np.zeros((84, 84, 3), np.uint8), np.zeros((210, 160, 3), np.float32)])
def test_what_is_no_breakout_screen_is_refused(frame: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a Breakout screen is"):
        read_screen(frame)
