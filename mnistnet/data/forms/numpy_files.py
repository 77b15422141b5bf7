"""NumPy's files: an .npz with four arrays, as Keras's `mnist.npz`, or a folder of .npy files, one for each.

Arrays are known by their names: `x_train`, `train_images`, `X`, `images` and the like hold images, `y_train`,
`train_labels`, `labels`, `target` and the like hold labels. Nothing is ever unpickled, and an array's claimed size is
compared with its bytes before memory is allocated.
"""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from mnistnet.data import idx
from mnistnet.data.forms.found import Found, Part, listed, reading
from mnistnet.data.forms.names import VALIDATION, meaning
from mnistnet.data.forms.values import as_bytes, as_labels
from mnistnet.data.what_else import what_else
from mnistnet.errors import DataError
from mnistnet.util.arrays import Array

MAX_TIMES = 1100  # times that deflate can expand a byte
MAX_ARRAYS = 1000  # in a file
Arrays = dict[tuple[str, str], tuple[Array, str]]


def is_numpy(path: Path) -> bool:
    """Return whether a file's name is that of a NumPy file."""
    return path.suffix.lower() in (".npz", ".npy")


def find(folder: Path) -> list[Path]:
    """Return the NumPy files in a folder: one .npz, or the .npy files (or .npz of one array) of a data set."""
    files = [file for file in listed(folder) if is_numpy(file) and file.is_file()]
    named = [file for file in files if meaning(file.stem).kind]
    if len({meaning(file.stem)[1:] for file in named}) > 1:
        return named
    return files if len(files) == 1 and files[0].suffix.lower() == ".npz" else []


def read_file(path: Path) -> Found:
    """Read one .npz file. Raises DataError."""
    if path.suffix.lower() == ".npy":
        raise DataError(
            f"{path}: expected images and labels, found one array; give the folder with x_train.npy, y_train.npy"
        )
    return read(path, [path])


def read(where: Path, files: list[Path]) -> Found:
    """Read the arrays of a data set. Raises DataError, naming the array that is missing or wrong."""
    arrays: Arrays = {}
    left_out = []
    for file in files:
        for name, array in _arrays(file).items():
            own = meaning(name)
            outer = meaning(file.stem)
            if VALIDATION & {*own.group.split("-"), *outer.group.split("-")}:
                left_out.append(name or file.name)
                continue
            part, kind = own.part or outer.part, own.kind or outer.kind
            if kind:
                key = (part or "train", kind)
                label = f"{file}, {name}" if name else str(file)
                if key in arrays:
                    raise DataError(f"{label}: expected one array of {key[0]} {key[1]}, found {arrays[key][1]}, too")
                arrays[key] = (array, label)
    parts = [part for part in ("train", "test") if (part, "images") in arrays and (part, "labels") in arrays]
    if "train" not in parts:
        found = ", ".join(sorted(label.rpartition(", ")[2] for _, label in arrays.values())) or "none of these"
        raise DataError(f"{where}: expected arrays x_train and y_train (x_test and y_test, too), found {found}")
    pixels = as_bytes([(_images(*arrays[part, "images"]), arrays[part, "images"][1]) for part in parts])
    found_parts = {
        part: Part(images, as_labels(*arrays[part, "labels"]), f"{where}, {part} arrays")
        for part, images in zip(parts, pixels, strict=True)
    }
    remarks = [f"{where}: {', '.join(left_out)}: left out; validation images are held out by seed"] if left_out else []
    return Found("NumPy arrays", found_parts, remarks=remarks)


def read_images(path: Path) -> Array:
    """Return the images in a NumPy file, (n, rows, columns): the test images if there are several arrays. Raises
    DataError."""
    arrays = {meaning(name): (array, f"{path}, {name}" if name else str(path)) for name, array in _arrays(path).items()}
    images = {key.part: value for key, value in arrays.items() if key.kind == "images"} or (
        {None: next(iter(arrays.values()))} if len(arrays) == 1 else {}
    )
    chosen = images.get("test") or images.get(None) or images.get("train")
    if chosen is None:
        raise DataError(f"{path}: expected an array of images, such as x_test, found {len(arrays)} others")
    return _images(*chosen)


