"""The type of every NumPy array here, and quiet floating-point errors."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SMALLEST_NORMAL = 1.2e-38
"""The smallest normal float32; smaller numbers lose digits, and processors are slow with them."""

ignore_fp_errors = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""Decorator for arithmetic whose overflow is detected later, by a cost that is not finite."""
