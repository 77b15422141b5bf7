"""What a demo shows: a network, the names of its classes, and the images to show, to learn from and to be judged by."""

from dataclasses import dataclass

from mnistnet.checkpoint import Checkpoint
from mnistnet.config import check_layer_sizes
from mnistnet.datasets import Examples, Store
from mnistnet.errors import DemoError
from mnistnet.network import Network
from mnistnet.nudges import in_float64

PAD = (28, 28)  # the pictures that the page draws
JUDGES = 1000  # test images that accuracy on the page is measured on


@dataclass(frozen=True)
class Exhibit:
    """`network` computes in float64, as `explain` does, and is never changed; visitors teach copies of it.

    `judges` are JUDGES of the `test` images, spread evenly over them: their second half is the easier one.
    """

    name: str
    network: Network
    temperature: float | None
    labels: tuple[str, ...]
    train: Examples
    test: Examples
    judges: Examples


def prepare(name: str, loaded: Checkpoint, store: Store) -> Exhibit:
    """Read the images that go with a network. Raises ConfigError where they do not fit it, DataError and DemoError."""
    if store.spec.shape != PAD:
        height, width = store.spec.shape
        raise DemoError(f"{name}: the page draws pictures of 28x28 pixels, and this network reads {height}x{width}")
    check_layer_sizes(loaded.config, store.spec, "the checkpoint's config")
    store.ensure()
    train, test = store.examples("train"), store.examples("test")
    step = max(1, len(test) // JUDGES)
    judges = Examples(test.images[::step][:JUDGES], test.labels[::step][:JUDGES])
    return Exhibit(name, in_float64(loaded.network), loaded.temperature, store.spec.labels, train, test, judges)
