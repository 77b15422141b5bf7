"""The examples that a network gets wrong, the surest first: what it has not understood, or what is labelled badly."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistnet.calibration import probabilities
from mnistnet.datasets import Examples
from mnistnet.evaluation import Evaluation


@dataclass(frozen=True)
class Mistake:
    """One example, `index` counting from 0: taken for `predicted` with this confidence, though it is a `true`."""

    index: int
    image: npt.NDArray[np.uint8]
    true: int
    predicted: int
    confidence: float


def surest(evaluation: Evaluation, examples: Examples, temperature: float | None, most: int) -> list[Mistake]:
    """Return up to `most` mistakes in these examples, with confidences by the network's temperature."""
    answers = evaluation.logits.argmax(axis=1)
    confidences = probabilities(evaluation.logits, temperature).max(axis=1)
    wrong = np.flatnonzero(answers != examples.labels)
    chosen = wrong[np.argsort(-confidences[wrong], kind="stable")][:most]
    return [
        Mistake(int(i), examples.images[i], int(examples.labels[i]), int(answers[i]), float(confidences[i]))
        for i in chosen
    ]
