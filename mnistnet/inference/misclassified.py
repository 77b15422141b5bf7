"""The examples that a network gets wrong, the most confident errors first."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Examples
from mnistnet.inference.calibration import probabilities
from mnistnet.inference.evaluate import Evaluation


@dataclass(frozen=True)
class Misclassified:
    """One example, `index` counting from 0: taken for `predicted` with this confidence, though it is a `true`."""

    index: int
    image: npt.NDArray[np.uint8]
    true: int
    predicted: int
    confidence: float


def most_confident_errors(
    evaluation: Evaluation, examples: Examples, temperature: float | None, most: int
) -> list[Misclassified]:
    """Return up to `most` mistakes in these examples, with confidences by the network's temperature."""
    answers = evaluation.logits.argmax(axis=1)
    confidences = probabilities(evaluation.logits, temperature).max(axis=1)
    wrong = np.flatnonzero(answers != examples.labels)
    chosen = wrong[np.argsort(-confidences[wrong], kind="stable")][:most]
    return [
        Misclassified(int(i), examples.images[i], int(examples.labels[i]), int(answers[i]), float(confidences[i]))
        for i in chosen
    ]
