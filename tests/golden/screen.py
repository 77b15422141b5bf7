"""Makes `explain.txt`, what `mnistnet explain` shows of a small network whose numbers anyone can compute again.

python -m tests.golden.screen > tests/golden/explain.txt   after a change of the story's words that is meant
"""

import sys
from pathlib import Path

import numpy as np

from mnistnet.explain.explanation import explain
from mnistnet.explain.labels import Subject
from mnistnet.explain.report import Report, report
from mnistnet.nn.network import Network
from tests.explained import some_examples

GOLDEN = Path(__file__).parent / "explain.txt"


def story(sizes: tuple[int, ...] = (784, 4, 3, 10), names: tuple[str, ...] = tuple("0123456789")) -> Report:
    """Return the report of a seven made of two strokes, by a network with waves for weights."""
    seven = np.zeros((28, 28), np.uint8)
    seven[6:8, 6:21] = 255
    for row in range(8, 23):
        seven[row, 24 - row * 2 // 3 : 27 - row * 2 // 3] = (100, 255, 160)
    network = Network(sizes, "sigmoid", "quadratic")
    network.parameters[...] = np.cos(np.arange(network.parameters.size) ** 1.5)
    network.weights[0][...] /= 4
    train, test = some_examples(784, 10, 150), some_examples(784, 10, 50, seed=1)
    explanation = explain(network, seven.ravel(), 7, train=train, test=test, top=3)
    return report(Subject(explanation.example, explanation.three_ways, "A seven", names, (28, 28), top=3), explanation)


def screen() -> str:
    """Return the plain screen of the video's kind of network, but with hidden layers of four and three neurons."""
    return f"{story()}\n"


if __name__ == "__main__":
    sys.stdout.write(screen())
