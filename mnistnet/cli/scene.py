"""What the parts of `mnistnet explain`'s story share: what is told, what to draw with, tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnistnet.cli.terminal import Pen
from mnistnet.explain.labels import Telling


@dataclass(frozen=True)
class Scene(Telling):
    """An explanation that is told in a terminal, with the pen for its kind of terminal."""

    pen: Pen


def rest(count: int, shown: int, what: str) -> list[str]:
    """Return the line that counts what a table leaves out, if it does."""
    return [f"   ... and {count - shown:,} more {what}"] if count > shown else []


def columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a table's row: the first cell to the left, the others to the right."""
    first, *others = zip(cells, widths, strict=True)
    return "  " + f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)
