"""Files that were damaged or forged: seeded changes of good ones, and monsters that were built by hand.

A mutant is a name, its bytes (or a function that makes them, where that takes long), and whether its content was
rebuilt around the change with right checksums, so that it may be taken for what it says (False: whoever takes it must
find what the good file holds). As a program, this module makes mutants for `reader`, in a process of its own, so that
the memory it takes to make them does not count as memory that it takes to read them.
"""

import functools
import gzip
import io
import json
import random
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mnistnet.util.arrays import Array
from tests.golden.make import GOLDEN, golden
from tests.mirror import idx_file
from tests.pictures import on_paper, saved


class Mutant(NamedTuple):
    name: str
    content: bytes | Callable[[], bytes]
    forged: bool = False


EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def changed(good: bytes, source: random.Random) -> bytes:
    """Return bytes with one to four changes of the kinds that find faults in readers."""
    data = bytearray(good)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        at = source.randrange(len(data)) if data else 0
        length = min(source.choice((1, 2, 4, 16, 300)), len(data) - at)
        match source.randrange(9):
            case 0 | 1:
                for place in range(at, at + min(length, 8)):
                    data[place] ^= 1 << source.randrange(8)
            case 2:
                del data[at:]
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length] * source.choice((1, 2, 50))
            case 5:
                data[at:at] = source.randbytes(length)
            case 6:
                data[at : at + length] = bytes(length)
            case 7:
                size = source.choice((1, 2, 4, 8))
                order = source.choice(("little", "big"))
                number = source.choice(EXTREMES) & ((1 << 8 * size) - 1)
                data[at : at + size] = number.to_bytes(size, order)  # type: ignore[arg-type]
            case _:
                other = source.randrange(len(data)) if data else 0
                data[at : at + length] = data[other : other + length]
    return bytes(data)


# Checkpoints


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npy(array: Any, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=pickled)
    return out.getvalue()


STRANGE: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, -(2**70), 2**53, 10**400, "", "x" * 10_000, "\x1b[2J", "‮", [], {}, [[]], [0] * 5000),
    *(
        {"a": {}},
        [784, 10],
        [10**9, 10**9],
        [1] * 10_000,
        "NaN",
        float("nan"),
        float("inf"),
        [None],
        "__import__('os')",
    ),
)


def forged_header(source: random.Random) -> bytes:
    """Return the golden header with one or two of its values, at any depth, replaced by strange ones."""
    header: Any = json.loads(json.dumps(golden().header()))
    for _ in range(source.choice((1, 2))):
        place, key = header, source.choice(list(header))
        while isinstance(place[key], dict | list) and place[key] and source.random() < 0.7:
            place = place[key]
            key = source.choice(list(place)) if isinstance(place, dict) else source.randrange(len(place))
        if source.random() < 0.15 and isinstance(place, dict):
            del place[key]
        else:
            place[key] = deepcopy(source.choice(STRANGE))
    return json.dumps(header).encode()


def object_array() -> bytes:
    """Return an array whose pickle would make a file `pwned`, were it ever read as one."""

    class Bomb:
        def __reduce__(self) -> Any:
            return (open, ("pwned", "w"))

    return npy(np.array([Bomb()], object), pickled=True)


