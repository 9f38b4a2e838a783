"""Windows that lend each other what stands still in them: more pictures of a world than were ever played.

A wall that is half gone is one of very many, and a replay holds few of them: they are learnt by heart. But as long as
nothing happens near a part of it, any other such part could stand there, and all would have come as it came.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.replay.sequences import Sequences

WIDTH = 4
"""Columns of pixels that change hands together."""
MARGIN = 4
"""Lines of pixels between what changes hands and what moves below it."""
SWITCH = 0.3
"""Probability that of two neighbouring columns one changes hands and the other does not."""


def exchange_still(sequences: Sequences, random: np.random.Generator) -> Sequences:
    """Pairs of windows exchange columns of their pictures, from the top down to what moves in either of them.

    A column takes part as far down as nothing changes in it, nor in those beside it, over both whole windows. Pictures
    (T, B, h, w, c) uint8 with w a multiple of `WIDTH`; what is given is left alone.
    """
    frames = sequences.frames.copy()
    count, (height, width) = frames.shape[1], frames.shape[2:4]
    moves = (frames[1:] != frames[:-1]).any((0, -1)).reshape(count, height, -1, WIDTH).any(-1)  # (B, h, columns)
    moves[:, :, 1:] |= moves[:, :, :-1].copy()
    moves[:, :, :-1] |= moves[:, :, 1:].copy()
    order = random.permutation(count)
    for one, other in zip(order[: count // 2], order[count // 2 :], strict=False):
        moving = moves[one] | moves[other]
        still = np.where(moving.any(0), np.maximum(moving.argmax(0) - MARGIN, 0), height)  # lines from the top
        chosen = np.logical_xor.accumulate(random.random(width // WIDTH) < SWITCH)
        given = np.arange(height)[:, None] < np.repeat(still * chosen, WIDTH)  # (h, w)
        ours, theirs = frames[:, one, given].copy(), frames[:, other, given].copy()
        frames[:, one, given], frames[:, other, given] = theirs, ours
    return replace(sequences, frames=frames)
