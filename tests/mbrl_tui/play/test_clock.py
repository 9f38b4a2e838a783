from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbrl_tui.play.clock import FRAME_RATE, SPEEDS, FrameClock, FrameMeter, RealTime


def pictures(clock: FrameClock, work: list[float], begin: float = 0.0) -> list[float]:
    """When each picture begins, if making the k-th takes work[k] seconds."""
    now, times = begin, []
    for seconds in work:
        now += clock.wait(now)
        clock.begin(now)
        times.append(now)
        now += seconds
    return times


def test_pictures_come_sixty_times_a_second_and_do_not_drift():
    times = pictures(FrameClock(5.0), [0.004] * 6_001, begin=5.0)
    assert times[-1] == pytest.approx(5.0 + 6_000 / FRAME_RATE)


def test_small_delays_even_out():
    work = [0.004] * 601
    work[100] = work[300] = 0.040
    times = pictures(FrameClock(0.0), work)
    assert times[-1] == pytest.approx(600 / FRAME_RATE)


def test_after_lost_time_the_game_goes_on_at_its_own_pace():
    work = [0.004] * 200
    work[100] = 5.0
    times = pictures(FrameClock(0.0), work)
    after = [later - sooner for sooner, later in pairwise(times[101:])]
    assert after == pytest.approx([1 / FRAME_RATE] * len(after))


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_no_delay_makes_the_game_hurry_for_longer_than_what_is_forgiven(work):
    times = pictures(FrameClock(0.0), work)
    for first, last in ((0, len(times) - 1), (len(times) // 2, len(times) - 1)):
        seconds = times[last] - times[first]
        assert last - first <= seconds * FRAME_RATE + FrameClock.forgiven * FRAME_RATE + 1e-6


def test_a_machine_that_is_too_slow_slows_the_game_and_is_never_waited_for():
    times = pictures(FrameClock(0.0), [0.05] * 100)
    assert times[-1] == pytest.approx(99 * 0.05)


@pytest.mark.parametrize("speed", SPEEDS)
def test_each_speed_gives_that_many_emulator_frames(speed):
    clock = FrameClock(0.0)
    clock.speed = speed
    times = pictures(clock, [0.001] * 241)
    assert 240 * clock.frames / (times[-1] - times[0]) == pytest.approx(speed * FRAME_RATE)
    assert 240 / (times[-1] - times[0]) <= FRAME_RATE + 1e-6


def test_speed_changes_by_steps_and_stops_at_the_ends():
    clock = FrameClock(0.0)
    seen = []
    for by in (1, 1, 1, -1, -1, -1, -1, -1, -1):
        clock.change_speed(by)
        seen.append(clock.speed)
    assert seen == [2, 4, 4, 2, 1, 0.5, 0.25, 0.25, 0.25]


def test_the_meter_measures_the_last_second():
    meter = FrameMeter()
    assert (meter.rate, meter.work_ms) == (0, 0)
    for k in range(100):  # slow at first
        meter.add(k / 10, k * 0.05)
    for k in range(1, 121):
        meter.add(9.9 + k / 60, 99 * 0.05 + k * 0.004)
    assert meter.rate == pytest.approx(60)
    assert meter.work_ms == pytest.approx(4)
    meter.clear()
    assert (meter.rate, meter.work_ms) == (0, 0)


async def test_real_time_passes_and_work_is_counted_apart_from_sleep():
    time = RealTime()
    now, work = time.now(), time.work()
    await time.sleep(0.03)
    assert time.now() - now >= 0.03
    assert time.work() - work < 0.03