def _images(array: Array, name: str) -> Array:
    """Return an array of images as (n, rows, columns): flat ones must be square, a channel must be the only one."""
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[3]):
        array = array[:, 0] if array.shape[1] == 1 else array[..., 0]
    if array.ndim == 2 and array.shape[1] and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        side = math.isqrt(array.shape[1])
        array = array.reshape(len(array), side, side)
    if array.ndim != 3:
        colours = "; make them grey first" if array.ndim == 4 else ""
        raise DataError(
            f"{name}: expected images of shape (n, rows, columns), or (n, pixels) of square ones, found {array.shape}"
            f"{colours}"
        )
    return array


def _arrays(path: Path) -> dict[str, Array]:
    """Return the arrays in a file by name, "" of an .npy file. Raises DataError."""
    try:
        with reading(path):
            if not path.is_file():
                raise DataError(f"{path}: expected a file")
            with path.open("rb") as stream:
                head = stream.read(64)
                stream.seek(0)
                if head[:2] == b"PK":
                    return _members(path, stream)
                if head[:6] != b"\x93NUMPY":
                    other = what_else(head) or "other bytes"
                    raise DataError(f"{path}: expected a NumPy file, found {other}")
                return {"": _array(stream, path.stat().st_size, str(path))}
    except (DataError, MemoryError):
        raise
    except Exception as error:  # zipfile raises errors of many kinds
        words = " ".join(str(error).split())[:80]
        raise DataError(f"{path}: a damaged .npz file ({words}); fetch it again") from None


def _members(path: Path, stream: IO[bytes]) -> dict[str, Array]:
    found = {}
    with zipfile.ZipFile(stream) as archive:
        members = [each for each in archive.infolist() if each.filename.endswith(".npy")]
        total = sum(each.file_size for each in members)
        if total > idx.MAX_BYTES or len(members) > MAX_ARRAYS:
            raise DataError(f"{path}: larger than this program reads (2 GiB)")
        for each in members:
            name = each.filename.removesuffix(".npy")
            if each.file_size > MAX_TIMES * max(each.compress_size, 1) + 1024:
                raise DataError(
                    f"{path}, {name}: claims {each.file_size:,} bytes in {each.compress_size:,} packed ones"
                )
            own = meaning(name)
            if own.kind or len(members) == 1:  # ignore others
                with archive.open(each) as member:
                    found[name] = _array(member, each.file_size, f"{path}, {name}")
    return found


def _array(stream: IO[bytes], size: int, name: str) -> Array:
    """Return the array in a stream of `size` bytes, which its header must not exceed. Raises DataError."""
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        readers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
        if version not in readers:
            raise DataError(f"{name}: expected a NumPy array of version 1 or 2, found {version[0]}.{version[1]}")
        shape, fortran, dtype = readers[version](stream)
    except DataError:
        raise
    except Exception as error:  # NumPy parses a header as Python, and raises its parser's errors
        raise DataError(f"{name}: not a NumPy array ({' '.join(str(error).split())[:80]})") from None
    if dtype.hasobject or dtype.kind not in "biuf":
        raise DataError(f"{name}: expected an array of numbers, found {dtype}, which is not read")
    promised = math.prod(shape) * dtype.itemsize
    if promised > size:
        raise DataError(f"{name}: its header promises {promised:,} bytes, more than the {size:,} there are")
    content = bytearray(promised)
    view, start = memoryview(content), 0
    while start < promised and (part := stream.read(min(1 << 22, promised - start))):
        view[start : start + len(part)] = part
        start += len(part)
    if start < promised:
        raise DataError(f"{name}: cut short: {start:,} of {promised:,} bytes")
    if stream.read(1):
        raise DataError(f"{name}: holds more than its header promises")
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
