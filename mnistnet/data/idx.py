"""The IDX format of MNIST's files: a magic number, the size of each dimension, then one byte a number.

Two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit number,
and the values in row order, as described on the page that first published MNIST (LeCun, Cortes & Burges 1998).
"""

import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from mnistnet.errors import DataError

UNSIGNED_BYTE = 8
MAX_BYTES = 1 << 31  # bytes; far above any sibling of MNIST, far below what would fill a computer's memory
UNPACKED_AT_ONCE = 1 << 22  # bytes
# A gzip file can hold a thousand times its size. Images hold five to ten times theirs; what claims to be large must be.
UNPACKED_IN_ANY_CASE, MAX_TIMES = 1 << 28, 32
WHAT = {1: "labels (1 dimension)", 3: "images (3 dimensions)"}


def parse(content: bytes | bytearray | memoryview, dimensions: int, name: str) -> npt.NDArray[np.uint8]:
    """Return the numbers of an IDX file as a view of `content`: shape (n,) of labels, (n, rows, columns) of images.

    Raises DataError, naming the file, when magic number, dimensions or length are not what they should be.
    """
    shape = read_shape(bytes(content[: 4 + 4 * dimensions]), dimensions, name)
    start, size = 4 + 4 * dimensions, math.prod(shape)
    if len(content) - start != size:
        found = len(content) - start
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{name}: its header promises {sizes} = {size:,} bytes of data, but {found:,} follow")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_shape(header: bytes, dimensions: int, name: str) -> tuple[int, ...]:
    """Return the sizes of the dimensions that an IDX file's first bytes announce. Raises DataError."""
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{name}: expected an IDX file, but it ends after {len(header)} bytes, in its header")
    zeros, kind, found = struct.unpack(">HBB", header[:4])
    if zeros != 0 or kind != UNSIGNED_BYTE:
        magic = header[:4].hex()
        raise DataError(f"{name}: expected an IDX file of bytes (magic 0000080{dimensions}), found magic {magic}")
    if found != dimensions:
        what = WHAT.get(found, f"{found} dimensions")
        raise DataError(f"{name}: expected {WHAT[dimensions]}, found {what}")
    shape = struct.unpack(f">{dimensions}I", header[4 : 4 + 4 * dimensions])
    if math.prod(shape) > MAX_BYTES:
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{name}: its header promises {sizes} bytes, more than this program reads (2 GiB)")
    return shape


def unpack(compressed: bytes | memoryview, dimensions: int, name: str) -> memoryview:
    """Return the IDX file inside a gzip file, reading no further than its own header allows.

    Raises DataError when it is not gzip, is cut short, or holds more than it announces or announces more than such a
    file holds (a bomb).
    """
    reader = zlib.decompressobj(wbits=31)  # 31: gzip, with its checksum
    header_size = 4 + 4 * dimensions
    try:
        content = bytearray(reader.decompress(compressed, header_size))
        promised = math.prod(read_shape(bytes(content), dimensions, name))
        if promised > max(UNPACKED_IN_ANY_CASE, MAX_TIMES * len(compressed)):
            raise DataError(
                f"{name}: its header promises {promised:,} bytes of data in a gzip file of {len(compressed):,} bytes, "
                f"over {MAX_TIMES} times its size; unpack it first if that is what it holds"
            )
        # Grown in place: a list of parts, joined at the end, would take twice the memory.
        while not reader.eof and (room := header_size + promised + 1 - len(content)):
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
