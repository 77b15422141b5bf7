"""A folder of pictures: folders named after their classes, or one folder with a `labels.csv` that says what each shows.

    train/7/*.png  test/7/*.png       with a part to test on; without one, a share of 7/*.png is held out
    labels.csv                        lines of a file's name and its label; beside it the files

A picture of the network's size is taken as it is. Others are prepared as `predict` prepares them: as digits, or scaled
to fit. That is done once, on all processors, and kept in the user's cache folder under the hash of all that was read.
"""

import csv
import hashlib
import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from io import BytesIO, StringIO
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnistnet import __version__
from mnistnet.data import idx
from mnistnet.data.datasets import cache_folder
from mnistnet.data.forms.found import Found, OnRead, Part, ReadAs, read_bytes, reading
from mnistnet.data.forms.names import PARTS
from mnistnet.errors import DataError, ImageError
from mnistnet.util import system
from mnistnet.util.atomic_files import atomic_write
from mnistnet.util.child import follow
from mnistnet.vision import image_file
from mnistnet.vision.morphology import as_bytes
from mnistnet.vision.preprocess import fitted, light_on_dark, reading_for

TABLE = "labels.csv"
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".tif", ".tiff"),
    *(".heic", ".heif", ".avif"),
)
MAX_PICTURES = 1_000_000
MAX_TABLE = 1 << 28  # bytes
AT_ONCE = 128  # pictures that a process is given
MIN_PARALLEL = 2 * AT_ONCE  # pictures, from which a second process pays
SAMPLE = 50  # pictures whose size is checked, if no network gives a size
LARGE = 64  # pixels a side; larger pictures are photos, not images of a data set
USUAL = (28, 28)
CACHED = 8  # prepared sets in the cache
FILE_WORDS, LABEL_WORDS = (
    {"file", "filename", "image", "path", "name", "id"},
    {"label", "class", "target", "digit", "y"},
)


class _Picture(NamedTuple):
    """A picture: its path within the data set, and its label's word."""

    name: str
    word: str


def is_one(folder: Path) -> bool:
    """Return whether a folder holds pictures in folders of their classes, or a table of them.

    Raises DataError where nothing says what its pictures show.
    """
    with reading(folder):
        if (folder / TABLE).is_file():
            return True
        entries = _entries(folder)
        folders = [each for each in entries if each.is_dir()]
        for part in [each for each in folders if each.name.lower() in PARTS]:
            if (Path(part) / TABLE).is_file():
                return True
            folders += [each for each in _entries(Path(part)) if each.is_dir()]
        if any(next(_pictures_in(Path(each), "", folder, []), None) for each in folders):
            return True
    if loose := next((entry.name for entry in entries if entry.name.lower().endswith(ENDINGS)), None):
        raise DataError(
            f"{folder}: nothing says what {loose} shows: expected pictures in folders named after their classes, or a "
            f"{TABLE} with lines such as {loose},7"
        )
    return False


def read(folder: Path, read_as: ReadAs, on_read: OnRead | None = None) -> Found:
    """Read a folder of pictures. Raises DataError, naming the picture or the line that is wrong."""
    left_out: list[str] = []
    with reading(folder):
        found = _parts(folder, left_out)
    pictures = [picture for part in found.values() for picture in part]
    names, labels = _classes([picture.word for picture in pictures], folder)
    shape = _shape(folder, pictures, read_as)
    wanted = read_as.pictures
    if wanted == "auto":
        wanted = "digits" if shape == USUAL and all(re.fullmatch(r"\d", name) for name in names) else "scale"
    if wanted == "digits" and shape != USUAL:
        raise DataError(
            f"{folder}: pictures: digits makes images of 28x28, and those wanted here are {shape[0]}x{shape[1]}; "
            "expected pictures: scale"
        )
    images, as_they_are = _images(folder, [picture.name for picture in pictures], shape, wanted, on_read)
    parts, start = {}, 0
    for part, members in found.items():
        rows = slice(start, start + len(members))
        parts[part] = Part(images[rows], labels[rows], f"{folder}, {part} pictures")
        start = rows.stop
    remarks = []
    if left_out:
        remarks.append(f"{folder}: {len(left_out):,} that are no pictures are left out, such as {left_out[0]}")
    return Found("pictures", parts, names, remarks, pictures=None if as_they_are else wanted)


