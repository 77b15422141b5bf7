"""The IDX format of MNIST's files: a magic number, the size of each dimension, then the values in row order.

Two zero bytes, a type, the number of dimensions, each dimension as a big-endian 32-bit number, and the values, as
described on the page that first published MNIST (LeCun, Cortes & Burges 1998). MNIST's values are unsigned bytes;
whole numbers of 8 to 32 bits and floating-point numbers are read, too.
"""

import math
import struct
import zlib
from typing import NamedTuple

import numpy as np

from mnistnet.data.what_else import what_else
from mnistnet.errors import DataError
from mnistnet.util.arrays import Array

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 1 << 31  # bytes; far above any relative of MNIST, far below a computer's memory
UNPACKED_AT_ONCE = 1 << 22  # bytes
# A gzip file can unpack to a thousand times its size; images unpack to five to ten times theirs.
UNPACKED_IN_ANY_CASE, MAX_TIMES = 1 << 28, 32
WHAT = {1: "labels (1 dimension)", 3: "images (3 dimensions)"}
DIMENSIONS = {1: (1, 2), 3: (3,)}
"""Allowed numbers of dimensions, by the expected one: QMNIST has several numbers for each label."""


class Header(NamedTuple):
    """An IDX file's header: the type of its values, and the sizes of its dimensions."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the header."""
        return 4 + 4 * len(self.shape)

    @property
    def promised(self) -> int:
        """Bytes of values that should follow."""
        return math.prod(self.shape) * self.dtype.itemsize


def parse(content: bytes | bytearray | memoryview, dimensions: int, name: str) -> Array:
    """Return the numbers of an IDX file as a view of `content`: shape (n,) of labels, (n, rows, columns) of images.

    Labels of QMNIST have the shape (n, 8). Raises DataError, naming the file, when magic number, dimensions or length
    are not what they should be.
    """
    header = read_header(bytes(content[:64]), dimensions, name)
    found = len(content) - header.size
    if found != header.promised:
        sizes = _sizes(header)
        raise DataError(
            f"{name}: its header promises {sizes} = {header.promised:,} bytes of data, but {found:,} follow"
        )
    return np.frombuffer(content, header.dtype, offset=header.size).reshape(header.shape)


def read_header(content: bytes, dimensions: int, name: str) -> Header:
    """Return an IDX file's header; `dimensions`: 3 of images, 1 of labels. Raises DataError."""
    if len(content) < 4:
        raise DataError(f"{name}: expected an IDX file, but it ends after {len(content)} bytes, in its header")
    zeros, kind, found = struct.unpack(">HBB", content[:4])
    if zeros != 0 or kind not in TYPES:
        other = what_else(content) or f"magic {content[:4].hex()}"
        raise DataError(f"{name}: expected an IDX file (magic 0000080{dimensions} for bytes), found {other}")
    if found not in DIMENSIONS[dimensions]:
        what = WHAT.get(found, f"{found} dimensions")
        raise DataError(f"{name}: expected {WHAT[dimensions]}, found {what}")
    if len(content) < 4 + 4 * found:
        raise DataError(f"{name}: expected an IDX file, but it ends after {len(content)} bytes, in its header")
    header = Header(np.dtype(TYPES[kind]), struct.unpack(f">{found}I", content[4 : 4 + 4 * found]))
    if header.promised > MAX_BYTES:
        raise DataError(f"{name}: its header promises {_sizes(header)} bytes, more than this program reads (2 GiB)")
    return header


def write(array: Array) -> bytes:
    """Return unsigned bytes as an IDX file."""
    return write_header(array.shape) + array.astype(np.uint8).tobytes()


def write_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of an IDX file of unsigned bytes."""
    return struct.pack(f">HBB{len(shape)}I", 0, 0x08, len(shape), *shape)


def _sizes(header: Header) -> str:
    each = [header.dtype.itemsize] if header.dtype.itemsize > 1 else []
    return " x ".join(map(str, (*header.shape, *each)))


def unpack(compressed: bytes | memoryview, dimensions: int, name: str) -> memoryview:
    """Return the IDX file inside a gzip file, reading at most as much as its own header promises.

    Raises DataError when it is not gzip, is cut short, or holds more than it announces or announces more than such a
    file holds (a bomb).
    """
    reader = zlib.decompressobj(wbits=31)  # 31: gzip, with its checksum
    try:
        content = bytearray(reader.decompress(compressed, 64))
        header = read_header(bytes(content), dimensions, name)
        header_size, promised = header.size, header.promised
        if promised > max(UNPACKED_IN_ANY_CASE, MAX_TIMES * len(compressed)):
            raise DataError(
                f"{name}: its header promises {promised:,} bytes of data in a gzip file of {len(compressed):,} bytes, "
                f"over {MAX_TIMES} times its size; unpack it first if that is what it holds"
            )
        # Grown in place: joining a list of parts would take twice the memory.
        while not reader.eof and (room := header_size + promised + 1 - len(content)) > 0:
            part = reader.decompress(reader.unconsumed_tail, min(room, UNPACKED_AT_ONCE))
            if not part:
                break
            content += part
    except zlib.error as error:
        raise DataError(f"{name}: expected a gzip file, but it cannot be unpacked ({error})") from None
    if len(content) > header_size + promised:
        raise DataError(f"{name}: the gzip file holds more than the {promised:,} bytes of data its header promises")
    if not reader.eof:
        raise DataError(f"{name}: the gzip file is cut short; fetch it again")
    if reader.unused_data:
        raise DataError(f"{name}: {len(reader.unused_data):,} bytes follow the end of the gzip file")
    return memoryview(content).toreadonly()
