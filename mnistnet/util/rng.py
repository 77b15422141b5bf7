"""All random numbers come from (seed, use, epoch, batch) and nothing else.

Each generator is made from these four numbers, and none lives from one epoch to the next, so epoch 7 of a resumed run
shuffles exactly as epoch 7 of an uninterrupted one.
"""

from enum import IntEnum

import numpy as np


class Use(IntEnum):
    """What a stream of random numbers is for. The numbers are part of every result: never renumber them."""

    INIT = 0
    SPLIT = 1
    SHUFFLE = 2
    AUGMENT = 3
    DROPOUT = 4
    SWEEP = 5  # epoch: the number of the draw; batch: a checksum of the key that is drawn
    STROKES = 6
    NON_DIGITS = 7


def generator(seed: int, use: Use, epoch: int = 0, batch: int = 0) -> np.random.Generator:
    """Return the generator for one use in one epoch (from 1; 0: before training) and one batch."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(use), epoch, batch))
    return np.random.Generator(np.random.PCG64(sequence))
