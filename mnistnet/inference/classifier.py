"""The one place that answers: a network, how a picture becomes its input, how sure it is, and whether it should answer.

`predict`, `eval`, the page and the Python API ask a `Classifier` and have no thresholds of their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.data.datasets import Examples
from mnistnet.data.forms.found import ReadAs
from mnistnet.errors import DivergedError, UsageError
from mnistnet.inference import ood
from mnistnet.inference.calibration import fit_temperature, probabilities
from mnistnet.inference.evaluate import Evaluation, confusion, forward
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array

if TYPE_CHECKING:
    from mnistnet.vision.reading import Reading


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one image: a class and its name, and `probabilities` of all classes.

    `unsure`: the image is unlike what the network has learned, or another class is likely too, as where a 1 and a 7
    cannot be told apart; so do not rely on the answer.
    """

    digit: int
    label: str
    confidence: float
    probabilities: tuple[float, ...]
    unsure: bool


@dataclass(frozen=True)
class Classifier:
    """A network with all it takes to use it.

    `dataset`: the name of what it learned from; `labels`: of its classes; `shape`: rows and columns of its images.
    `temperature` calibrates its confidences (None: they are not calibrated), `threshold` is the score below which an
    image is not what it has learned (None: unknown). `read_as`: how the data it has learned from are read, and
    pictures are prepared.
    """

    network: Network
    dataset: str
    labels: tuple[str, ...]
    shape: tuple[int, int]
    temperature: float | None = None
    threshold: float | None = None
    read_as: ReadAs = field(default=ReadAs(pictures="scale"))

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self:
        """Return the classifier in a checkpoint."""
        return cls(
            network=checkpoint.network,
            dataset=checkpoint.config.dataset,
            labels=checkpoint.labels,
            shape=checkpoint.shape,
            temperature=checkpoint.temperature,
            threshold=checkpoint.ood_threshold,
            read_as=checkpoint.read_as,
        )

    @property
    def reads_digits(self) -> bool:
        """Whether it finds digits in a picture, several if asked, and does not take a picture whole."""
        return self.read_as.pictures == "digits"

    @property
    def calibrated(self) -> bool:
        """Whether its confidences were fitted on validation images."""
        return self.temperature is not None

    def with_network(self, network: Network) -> Self:
        """Return a classifier of a changed network, which nothing that was fitted to the old one fits."""
        return replace(self, network=network, temperature=None, threshold=None)

    def fitted(self, validation: Examples) -> Self:
        """Return a classifier whose confidences and threshold are fitted on validation images."""
        temperature = fit_temperature(forward(self.network, validation.images), validation.labels)
        threshold = ood.fit_threshold(self.network, validation.images, self.shape)
        return replace(self, temperature=temperature, threshold=threshold)

    def prepare(self, content: bytes, name: str, *, page: bool = False) -> "Reading":
        """Return what the network sees in the bytes of a picture: one image, or with `page` all digits, row by row.

        Raises ImageError, which calls the picture `name`.
        """
        from mnistnet.vision.preprocess import reading_for  # takes longer to import than to evaluate a network

        return reading_for(self.read_as.pictures, self.shape, content, name, self.margin, page=page)

    def answers(self, reading: "Reading") -> list[Prediction]:
        """Return what it says of each image of a picture, unsure too where the picture is. Raises DivergedError."""
        found = self.predictions(reading.pixels)
        return [replace(each, unsure=True) for each in found] if reading.doubtful else found

    def margin(self, images: npt.NDArray[np.uint8]) -> Array:
        """Return how far images (n, pixels) are above the score that the least certain digits have, shape (n,)."""
        return ood.max_logit_score(self.network, images, self.shape) - (self.threshold or 0.0)

    def probabilities(self, images: npt.NDArray[np.uint8], on_batch: Callable[[int], object] | None = None) -> Array:
        """Return how likely each class is for images (n, pixels): float64 (n, classes). Raises DivergedError."""
        logits = forward(self.network, images, on_batch)
        if not np.isfinite(logits).all():
            raise DivergedError(
                "this network's answer is not a finite number: its weights are too large to compute with"
            )
        return probabilities(logits, self.temperature)

    def predictions(self, images: npt.NDArray[np.uint8]) -> list[Prediction]:
        """Return what it says of each of the images (n, pixels). Raises DivergedError."""
        rows = self.probabilities(images)
        doubtful = ood.unsure(self.network, images, self.shape, rows.max(axis=1), self.threshold)
        found = []
        for row, unsure in zip(rows, doubtful, strict=True):
            digit = int(row.argmax())
            found.append(Prediction(digit, self.labels[digit], float(row[digit]), tuple(row.tolist()), bool(unsure)))
        return found


def evaluate_together(
    classifiers: Sequence[Classifier], examples: Examples, on_batch: Callable[[int], object] | None = None
) -> Evaluation:
    """Evaluate the mean of several classifiers' probabilities, each calibrated by its own temperature.

    The cost is the cross-entropy of that mean, and `logits` are its logarithm. Raises what `check_alike` raises.
    """
    check_alike(classifiers)
    total = sum(each.probabilities(examples.images, on_batch) for each in classifiers)
    logits = np.log(np.maximum(total / len(classifiers), np.finfo(np.float64).tiny))
    costs = -logits[np.arange(len(examples)), examples.labels]
    return Evaluation(float(costs.mean()), confusion(examples, logits), logits)


def check_alike(classifiers: Sequence[Classifier]) -> None:
    """Raise UsageError unless all learned the same classes from images of the same shape."""
    first = classifiers[0]
    for other in classifiers[1:]:
        if first.network.layer_sizes[0] != other.network.layer_sizes[0]:
            raise UsageError(
                "networks can only be averaged if they take the same images: "
                f"found {first.network.layer_sizes[0]} and {other.network.layer_sizes[0]} pixels"
            )
        if first.shape != other.shape:
            shapes = " and ".join("{} with {}x{} pixels".format(each.dataset, *each.shape) for each in (first, other))
            raise UsageError(f"networks can only be averaged if they take the same images: found {shapes}")
        if (Path(first.dataset).name, first.labels) != (Path(other.dataset).name, other.labels):
            raise UsageError(
                "networks can only be averaged if they learned the same data set and classes: "
                f"found {_classes(first)} and {_classes(other)}"
            )


def _classes(classifier: Classifier) -> str:
    names = ", ".join(classifier.labels[:10]) + (", ..." if len(classifier.labels) > 10 else "")
    return f"{classifier.dataset} ({names})"
