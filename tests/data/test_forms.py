"""Every form of the same images is the same data: the same bytes, in the same order, and the same trained network."""

import csv
import gzip
import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.data import idx
from mnistnet.data.convert import convert
from mnistnet.data.datasets import Examples
from mnistnet.data.forms import csv_files
from mnistnet.data.forms.found import ReadAs
from mnistnet.data.forms.names import Meaning, meaning
from mnistnet.data.forms.values import as_bytes
from mnistnet.data.own_data import open_own
from mnistnet.errors import DataError
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


def idx_header(code: int, *shape: int) -> bytes:
    return bytes([0, 0, code, len(shape)]) + np.array(shape, ">u4").tobytes()


def write_idx(folder: Path, parts: Parts, name: str = "{part}-{kind}-idx{n}-ubyte", dtype: str = ">u1") -> Path:
    codes = {">u1": 8, ">i4": 12, ">f4": 13, ">f8": 14}
    folder.mkdir(exist_ok=True)
    for part, (images, labels) in parts.items():
        for kind, array in (("images", images), ("labels", labels)):
            values = array.astype(dtype)
            content = idx_header(codes[dtype], *array.shape) + values.tobytes()
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


def write_kmnist(folder: Path, parts: Parts) -> Path:
    folder.mkdir()
    for part, (images, labels) in parts.items():
        np.savez(folder / f"kmnist-{part}-imgs.npz", images)
        np.savez(folder / f"kmnist-{part}-labels.npz", labels)
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
    "an array a file, as KMNIST's": write_kmnist,
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


@settings(deadline=None, database=None, max_examples=25)
@given(
    counts=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    side=st.integers(2, 6),
    classes=st.integers(1, 256),
    dtype=st.sampled_from([">u1", ">i4", ">f4", ">f8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_images_come_back_from_any_form_and_from_what_convert_makes_of_it(
    counts: tuple[int, int], side: int, classes: int, dtype: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    parts = {
        part: (
            random.integers(0, 256, (n, side, side)).astype(np.uint8),
            random.integers(0, classes, n).astype(np.uint8),
        )
        for part, n in zip(NAMES, counts, strict=True)
    }
    for images, _ in parts.values():
        images[0, 0, 0] = 255  # floats that are all 0 and 1 would be fractions
    hashes = []
    with TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        paths = [write_idx(folder / "idx", parts, dtype=dtype), write_csv(folder / "csv", parts, header=seed % 2 == 0)]
        paths += [write_npz(folder / "npz", parts), write_npy(folder / "npy", parts)]
        for path in paths:
            store = open_own(path, ReadAs(pixels=side * side))
            assert np.array_equal(store.examples("train").images, parts["train"][0].reshape(counts[0], -1))
            hashes += [store.hashes(), open_own(convert(store, folder / f"made-{path.name}")).hashes()]
    assert all(each == hashes[0] for each in hashes)


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


# What names and numbers mean


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train-images-idx3-ubyte.gz", Meaning("", "train", "images")),
        ("T10K-LABELS.IDX1-UBYTE", Meaning("", "test", "labels")),
        ("emnist-digits-test-labels-idx1-ubyte.gz", Meaning("emnist-digits", "test", "labels")),
        ("qmnist-train-labels-idx2-int", Meaning("qmnist", "train", "labels")),
        ("x_train", Meaning("", "train", "images")),
        ("test_labels", Meaning("", "test", "labels")),
        ("kmnist-train-imgs", Meaning("kmnist", "train", "images")),
        ("mnist_test", Meaning("mnist", "test", None)),
        ("readme", Meaning("readme", None, None)),
    ],
)
def test_names_mean_what_their_words_say(name: str, expected: Meaning) -> None:
    assert meaning(name) == expected


@settings(deadline=None, database=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4)),
    kind=st.sampled_from(["u1", ">i2", "<i4", "i8", "f2", ">f4", "f8", "?"]),
    seed=st.integers(0, 2**32 - 1),
    whole=st.booleans(),
)
def test_numbers_of_any_type_become_bytes_by_one_rule(
    shape: tuple[int, int, int], kind: str, seed: int, whole: bool
) -> None:
    expected = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        expected = np.where(expected > 127, 255, 0).astype(np.uint8)
        values = expected > 0
    elif dtype.kind == "f" and not whole:
        values = (expected / 255).astype(dtype)
    else:
        expected[0, 0, 0] = 255  # floats that are all 0 and 1 would be fractions
        values = expected.astype(dtype)
    (found,) = as_bytes([(np.asfortranarray(values), "x")])
    assert np.array_equal(found, expected)


