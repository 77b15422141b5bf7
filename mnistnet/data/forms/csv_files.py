"""Tables with a line for each image: a label and its pixels, with or without a first line of names.

Kaggle's digit recognizer (`label,pixel0,...`), `mnist_train.csv`, OpenML's with the class last. Commas, semicolons or
tabs; packed (.gz) or not. A table without labels, as Kaggle's `test.csv`, is for `predict`.
"""

import gzip
import math
import re
import warnings
import zlib
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from mnistnet.data import idx
from mnistnet.data.forms.found import Found, Part, listed, reading
from mnistnet.data.forms.names import meaning
from mnistnet.data.forms.values import as_bytes, as_labels
from mnistnet.data.what_else import GZIP, what_else
from mnistnet.errors import DataError
from mnistnet.util.arrays import Array

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
LABELS = {"label", "labels", "class", "target", "y", "digit"}
IGNORED = {"id", "index", "imageid", ""}
PICTURES = {"labels.csv"}
ROWS = 1024  # parsed at a time
MAX_LINE = 1 << 24  # characters
MAX_COLUMNS = 1 << 20
MAX_LETTERS = 1 << 34  # of a table
MAX_TIMES = 64  # letters per byte of a packed table


class Table(NamedTuple):
    """Images (n, rows, columns) of any number type; their labels, or None; the table's name."""

    images: Array
    labels: Array | None
    where: str


class _Columns(NamedTuple):
    """A table's layout: the separator, the number of cells, the columns of pixels and the column of the label."""

    delimiter: str
    cells: int
    pixels: slice | list[int]
    label: int | None
    shape: tuple[int, int]
    header: int


def is_csv(path: Path) -> bool:
    """Return whether a file's name is that of a table."""
    return path.name.lower().endswith(ENDINGS)


def find(folder: Path, group: str | None = None) -> dict[str, Path]:
    """Return the tables of images in a folder, by part, or those of one `group` of several. Raises DataError."""
    tables = [file for file in listed(folder) if is_csv(file) and file.name not in PICTURES]
    groups: dict[str, dict[str, Path]] = {}
    for file in tables:
        stem = file.name.lower().removesuffix(".gz")[:-4]
        found = meaning(stem)
        if found.part and file.is_file():
            groups.setdefault(found.group, {}).setdefault(found.part, file)
    if group is not None:
        name = meaning(group).group
        return groups.get(name, {}) if name else {}
    if not groups and len(tables) == 1:
        return {"train": tables[0]}
    if len(groups) > 1 and "" in groups and "train" in groups[""]:
        return groups[""]
    if len(groups) > 1:
        names = sorted(groups)
        raise DataError(f"{folder} holds several tables ({', '.join(names)}): say which, such as {folder / names[-1]}")
    return next(iter(groups.values()), {})


def read(folder: Path, tables: dict[str, Path], pixels: int | None) -> Found:
    """Read the tables that `find` has found. Raises DataError."""
    if "train" not in tables:
        raise DataError(f"{folder}: expected a table to train on, such as train.csv, found {tables['test'].name} alone")
    found = {part: read_table(path, pixels) for part, path in tables.items()}
    remarks = []
    if "test" in found and found["test"].labels is None:
        del found["test"]
        remarks.append(f"{tables['test']} has no labels, so it is left out: `mnistnet predict` reads such a table")
    return _found(found, remarks)


def read_file(path: Path, pixels: int | None) -> Found:
    """Read one table to train and test on. Raises DataError."""
    return _found({"train": read_table(path, pixels)}, [])


def _found(tables: dict[str, Table], remarks: list[str]) -> Found:
    images = as_bytes([(table.images, table.where) for table in tables.values()])
    parts = {}
    for (part, table), pixels in zip(tables.items(), images, strict=True):
        if table.labels is None:
            raise DataError(
                f"{table.where}: expected a column of labels, named `label` or before the pixels, found pixels alone"
            )
        parts[part] = Part(pixels, as_labels(table.labels, table.where), table.where)
    return Found("CSV", parts, remarks=remarks)


def read_table(path: Path, pixels: int | None = None) -> Table:
    """Read a table; `pixels`: of an image, if known. Raises DataError, naming the line."""
    with reading(path), _opened(path) as stream:
        try:
            return _read(path, stream, pixels)
        except UnicodeDecodeError:
            raise DataError(f"{path}: expected CSV as UTF-8 text, found other bytes") from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{path}: the gzip file is damaged or cut short ({error}); fetch it again") from None


def _opened(path: Path) -> IO[str]:
    if not path.is_file():
        raise DataError(f"{path}: expected a CSV file")
    with path.open("rb") as raw:
        head = raw.read(512)
    if head[:2] != GZIP and (other := what_else(head)):
        raise DataError(f"{path}: expected CSV, found {other}")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: expected CSV as UTF-8 text, found UTF-16; save it as UTF-8")
    if head[:2] == GZIP:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig")


def _lines(path: Path, stream: IO[str]) -> Iterator[str]:
    number, length, most = 0, 0, MAX_LETTERS
    if isinstance(stream, TextIOWrapper) and isinstance(stream.buffer, gzip.GzipFile):
        most = max(idx.UNPACKED_IN_ANY_CASE, MAX_TIMES * path.stat().st_size)
    while line := stream.readline(MAX_LINE):
        number, length = number + 1, length + len(line)
        if length > most:
            raise DataError(
                f"{path}: holds over {most:,} letters, more than such a file does; unpack it first if it may"
            )
        if len(line) == MAX_LINE:
            raise DataError(
                f"{path}, line {number}: longer than {MAX_LINE:,} characters; expected a line for each image"
            )
        yield line


