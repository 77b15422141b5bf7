"""Data of your own: reads any form into a store with the interface of a published one.

    four IDX files, or two       forms/idx_files.py
    a CSV file or two            forms/csv_files.py
    .npz, or .npy files          forms/numpy_files.py
    a folder of pictures         forms/picture_folder.py

Images of any size, up to 256 classes. There is no published hash to compare with, so all is read at once, and the hash
of what it holds says in every checkpoint which data a network has seen: that of the four IDX files that `mnistnet data
convert` would write, so that it is the same in whichever form the same images come. `classes.txt`, if it is there,
names the classes, a line each; without it they are called 0, 1, 2, ..., or as their folders are.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mnistnet.data import concerns, datasets, idx
from mnistnet.data.datasets import Examples, Store, checked
from mnistnet.data.forms.found import Found, OnRead, Part, ReadAs, read_bytes
from mnistnet.data.registry import DATASETS, NAMES, DatasetSpec, RemoteFile
from mnistnet.errors import DataError, UsageError
from mnistnet.util.rng import Use, generator

if TYPE_CHECKING:
    from mnistnet.data.download import Progress

CLASSES = "classes.txt"
MAX_CLASSES = 256  # a label is a byte
BLOCK = 4096  # images moved at a time
MAX_NAME_LENGTH = 40  # letters of a class's name
USUAL = ReadAs()
HELP = "`mnistnet data info --help` and docs/data.md say which forms are read"


def is_path(dataset: str) -> bool:
    """Return whether the config's `dataset` is a path: it has a separator, or is no data set's name."""
    separators = {"/", os.sep, os.altsep or "/"}
    return dataset not in DATASETS and (any(s in dataset for s in separators) or Path(dataset).exists())


@dataclass(frozen=True)
class OwnStore(Store):
    """Data of your own, read, with the interface of a published data set's store."""

    parts: dict[str, Examples] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def examples(self, part: str) -> Examples:
        """Return the "train" or the "test" examples."""
        return self.parts[part]

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file's unpacked content, by the name of the unpacked file."""
        return self.digests

    def ensure(self) -> list[RemoteFile]:
        """Fetch nothing: all files are there and read."""
        return []

    def verify(self) -> list[RemoteFile]:
        """Fetch nothing: all files are there and read."""
        return []

    def states(self) -> dict[str, str]:
        """Return "read" for each file: there are no published hashes to compare."""
        return dict.fromkeys(self.digests, "read")


def open_store(
    dataset: str,
    data_dir: Path | None = None,
    mirrors: Sequence[str] = (),
    on_progress: "Progress | None" = None,
    *,
    read_as: ReadAs = USUAL,
    on_read: OnRead | None = None,
) -> Store:
    """Return the store of a published data set by its name, or of your own data by its path.

    Raises UsageError for a word that is neither, DataError for data that cannot be used.
    """
    if is_path(dataset):
        return open_own(Path(dataset).expanduser(), read_as, on_read)
    if dataset not in DATASETS:
        names = ", ".join(DATASETS)
        raise UsageError(f"dataset: expected {names}, or the path of data of your own, found {dataset}")
    return datasets.store(DATASETS[dataset], data_dir, mirrors, on_progress, pictures=read_as.pictures)


