"""Memory that is given back is asked for again a moment later."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Parameters of glibc's mallopt (malloc.h)."""
LARGE = 2**30
"""Bytes: larger pieces than this are returned to the system as soon as they are free."""


def keep_memory() -> bool:
    """Have the C library keep what tensors leave behind; gives whether it does.

    glibc takes every large tensor from the system and returns it, so that the kernel must clear its pages each time
    anew: a third of a Dreamer's update. Called once, in processes that compute much; other C libraries than glibc are
    left as they are.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # One arena for all threads: those of other threads cannot grow to the size of a large tensor.
    settings = ((MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, 2 * LARGE - 1), (ARENA_MAX, 1))
    return all([mallopt(parameter, value) for parameter, value in settings])
