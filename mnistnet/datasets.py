"""Data sets as arrays, for use from Python: `mnistnet.datasets.load("mnist")`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Store
from mnistnet.data.forms.found import ReadAs
from mnistnet.data.own_data import USUAL, open_store


@dataclass(frozen=True)
class Dataset:
    """A verified data set. Images are uint8 (n, rows, columns), 0 black to 255 white; labels are uint8 (n,).

    `names` are those of the classes: the class with label 3 is called `names[3]`.
    """

    name: str
    names: tuple[str, ...]
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]

    def __repr__(self) -> str:
        _, rows, columns = self.train_images.shape
        return (
            f"{self.name}: {len(self.train_labels):,} training and {len(self.test_labels):,} test images of "
            f"{rows}x{columns} pixels, {len(self.names)} classes"
        )


def load(name: str = "mnist", data_dir: str | Path | None = None, *, orientation: str = "upright") -> Dataset:
    """Return a data set by its name, or data of your own by their path; missing files are downloaded.

    `orientation="transposed"` turns images upright whose rows and columns are exchanged, as EMNIST's are.
    Raises `mnistnet.errors.DataError` where files are damaged or cannot be had, UsageError for an unknown name.
    """
    store = store_of(name, data_dir, ReadAs(orientation=orientation))
    store.ensure()
    train, test = store.examples("train"), store.examples("test")
    shape = (-1, *store.spec.shape)
    return Dataset(
        name=store.spec.name,
        names=store.spec.labels,
        train_images=train.images.reshape(shape),
        train_labels=train.labels,
        test_images=test.images.reshape(shape),
        test_labels=test.labels,
    )


def store_of(name: str, data_dir: str | Path | None, read_as: ReadAs = USUAL) -> Store:
    """Return where a data set's files lie, or data of your own, read. Raises what `load` raises."""
    return open_store(name, None if data_dir is None else Path(data_dir), read_as=read_as)