def open_own(path: Path, read_as: ReadAs = USUAL, on_read: OnRead | None = None) -> OwnStore:
    """Read data of your own. Raises DataError, naming the file that is missing, damaged or does not fit."""
    found = _read(path, read_as, on_read)
    if found.pictures:  # prepared already, light on dark
        read_as = replace(read_as, invert=False)
    parts = {name: _turned(part, read_as) for name, part in found.parts.items()}
    found.parts.clear()  # so that turned or held-out images take memory once
    form = found.form
    for part in parts.values():
        _check_counts(part)
    if "test" not in parts:
        parts["train"], parts["test"] = held_out(parts["train"], read_as.test_share)
        form += f"; {len(parts['test'].labels):,} images held out as the test part"
    shape = _shape(path, parts)
    names = _class_names(path, parts, found.names)
    pictures = found.pictures or _pictures(path, read_as, parts["train"], names)
    name = "".join(c if " " <= c <= "~" else "?" for c in path.resolve().name)[:100]
    spec = DatasetSpec(name or "data", f"the data set in {path}", (), (), "your own", names, shape)
    return OwnStore(
        spec,
        path,
        parts={name: checked(part.images, part.labels, len(names), part.where) for name, part in parts.items()},
        digests={
            NAMES[part, kind].removesuffix(".gz"): _digest(
                parts[part].images if kind == "images" else parts[part].labels
            )
            for part, kind in NAMES
        },
        form=form,
        remarks=(*found.remarks, *concerns.about(str(path), parts, names, read_as, emnist=found.emnist)),
        prepared=pictures,
    )


def read_images(path: Path, read_as: ReadAs) -> npt.NDArray[np.uint8]:
    """Return the images in one CSV, NumPy or IDX file, turned by `read_as`, uint8 (n, rows, columns).

    Labels, if it has any, are left out. Raises DataError.
    """
    from mnistnet.data.forms import csv_files, idx_files, numpy_files
    from mnistnet.data.forms.values import as_bytes

    if csv_files.is_csv(path):
        images = csv_files.read_table(path, read_as.pixels).images
    else:
        images = numpy_files.read_images(path) if numpy_files.is_numpy(path) else idx_files.read_images(path)
    (pixels,) = as_bytes([(images, str(path))])
    return _turned(Part(pixels, np.empty(0, np.uint8), str(path)), read_as).images


def _read(path: Path, read_as: ReadAs, on_read: OnRead | None) -> Found:
    """Read a path with the reader for its form. Raises DataError."""
    from mnistnet.data.forms import csv_files, idx_files, numpy_files, picture_folder  # Pillow takes time to import
    from mnistnet.data.forms.names import is_idx

    if path.is_file():
        if csv_files.is_csv(path):
            return csv_files.read_file(path, read_as.pixels)
        if numpy_files.is_numpy(path):
            return numpy_files.read_file(path)
        if is_idx(path.name):
            raise DataError(
                f"{path}: expected a folder of IDX files, found one of them; give the folder, {path.parent}"
            )
        raise DataError(f"{path}: expected a folder, a .csv or an .npz file, found another file; {HELP}")
    if not path.is_dir():
        if path.parent.is_dir() and (files := idx_files.find(path.parent, path.name)):
            return idx_files.read(path.parent, files)
        if path.parent.is_dir() and (tables := csv_files.find(path.parent, path.name)):
            return csv_files.read(path.parent, tables, read_as.pixels)
        raise DataError(f"dataset: no folder {path} here; expected one with four IDX files such as {_first()}; {HELP}")
    if files := idx_files.find(path):
        return idx_files.read(path, files)
    if arrays := numpy_files.find(path):
        return numpy_files.read(path, arrays)
    if picture_folder.is_one(path):
        return picture_folder.read(path, read_as, on_read)
    if tables := csv_files.find(path):
        return csv_files.read(path, tables, read_as.pixels)
    wanted = ", ".join(name.removesuffix(".gz") for name in NAMES.values())
    raise DataError(
        f"{path} has no {_first()} or {_first()}.gz; expected four IDX files, plain or .gz ({wanted}), a .csv or .npz "
        f"file, or folders of pictures named after their classes; {HELP}"
    )


def _first() -> str:
    return NAMES["train", "images"].removesuffix(".gz")


def _turned(part: Part, read_as: ReadAs) -> Part:
    """Return a part with its images turned upright and white on black, by the config's keys."""
    images = part.images
    if read_as.orientation == "transposed":
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return Part(255 - images if read_as.invert else images, part.labels, part.where)


