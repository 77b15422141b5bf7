"""The IDX parser takes exactly what the format allows, and says what is wrong with anything else."""

import gzip
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.data import idx
from mnistnet.errors import DataError
from tests.mirror import idx_file

# Written down byte by byte from the format's description: two images of 1 x 3 pixels, and their labels.
IMAGES = bytes.fromhex("00000803 00000002 00000001 00000003 00 01 02 fd fe ff")
LABELS = bytes.fromhex("00000801 00000002 05 09")


def test_images_and_labels_are_read_in_row_order() -> None:
    images = idx.parse(IMAGES, 3, "images")
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1, 2]], [[253, 254, 255]]]
    assert idx.parse(LABELS, 1, "labels").tolist() == [5, 9]


@settings(deadline=None, database=None)
@given(st.lists(st.integers(0, 5), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_what_was_packed_comes_back(shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    packed = gzip.compress(idx_file(array))
    assert np.array_equal(idx.parse(idx.unpack(packed, 3, "x"), 3, "x"), array)


@pytest.mark.parametrize(
    ("content", "dimensions", "sentence"),
    [
        (b"", 3, "x.gz: expected an IDX file, but it ends after 0 bytes, in its header"),
        (IMAGES[:15], 3, "x.gz: expected an IDX file, but it ends after 15 bytes, in its header"),
        (IMAGES[:-1], 3, "x.gz: its header promises 2 x 1 x 3 = 6 bytes of data, but 5 follow"),
        (IMAGES + b"!", 3, "x.gz: its header promises 2 x 1 x 3 = 6 bytes of data, but 7 follow"),
        (LABELS * 4, 3, "x.gz: expected images (3 dimensions), found labels (1 dimension)"),
        (IMAGES, 1, "x.gz: expected labels (1 dimension), found images (3 dimensions)"),
        (b"\0\0\x08\x04" + bytes(16), 1, "x.gz: expected labels (1 dimension), found 4 dimensions"),
        (LABELS[:2], 1, "x.gz: expected an IDX file, but it ends after 2 bytes, in its header"),
        (
            b"\0\0\x0a\x03" + bytes(12),
            3,
            "x.gz: expected an IDX file (magic 00000803 for bytes), found magic 00000a03",
        ),
        (
            b"\n<!DOCTYPE html>.",
            3,
            "x.gz: expected an IDX file (magic 00000803 for bytes), found a web page (an error or a login, perhaps); "
            "download the file again",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1",
            1,
            "x.gz: expected an IDX file (magic 00000801 for bytes), found a Git LFS pointer in place of the file; "
            "`git lfs pull` fetches the file itself",
        ),
        (
            b"\0\0\x0d\x03" + bytes([0, 0, 0, 1] * 3),
            3,
            "x.gz: its header promises 1 x 1 x 1 x 4 = 4 bytes of data, but 0 follow",
        ),
        (
            b"\0\0\x08\x03" + b"\0\0\xff\xff" * 3,
            3,
            "x.gz: its header promises 65535 x 65535 x 65535 bytes, more than this program reads (2 GiB)",
        ),
    ],
)
def test_anything_else_is_refused_in_one_sentence(content: bytes, dimensions: int, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        idx.parse(content, dimensions, "x.gz")
    assert str(caught.value) == sentence
    with pytest.raises(DataError, match=r"^x\.gz: "):
        idx.parse(idx.unpack(gzip.compress(content), dimensions, "x.gz"), dimensions, "x.gz")


def test_a_gzip_file_cut_anywhere_is_refused() -> None:
    packed = gzip.compress(IMAGES, mtime=0)
    for length in range(len(packed)):
        with pytest.raises(DataError, match=r"^x\.gz: "):
            idx.parse(idx.unpack(packed[:length], 3, "x.gz"), 3, "x.gz")


def test_a_flipped_bit_anywhere_is_refused_or_harmless() -> None:
    packed = gzip.compress(IMAGES, mtime=0)
    for bit in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            content = idx.unpack(bytes(damaged), 3, "x.gz")
        except DataError:
            continue
        assert content == IMAGES  # the time of packing and the like, which nobody reads


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"plain text, not gzip", "expected a gzip file, but it cannot be unpacked"),
        (gzip.compress(IMAGES, mtime=0) + b"tail", "4 bytes follow the end of the gzip file"),
        (gzip.compress(IMAGES, mtime=0) * 2, "bytes follow the end of the gzip file"),
        (gzip.compress(IMAGES, mtime=0)[:-3], "the gzip file is cut short; fetch it again"),
        (
            gzip.compress(IMAGES + b"!", mtime=0),
            "the gzip file holds more than the 6 bytes of data its header promises",
        ),
    ],
)
def test_a_wrong_gzip_file_is_named_with_its_fault(packed: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        idx.unpack(packed, 3, "x.gz")
    assert str(caught.value).startswith("x.gz: ")
    assert words in str(caught.value)


def _peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_not_unpacked_beyond_what_its_header_promises() -> None:
    packed = gzip.compress(IMAGES + bytes(20_000_000))
    assert _peak_of(lambda: idx.unpack(packed, 3, "x.gz")) < 1_000_000


@pytest.mark.parametrize("shape", ["ffffffff ffffffff ffffffff", "00000400 00000400 000007ff"])
def test_a_header_that_lies_about_its_size_allocates_nothing(shape: str) -> None:
    lie = bytes.fromhex("00000803" + shape)
    packed = gzip.compress(lie)
    assert _peak_of(lambda: idx.parse(lie, 3, "x")) < 100_000
    assert _peak_of(lambda: idx.parse(idx.unpack(packed, 3, "x"), 3, "x")) < 100_000


def test_a_small_file_that_promises_256_megabytes_and_more_is_refused_before_it_is_unpacked() -> None:
    packed = gzip.compress(bytes.fromhex("00000803 00060000 0000001c 0000001c") + bytes(20_000_000))
    assert _peak_of(lambda: idx.unpack(packed, 3, "x.gz")) < 100_000
    with pytest.raises(DataError, match=r"^x\.gz: its header promises 308,281,344 bytes .* over 32 times its size"):
        idx.unpack(packed, 3, "x.gz")
