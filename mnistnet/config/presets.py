"""The configs that come with the package, by name: inside a wheel, or beside the package in a checkout."""

import re
from itertools import takewhile
from pathlib import Path

_HERE = Path(__file__).parent.parent
_SWEEPS = {"sweep"}  # sweeps in the same folder
_FOLDERS = (_HERE / "configs", _HERE.parent / "configs")


def folder() -> Path:
    """Return the folder that holds them."""
    inside, beside = _FOLDERS
    return inside if inside.is_dir() else beside


def names() -> list[str]:
    """Return the names of all of them, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.yaml") if path.stem not in _SWEEPS)


def path(name: str) -> Path | None:
    """Return the file of the config of this name, or None where there is none."""
    return folder() / f"{name}.yaml" if name in names() else None


def summary(name: str) -> str:
    """Return the first sentence of a config's opening comment."""
    text = (folder() / f"{name}.yaml").read_text(encoding="utf-8")
    comment = [line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    return re.split(r"(?<=\.) ", " ".join(comment), maxsplit=1)[0]