def checkpoints(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield mutants of the golden checkpoint: damaged outside, or forged inside with right checksums."""
    good = GOLDEN.read_bytes()
    inside = members(good)
    names = list(inside)
    yield from monsters()
    for number in range(count):
        kind = number % 5
        if kind in (0, 1):
            yield Mutant("damaged", changed(good, source))
        elif kind == 2:
            yield Mutant("forged header", zipped(inside | {"header.npy": npy(np.array(forged_header(source)))}), True)
        elif kind == 3:
            name = source.choice(names)
            yield Mutant(f"forged {name}", zipped(inside | {name: changed(inside[name], source)}), True)
        else:
            at = good.index(b"PK\1\2")
            tail = changed(good[at:], source)
            yield Mutant("damaged directory", good[:at] + tail)


def giant(layers: list[int]) -> bytes:
    """Return a file of some hundred bytes whose first array claims to be as large as these layers."""
    config = golden().header()["config"] | {"layer_sizes": layers}
    header = npy(np.array(json.dumps(golden().header() | {"config": config}).encode()))
    shape = f"({layers[1]}, {layers[0]}), }}".encode()
    weight = npy(np.zeros((1, 1), np.float32))
    weight = weight.replace(b"(1, 1), }" + b" " * (len(shape) - 9), shape)
    return zipped({"header.npy": header, "layers.0.weight.npy": weight})


def monsters() -> Iterator[Mutant]:
    """Yield checkpoints that were built to run code, to eat the machine or to lie."""
    inside = members(GOLDEN.read_bytes())
    zeros = bytes(50_000_000)
    yield Mutant("a zip bomb", lambda: zipped({"header.npy": zeros}, zipfile.ZIP_DEFLATED))
    yield Mutant("a zip bomb among arrays", lambda: zipped(inside | {"x.npy": zeros}, zipfile.ZIP_DEFLATED))
    yield Mutant("objects for weights", zipped(inside | {"layers.0.bias.npy": object_array()}))
    yield Mutant("objects for the header", zipped(inside | {"header.npy": object_array()}))
    yield Mutant("objects beside", zipped(inside | {"training.x.npy": object_array()}))
    yield Mutant("terabytes", giant([784, 1_000_000, 1_000_000, 10]))
    yield Mutant("a header of 60 MB", zipped({"header.npy": npy(np.array(b"x" * 60_000_000))}))
    yield Mutant("many names", lambda: zipped({f"a{i}.npy": b"" for i in range(60_000)}))
    for depth in (100, 100_000, 500_000):
        deep = b'{"format":1,"config":' + b"[" * depth + b"]" * depth + b"}"
        yield Mutant("deep nesting", zipped(inside | {"header.npy": npy(np.array(deep))}))
    weights = np.full((2, 784), 1e30, np.float32)
    yield Mutant("weights of 1e30", zipped(inside | {"layers.0.weight.npy": npy(weights)}), True)
    for value in (np.nan, np.inf, -np.inf):
        bias = np.full(10, value, np.float32)
        yield Mutant(f"weights of {value}", zipped(inside | {"layers.1.bias.npy": npy(bias)}))
    yield Mutant("a newer format", zipped(inside | {"header.npy": npy(np.array(b'{"format":2,"mnistnet":"9.9"}'))}))
    yield Mutant("40 MB of zeros", bytes(40_000_000))


# IDX


def bomb(images: int) -> bytes:
    """Return a small gzip file with an IDX file of so many black images."""
    return gzip.compress(struct.pack(">HBB3I", 0, 8, 3, images, 28, 28) + bytes(images * 784), 1)


def idx_files(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield gzipped IDX files, damaged outside or forged inside."""
    numbers = np.random.default_rng(3).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    plain = idx_file(numbers)
    good = gzip.compress(plain, mtime=0)
    for shape in ((2**32 - 1,) * 3, (1024, 1024, 2047), (65536, 65536, 1), (0, 2**32 - 1, 2**32 - 1), (0, 0, 0), (1,)):
        header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        yield Mutant(f"counts {shape}", gzip.compress(header + bytes(1000)), True)
    yield Mutant("a gzip bomb", lambda: gzip.compress(plain + bytes(300_000_000), 1))
    for rows in (300_000, 2_700_000):
        yield Mutant(f"a bomb that promises {rows:,} images", functools.partial(bomb, rows), True)
    yield Mutant("trailing bytes", good + b"more")
    yield Mutant("two gzip members", good + good)
    yield Mutant("more than promised", gzip.compress(plain + b"x"))
    for number in range(count):
        if number % 2:
            yield Mutant("damaged", changed(good, source))
        else:
            head = 16 if number % 4 else len(plain)
            yield Mutant("forged", gzip.compress(changed(plain[:head], source) + plain[head:], 1), True)


# Tables: images in CSV and NumPy files, and the table of a folder of pictures


def _table() -> tuple[Array, Array]:
    random = np.random.default_rng(4)
    return random.integers(0, 256, (12, 6, 6)).astype(np.uint8), np.arange(12) % 3


def _lines(*rows: Sequence[object]) -> bytes:
    return b"".join(",".join(map(str, row)).encode() + b"\n" for row in rows)


CELLS = (
    *("", " ", "-1", "256", "0.5", "nan", "inf", "1e999", "seven", "0x10", '"', '"a', "'1'", "1;2", "1 2", "\t", "\0"),
    *("9" * 400, "=1+1", "NULL", "é", "\u2028", "\x1b[2J", "1_0", "+5", "07", "1e2", "True", "<b>", "#", "-0", "1\r2"),
)
"""What stands in the cells of tables that people send."""


def csv_tables(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield CSV files with cells changed, lines cut, columns missing, and bytes damaged."""
    images, labels = _table()
    rows = [[label, *image.ravel().tolist()] for label, image in zip(labels.tolist(), images, strict=True)]
    names = ["label", *(f"pixel{i}" for i in range(36))]
    good = _lines(names, *rows)
    for name, content in (
        ("as it is", good),
        ("without names", _lines(*rows)),
        ("names alone", _lines(names)),
        ("nothing", b""),
        ("blank lines", b"\n" * 100_000),
        ("one long line", b"1," * 20_000_000),
        ("commas alone", b"," * 1_000_000),
        ("a web page", b"<!DOCTYPE html><html><body>404</body></html>"),
        ("a pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        ("UTF-16", good.decode().encode("utf-16")),
        ("packed", gzip.compress(good)),
        ("a packed bomb", gzip.compress(b"0" * 300_000_000, 1)),
        ("a packed bomb of lines", gzip.compress(_lines(*rows) * 40_000, 1)),
    ):
        yield Mutant(name, content, True)
    for number in range(count):
        if number % 3 == 0:
            yield Mutant("bytes changed", changed(good, source), True)
            continue
        copy = [list(map(str, row)) for row in ([names, *rows] if number % 2 else rows)]
        for _ in range(source.choice((1, 1, 3))):
            row = source.choice(copy)
            match source.randrange(5):
                case 0 | 1:
                    row[source.randrange(len(row))] = source.choice(CELLS)
                case 2:
                    del row[source.randrange(len(row)) :]
                    row.append("")
                case 3:
                    row += row[: source.randint(1, 40)]
                case _:
                    copy.append([source.choice(CELLS)])
        yield Mutant("cells changed", _lines(*copy), True)


def npz_arrays(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield .npz files of images and labels, of odd types and shapes, damaged, and with lies in their headers."""
    images, labels = _table()
    inside = {
        "x_train.npy": npy(images),
        "y_train.npy": npy(labels),
        "x_test.npy": npy(images),
        "y_test.npy": npy(labels),
    }
    odd: list[Array] = [
        *(images.astype(kind) for kind in ("u2", "<i8", "f2", ">f8", "c8", "?")),
        *(
            images / 255,
            images - 300.0,
            images * np.nan,
            images.reshape(12, 36),
            images[..., None],
            images[:0],
            images[0],
        ),
        *(np.full((12, 6, 6), "x"), np.zeros((12, 0, 6)), np.zeros(12), np.zeros((12, 5)), np.zeros((12, 6, 6, 3))),
    ]
    for name in inside:
        for array in odd:
            yield Mutant(f"{name} of {array.dtype} {array.shape}", zipped(inside | {name: npy(array)}), True)
        yield Mutant(f"without {name}", zipped({key: value for key, value in inside.items() if key != name}), True)
    for number in range(count):
        name = source.choice(list(inside))
        if number % 2:
            head = inside[name][:100]
            forged = changed(head, source) + inside[name][100:]
            yield Mutant(f"forged {name}", zipped(inside | {name: forged}), True)
        else:
            yield Mutant("damaged", changed(zipped(inside), source), True)


def picture_tables(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield tables of pictures with names and labels of all kinds."""
    good: list[list[object]] = [["file", "label"], *([f"{number}.png", number % 2] for number in range(6))]
    names = (
        *CELLS,
        "../digit.png",
        "/etc/passwd",
        ".",
        "..",
        "a/../0.png",
        "0.png/x",
        "\\0.png",
        "~",
        "C:\\0.png",
        "0",
        "x" * 5000,
    )
    yield Mutant("as it is", _lines(*good), True)
    yield Mutant("300 classes", _lines(*([f"{i % 6}.png", f"class {i}"] for i in range(300))), True)
    for number in range(count):
        copy = [list(row) for row in good]
        for _ in range(source.choice((1, 2))):
            copy[source.randrange(len(copy))][source.randrange(2)] = source.choice(names)
        content = _lines(*copy)
        yield Mutant("changed", changed(content, source) if number % 4 == 0 else content, True)


# YAML


TOKENS = (
    *(
        "&a ",
        "*a",
        "!!python/object/apply:os.system ['touch pwned']",
        "!!binary aGk=",
        "!!timestamp 2001-01-01",
        "\x00",
    ),
    *("[", "{", "[" * 500, "{a: " * 500, "<<: *a", "? ", "- ", "\t", "%YAML 1.1\n", "---\n", "...\n", "|\n", ">\n"),
    *(
        "epochs",
        "epochs: 1\n",
        "‮epochs: 1\n",
        "еpochs: 1\n",
        "epochs\u200b: 1\n",
        "\ufeff",
        "\U0001f600",
        "\x85",
        "\u2028",
    ),
    *("1e999", "-1", ".nan", ".inf", "0x10", "0o7", "1_000", "1:30", "~", "null", "yes", "9" * 350, "1." + "0" * 5000),
    *(
        "'",
        '"',
        "\\x00",
        '"\\ud800"',
        "#",
        "layer_sizes: [784, 999999999, 10]\n",
        "optimizer: {name: adam, beta1: 1}\n",
    ),
    *(
        "dropout: [0.1, 0.2, 0.3]\n",
        "augment: {name: default, x: 1}\n",
        "validation: 0\nearly_stopping: {patience: 1}\n",
    ),
)


def configs(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield YAML files: broken, alien, huge."""
    good = (
        "# A comment\nepochs: 3\nlayer_sizes: [784, 30, 10]\noptimizer:\n  name: adam\n  beta1: 0.9\n"
        "schedule: {name: one_cycle}\nlearning_rate: 1e-3\ndropout: 0.1\naugment: default\nseed: 7\n"
    )
    lines = "".join(f"{'ab'[i]}: &{'ab'[i]} [{', '.join(['*a'] * 9)}]\n" for i in (0, 1))
    yield Mutant("an alias bomb", b"a: &a [x, x]\n" + lines.encode())
    yield Mutant("merge keys", b"base: &b {epochs: 3}\n<<: *b\n")
    yield Mutant("python", b"!!python/object/apply:os.system ['touch pwned']")
    mib = (1 << 20) - 100
    for name, text in {
        "10 MB": "epochs: 1\n" * 1_000_000,
        "a comment": "#" * mib,
        "many comments": "#\n" * (mib // 2),
        "blank lines": "\n" * mib,
        "spaces": " " * mib,
        "one word": "x" * mib,
        "many words": "x " * (mib // 2),
        "words on lines": "a: x\n" + " x\n" * (mib // 3),
        "a quoted word": '"' + "x" * mib,
        "quoted spaces": '"' + " " * mib,
        "escapes": '"' + "\\u0041" * (mib // 6) + '"',
        "a block": "a: |\n" + " x\n" * (mib // 3),
        "a folded block": "a: >\n" + " x\n\n" * (mib // 4),
        "brackets": "[" * mib,
        "open pairs": "{a: " * (mib // 4),
        "a long list": "a: [" + "1," * (mib // 2) + "]",
        "a long list of blocks": "a:\n" + "- 1\n" * (mib // 4),
        "many keys": "".join(f"k{i}: 1\n" for i in range(80_000)),
        "question marks": "? " * (mib // 2),
        "dashes": "- " * (mib // 2),
        "documents": "---\n" * (mib // 4),
        "directives": "%A b\n" * (mib // 5),
        "digits": "epochs: " + "1" * mib,
        "a tag": "!" + "x" * mib,
        "an anchor": "&" + "x" * mib,
        "percent in a tag": "!<" + "%41" * (mib // 3) + "> x",
        "colons": "a" + ":" * mib,
    }.items():
        yield Mutant(name, text.encode())
    for _ in range(count):
        text = good
        for _ in range(source.choice((1, 1, 2, 5))):
            at = source.randrange(len(text) + 1)
            end = min(len(text), at + source.choice((0, 0, 1, 5, 40)))
            text = text[:at] + source.choice(TOKENS) + text[end:]
        content = text.encode("utf-8", "surrogatepass")
        yield Mutant("changed", changed(content, source) if source.random() < 0.3 else content)


# Pictures


def good_pictures() -> list[tuple[str, bytes]]:
    """Return the same digit in every format and colour mode that is read."""
    page = Image.fromarray(np.rint(on_paper(golden_digit(), 4)).astype(np.uint8))
    wide = Image.fromarray(np.asarray(page).astype(np.uint16) * 257)
    found: list[tuple[str, bytes]] = []
    for kind, modes in {
        "PNG": ("L", "RGB", "RGBA", "P", "1", "LA"),
        "JPEG": ("L", "RGB", "CMYK"),
        "BMP": ("L", "RGB", "1"),
        "GIF": ("L", "P"),
        "WEBP": ("RGB", "RGBA"),
        "PPM": ("L", "RGB", "1"),
        "TIFF": ("L", "RGB", "RGBA", "CMYK", "F"),
    }.items():
        found += [(f"{kind} {mode}", saved(page.convert(mode), kind)) for mode in modes]
    found += [("PNG 16 bit", saved(wide)), ("TIFF 16 bit", saved(wide, "TIFF"))]
    found += [(f"TIFF {how}", saved(page, "TIFF", compression=how)) for how in ("tiff_lzw", "tiff_deflate", "packbits")]
    found += [("animated GIF", saved(page, "GIF", save_all=True, append_images=[page, page]))]
    found += [("animated WEBP", saved(page.convert("RGB"), "WEBP", save_all=True, append_images=[page.convert("RGB")]))]
    return found


def golden_digit() -> Any:
    from tests.pictures import SEVEN

    return SEVEN


def large_page(mode: str, kind: str, **options: Any) -> Callable[[], bytes]:
    """Return what makes a picture of as many pixels as are read."""

    def make() -> bytes:
        page = Image.new("L", (5000, 5000), 255)
        page.paste(0, (2000, 1000, 2600, 4000))
        wide = mode == "I;16"
        page = Image.fromarray(np.asarray(page).astype(np.uint16) * 257) if wide else page.convert(mode)
        return saved(page, kind, **options)

    return make


LARGE = {
    "PNG": ("L", "RGB", "RGBA", "LA", "P", "1", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("RGB", "RGBA", "1"),
    "GIF": ("P",),
    "PPM": ("RGB",),
    "TIFF": ("L", "RGB", "RGBA", "CMYK", "F", "I;16"),
}


def large_pictures() -> Iterator[Mutant]:
    """Yield pictures at and beyond the limits: what takes the most memory, and what claims to."""
    for kind, modes in LARGE.items():
        for mode in modes:
            options = {"compress_level": 1} if kind == "PNG" else {}
            yield Mutant(f"25 million pixels, {kind} {mode}", large_page(mode, kind, **options), True)
    yield Mutant("25 million pixels, progressive JPEG", large_page("RGB", "JPEG", progressive=True), True)
    for mode in ("RGB", "RGBA"):
        webp = large_page(mode, "WEBP", lossless=True, quality=0, method=0)
        yield Mutant(f"25 million pixels, WEBP {mode}", webp, True)
    for width, height in ((1, 1), (50_000, 1), (1, 50_000), (8000, 200), (200, 8000), (7, 7), (5001, 5000)):
        yield Mutant(f"{width}x{height}", saved(Image.new("L", (width, height))), True)
    for width, height in ((2**31 - 1, 2**31 - 1), (100_000, 100_000), (20_000, 20_000), (0, 0)):
        yield Mutant(f"a bomb of {width}x{height}", png_claiming(width, height), True)
        bmp = b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54)
        bmp += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield Mutant(f"a BMP of {width}x{height}", bmp + bytes(1000), True)
        yield Mutant(f"a PPM of {width}x{height}", b"P6 %d %d 255\n" % (width, height) + bytes(1000), True)
    yield from costly_pictures()
    good = good_pictures()[0][1]
    chunk = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(60_000_000), 9))
    yield Mutant("a bomb in a comment", good[:33] + chunk + good[33:], True)


def costly_pictures() -> Iterator[Mutant]:
    """Yield pictures that cost far more to decode than their pixels or their bytes would."""
    for height in (32752, 65504):
        yield Mutant(f"a TIFF with a tile of 32768x{height}", tiff_with_tile(32768, height), True)
    for scans in (200, 15_000):
        yield Mutant(f"a JPEG of {scans:,} scans", functools.partial(jpeg_of_scans, scans), True)
    yield Mutant("100 MB of plain PGM", lambda: b"P2 4999 4999 255\n" + b"0   " * 24_990_001, True)
    yield Mutant("100 MB of plain PBM", lambda: b"P1 4999 4999\n" + b"1   " * 24_990_001, True)
    yield Mutant("70 MB of plain PPM", lambda: b"P3 2500 2500 255\n" + b"255 " * 18_750_000, True)
    yield Mutant("a BMP of 50 MB in runs", bmp_in_runs, True)
    yield Mutant("a PNG of millions of chunks", lambda: many_chunks(6_000_000), True)
    yield Mutant("a JPEG of millions of markers", lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 20_000_000, True)
    yield Mutant("a GIF of millions of extensions", lambda: gif_of_extensions(10_000_000), True)


def tiff_with_tile(width: int, height: int) -> bytes:
    """Return a TIFF of 64x64 pixels, deflated, whose only tile claims to be this large."""
    data = zlib.compress(bytes(1_000_000), 9)
    tags = [(256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1), (322, 4, width)]
    tags += [(323, 4, height), (324, 4, 8), (325, 4, len(data))]
    at = 8 + len(data)
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", at) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def jpeg_of_scans(scans: int) -> bytes:
    """Return a progressive JPEG whose first scan of details comes again and again."""
    page = Image.new("L", (4000, 4000), 255)
    page.paste(0, (1500, 500, 1900, 3500))
    content = saved(page, "JPEG", progressive=True)
    starts = [match.start() for match in re.finditer(b"\xff\xda", content)]
    end = content.rindex(b"\xff\xd9")
    last = content[starts[-1] : end]
    return content[:end] + last * (scans - len(starts)) + content[end:]


def bmp_in_runs() -> bytes:
    """Return a BMP whose 25 million pixels come in runs of one pixel."""
    side, palette = 4999, bytes(1024)
    body = b"\1\0" * (side * side) + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 0)
    at = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + head + palette + body


def many_chunks(count: int) -> bytes:
    """Return a PNG with so many empty chunks before its pixels."""
    good = saved(Image.new("L", (64, 64), 255))
    return good[:33] + png_chunk(b"tESt", b"") * count + good[33:]


def gif_of_extensions(count: int) -> bytes:
    """Return a GIF with so many empty extensions before its picture."""
    good = saved(Image.new("P", (64, 64), 1), "GIF")
    at = 13 + 3 * 2 ** ((good[10] & 7) + 1)
    return good[:at] + b"\x21\xfe\1x\0" * count + good[at:]


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_claiming(width: int, height: int) -> bytes:
    """Return a small PNG that claims to be of a size."""
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body)


def pictures(source: random.Random, count: int) -> Iterator[Mutant]:
    """Yield pictures: damaged, cut, at the limits, under a wrong name."""
    good = good_pictures()
    yield from large_pictures()
    for name, content in good:
        yield Mutant(name, content, True)
    for number in range(count):
        name, content = good[number % len(good)]
        if number % 3:
            head = content[: source.choice((60, 200, 600))]  # where formats say what follows
            yield Mutant(f"{name}, its head changed", changed(head, source) + content[len(head) :], True)
        else:
            yield Mutant(f"{name}, changed", changed(content, source), True)


KINDS: dict[str, Callable[[random.Random, int], Iterator[Mutant]]] = {
    "checkpoint": checkpoints,
    "idx": idx_files,
    "csv": csv_tables,
    "npz": npz_arrays,
    "labels": picture_tables,
    "yaml": configs,
    "picture": pictures,
}


def main() -> None:
    """Make every SHAREth of COUNT mutants of a KIND from a SEED into a FILE, one for each line on stdin."""
    kind, count, seed, share, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    for mutant in islice(KINDS[kind](random.Random(seed), count), 0, None, share):
        if not sys.stdin.readline():
            return
        Path(path).write_bytes(mutant.content if isinstance(mutant.content, bytes) else mutant.content())
        print(json.dumps([mutant.name, mutant.forged]), flush=True)


if __name__ == "__main__":
    main()
