"""Memory shared by several processes."""

import mmap
from math import prod

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array


def shared_zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return zeros that this process shares with those it will fork. Raises MemoryError.

    The memory has no name and no file, and is freed with the last process that uses it, however that ends.
    """
    kind = np.dtype(dtype)
    count = prod(shape) if isinstance(shape, tuple) else shape
    try:
        memory = mmap.mmap(-1, max(1, count * kind.itemsize))
    except (OSError, OverflowError, ValueError) as error:
        raise MemoryError(f"{count:,} numbers do not fit into memory: {error}") from None
    return np.frombuffer(memory, kind, count).reshape(shape)
