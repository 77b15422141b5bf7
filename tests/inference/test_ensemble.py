"""Several networks answer as one: the mean of their calibrated probabilities."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.data.datasets import Examples
from mnistnet.errors import UsageError
from mnistnet.inference import calibration
from mnistnet.inference.classifier import Classifier, evaluate_together
from mnistnet.inference.evaluate import evaluate, forward
from mnistnet.nn.network import Network
from mnistnet.util.rng import Use, generator
from tests.helpers import run


def some_network(seed: int, sizes: tuple[int, ...] = (784, 20, 10)) -> Network:
    network = Network(sizes, "relu", "cross_entropy")
    network.initialise(generator(seed, Use.INIT))
    return network


DIGITS = tuple("0123456789")


def classifier(network: Network, temperature: float | None = None, **others: Any) -> Classifier:
    facts: dict[str, Any] = {"dataset": "mnist", "labels": DIGITS[: network.layer_sizes[-1]], "shape": (28, 28)}
    return Classifier(network, **facts | others, temperature=temperature)


def test_the_probabilities_are_averaged_each_with_its_own_temperature(mnist_test: Examples) -> None:
    few = mnist_test.take(np.arange(1500))
    one, two = some_network(1), some_network(2)
    together = evaluate_together([classifier(one, 0.5), classifier(two)], few)
    means = (
        calibration.probabilities(forward(one, few.images), 0.5)
        + calibration.probabilities(forward(two, few.images), None)
    ) / 2
    assert np.allclose(np.exp(together.logits), means, rtol=1e-12)
    assert together.correct == np.count_nonzero(means.argmax(axis=1) == few.labels)
    assert together.loss == pytest.approx(-np.log(means[np.arange(1500), few.labels]).mean())


def test_a_network_averaged_with_itself_answers_as_alone(mnist_test: Examples) -> None:
    few, network = mnist_test.take(np.arange(500)), some_network(3)
    together = evaluate_together([classifier(network), classifier(network)], few)
    assert np.array_equal(together.confusion, evaluate(network, few).confusion)


def test_networks_of_other_classes_cannot_be_averaged(mnist_test: Examples) -> None:
    few = mnist_test.take(np.arange(10))
    with pytest.raises(UsageError, match=r"same images: found 784 and 9 pixels"):
        evaluate_together([classifier(some_network(1)), classifier(some_network(1, (9, 10)))], few)
    with pytest.raises(UsageError, match=r"found mnist \(0, 1, 2.*\) and fashion \(0, 1"):
        evaluate_together([classifier(some_network(1)), classifier(some_network(2), dataset="fashion")], few)
    with pytest.raises(UsageError, match=r"mnist \(a, b"):
        evaluate_together([classifier(some_network(1)), classifier(some_network(2), labels=tuple("abcdefghij"))], few)


def test_eval_of_several_checkpoints_is_one_result(mnist_dir: Path) -> None:
    result = run("eval", "best", "3blue1brown", "--data-dir", mnist_dir, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["accuracy"] > 0.98


def test_networks_that_saw_each_other_s_validation_images_are_compared_on_test_images_only(
    tmp_path: Path, mnist_dir: Path
) -> None:
    shipped = checkpoint.load(pretrained.path("3blue1brown"))
    for seed in (1, 2):
        config = type(shipped.config)(layer_sizes=(784, 16, 16, 10), activation="sigmoid", loss="quadratic", seed=seed)
        checkpoint.save(tmp_path / f"{seed}.npz", replace(shipped, config=config))
    both: list[str | Path] = [tmp_path / "1.npz", tmp_path / "2.npz", "--data-dir", mnist_dir]
    assert run("eval", *both).exit_code == 0
    result = run("eval", *both, "--split", "validation")
    assert result.exit_code == 2
    assert "trained on different parts; only --split test is fair" in result.stderr
