"""Picture files: which are read, which are refused and in what words. What is done with the ink: test_ink.py."""

import io
import os
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFile, features

from mnistnet.data.datasets import Examples
from mnistnet.errors import ImageError
from mnistnet.vision import image_file, reading
from tests.helpers import read_digit
from tests.pictures import SEVEN, Digit, cmyk, likeness, on_paper, palette, png, saved, transparent

PAGE = on_paper(SEVEN, 5).astype(np.uint8)
SHEET = Image.fromarray(PAGE)


def read(content: bytes) -> Digit:
    return reading.digit_from_bytes(content, "it")


def is_seven(content: bytes, least: float = 0.97) -> bool:
    return likeness(read(content), read(png(PAGE))) > least


# --- What is read -----------------------------------------------------------------------------------------------------


def in_mode(mode: str) -> Image.Image:
    """Return the seven on paper in one of Pillow's modes."""
    if mode == "I;16":
        return Image.fromarray(PAGE.astype(np.uint16) * 257)
    if mode in ("I", "F"):
        return Image.fromarray(PAGE.astype(np.int32 if mode == "I" else np.float32))
    if mode == "P":
        return SHEET.convert("RGB").quantize(16)
    return SHEET.convert("RGB").convert(mode) if mode == "CMYK" else SHEET.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")),
        ("JPEG", "RGB", {"progressive": True, "quality": 50}),
        *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB")),
        *(("GIF", mode, {}) for mode in ("1", "L", "P", "RGB")),
        *(("WEBP", mode, {"lossless": lossless}) for mode in ("RGB", "RGBA") for lossless in (True, False)),
        *(("PPM", mode, {}) for mode in ("1", "L", "RGB", "I")),
        *(("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")),
        *(("TIFF", "L", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        ("TIFF", "1", {"compression": "group4"}),
        ("MPO", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (64, 64))]}),
    ],
)
def test_the_same_digit_is_read_from_every_kind_of_file(kind: str, mode: str, options: dict[str, Any]) -> None:
    assert is_seven(saved(in_mode(mode), kind, **options))


@pytest.mark.parametrize("white", [1, 255, 1023, 4095, 16383, 65535])
def test_white_of_any_number_of_bits_is_white(white: int) -> None:
    page = np.rint(PAGE / 255 * white).astype(np.uint16)
    grey = image_file.read_grey(saved(Image.fromarray(page)), "it")
    assert grey.max() == 1
    assert is_seven(saved(Image.fromarray(page)))