def held_out(part: Part, share: float) -> tuple[Part, Part]:
    """Split a part into training and test examples, with the same share of each class.

    The split is the same for every seed, so that no training learns from another's test images. The images of the part
    given may be changed.
    """
    random = generator(0, Use.SPLIT)
    chosen = np.zeros(len(part.labels), bool)
    for label in np.unique(part.labels):
        members = np.flatnonzero(part.labels == label)
        chosen[random.permutation(members)[: round(share * len(members))]] = True
    if not chosen.any():
        chosen[-1] = True
    if chosen.all():
        raise DataError(f"{part.where}: expected at least two images, one of them to test on, found {len(chosen)}")
    test = Part(part.images[chosen], part.labels[chosen], part.where)
    return Part(_compacted(part.images, ~chosen), part.labels[~chosen], part.where), test


def _compacted(images: npt.NDArray[np.uint8], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Return the kept images, moved to the front of their memory if that is writable."""
    if not images.flags.writeable:
        return images[kept]
    indices = np.flatnonzero(kept)
    for start in range(0, len(indices), BLOCK):
        block = indices[start : start + BLOCK]
        images[start : start + len(block)] = images[block]
    return images[: len(indices)]


def _pictures(path: Path, read_as: ReadAs, train: Part, names: tuple[str, ...]) -> str:
    """Return how pictures are to be prepared: by the config, or by what the images look like. Raises DataError."""
    if read_as.pictures == "digits" and train.images.shape[1:] != concerns.DIGIT_SHAPE:
        rows, columns = train.images.shape[1:]
        raise DataError(
            f"{path}: pictures: digits makes images of 28x28 of pictures, and those here are {rows}x{columns}; "
            "expected pictures: scale"
        )
    if read_as.pictures != "auto":
        return read_as.pictures
    return "digits" if concerns.look_like_digits(train, names) else "scale"


def _digest(values: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an IDX file of these values."""
    digest = hashlib.sha256(idx.write_header(values.shape))
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _check_counts(part: Part) -> None:
    if len(part.images) != len(part.labels):
        raise DataError(f"{part.where}: {len(part.images):,} images but {len(part.labels):,} labels")


def _shape(path: Path, parts: dict[str, Part]) -> tuple[int, int]:
    """Return the images' rows and columns, the same in training and test. Raises DataError."""
    (_, *train), (_, *test) = (parts[part].images.shape for part in ("train", "test"))
    if train != test:
        sizes = " but test images ".join("x".join(map(str, shape)) for shape in (train, test))
        raise DataError(f"{path}: training images are {sizes}")
    if 0 in train or not len(parts["train"].labels) or not len(parts["test"].labels):
        raise DataError(f"{path}: expected at least one training and one test image, of one pixel or more")
    return train[0], train[1]


def _class_names(path: Path, parts: dict[str, Part], known: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names in classes.txt, else those that the form has, else the numbers of labels. Raises DataError."""
    largest = max(int(part.labels.max()) for part in parts.values())
    file = (path if path.is_dir() else path.parent) / CLASSES
    if not file.is_file():
        if known and len(known) > max(largest, 1):
            return _checked_names(known, str(path))
        return tuple(map(str, range(max(largest + 1, 2))))
    try:
        names = tuple(line.strip() for line in read_bytes(file).decode("utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected UTF-8 text, a line for each class") from None
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) < len(names):
        raise DataError(f"{file}: expected 2 to {MAX_CLASSES} lines, no two alike, found {len(names)}")
    if largest >= len(names):
        raise DataError(f"{file}: names {len(names)} classes, but there is a label {largest}, counted from 0")
    return _checked_names(names, str(file))


def _checked_names(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not all(name and name.isascii() and name.isprintable() and len(name) <= MAX_NAME_LENGTH for name in names):
        raise DataError(f"{where}: expected names of classes of 1 to {MAX_NAME_LENGTH} letters of ASCII, a line each")
    return names
