"""A data set of one's own for tests: 12x8 images of a bar at the left, in the middle or at the right."""

import gzip
from pathlib import Path

import numpy as np

from tests.mirror import idx_file

CLASSES = ("left", "middle", "right")
FITTING = ["--set=layer_sizes=[96,12,3]", "--set=validation=100", "--set=epochs=6"]


def write_bars(folder: Path, names: bool = True) -> Path:
    """Write 600 training and 90 test images into a folder; images plain, labels packed. Return the folder."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for part, n in (("train", 600), ("t10k", 90)):
        labels = (np.arange(n) % 3).astype(np.uint8)
        images = random.integers(0, 60, (n, 12, 8)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2:10, 1 + 2 * label : 3 + 2 * label] = 200
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_file(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_file(labels)))
    if names:
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")
    return folder