def test_numbers_that_are_none_are_black_like_everything_below_zero() -> None:
    for black in (np.nan, -1):
        values = np.where(PAGE < 50, np.float32(black), PAGE / np.float32(255))
        assert is_seven(saved(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("stroke", [0, 120, 255])
@pytest.mark.parametrize("hidden", [0, 255])
def test_what_is_transparent_is_paper_whatever_colour_it_hides(stroke: int, hidden: int) -> None:
    cover = Image.fromarray(255 - PAGE)
    level = Image.fromarray(np.where(PAGE < 255, stroke, hidden).astype(np.uint8))
    assert is_seven(saved(Image.merge("LA", (level, cover))))
    assert is_seven(saved(Image.merge("RGBA", (level, level, level, cover)), "WEBP", lossless=True))


def test_a_transparent_colour_is_paper_too() -> None:
    inked = Image.fromarray(np.where(PAGE < 128, 10, 0).astype(np.uint8))  # nearly black on black, if black showed
    assert is_seven(saved(inked, transparency=0))
    assert is_seven(saved(inked.convert("RGB"), transparency=(0, 0, 0)))
    assert is_seven(saved(inked.convert("P"), transparency=0))
    assert is_seven(saved(inked, "GIF", transparency=0))


def test_opaque_pixels_of_a_picture_with_alpha_are_read_as_they_are() -> None:
    assert is_seven(saved(Image.merge("LA", (SHEET, Image.new("L", SHEET.size, 255)))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_as_its_exif_says(orientation: int, kind: str) -> None:
    held = {
        1: PAGE,
        2: PAGE[:, ::-1],
        3: PAGE[::-1, ::-1],
        4: PAGE[::-1],
        5: PAGE.T,
        6: np.rot90(PAGE),
        7: PAGE[::-1, ::-1].T,
        8: np.rot90(PAGE, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    page = np.ascontiguousarray(held[orientation][:, :])
    assert is_seven(saved(Image.fromarray(page), kind, exif=exif))
    assert orientation == 1 or not is_seven(png(page))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",  # ends too early
        b"Exif\0\0II*\0",
        b"Exif\0\0nonsense",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02x\0\0\0\0\0\0\0",  # an orientation of "x"
    ],
)
def test_broken_exif_does_not_matter(exif: bytes, kind: str) -> None:
    assert is_seven(saved(SHEET, kind, exif=exif))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_exif_does_not_know_is_upright(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert is_seven(saved(SHEET, "JPEG", exif=exif))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_in_a_file_the_first_is_read(kind: str) -> None:
    assert is_seven(saved(SHEET, kind, save_all=True, append_images=[SHEET.rotate(90), SHEET.rotate(180)]))


def test_a_files_name_does_not_decide_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "seven.txt"
    path.write_bytes(saved(SHEET, "JPEG"))
    assert likeness(read_digit(path), read(png(PAGE))) > 0.97


def test_images_of_the_data_set_come_through_unchanged_black_on_white_too(mnist_test: Examples) -> None:
    for pixels in mnist_test.images[::331]:
        digit = pixels.reshape(28, 28)
        assert np.array_equal(read(png(digit)), pixels)
        assert np.array_equal(read(png(255 - digit)), pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_picture_is_reduced_before_anything_else(kind: str) -> None:
    grey = image_file.read_grey(saved(SHEET.resize((3000, 2400)), kind), "it")
    assert 1_000_000 < grey.size <= image_file.WORKING_PIXELS
    assert grey.shape[1] / grey.shape[0] == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_a_large_jpeg_is_not_even_decoded_in_full(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "WORKING_PIXELS", 6000)
    # A quarter of 400x300 comes out of the file, and half of that is kept; of all of it a fifth would be, 80x60.
    assert image_file.read_grey(saved(SHEET.resize((400, 300)), kind), "it").shape == (38, 50)


@pytest.mark.parametrize("height", [8, 28, 60])
def test_a_digit_cropped_to_its_ink_may_be_a_few_pixels_wide(height: int) -> None:
    page = np.full((height, 4), 250.0)
    page[1:-1, 1:3] = 20
    assert read(png(page)).reshape(28, 28)[5:23, 11:17].any()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read() -> None:
    assert is_seven(saved(SHEET, "AVIF"))


def test_the_photographs_of_phones_are_read_with_an_extra_and_without_it_said_how(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    content = saved(SHEET, "HEIF", quality=90)
    assert is_seven(content)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install 'mnistnet[heic]', or save it as JPEG" in refusal(content)


def test_a_scan_in_one_bit_may_have_35_million_pixels() -> None:
    page = Image.new("1", (4960, 7016), 1)
    ImageDraw.Draw(page).line([(1500, 2000), (3300, 2000), (2500, 5000)], fill=0, width=200)
    assert is_seven(saved(page), 0.5)


# --- What is refused --------------------------------------------------------------------------------------------------


def refusal(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read(content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_claims(width: int, height: int, *chunks: bytes) -> bytes:
    """Return the head of a PNG with no pixel in it: whoever decodes it finds that it is damaged."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks, chunk(b"IDAT", b""), chunk(b"IEND", b"")))


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (20_001, 10_000, "expected at most 200 million pixels, found 20001x10000; save it smaller, or as JPEG"),
        (2_000_000, 2_000_000, "expected at most 250 million pixels"),
        (2, 60, "expected at least 3x8 pixels, found 2x60"),
        (7, 7, "expected at least 3x8 pixels, found 7x7"),
        (401, 10, "expected at most 40 times as long as wide, found 401x10"),
        (10, 401, "expected at most 40 times as long as wide, found 10x401"),
    ],
)
def test_a_size_that_is_not_read_is_refused_before_decoding(width: int, height: int, words: str) -> None:
    assert refusal(png_that_claims(width, height)) == f"it: {words}"


@pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (8, 3), (3, 8), (400, 10), (10, 400)])
def test_the_limits_themselves_are_allowed(width: int, height: int) -> None:
    assert "damaged" in refusal(png_that_claims(width, height))


@pytest.mark.parametrize("kind", image_file.FORMATS)
def test_no_format_is_decoded_to_find_out_how_large_it_is(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, decoded = saved(SHEET, kind), []
    monkeypatch.setattr(image_file, "MAX_PIXELS", SHEET.width * SHEET.height)
    monkeypatch.setattr(image_file, "MAX_DECODED", 0)
    if kind == "JPEG":
        monkeypatch.setattr(image_file, "MAX_PIXELS_OF", {kind: 0})
    for owner in (ImageFile.ImageFile, Image.Image):
        monkeypatch.setattr(owner, "load", lambda *_: decoded.append(kind))
    assert "found 140x140" in refusal(content)
    assert not decoded


def test_a_webp_may_be_smaller_still_because_of_what_its_decoder_takes() -> None:
    content = saved(Image.new("L", (4001, 4000)), "WEBP", lossless=True, method=0)
    assert refusal(content) == "it: expected at most 16 million pixels, found 4001x4000; save it smaller, or as JPEG"


def test_a_library_that_complains_past_python_is_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(saved(SHEET, "TIFF", compression="tiff_deflate"))
    content[20:60] = bytes(40)
    os.write(2, b"before ")
    assert "damaged" in refusal(bytes(content))
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_text_that_unpacks_to_megabytes_is_not_unpacked() -> None:
    note = b"Comment\0\0" + zlib.compress(bytes(30 << 20), 9)
    profile = b"icc\0\0" + zlib.compress(bytes(30 << 20), 9)
    tracemalloc.start()
    try:
        for kind, content in ((b"zTXt", note), (b"iCCP", profile)):
            assert refusal(png_that_claims(100, 100, chunk(kind, content)))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)  # takes no space
    monkeypatch.setattr(image_file, "MAX_FILE", 1 << 20)
    with pytest.raises(ImageError, match=r"large\.png: expected a picture of at most 1 MiB"):
        read_digit(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF"])
def test_a_truncated_picture_is_refused_wherever_it_ends(kind: str) -> None:
    content = saved(SHEET, kind)
    if kind == "JPEG":
        content = content.removesuffix(b"\xff\xd9")  # the end mark, which is not missed
    for end in {*range(1, min(len(content), 80), 3), *range(80, len(content) - 16, max(1, len(content) // 15))}:
        assert refusal(content[:end])


def test_a_truncated_gif_is_refused_or_still_shows_its_digit() -> None:
    content = palette(SEVEN)
    outcomes: set[bool | None] = set()
    for end in range(1, len(content), 29):
        try:
            outcomes.add(likeness(read(content[:end]), read(content)) > 0.99)
        except ImageError:
            outcomes.add(None)
    assert outcomes <= {None, True}
    assert None in outcomes


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("seven.png", png(PAGE))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"seven",
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='28' height='28'/>",
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\n%%EOF\n",  # would be given to a program
        zipped(),
        saved(SHEET, "ICO"),
        bytes(1000),
    ],
)
def test_what_is_no_picture_is_told_which_kinds_are_read(content: bytes) -> None:
    kinds = ", ".join((*image_file.FORMATS, *image_file.MORE_FORMATS))
    assert refusal(content) == f"it: not a picture, or of a kind not read here ({kinds})"


def test_an_empty_file_is_called_empty() -> None:
    assert refusal(b"") == "it: the file is empty"


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.png", "none.png: cannot be read: no such file"), (".", ".: cannot be read: is a directory")],
)
def test_a_file_that_cannot_be_opened_is_an_error_with_its_name(name: str, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_digit(Path(name))
    assert str(caught.value).startswith(words)


def test_a_name_with_a_null_character_is_no_file_name() -> None:
    with pytest.raises(ImageError, match=r"'a\\x00b\.png': not a file name"):
        read_digit(Path("a\0b.png"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_an_error_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(png(PAGE))
    path.chmod(0)
    with pytest.raises(ImageError, match=r"secret\.png: cannot be read: permission denied"):
        read_digit(path)


@pytest.mark.parametrize(
    "page",
    [
        np.full((100, 100), 255.0),
        np.zeros((100, 100)),
        np.full((28, 28), 0.0),
        np.full((28, 28), 130.0),
        np.tile(np.linspace(255, 90, 120), (80, 1)),
        np.random.default_rng(0).normal(200, 12, (150, 150)),
        on_paper(SEVEN, 5, 255, 230),
        np.tile(np.where(np.arange(200) % 50 < 2, 0, 255)[:, None], (1, 200)),
    ],
    ids=["white", "black", "28x28 black", "28x28 grey", "slope", "grain", "faint", "ruled"],
)
def test_a_sheet_without_a_digit_is_called_blank(page: npt.NDArray[np.float64]) -> None:
    assert refusal(png(page)) == "it: the picture is blank: no ink stands out from the paper"


# --- Whatever bytes ---------------------------------------------------------------------------------------------------

SIGNATURES = [
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"BM",
    b"GIF89a",
    b"RIFF\x20\0\0\0WEBPVP8 ",
    b"P5 ",
    b"II*\0",
]
WHOLE = [
    png(SEVEN),
    saved(SHEET.convert("P"), transparency=3),
    transparent(SEVEN, 0),
    saved(SHEET, "JPEG", quality=30),
    cmyk(SEVEN),
    saved(SHEET, "GIF"),
    saved(SHEET, "WEBP", quality=20),
    saved(SHEET.convert("1"), "BMP"),
]


def is_refused_or_an_image(content: bytes) -> bool:
    try:
        digit = read(content)
    except ImageError as error:
        return "\n" not in str(error)
    return digit.shape == (784,) and digit.dtype == np.uint8


@settings(max_examples=150, deadline=None, database=None)
@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_but_an_image_error(signature: bytes, rest: bytes) -> None:
    assert is_refused_or_an_image(signature + rest)


@settings(max_examples=150, deadline=None, database=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.floats(0, 0.999), st.binary(max_size=4)), min_size=1, max_size=4))
def test_damage_anywhere_in_a_picture_raises_nothing_but_an_image_error(
    content: bytes, damages: list[tuple[float, bytes]]
) -> None:
    for where, damage in damages:
        at = int(where**2 * len(content))  # more often in the head, where there is more to break
        content = content[:at] + damage + content[at + max(1, len(damage)) :]
    assert is_refused_or_an_image(content)


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(8, 8), (8, 320), (320, 8), (28, 28), (70, 90)]),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.integers(1, 6),
)
def test_no_pattern_at_all_raises_anything_but_an_image_error(
    seed: int, shape: tuple[int, int], grain: float, boxes: int
) -> None:
    random = np.random.default_rng(seed)
    page = np.full(shape, random.random())
    for _ in range(boxes):
        top, left = (int(random.integers(side)) for side in shape)
        page[top : top + int(random.integers(1, 40)), left : left + int(random.integers(1, 40))] = random.random()
    assert is_refused_or_an_image(png(255 * (page + grain * (random.random(shape) - 0.5))))
