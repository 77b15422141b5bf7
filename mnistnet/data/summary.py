"""A data set in figures: its classes with their counts, its brightness, and a config that fits it."""

from dataclasses import dataclass

import numpy as np

from mnistnet.data import own_data
from mnistnet.data.datasets import Store
from mnistnet.data.registry import DATASETS

SMALL = 10_000  # training images, below which the default of 5,000 for validation is too many
BATCH = 128  # the default batch


@dataclass(frozen=True)
class Summary:
    """`classes`: the name and the numbers of training and test images of each; brightness is from 0 to 255."""

    classes: tuple[tuple[str, int, int], ...]
    darkest: int
    brightest: int
    mean: float
    train: int
    test: int


def summary(store: Store) -> Summary:
    """Return the figures of a data set."""
    train, test = store.examples("train"), store.examples("test")
    counts = (np.bincount(part.labels, minlength=len(store.spec.labels)).tolist() for part in (train, test))
    return Summary(
        tuple(zip(store.spec.labels, *counts, strict=True)),
        darkest=int(train.images.min()),
        brightest=int(train.images.max()),
        mean=float(train.images.mean()),
        train=len(train),
        test=len(test),
    )


def fitting(store: Store) -> dict[str, str]:
    """Return the config keys that fit this data set, with their values."""
    name = store.spec.name if store.spec.files else str(store.folder)
    known = name if name in DATASETS or own_data.is_path(name) else f"./{name}"
    found = {"dataset": known, "layer_sizes": f"[{store.spec.pixels}, 128, {len(store.spec.labels)}]"}
    images = len(store.examples("train"))
    if images < SMALL:
        found["validation"] = str(images // 6)
        if images - images // 6 < BATCH:
            found["batch_size"] = str(max(1, images // 10))
    return found