def _parts(folder: Path, left_out: list[str]) -> dict[str, list[_Picture]]:
    """Return the pictures of each part, in order. Raises DataError."""
    inner = {each.name.lower(): Path(each) for each in _entries(folder) if each.is_dir()}
    parts = {PARTS[name]: each for name, each in inner.items() if name in PARTS}
    if "train" not in parts:
        parts = {"train": folder}
    else:
        left_out += [each.name for name, each in inner.items() if name not in PARTS]
    found: dict[str, list[_Picture]] = {}
    for part in ("train", "test"):
        if part in parts:
            where = parts[part]
            table = where / TABLE
            found[part] = list(_in_table(table, folder) if table.is_file() else _in_folders(where, folder, left_out))
            if not found[part]:
                raise DataError(
                    f"{where}: expected folders named after their classes, with pictures in them, found none"
                )
    return found


def _in_folders(where: Path, root: Path, left_out: list[str]) -> list[_Picture]:
    """Return the pictures below a folder in the order of their own names, 2.png before 10.png, whatever their class."""
    found: list[_Picture] = []
    for entry in _entries(where):
        path = _inside(entry, root)
        if not entry.is_dir():
            left_out.append(path.relative_to(root).as_posix())
            continue
        found += _pictures_in(path, entry.name, root, left_out)
        if len(found) > MAX_PICTURES:
            raise DataError(f"{root}: expected at most {MAX_PICTURES:,} pictures, found more")
    return sorted(found, key=lambda picture: (_natural(picture.name.rpartition("/")[2]), picture.name))


def _pictures_in(folder: Path, word: str, root: Path, left_out: list[str]) -> Iterator[_Picture]:
    for entry in _entries(folder):
        path = _inside(entry, root)
        if entry.is_dir(follow_symlinks=False):
            yield from _pictures_in(path, word, root, left_out)
        elif not entry.name.lower().endswith(ENDINGS) or not entry.is_file():
            left_out.append(path.relative_to(root).as_posix())
        elif not entry.stat().st_size:
            raise DataError(f"{path}: the file is empty; expected a picture")
        else:
            yield _Picture(path.relative_to(root).as_posix(), word)


def _inside(entry: "os.DirEntry[str]", root: Path) -> Path:
    """Return the path of an entry. Raises DataError where it is a link that leads out of the data set's folder."""
    path = Path(entry)
    if entry.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{path}: is a link that leads out of {root}; put what it leads to there")
    return path


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return a folder's visible entries, by name. Raises DataError if there are more than in any data set."""
    with os.scandir(folder) as entries:
        found = list(islice((entry for entry in entries if not _is_hidden(entry.name)), MAX_PICTURES + 1))
    if len(found) > MAX_PICTURES:
        raise DataError(f"{folder}: expected at most {MAX_PICTURES:,} pictures, found more")
    return sorted(found, key=lambda entry: entry.name)