def _read(path: Path, stream: IO[str], pixels: int | None) -> Table:
    lines = _lines(path, stream)
    first = next(lines, "")
    if not first.strip():
        raise DataError(f"{path}: expected CSV with a line for each image, found {'a blank line' if first else 'none'}")
    second = next(lines, "")
    layout = _layout(path, first, second, pixels)
    waiting = [line for line in ([second] if layout.header else [first, second]) if line]
    number, kind = 1 + layout.header, np.dtype(np.uint8)
    images, labels, n = bytearray(), [], 0
    while block := [*waiting, *islice(lines, ROWS - len(waiting))]:
        waiting = []
        rows = _parsed(path, block, number, layout, kind)
        if rows.dtype != kind:  # floats after a beginning of whole numbers
            images = bytearray(np.frombuffer(images, kind).astype(rows.dtype).tobytes())
            kind = rows.dtype
        if layout.label is not None:
            labels.append(rows[:, layout.label].copy())
        images += np.ascontiguousarray(rows[:, layout.pixels]).data
        if len(images) > idx.MAX_BYTES:
            raise DataError(f"{path}: more than this program reads (2 GiB of pixels)")
        number += len(block)
        n += len(rows)
    if not n:
        raise DataError(f"{path}: expected a line for each image, found none after the names of the columns")
    array = np.frombuffer(images, kind).reshape(n, *layout.shape)
    return Table(array, None if layout.label is None else np.concatenate(labels), str(path))


def _layout(path: Path, first: str, second: str, pixels: int | None) -> _Columns:
    """Return a table's layout, from its first two lines. Raises DataError."""
    delimiter = max(",;\t", key=first.count)
    cells = [cell.strip().strip('"').lower() for cell in first.rstrip("\r\n").split(delimiter)]
    if len(cells) > MAX_COLUMNS:
        raise DataError(f"{path}: expected at most {MAX_COLUMNS:,} columns, found {len(cells):,}")
    # pandas names unnamed columns 0, 1, 2, ...
    header = int(not all(map(_is_number, cells)) or (len(cells) > 9 and cells == list(map(str, range(len(cells))))))
    if header and not second.strip():
        raise DataError(f"{path}: expected a line for each image, found only one line, which is not numbers")
    named = [i for i, cell in enumerate(cells) if cell in LABELS] if header else []
    ignored = {i for i, cell in enumerate(cells) if cell in IGNORED} if header else set()
    label, count = (named[0] if named else None), len(cells) - len(ignored)
    if not named and (count == pixels + 1 if pixels in (count, count - 1) and pixels else _is_square(count - 1)):
        label = next(i for i in range(len(cells)) if i not in ignored)
    chosen = [i for i in range(len(cells)) if i != label and i not in ignored]
    shape = _shape(path, len(chosen), cells if header else [], pixels)
    whole = chosen and chosen == list(range(chosen[0], chosen[-1] + 1))
    return _Columns(delimiter, len(cells), slice(chosen[0], chosen[-1] + 1) if whole else chosen, label, shape, header)


def _shape(path: Path, count: int, names: list[str], pixels: int | None) -> tuple[int, int]:
    if names and (last := re.fullmatch(r"(\d+)x(\d+)", names[-1])):  # 1x1, 1x2, ..., 28x28
        rows, columns = int(last[1]), int(last[2])
        if rows * columns == count:
            return rows, columns
    side = math.isqrt(count)
    if not count or side * side != count:
        wanted = f" and {pixels + 1} or {pixels} columns for a network of {pixels} inputs" if pixels else ""
        raise DataError(
            f"{path}: expected a label and the pixels of a square image in each line, such as 785 columns for 28x28"
            f"{wanted}, found {count} columns of pixels"
        )
    return side, side


def _parsed(path: Path, block: list[str], number: int, layout: _Columns, kind: np.dtype[np.generic]) -> Array:
    """Return the numbers in some lines, of type `kind`, or float32 if they are not whole. Raises DataError."""
    kinds = [kind] if kind == np.float32 else [kind, np.dtype(np.float32)]
    for each in kinds:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # for numbers that are not whole, and for no lines
                rows = np.loadtxt(block, each, comments=None, delimiter=layout.delimiter, quotechar='"', ndmin=2)
        except (ValueError, Warning, OverflowError):
            continue
        if rows.shape[1] == layout.cells:
            return rows
    if not any(line.strip() for line in block):
        return np.empty((0, layout.cells), kind)
    raise DataError(f"{path}, {_fault(block, number, layout)}")


def _fault(block: list[str], number: int, layout: _Columns) -> str:
    """Return the line that is wrong, and what is wrong with it."""
    for line, text in enumerate(block, number):
        cells = text.strip().split(layout.delimiter)
        if not text.strip():
            continue
        if len(cells) != layout.cells:
            last = "" if text.endswith("\n") else "; the file ends there: is it cut short?"
            return f"line {line}: expected {layout.cells} columns, found {len(cells)}{last}"
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell.strip().strip('"')):
                what = "label, a whole number from 0 to 255" if column - 1 == layout.label else "number from 0 to 255"
                shown = f'"{cell.strip()[:20]}"' if cell.strip() else "nothing"
                return f"line {line}, column {column}: expected a {what}, found {shown}"
    return f"lines {number} to {number + len(block) - 1}: cannot be read as numbers"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count
