"""The average of a network's parameters over training steps, which is often more accurate than the last ones."""

import numpy as np

from mnistnet.util.arrays import Array


class ParameterAverage:
    """Lets `average` follow `parameters`, vectors of one length.

    It is their plain mean over all steps until there have been 1 / (1 - decay), and from then on their exponential
    mean (Polyak & Juditsky 1992 for the first, Tarvainen & Valpola 2017 for the second).
    """

    def __init__(self, parameters: Array, average: Array, decay: float) -> None:
        self._parameters, self._average, self._decay = parameters, average, decay
        self._scratch = np.empty_like(parameters)

    def update(self, steps: int) -> None:
        """Take in the parameters after the last of so many steps."""
        np.subtract(self._parameters, self._average, self._scratch)
        np.multiply(self._scratch, 1 - min(self._decay, (steps - 1) / steps), self._scratch)
        np.add(self._average, self._scratch, self._average)
