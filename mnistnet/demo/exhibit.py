"""What a demo shows: a network, the names of its classes, and the images to show, to learn from and to be judged by."""

from dataclasses import dataclass

from mnistnet.checkpoint import Checkpoint
from mnistnet.config import check_layer_sizes
from mnistnet.datasets import Examples, Store
from mnistnet.errors import UsageError
from mnistnet.images import SIDE
from mnistnet.network import Network
from mnistnet.nudges import in_float64

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
    """Read the images that go with a network. Raises DataError, and ConfigError or UsageError where they do not fit."""
    if store.spec.shape != (SIDE, SIDE):
        rows, columns = store.spec.shape
        raise UsageError(f"the page draws {SIDE}x{SIDE} pixels, and images of {store.spec.name} have {rows}x{columns}")
    check_layer_sizes(loaded.config, store.spec, "the checkpoint's config")
    store.ensure()
    train, test = store.examples("train"), store.examples("test")
    step = max(1, len(test) // JUDGES)
    judges = Examples(test.images[::step][:JUDGES], test.labels[::step][:JUDGES])
    return Exhibit(name, in_float64(loaded.network), loaded.temperature, store.spec.labels, train, test, judges)
