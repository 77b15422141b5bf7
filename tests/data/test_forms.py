"""Every form of the same images is the same data: the same bytes, in the same order, and the same trained network."""

import csv
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mnistnet.data.datasets import Examples
from mnistnet.data.own_data import open_own
from tests.helpers import run
from tests.mirror import idx_file
from tests.pictures import png

Bytes = npt.NDArray[np.uint8]
Parts = dict[str, tuple[Bytes, Bytes]]
NAMES = {"train": "train", "test": "t10k"}


@pytest.fixture(scope="module")
def digits(mnist_train: Examples, mnist_test: Examples) -> Parts:
    """Return 800 training and 200 test images of MNIST with their labels."""
    return {
        part: (examples.images[:count].reshape(-1, 28, 28), examples.labels[:count])
        for part, examples, count in (("train", mnist_train, 800), ("test", mnist_test, 200))
    }


def write_idx(folder: Path, parts: Parts, name: str = "{part}-{kind}-idx{n}-ubyte", dtype: str = ">u1") -> Path:
    codes = {">u1": 8, ">i4": 12, ">f4": 13, ">f8": 14}
    folder.mkdir(exist_ok=True)
    for part, (images, labels) in parts.items():
        for kind, array in (("images", images), ("labels", labels)):
            values = array.astype(dtype)
            head = bytes([0, 0, codes[dtype], array.ndim]) + np.array(array.shape, ">u4").tobytes()
            content = head + values.tobytes()
            file = folder / name.format(part=NAMES[part], kind=kind, n=array.ndim)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(gzip.compress(content, 1) if file.suffix == ".gz" else content)
    return folder


def _csv_rows(images: Bytes, labels: Bytes) -> list[list[int]]:
    rows: list[list[int]] = np.column_stack([labels, images.reshape(len(images), -1)]).tolist()
    return rows


def write_csv(folder: Path, parts: Parts, header: bool = True, delimiter: str = ",") -> Path:
    folder.mkdir()
    for part, (images, labels) in parts.items():
        with (folder / f"mnist_{part}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream, delimiter=delimiter)
            if header:
                writer.writerow(["label", *(f"pixel{i}" for i in range(images[0].size))])
            writer.writerows(_csv_rows(images, labels))
    return folder


def write_class_folders(folder: Path, parts: Parts) -> Path:
    for part, (images, labels) in parts.items():
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            file = folder / part / str(label) / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(image))
    return folder


def write_table(folder: Path, parts: Parts) -> Path:
    for part, (images, labels) in parts.items():
        (folder / part / "all").mkdir(parents=True)
        lines = ["filename,label"]
        for number, image in enumerate(images):
            name = f"all/{(number * 7919) % 100_003}.png"  # in the table's order, not that of their names
            (folder / part / name).write_bytes(png(image))
            lines.append(f"{name},{labels[number]}")
        (folder / part / "labels.csv").write_text("\n".join(lines))
    return folder


def _arrays(parts: Parts) -> dict[str, Bytes]:
    return {f"{'xy'[i]}_{part}": array for part, pair in parts.items() for i, array in enumerate(pair)}


def write_npz(folder: Path, parts: Parts) -> Path:
    folder.mkdir()
    np.savez_compressed(folder / "mnist.npz", **_arrays(parts))  # type: ignore[arg-type]
    return folder / "mnist.npz"


def write_npy(folder: Path, parts: Parts) -> Path:
    folder.mkdir()
    for name, array in _arrays(parts).items():
        np.save(
            folder / f"{name}.npy", np.asfortranarray(array.reshape(len(array), -1) / 255) if array.ndim == 3 else array
        )
    return folder


def write_qmnist(folder: Path, parts: Parts) -> Path:
    columns = {
        part: (images, np.column_stack([labels, *[np.arange(len(labels))] * 7]))
        for part, (images, labels) in parts.items()
    }
    write_idx(
        folder,
        {part: (images, labels) for part, (images, _) in parts.items() for labels in [columns[part][1]]},
        "qmnist-{part}-{kind}-idx{n}-int",
        ">i4",
    )
    return folder


def _both(folder: Path, parts: Parts) -> Path:
    write_idx(folder, parts)
    return write_idx(folder, parts, "{part}-{kind}-idx{n}-ubyte.gz")


def _in_folders(folder: Path, parts: Parts) -> Path:
    return write_idx(folder, parts, "{part}-{kind}-idx{n}-ubyte/{part}-{kind}-idx{n}-ubyte")


FORMS: dict[str, Callable[[Path, Parts], Path]] = {
    "IDX": write_idx,
    "IDX with a dot": lambda folder, parts: write_idx(folder, parts, "{part}-{kind}.idx{n}-ubyte"),
    "IDX in upper case": lambda folder, parts: write_idx(folder, parts, "{part}-{kind}-IDX{n}-UBYTE"),
    "IDX plain and packed": _both,
    "IDX each in a folder": _in_folders,
    "IDX of floats": lambda folder, parts: write_idx(folder, parts, dtype=">f4"),
    "QMNIST": write_qmnist,
    "CSV": write_csv,
    "CSV without names, semicolons": lambda folder, parts: write_csv(folder, parts, False, ";"),
    "Keras": write_npz,
    "arrays of floats": write_npy,
    "class folders": write_class_folders,
    "a table of pictures": write_table,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_images_is_the_same_data(form: str, digits: Parts, tmp_path: Path) -> None:
    store = open_own(FORMS[form](tmp_path / "own", digits))
    for part, (images, labels) in digits.items():
        found = store.examples(part)
        assert np.array_equal(found.images, images.reshape(len(images), -1))
        assert np.array_equal(found.labels, labels)
        for kind, array in (("images", images), ("labels", labels)):
            name = f"{NAMES[part]}-{kind}-idx{array.ndim}-ubyte"
            assert store.hashes()[name] == hashlib.sha256(idx_file(array)).hexdigest()
    assert (store.spec.shape, store.spec.labels, store.pictures) == ((28, 28), tuple("0123456789"), "digits")
    assert store.remarks == ()


def test_networks_trained_on_any_form_are_equal_to_the_last_byte(digits: Parts, tmp_path: Path) -> None:
    options = ["--set=dataset=./own", "--set=epochs=1", "--set=validation=100", "--set=layer_sizes=[784,8,10]"]
    made = set()
    for number, form in enumerate(("IDX with a dot", "CSV", "class folders", "arrays of floats")):
        FORMS[form](tmp_path / "own", digits)  # under one name, which stands in the checkpoint
        out = tmp_path / f"run{number}"
        result = run("train", *options, "--set=threads=1", "--out", out, "--quiet")
        assert result.exit_code == 0, result.output
        made.add((out / "best.npz").read_bytes())
        (tmp_path / "own").rename(tmp_path / f"used{number}")
    assert len(made) == 1
