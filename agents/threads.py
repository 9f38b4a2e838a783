"""How long threads that compute together wait for more before they sleep."""

from __future__ import annotations

import os

SPINS = "100"
"""Looks for more work, some microseconds; GNU OpenMP's default is some milliseconds."""


def rest_soon() -> None:
    """Have them sleep soon, so that games find a core of their own while they play: A2C trains 2 to 20 % faster.

    For processes that train, before torch is imported: later it changes nothing, nor where GOMP_SPINCOUNT or
    OMP_WAIT_POLICY is set.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
