"""A data set of one's own: a folder with four IDX files named like MNIST's, packed (.gz) or plain, and class names.

    train-images-idx3-ubyte   train-labels-idx1-ubyte   t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte

Images of any size, up to 256 classes. There is no published hash to compare with, so the files are read once, and
the hash of what they hold says in every checkpoint which data a network has seen. `classes.txt`, if it is there, names
the classes, a line each; without it they are called 0, 1, 2, ...
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mnistnet.data import datasets, idx
from mnistnet.data.datasets import GZIP, Examples, Store, checked
from mnistnet.data.registry import DATASETS, NAMES, DatasetSpec, RemoteFile
from mnistnet.errors import DataError, UsageError
from mnistnet.util.atomic_files import reason

if TYPE_CHECKING:
    from mnistnet.data.download import Progress

CLASSES = "classes.txt"
MAX_CLASSES = 256  # a label is a byte
MAX_NAME_LENGTH = 40  # letters of a class's name

Parsed = dict[tuple[str, str], npt.NDArray[np.uint8]]


def is_path(dataset: str) -> bool:
    """Return whether the config's word for a data set is a folder: it has a separator, or is no data set's name."""
    separators = {"/", os.sep, os.altsep or "/"}
    return dataset not in DATASETS and (any(s in dataset for s in separators) or Path(dataset).is_dir())


@dataclass(frozen=True)
class OwnStore(Store):
    """A folder of one's own, read; it can be used wherever a published data set can."""

    parts: dict[str, Examples] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def examples(self, part: str) -> Examples:
        """Return the "train" or the "test" examples."""
        return self.parts[part]

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of what each file holds, unpacked, by the name of the unpacked file."""
        return self.digests

    def ensure(self) -> list[RemoteFile]:
        """Fetch nothing: all files are there and read."""
        return []

    def verify(self) -> list[RemoteFile]:
        """Fetch nothing: all files are there and read."""
        return []

    def states(self) -> dict[str, str]:
        """Return "read" for each file: nobody has published what it should hold."""
        return dict.fromkeys(self.digests, "read")


def open_store(
    dataset: str,
    data_dir: Path | None = None,
    mirrors: Sequence[str] = (),
    on_progress: "Progress | None" = None,
) -> Store:
    """Return the store of a published data set by its name, or of a folder of one's own by its path.

    Raises UsageError for a word that is neither, DataError for a folder that cannot be used.
    """
    if is_path(dataset):
        return open_folder(Path(dataset).expanduser())
    if dataset not in DATASETS:
        names = ", ".join(DATASETS)
        raise UsageError(f"dataset: expected {names}, or the path of a folder of your own, found {dataset}")
    return datasets.store(DATASETS[dataset], data_dir, mirrors, on_progress)


def open_folder(path: Path) -> OwnStore:
    """Read a folder of one's own. Raises DataError, naming the file that is missing, damaged or does not fit."""
    contents, parsed = {}, Parsed()
    for (part, kind), packed_name in NAMES.items():
        file = _find(path, packed_name)
        dimensions = 3 if kind == "images" else 1
        packed = _read(file)
        content = idx.unpack(packed, dimensions, str(file)) if packed[:2] == GZIP else packed
        parsed[part, kind] = idx.parse(content, dimensions, str(file))
        contents[packed_name.removesuffix(".gz")] = content
    shape = _shape(path, parsed)
    labels = _class_names(path, parsed)
    name = "".join(c if " " <= c <= "~" else "?" for c in path.resolve().name)[:100]
    spec = DatasetSpec(name or "data", f"the data set in {path}", (), (), "your own", labels, shape)
    return OwnStore(
        spec,
        path,
        parts={
            part: checked(parsed[part, "images"], parsed[part, "labels"], len(labels), f"{path}, {part} files")
            for part in ("train", "test")
        },
        digests={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )


def _find(folder: Path, packed_name: str) -> Path:
    plain_name = packed_name.removesuffix(".gz")
    found = [folder / name for name in (plain_name, packed_name) if (folder / name).is_file()]
    if len(found) > 1:
        raise DataError(f"{folder} holds both {plain_name} and {packed_name}: take away the one that is not meant")
    if found:
        return found[0]
    if not folder.is_dir():
        raise DataError(f"dataset: no folder {folder} here; expected one with four IDX files such as {packed_name}")
    wanted = ", ".join(name.removesuffix(".gz") for name in NAMES.values())
    raise DataError(f"{folder} has no {plain_name} or {packed_name}; expected four IDX files, plain or .gz: {wanted}")


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > idx.MAX_BYTES:
            raise DataError(f"{file}: larger than this program reads (2 GiB)")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {reason(error)}") from None


def _shape(path: Path, parsed: Parsed) -> tuple[int, int]:
    """Return the images' rows and columns, the same in training and test. Raises DataError."""
    (_, *train), (_, *test) = (parsed[part, "images"].shape for part in ("train", "test"))
    if train != test:
        sizes = " but ".join("x".join(map(str, shape)) for shape in (train, test))
        raise DataError(f"{path}: training images are {sizes.replace(' but ', ' but test images ')}")
    if 0 in train or not len(parsed["train", "labels"]) or not len(parsed["test", "labels"]):
        raise DataError(f"{path}: expected at least one training and one test image, of one pixel or more")
    return train[0], train[1]


def _class_names(path: Path, parsed: Parsed) -> tuple[str, ...]:
    """Return the names in classes.txt, else the numbers up to the largest label. Raises DataError."""
    largest = max(int(parsed[part, "labels"].max()) for part in ("train", "test"))
    file = path / CLASSES
    if not file.is_file():
        return tuple(map(str, range(max(largest + 1, 2))))
    try:
        names = tuple(line.strip() for line in _read(file).decode("utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected UTF-8 text, a line for each class") from None
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) < len(names):
        raise DataError(f"{file}: expected 2 to {MAX_CLASSES} lines, no two alike, found {len(names)}")
    if not all(name and name.isascii() and name.isprintable() and len(name) <= MAX_NAME_LENGTH for name in names):
        raise DataError(f"{file}: expected names of 1 to {MAX_NAME_LENGTH} letters of ASCII, a line each")
    if largest >= len(names):
        raise DataError(f"{file}: names {len(names)} classes, but there is a label {largest}, counted from 0")
    return names
