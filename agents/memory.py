"""Memory that is given back is asked for again a moment later."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Parameters of glibc's mallopt (malloc.h)."""
LARGEST = (2**30, 2**25)
"""Bytes: larger pieces than this are returned to the system as soon as they are free. Releases of glibc before 2.35
take no more than the second."""
KEPT = 2**31 - 1
"""Bytes that may lie free at the end of the memory before any of it is returned."""


def keep_memory() -> bool:
    """Have the C library keep what tensors leave behind; gives whether it does.

    glibc takes every large tensor from the system and returns it, so that the kernel must clear its pages each time
    anew: a third of a Dreamer's update. For processes of our own; to call it again changes nothing. Other C libraries
    than glibc are left as they are.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    # This first: the others without it would have every piece above 128 KiB taken anew.
    if not any(mallopt(MMAP_THRESHOLD, size) for size in LARGEST):
        return False
    mallopt(TRIM_THRESHOLD, KEPT)
    # One arena for all threads: those of other threads cannot grow to the size of a large tensor.
    mallopt(ARENA_MAX, 1)
    return True
