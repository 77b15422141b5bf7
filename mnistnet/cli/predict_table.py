"""The answers of `mnistnet predict` for tables of images: CSV, NumPy or IDX files that need no preparing."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistnet.errors import ImageError

if TYPE_CHECKING:
    from mnistnet.inference.classifier import Classifier

AT_ONCE = 1000  # images


def is_table(name: str) -> bool:
    """Return whether a file's name is that of a table of images."""
    from mnistnet.data.forms import csv_files, numpy_files
    from mnistnet.data.forms.names import is_idx

    path = Path(name)
    return csv_files.is_csv(path) or numpy_files.is_numpy(path) or ("idx" in path.name.lower() and is_idx(path.name))


def answers(classifier: "Classifier", name: str) -> Iterator[dict[str, Any]]:
    """Yield the `--json` entry of each image in a table. Raises DataError and ImageError, naming the file."""
    from mnistnet.data.own_data import read_images

    images = read_images(Path(name), classifier.read_as)
    if images.shape[1:] != classifier.shape:
        found, expected = ("x".join(map(str, shape)) for shape in (images.shape[1:], classifier.shape))
        raise ImageError(f"{name}: expected images of {expected} for this network, found {found}")
    for start in range(0, len(images), AT_ONCE):
        pixels = images[start : start + AT_ONCE].reshape(-1, images[0].size)
        for prediction in classifier.predictions(pixels):
            yield asdict(prediction) | {"box": [0, 0, classifier.shape[1], classifier.shape[0]]}
