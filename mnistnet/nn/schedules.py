"""Learning-rate schedules: by how much the learning rate is multiplied, as a function of progress.

Each is at once the config's typed section and a pure function of the step, so a resumed run continues on the same
curve. Progress is told in epochs, as a fraction: 2.5 is halfway through the third.
"""

from math import cos, floor, pi
from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Final = Annotated[Share, Meta(description="the factor at the end")]


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name"):
    """A factor of the learning rate over a training."""

    warmup: Annotated[
        float,
        Meta(
            ge=0,
            le=1e6,
            description="epochs of linear rise from zero before the rest; fractions of an epoch are allowed",
        ),
    ] = 0.0

    def factor(self, epoch: float, epochs: float, step: float) -> float:
        """Return the factor for the step that takes the training from `epoch` to `epoch + step`, of `epochs`."""
        rise = min(1.0, (epoch + step) / self.warmup) if self.warmup else 1.0
        progress = max(epoch - self.warmup, 0.0) / max(epochs - self.warmup, step)
        return rise * self._curve(progress, epoch)

    def _curve(self, progress: float, epoch: float) -> float:
        """Return the factor after warm-up; `progress` runs from 0 towards 1."""
        raise NotImplementedError


class Constant(Schedule, frozen=True, tag="constant"):
    """1: always the learning rate itself."""

    def _curve(self, progress: float, epoch: float) -> float:
        return 1.0


class Step(Schedule, frozen=True, tag="step"):
    """`decay` once more after every `every` epochs."""

    every: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs from one drop to the next")] = 10
    decay: Annotated[float, Meta(gt=0, le=1, description="the factor of each drop")] = 0.1

    def _curve(self, progress: float, epoch: float) -> float:
        # An epoch is a sum of steps, and may fall short of a whole number by a rounding error.
        return self.decay ** floor(epoch / self.every + 1e-9)


class Cosine(Schedule, frozen=True, tag="cosine"):
    """Half a cosine from 1 down to `final` (Loshchilov & Hutter 2017, eq. 5, without restarts)."""

    final: Final = 0.0

    def _curve(self, progress: float, epoch: float) -> float:
        return _cosine(1.0, self.final, progress)


class OneCycle(Schedule, frozen=True, tag="one_cycle"):
    """Up from `start` to 1 in the first `rise`, then to `final` (Smith & Topin 2018, with fastai's half cosines)."""

    # The paper's ramps are straight lines. PyTorch's OneCycleLR has fastai's half cosines by default, too.

    rise: Annotated[float, Meta(gt=0, lt=1, description="how much of the training goes up")] = 0.3
    start: Annotated[Share, Meta(description="the factor at the beginning")] = 0.04
    final: Final = 0.0

    def _curve(self, progress: float, epoch: float) -> float:
        if progress < self.rise:
            return _cosine(self.start, 1.0, progress / self.rise)
        return _cosine(1.0, self.final, (progress - self.rise) / (1 - self.rise))


def _cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) * (1 + cos(pi * min(progress, 1.0))) / 2
