"""Writes any data set as four plain IDX files, which are read fastest, with the names of its classes beside them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from mnistnet.data import idx
from mnistnet.data.datasets import Examples, Store
from mnistnet.data.own_data import CLASSES
from mnistnet.data.registry import NAMES
from mnistnet.errors import DataError
from mnistnet.util.atomic_files import reason


def convert(store: Store, folder: Path, *, renumber: bool = False) -> Path:
    """Write a store's images and labels into a new folder, completely or not at all. Returns the folder.

    `renumber` leaves out classes without an example. Raises DataError where the folder is there already, or cannot be
    written.
    """
    parts, names = {part: store.examples(part) for part in ("train", "test")}, store.spec.labels
    if renumber:
        parts, names = _renumbered(parts, names)
    temporary = folder.parent / f".{folder.name}.{os.getpid()}.tmp"
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} is there already, and not empty: choose another folder")
        temporary.mkdir(parents=True)
        try:
            for (part, kind), name in NAMES.items():
                array = parts[part].labels if kind == "labels" else parts[part].images.reshape(-1, *store.spec.shape)
                with (temporary / name.removesuffix(".gz")).open("wb") as stream:
                    stream.write(idx.write_header(array.shape))
                    stream.write(np.ascontiguousarray(array).data)
                    stream.flush()
                    os.fsync(stream.fileno())
            if names != tuple(map(str, range(len(names)))):
                (temporary / CLASSES).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
            if folder.is_dir():
                folder.rmdir()  # an empty one; some systems rename onto none
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}") from None
    return folder


def _renumbered(parts: dict[str, Examples], names: tuple[str, ...]) -> tuple[dict[str, Examples], tuple[str, ...]]:
    present = np.unique(np.concatenate([part.labels for part in parts.values()]))
    if len(present) < 2:
        raise DataError(f"expected examples of at least two classes, found one ({names[present[0]]})")
    number = np.zeros(256, np.uint8)
    number[present] = np.arange(len(present))
    changed = {name: replace(part, labels=number[part.labels]) for name, part in parts.items()}
    return changed, tuple(names[each] for each in present)
