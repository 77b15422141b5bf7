"""IDX files: four of them, packed or not, under the names that common tools give them.

MNIST's own names, with a dot, in upper case; EMNIST's and QMNIST's; plain and packed side by side where both hold the
same (torchvision's `MNIST/raw`); in the folder itself, or one level down. Where a folder holds several sets, the path
goes on with the beginning of the files' names: `./gzip/emnist-digits`.
"""

from collections.abc import Iterator
from pathlib import Path

from mnistnet.data import idx
from mnistnet.data.forms.found import Found, Part, listed, read_bytes
from mnistnet.data.forms.names import is_idx, meaning
from mnistnet.data.forms.values import as_bytes, as_labels
from mnistnet.data.registry import NAMES
from mnistnet.data.what_else import GZIP
from mnistnet.errors import DataError
from mnistnet.util.arrays import Array

Files = dict[tuple[str, str], list[Path]]


def find(folder: Path, group: str | None = None) -> Files:
    """Return the IDX files in a folder, by part and kind; those of one `group` where there are several. Raises
    DataError."""
    here = list(_named(folder))
    groups = _groups(here)
    if not any(len(files) == len(NAMES) for files in groups.values()):
        inner = [each for each in listed(folder) if each.is_dir()]
        groups = _groups([*here, *(file for each in inner for file in _named(each))])
    if group is not None:
        name = meaning(group).group
        return groups.get(name, {}) if name else {}
    if len(groups) > 1:
        complete = {name: files for name, files in groups.items() if len(files) == len(NAMES)}
        groups = complete or groups
    if len(groups) > 1:
        names = sorted(groups)
        example = folder / next((name for name in names if name), "")
        raise DataError(
            f"{folder} holds several data sets ({', '.join(name or 'one without a name' for name in names)}): say "
            f"which, such as {example}"
        )
    return next(iter(groups.values()), {})


def read(folder: Path, files: Files) -> Found:
    """Read the files that `find` has found. Raises DataError, naming the one that is missing or wrong."""
    wanted = [("train", "images"), ("train", "labels")]
    if any(part == "test" for part, _ in files):
        wanted = list(NAMES)
    for key in wanted:
        if key not in files:
            raise DataError(_missing(folder, key, files))
    arrays = {(part, kind): _read(folder, part, kind, files[part, kind]) for part, kind in wanted}
    parts = [part for part in ("train", "test") if (part, "images") in arrays]
    images = as_bytes([(arrays[part, "images"], str(files[part, "images"][0])) for part in parts])
    found = {
        part: Part(
            pixels,
            as_labels(arrays[part, "labels"], str(files[part, "labels"][0]), qmnist=True),
            f"{folder}, {part} files",
        )
        for part, pixels in zip(parts, images, strict=True)
    }
    first = files["train", "images"][0]
    emnist = "emnist" in meaning(first.name).group.split("-")
    return Found("IDX files", found, _mapping(first), emnist=emnist)


def read_images(file: Path) -> Array:
    """Return the images in one IDX file, packed or not, (n, rows, columns). Raises DataError."""
    return idx.parse(_content(file, "images"), 3, str(file))


def _named(folder: Path) -> Iterator[Path]:
    for file in listed(folder):
        if is_idx(file.name) and file.is_file():
            yield file


def _groups(files: list[Path]) -> dict[str, Files]:
    groups: dict[str, Files] = {}
    for file in files:
        group, part, kind = meaning(file.name)
        if part and kind:
            groups.setdefault(group, {}).setdefault((part, kind), []).append(file)
    return groups


def _missing(folder: Path, key: tuple[str, str], files: Files) -> str:
    packed, there = NAMES[key], sorted(file.name for several in files.values() for file in several)
    plain = packed.removesuffix(".gz")
    wanted = ", ".join(name.removesuffix(".gz") for name in NAMES.values())
    expected = f"expected four IDX files, plain or .gz: {wanted}"
    return f"{folder} has no {plain} or {packed}; {expected}; found {', '.join(there)}"


def _read(folder: Path, part: str, kind: str, files: list[Path]) -> Array:
    """Return the numbers in a file; several files must have the same content. Raises DataError."""
    first, *others = sorted(files, key=lambda file: (len(file.parts), file.name.lower().endswith(".gz"), file))
    content = _content(first, kind)
    for other in others:
        if _content(other, kind) != content:
            raise DataError(
                f"{folder} holds both {first.relative_to(folder)} and {other.relative_to(folder)}, which differ: take "
                "away the one that is not meant"
            )
    return idx.parse(content, 3 if kind == "images" else 1, str(first))


def _content(file: Path, kind: str) -> bytes | memoryview:
    content = read_bytes(file)
    return idx.unpack(content, 3 if kind == "images" else 1, str(file)) if content[:2] == GZIP else content


def _mapping(images: Path) -> tuple[str, ...] | None:
    """Return the names of the classes that EMNIST's `-mapping.txt` gives: of each label the code of a letter."""
    group = meaning(images.name).group
    file = images.parent / f"{group}-mapping.txt"
    if not group or not file.is_file():
        return None
    try:
        rows = [[int(word) for word in line.split()] for line in read_bytes(file, 1 << 16).decode("ascii").splitlines()]
        codes = {label: chr(code) for label, code, *_ in (row for row in rows if row)}
    except (ValueError, OverflowError):
        raise DataError(f"{file}: expected lines of a label and the code of its letter, such as `10 65`") from None
    if not codes or min(codes) < 0 or max(codes) > 255:
        raise DataError(f"{file}: expected labels from 0 to 255")
    return tuple(codes.get(label, "(none)") for label in range(max(codes) + 1))
