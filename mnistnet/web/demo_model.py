"""What a demo shows: a network, its classes, and the images to show, to learn from and to evaluate on."""

from dataclasses import dataclass, replace

from mnistnet.checkpoint.checkpoint import Checkpoint, Origin, origin
from mnistnet.config.loader import check_layer_sizes
from mnistnet.data.datasets import Examples, Store
from mnistnet.errors import UsageError
from mnistnet.explain.example_gradient import in_float64
from mnistnet.inference.classifier import Classifier
from mnistnet.vision.normalize import SIDE

EVAL_IMAGES = 1000  # test images that accuracy on the page is measured on


@dataclass(frozen=True)
class DemoModel:
    """`classifier` computes in float64, as `explain` does, and is never changed; visitors teach copies of its network.

    `origin` says which data these are.
    `eval_subset` are EVAL_IMAGES of the `test` images, spread evenly over them, because the second half is easier.
    """

    name: str
    classifier: Classifier
    train: Examples
    test: Examples
    eval_subset: Examples
    origin: Origin


def prepare(name: str, loaded: Checkpoint, store: Store) -> DemoModel:
    """Read the images that go with a network. Raises DataError, and ConfigError or UsageError where they do not fit."""
    if store.spec.shape != (SIDE, SIDE):
        rows, columns = store.spec.shape
        raise UsageError(f"the page draws {SIDE}x{SIDE} pixels, and images of {store.spec.name} have {rows}x{columns}")
    check_layer_sizes(loaded.config, store.spec, "the checkpoint's config")
    store.ensure()
    train, test = store.examples("train"), store.examples("test")
    step = max(1, len(test) // EVAL_IMAGES)
    eval_subset = Examples(test.images[::step][:EVAL_IMAGES], test.labels[::step][:EVAL_IMAGES])
    classifier = Classifier.of(loaded)
    classifier = replace(classifier, network=in_float64(classifier.network))
    return DemoModel(name, classifier, train, test, eval_subset, origin(store))