def _in_table(table: Path, root: Path) -> Iterator[_Picture]:
    """Yield the pictures that a table names, in its order. Raises DataError, naming the line."""
    try:
        text = read_bytes(table, MAX_TABLE).decode("utf-8-sig")
        rows = list(csv.reader(StringIO(text), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{table}: expected CSV as UTF-8 text, with a file's name and its label a line ({error})"
        ) from None
    file_column, label_column, header = 0, 1, 0
    if rows:
        words = [cell.strip().lower() for cell in rows[0]]
        files = [i for i, word in enumerate(words) if word in FILE_WORDS]
        labels = [i for i, word in enumerate(words) if word in LABEL_WORDS]
        if files and labels:
            file_column, label_column, header = files[0], labels[0], 1
    base = root.resolve()
    for number, row in enumerate(rows[header:], 1 + header):
        if not row:
            continue
        if len(row) <= max(file_column, label_column) or not row[file_column].strip() or not row[label_column].strip():
            raise DataError(f"{table}, line {number}: expected a file's name and its label, found {len(row)} cells")
        name = row[file_column].strip()
        path = _file(table.parent, name)
        if path is None:
            raise DataError(f"{table}, line {number}: no file {name[:100]} beside it")
        if not path.resolve().is_relative_to(base):
            raise DataError(f"{table}, line {number}: {name[:100]} leads out of {root}; expected a file in it")
        yield _Picture(
            Path(os.path.normpath(path)).relative_to(os.path.normpath(root)).as_posix(), row[label_column].strip()
        )


def _file(folder: Path, name: str) -> Path | None:
    if "\0" in name:
        return None
    for ending in ("", ".png", ".jpg"):
        with suppress(OSError):
            if (path := folder / (name + ending)).is_file():
                return path
    return None


def _classes(words: Sequence[str], folder: Path) -> tuple[tuple[str, ...], npt.NDArray[np.uint8]]:
    """Return the names of the classes and each picture's label: numbers are labels, words are numbered."""
    different = sorted(set(words), key=_natural)
    if all(re.fullmatch(r"\d{1,3}", word) and int(word) <= 255 for word in different):
        numbers = {word: int(word) for word in different}
        names = tuple(map(str, range(max(*numbers.values(), 1) + 1)))
    else:
        if len(different) > 256:
            raise DataError(f"{folder}: expected at most 256 classes, found {len(different):,}, such as {different[0]}")
        numbers, names = {word: i for i, word in enumerate(different)}, tuple(different)
    return names, np.array([numbers[word] for word in words], np.uint8)


def _shape(folder: Path, pictures: list[_Picture], read_as: ReadAs) -> tuple[int, int]:
    """Return the rows and columns of the images to make: the network's, else those of the pictures, else 28x28."""
    if read_as.pixels is not None and math.isqrt(read_as.pixels) ** 2 == read_as.pixels:
        return math.isqrt(read_as.pixels), math.isqrt(read_as.pixels)
    sizes = set()
    for picture in pictures[:SAMPLE]:
        with suppress(Exception), Image.open(folder / picture.name) as image:  # reading it will report the error
            sizes.add((image.height, image.width))
    rows, columns = sizes.pop() if len(sizes) == 1 else (0, 0)
    if read_as.pixels is not None:
        if rows * columns != read_as.pixels:
            raise DataError(
                f"{folder}: expected pictures of {read_as.pixels} pixels, or layer_sizes that begin with a square "
                "such as 784 (28x28)"
            )
        return rows, columns
    return (rows, columns) if 0 < max(rows, columns) <= LARGE else USUAL


def _images(
    folder: Path, names: list[str], shape: tuple[int, int], wanted: str, on_read: OnRead | None
) -> tuple[npt.NDArray[np.uint8], bool]:
    """Return the images of all pictures, from the cache if possible, and whether all are unchanged."""
    key = _key(folder, names, shape, wanted, on_read)
    file = cache_folder() / "pictures" / key
    if (kept := _kept(file, (len(names), *shape))) is not None:
        return kept
    images = np.empty((len(names), *shape), np.uint8)
    blocks = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    faults: list[str] = []
    done, as_they_are = 0, True
    for block, made, unchanged, wrong in _made(folder, blocks, shape, wanted, len(names)):
        images[done : done + len(block)] = made
        done += len(block)
        as_they_are &= unchanged
        faults += wrong
        if on_read:
            on_read("reading", done, len(names))
    if faults:
        raise DataError(
            f"{faults[0]}; repair or remove it"
            if len(faults) == 1
            else f"{len(faults):,} of {len(names):,} pictures cannot be read, the first: {faults[0]}"
        )
    _keep(file, images, as_they_are)
    return images, as_they_are


_Made = tuple[list[str], npt.NDArray[np.uint8], bool, list[str]]


def _made(folder: Path, blocks: list[list[str]], shape: tuple[int, int], wanted: str, count: int) -> Iterator[_Made]:
    processors = system.processors()
    if count <= MIN_PARALLEL or processors == 1 or not system.CAN_FORK:
        yield from (make(folder, block, shape, wanted) for block in blocks)
        return
    arguments = zip(*((folder, block, shape, wanted) for block in blocks), strict=True)
    # Forked, because a new process could not always import the user's script.
    with ProcessPoolExecutor(min(processors, len(blocks)), get_context("fork"), _begin, (os.getpid(),)) as pool:
        try:
            with warnings.catch_warnings():
                # Python warns where other threads run. These processes only decode; libraries see to their locks.
                warnings.simplefilter("ignore", DeprecationWarning)
                made = pool.map(make, *arguments)
            yield from made
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(parent: int) -> None:
    follow(parent)
    system.CAN_FORK = False  # this process is already a child, and the pictures are the user's own


def make(folder: Path, names: list[str], shape: tuple[int, int], wanted: str) -> _Made:
    """Return the images of some pictures, whether all are unchanged, and a sentence for each unreadable one."""
    images = np.zeros((len(names), *shape), np.uint8)
    as_they_are, faults = True, []
    for image, name in zip(images, names, strict=True):
        try:
            content = read_bytes(folder / name, image_file.MAX_FILE)
            unchanged = _as_it_is(content, shape)
            if unchanged is None:
                unchanged, same = _prepared(content, str(folder / name), shape, wanted)
                as_they_are &= same
            image[...] = unchanged
        except (ImageError, DataError) as error:
            faults.append(str(error))
    return names, images, as_they_are, faults


def _prepared(content: bytes, name: str, shape: tuple[int, int], wanted: str) -> tuple[npt.NDArray[np.uint8], bool]:
    """Return a picture as an image of this shape, as `predict` prepares it, and whether it is unchanged."""
    grey = image_file.read_grey(content, name)
    if grey.shape == shape:
        return as_bytes(grey * 255), True
    if wanted == "scale":
        return as_bytes(fitted(light_on_dark(grey), shape) * 255), False
    return reading_for(wanted, shape, content, name).pixels[0].reshape(shape), False


def _as_it_is(content: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint8] | None:
    """Return a grey PNG of the right size unchanged: the fast path for most pictures of data sets."""
    if content[:4] != b"\x89PNG":
        return None
    with suppress(Exception), Image.open(BytesIO(content), formats=["PNG"]) as image:
        if image.mode == "L" and image.size == shape[::-1] and not image.info.keys() & {"transparency", "exif"}:
            return np.asarray(image)
    return None


# The cache


def _key(folder: Path, names: list[str], shape: tuple[int, int], wanted: str, on_read: OnRead | None) -> str:
    """Return the hash of everything that decides the images."""
    digest = hashlib.sha256(f"1 {__version__} {shape} {wanted}".encode())
    for number, name in enumerate(names, 1):
        digest.update(hashlib.sha256(read_bytes(folder / name, image_file.MAX_FILE)).digest())
        if on_read and number % AT_ONCE == 0:
            on_read("checking", number, len(names))
    return digest.hexdigest()


def _kept(file: Path, shape: tuple[int, int, int]) -> tuple[npt.NDArray[np.uint8], bool] | None:
    """Return the images in a file of the cache and whether they are unchanged; None if it is incomplete."""
    with suppress(OSError):
        content = file.read_bytes() if file.is_file() else b""
        body, digest = memoryview(content)[:-32], content[-32:]
        if len(body) and hashlib.sha256(body).digest() == digest:
            with suppress(DataError):
                images = idx.parse(body[1:], 3, str(file))
                if images.shape == shape:
                    os.utime(file)
                    return images, bool(body[0])
    return None


def _keep(file: Path, images: npt.NDArray[np.uint8], as_they_are: bool) -> None:
    head = bytes([as_they_are]) + idx.write_header(images.shape)
    digest = hashlib.sha256(head)
    digest.update(images.data)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as stream:
            stream.write(head)
            stream.write(images.data)
            stream.write(digest.digest())
        for old in sorted(file.parent.iterdir(), key=lambda each: -each.stat().st_mtime)[CACHED:]:
            old.unlink()


def _natural(name: str) -> str:
    """Return a name's sort key, so that 2.png comes before 10.png."""
    return re.sub(r"\d+", lambda number: number[0].zfill(20), name)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))
