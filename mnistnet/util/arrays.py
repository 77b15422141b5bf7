"""The type of every NumPy array here, and quiet floating-point errors."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SMALLEST_NORMAL = 1.2e-38
"""Of float32: what is smaller is held with fewer digits, or not at all, and processors are slow with it."""

ignore_fp_errors = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""Decorator for arithmetic whose overflow is looked for later: it ends as a cost that is not a finite number."""