@settings(deadline=None, database=None, max_examples=40)
@given(
    n=st.integers(2, 6),
    side=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    delimiter=st.sampled_from([",", ";", "\t"]),
    header=st.booleans(),
    last=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
)
def test_tables_of_any_layout_are_read(
    n: int, side: int, seed: int, delimiter: str, header: bool, last: bool, end: str, packed: bool
) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (n, side * side))
    labels = random.integers(0, 256, (n, 1))
    last = last and header
    rows = np.hstack([images, labels] if last else [labels, images]).tolist()
    names = [f"pixel{i}" for i in range(side * side)]
    names = [*names, "class"] if last else ["label", *names]
    lines = [delimiter.join(map(str, row)) for row in ([names] if header else []) + rows]
    content = end.join(lines).encode()
    path = Path("table.csv.gz" if packed else "table.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    table = csv_files.read_table(path, side * side)
    assert table.labels is not None
    assert np.array_equal(table.images.reshape(n, -1), images)
    assert np.array_equal(table.labels, labels[:, 0])


def test_the_columns_that_pandas_numbers_are_no_image() -> None:
    rows = [[7, *range(100, 109)], [3, *range(9)]]
    Path("frame.csv").write_text("\n".join(",".join(map(str, row)) for row in [range(10), *rows]))
    table = csv_files.read_table(Path("frame.csv"))
    assert table.labels is not None
    assert table.labels.tolist() == [7, 3]
    Path("indexed.csv").write_text(",0,1,2,3,4\n0,7,1,2,3,4\n1,3,1,2,3,4\n")
    table = csv_files.read_table(Path("indexed.csv"))
    assert table.labels is not None
    assert (table.labels.tolist(), table.images.shape) == ([7, 3], (2, 2, 2))


def test_a_packed_table_is_not_unpacked_beyond_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "UNPACKED_IN_ANY_CASE", 1000)
    Path("bomb.csv.gz").write_bytes(gzip.compress(b"0,1,2,3,4\n" * 100_000))
    with pytest.raises(DataError, match="unpack it first"):
        csv_files.read_table(Path("bomb.csv.gz"))


def test_a_table_without_labels_is_known_by_its_square_number_of_columns() -> None:
    Path("test.csv").write_text("pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n")
    assert csv_files.read_table(Path("test.csv")).labels is None
    Path("named.csv").write_text("label,1x1,1x2,1x3,2x1,2x2,2x3\n7,1,2,3,4,5,6\n")
    assert csv_files.read_table(Path("named.csv")).images.shape == (1, 2, 3)


def test_validation_arrays_are_left_out_with_a_word(digits: Parts, tmp_path: Path) -> None:
    (images, labels), few = digits["train"], slice(0, 9)
    np.savez(
        "med.npz", train_images=images, train_labels=labels[:, None], val_images=images[few], val_labels=labels[few]
    )
    store = open_own(Path("med.npz"))
    assert len(store.examples("train")) + len(store.examples("test")) == len(labels)
    assert store.remarks == ("med.npz: val_images, val_labels: left out; validation images are held out by seed",)


# What cannot be right is refused in one line


def _two(folder: Path) -> Path:
    """Write four small images of two classes into IDX files."""
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    return write_idx(folder, {part: (images, np.array([0, 1, 0, 1], np.uint8)) for part in NAMES})


