"""Named arrays in one file: an .npz with uncompressed arrays, which numpy.load reads, too.

The reader trusts nothing. zipfile makes an object for each entry that a forged directory lists, and numpy.load takes
memory for each number that a forged shape claims; here every size is compared with the file's own before anything
is read, every array's type and shape are the caller's to demand, and every byte of an array is under a checksum.
"""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from mnistnet.util.arrays import Array

MAX_DIRECTORY = 1 << 16  # bytes: room for 800 arrays
_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp: equal arrays make equal bytes on any day

# The zip format's three records (APPNOTE.TXT 4.3), and the form of an array's own header.
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NPY = struct.Struct("<8sH")
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_DESCRIPTION = re.compile(
    r"\{'descr': '([<>|=]?[A-Za-z][0-9]{0,9})', 'fortran_order': (False|True), 'shape': \(([0-9, ]{0,80})\), \} *\n"
)


class FormatError(Exception):
    """The error in a file, without its name."""


def write(stream: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """Write arrays under their names, in their order. Raises OSError, or FormatError for 4 GiB and more."""
    try:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy", _DATE)
                member.create_system, member.external_attr = 3, 0o644 << 16
                content = BytesIO()
                little_endian = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
                npy.write_array(content, little_endian, version=(1, 0), allow_pickle=False)
                archive.writestr(member, content.getvalue())
    except zipfile.LargeZipFile:
        raise FormatError("4 GiB or more do not fit into one file of this format") from None


class _Member(NamedTuple):
    start: int
    size: int
    checksum: int


class Reader:
    """The arrays in an open file. Each method raises FormatError for an invalid file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._file_size = stream.seek(0, 2)
        self._members: dict[str, _Member] = {}
        directory, self._arrays_end = self._find_directory()
        while directory:
            directory = self._read_entry(directory)
        # Overlapping arrays would be read as more bytes than the file has.
        if sum(member.size for member in self._members.values()) > self._arrays_end:
            raise FormatError("its arrays claim more bytes than the file has")

    @property
    def names(self) -> list[str]:
        """The arrays' names, in the file's order."""
        return list(self._members)

    def expect(self, name: str, dtype: str, shape: tuple[int, ...]) -> int:
        """Check an array's type ("<f4"), shape and size; return the offset of its numbers."""
        found_dtype, found_shape, start = self._description(name)
        if (found_dtype, found_shape) != (dtype, shape):
            raise FormatError(f"{name}: expected {dtype} of shape {shape}, found {found_dtype} of shape {found_shape}")
        needed, there = math.prod(shape) * np.dtype(dtype).itemsize, self._members[name].size - start
        if there != needed:
            raise FormatError(f"{name}: {dtype} of shape {shape} needs {needed:,} bytes, found {there:,}")
        return start

    def array(self, name: str, dtype: str, shape: tuple[int, ...]) -> Array:
        """Return an array of this type and shape."""
        start = self.expect(name, dtype, shape)
        values: Array = np.frombuffer(self._content(name), dtype, offset=start).reshape(shape)
        return values

    def text(self, name: str, largest: int) -> bytes:
        """Return an array that is one string of at most `largest` bytes."""
        dtype, shape, start = self._description(name)
        size = self._members[name].size - start
        if shape != () or dtype != f"|S{size}":
            raise FormatError(f"{name}: expected one string of bytes, found {dtype} of shape {shape}")
        if size > largest:
            raise FormatError(f"{name}: expected at most {largest:,} bytes, found {size:,}")
        return self._content(name)[start:]

    def _find_directory(self) -> tuple[bytes, int]:
        """Return the zip directory, and its offset in the file."""
        size = self._file_size
        if size == 0:
            raise FormatError("the file is empty")
        end = self._read(size - _END.size, _END.size) if size >= _END.size else bytes(_END.size)
        signature, *_, length, start, comment = _END.unpack(end)
        if signature != b"PK\5\6" or comment or start + length + _END.size != size:
            raise FormatError("this is another kind of file, or one that is cut short")
        if length > MAX_DIRECTORY:
            raise FormatError(f"its list of arrays has {length:,} bytes; expected at most {MAX_DIRECTORY:,}")
        return self._read(start, length), start

    def _read_entry(self, directory: bytes) -> bytes:
        """Read the directory's first entry, and return the rest of the directory."""
        if len(directory) < _ENTRY.size:
            raise FormatError("its list of arrays is damaged")
        signature, _, _, flags, method, _, _, checksum, stored, size, *lengths, _, _, _, offset = _ENTRY.unpack_from(
            directory
        )
        end = _ENTRY.size + sum(lengths)
        encoded = directory[_ENTRY.size : _ENTRY.size + lengths[0]]
        if signature != b"PK\1\2" or len(directory) < end or not re.fullmatch(rb"[ -~]{1,200}\.npy", encoded):
            raise FormatError("its list of arrays is damaged")
        name = encoded.decode("ascii").removesuffix(".npy")
        if name in self._members:
            raise FormatError(f"two of its arrays have the name {name[:60]}")
        if flags & 1 or method != zipfile.ZIP_STORED or stored != size:
            raise FormatError(
                f"{name[:60]}: arrays must be stored as they are, but this one is compressed or encrypted"
            )
        local = _LOCAL.unpack(self._read(offset, _LOCAL.size))
        start = offset + _LOCAL.size + local[-2] + local[-1]
        if local[0] != b"PK\3\4" or self._read(offset + _LOCAL.size, local[-2]) != encoded:
            raise FormatError(f"{name[:60]}: is not where the file's list of arrays says")
        if start + size > self._arrays_end:
            raise FormatError(f"{name[:60]}: claims {size:,} bytes, more than the file has; it is cut short")
        self._members[name] = _Member(start, size, checksum)
        return directory[end:]

    def _description(self, name: str) -> tuple[str, tuple[int, ...], int]:
        """Return the type and shape in an array's own header, and the offset of its numbers."""
        if name not in self._members:
            raise FormatError(f"lacks the array {name}")
        start, size, _ = self._members[name]
        magic, length = _NPY.unpack(self._read(start, _NPY.size)) if size >= _NPY.size else (b"", 0)
        text = self._read(start + _NPY.size, length) if _NPY.size + length <= size else b""
        match = _DESCRIPTION.fullmatch(text.decode("latin-1"))
        if magic != _NPY_MAGIC or match is None or match[2] == "True":
            raise FormatError(f"{name}: is not a plain array in version 1.0 of the .npy format, row after row")
        return match[1], tuple(map(int, re.findall("[0-9]+", match[3]))), _NPY.size + length

    def _content(self, name: str) -> bytes:
        start, size, checksum = self._members[name]
        content = self._read(start, size)
        if zlib.crc32(content) != checksum:
            raise FormatError(f"{name}: is damaged: its checksum does not match")
        return content

    def _read(self, start: int, size: int) -> bytes:
        """Read bytes, after checking that the file has so many, because reading allocates them first."""
        if start + size > self._file_size:
            raise FormatError("the file is cut short")
        self._stream.seek(start)
        content = self._stream.read(size)
        if len(content) != size:
            raise FormatError("the file was cut short while it was read")
        return content