def _file(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


def _idx(name: str, content: bytes) -> Callable[[Path], Path]:
    return lambda folder: _file(name, content)(_two(folder))


def _npz(**arrays: npt.NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _linked_folder(folder: Path) -> Path:
    (_linked(folder) / "0" / "2").symlink_to(folder.parent)
    return folder


def _linked(folder: Path) -> Path:
    (folder / "1").mkdir(parents=True)
    (folder / "0").mkdir()
    (folder / "0" / "a.png").write_bytes(png(np.zeros((8, 8), np.uint8)))
    (folder.parent / "secret.png").write_bytes(png(np.zeros((8, 8), np.uint8)))
    (folder / "1" / "b.png").symlink_to(folder.parent / "secret.png")
    return folder


SQUARE = "0,1,2,3,4\n1,1,2,3,4\n"
IMAGES = np.zeros((4, 2, 2), np.uint8)
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a web page": (
        _idx("train-images-idx3-ubyte", b"<!DOCTYPE html><html></html>"),
        "train-images-idx3-ubyte: expected an IDX file (magic 00000803 for bytes), found a web page",
    ),
    "a pointer": (
        _idx("t10k-labels-idx1-ubyte", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        "found a Git LFS pointer in place of the file; `git lfs pull` fetches",
    ),
    "packed twice": (
        _idx("train-images-idx3-ubyte", gzip.compress(gzip.compress(b"x"))),
        "found a gzip file within the gzip file: it was packed twice; unpack it once",
    ),
    "images of 16 bits": (
        _idx("train-images-idx3-ubyte", idx_header(0x0C, 4, 8, 8) + np.full(256, 256, ">i4").tobytes()),
        "expected pixels from 0 (black) to 255 (white), or floats from 0 to 1, found >i4 from 256 to 256",
    ),
    "NaN": (
        _idx("train-images-idx3-ubyte", idx_header(0x0D, 4, 8, 8) + np.full(256, np.nan, ">f4").tobytes()),
        "holds pixels that are not finite numbers",
    ),
    "labels below 0": (
        _idx("train-labels-idx1-ubyte", idx_header(0x0C, 4) + np.full(4, -1, ">i4").tobytes()),
        "expected labels from 0 to 255, found -1 to -1",
    ),
    "two sets": (
        lambda folder: write_idx(
            _two(folder),
            {part: (IMAGES, np.zeros(4, np.uint8)) for part in NAMES},
            "other-{part}-{kind}-idx{n}-ubyte",
        ),
        "holds several data sets (one without a name, other): say which, such as ",
    ),
    "one file of a set": (lambda folder: _two(folder) / "train-images-idx3-ubyte", "give the folder, "),
    "a part of a set": (lambda folder: _two(folder) / "train", "train here; expected one with four IDX files"),
    "a table cut short": (
        _file("train.csv", SQUARE + "0,1,2"),
        "train.csv, line 3: expected 5 columns, found 3; the file",
    ),
    "a line too long": (_file("train.csv", SQUARE + "0,1,2,3,4,5\n"), "line 3: expected 5 columns, found 6"),
    "a word among pixels": (
        _file("train.csv", SQUARE + "0,1,x,3,4\n"),
        'line 3, column 3: expected a number from 0 to 255, found "x"',
    ),
    "a word for a label": (
        _file("train.csv", "label,a,b,c,d\nseven,1,2,3,4\n"),
        'line 2, column 1: expected a label, a whole number from 0 to 255, found "seven"',
    ),
    "an empty cell": (
        _file("train.csv", SQUARE + "0,1,,3,4\n"),
        "line 3, column 3: expected a number from 0 to 255, found nothing",
    ),
    "NaN in a table": (_file("train.csv", SQUARE + "0,1,nan,3,4\n"), "holds pixels that are not finite numbers"),
    "300 in a table": (_file("train.csv", SQUARE + "0,1,300,3,4\n"), "found float32 from 1 to 300"),
    "an odd number of pixels": (
        _file("train.csv", "0,1,2\n1,2,3\n"),
        "expected a label and the pixels of a square image",
    ),
    "pixels alone": (_file("train.csv", "1,2,3,4\n1,2,3,4\n"), "expected a column of labels"),
    "names alone": (_file("train.csv", "label,a,b,c,d\n"), "found only one line, which is not numbers"),
    "an empty table": (_file("train.csv", ""), "expected CSV with a line for each image, found none"),
    "UTF-16": (_file("train.csv", SQUARE.encode("utf-16")), "found UTF-16; save it as UTF-8"),
    "other bytes": (_file("train.csv", b"0,1,2,3,\xff\n" * 3), "expected CSV as UTF-8 text"),
    "a page for a table": (_file("train.csv", "<html>" * 9), "expected CSV, found a web page"),
    "half a packed table": (_file("train.csv.gz", gzip.compress(SQUARE.encode() * 99)[:-20]), "damaged or cut short"),
    "no labels in .npz": (_file("a.npz", _npz(x_train=IMAGES)), "expected arrays x_train and y_train"),
    "objects": (
        _file("a.npz", _npz(x_train=np.array([{}] * 4), y_train=np.zeros(4))),
        "expected an array of numbers, found object",
    ),
    "colours": (_file("a.npz", _npz(x_train=np.zeros((4, 2, 2, 3)), y_train=np.zeros(4))), "make them grey first"),
    "a damaged .npz": (_file("a.npz", _npz(x_train=IMAGES, y_train=np.zeros(4))[:-30]), "a damaged .npz file"),
    "halves for labels": (_file("a.npz", _npz(x_train=IMAGES, y_train=np.full(4, 0.5))), "a number that is not whole"),
    "a label too few": (_file("a.npz", _npz(x_train=IMAGES, y_train=np.zeros(3))), "4 images but 3 labels"),
    "an empty picture": (_file("7/a.png", b""), "a.png: the file is empty; expected a picture"),
    "pictures without classes": (_file("a.png", b"x"), "nothing says what a.png shows: expected pictures in folders"),
    "no picture": (_file("7/a.png", b"hello"), "a.png: not a picture, or of a kind not read here"),
    "a link out": (_linked, "b.png: is a link that leads out of"),
    "a folder linked from elsewhere": (
        _linked_folder,
        "is a link that leads out of",
    ),
    "half a packed table, damaged": (
        _file("train.csv.gz", gzip.compress(SQUARE.encode() * 99)[:30] + bytes(40)),
        "damaged or cut short",
    ),
    "a missing picture": (_file("labels.csv", "file,label\na.png,7\n"), "labels.csv, line 2: no file a.png beside it"),
    "a picture elsewhere": (
        lambda folder: _file("labels.csv", "../beside.png,7\n")(_file("../beside.png", png(IMAGES[0]))(folder)),
        "line 1: ../beside.png leads out of",
    ),
    "no label": (
        _file("labels.csv", "file,label\na.png\n"),
        "line 2: expected a file's name and its label, found 1 cells",
    ),
    "an empty folder": (_file("read.me", ""), "has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz; expected"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_right_is_refused_in_one_line_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    spoilt, words = BAD[case]
    path = spoilt(tmp_path / "own")
    result = run("data", "convert", path, tmp_path / "made")
    assert result.exit_code == 1
    assert words in result.stderr
    assert re.fullmatch(r"mnistnet: error: [^\n]+\n", result.stderr)
    assert not list(tmp_path.glob("*made*")) + list(tmp_path.glob(".*"))
