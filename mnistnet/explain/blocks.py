"""The parts of a report: sections of paragraphs, tables and pictures, and their form as text, HTML and plain values.

A block holds numbers as numbers, with their format and unit. The renderer decides widths and colours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mnistnet.util.number_format import Unit
from mnistnet.util.text_drawing import WIDTH, Pen, columns, digit_as_text, every, paragraph


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Item:
    """Sentences about one of several ways, such as "(a) ..."; a table after it belongs to it."""

    text: str


@dataclass(frozen=True)
class Picture:
    """The image, uint8 (pixels,), and its rows and columns."""

    pixels: npt.NDArray[np.uint8]
    shape: tuple[int, int]


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, its width in characters, and how its numbers are written."""

    head: str
    width: int
    write: Callable[[float], str] = str

    @property
    def unit(self) -> Unit | None:
        """The unit of its numbers, None if they are plain."""
        return self.write if isinstance(self.write, Unit) and self.write.name else None


@dataclass(frozen=True)
class Row:
    """A row of a table: numbers and texts. `mark` is drawn beside it."""

    values: tuple[str | float, ...]
    mark: float | None = None


@dataclass(frozen=True)
class Table:
    """Numbers in rows, all in one unit; `marks` are drawn in proportion; `more` counts the rows that are left out."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    marks: Literal["bar", "arrow"] = "arrow"
    more: str = ""

    @property
    def heads(self) -> list[str]:
        """The columns' heads; the last names the unit if it is the only one that has it."""
        heads = [column.head for column in self.columns]
        if self._units() == 1 and (last := self.columns[-1].unit):
            heads[-1] += last.words
        return heads

    @property
    def caption(self) -> str:
        """The title, with the unit if several columns have it."""
        words = next((column.unit.words for column in self.columns if column.unit), "") if self._units() > 1 else ""
        return f"{self.title}{words}".strip()

    def _units(self) -> int:
        return sum(column.unit is not None for column in self.columns)

    def cells(self, row: Row) -> list[str]:
        """Return the texts of a row."""
        return [
            value if isinstance(value, str) else column.write(value)
            for column, value in zip(self.columns, row.values, strict=True)
        ]

    @property
    def largest(self) -> float:
        """The largest size of all marks."""
        return max((abs(row.mark) for row in self.rows if row.mark is not None), default=0.0)


Block = Paragraph | Item | Picture | Table


@dataclass(frozen=True)
class Section:
    """A title and the blocks below it."""

    title: str
    blocks: tuple[Block, ...]

    def lines(self, pen: Pen) -> Iterator[str]:
        """Return the lines of a section, in colours and blocks if the pen is rich."""
        yield pen.heading(self.title)
        for number, block in enumerate(self.blocks):
            if number and not (isinstance(block, Table) and isinstance(self.blocks[number - 1], Item)):
                yield ""
            yield from _lines(block, pen)

    def as_json(self) -> dict[str, Any]:
        """Return a section as plain values."""
        return {"title": self.title, "blocks": [_plain(block) for block in self.blocks]}

    def as_html(self) -> str:
        """Return a section as HTML."""
        return f"<h3>{escape(self.title)}</h3>{''.join(map(_html, self.blocks))}"


def _lines(block: Block, pen: Pen) -> Iterator[str]:
    match block:
        case Paragraph(text) | Item(text):
            yield paragraph(text)
        case Picture(pixels, shape):
            yield from pen.framed(digit_as_text(pixels, pen.rich, shape).split("\n"), 2 * -(-shape[1] // every(shape)))
        case Table():
            yield from _table_lines(block, pen)


def _table_lines(table: Table, pen: Pen) -> Iterator[str]:
    widths = [column.width for column in table.columns]
    if table.caption:
        yield f"  {table.caption}"
    *heads, last = table.heads
    # A last head that is longer than its column extends to the right, where marks are drawn.
    before = len(columns(heads, widths[:-1]))
    own = len(table.columns[-1].head)
    yield columns(heads, widths[:-1]) + " " * max(2, widths[-1] - own) + last
    room = WIDTH - before - widths[-1] - 2
    for row in table.rows:
        cells = table.cells(row)
        text = columns(cells[:1], widths[:1])
        for column, value, cell in zip(table.columns[1:], row.values[1:], cells[1:], strict=True):
            signed = isinstance(column.write, Unit) and column.write.signed and not isinstance(value, str)
            padded = cell.rjust(column.width)
            text += pen.signed(padded, float(value)) if signed else padded
        if row.mark is not None:
            draw, length = (pen.bar, room) if table.marks == "bar" else (pen.arrow, (room - 1) // 2)
            text += "  " + draw(row.mark, table.largest, min(length, 20 if table.marks == "bar" else 12))
        yield text.rstrip()
    if table.more:
        yield f"   ... and {table.more}"


def _plain(block: Block) -> dict[str, Any]:
    kind = {"kind": type(block).__name__.lower()}
    match block:
        case Paragraph(text) | Item(text):
            return kind | {"text": text}
        case Picture(pixels, shape):
            return kind | {"pixels": pixels.tolist(), "shape": shape}
        case Table():
            return kind | {
                "caption": block.caption,
                "columns": [
                    {"head": head, "unit": column.unit.name if column.unit else ""}
                    for head, column in zip(block.heads, block.columns, strict=True)
                ],
                "marks": block.marks,
                "rows": [
                    {"values": row.values, "cells": block.cells(row)} | ({} if row.mark is None else {"mark": row.mark})
                    for row in block.rows
                ],
                "more": block.more,
            }


def _html(block: Block) -> str:
    match block:
        case Paragraph(text) | Item(text):
            return f"<p>{escape(text)}</p>"
        case Picture(pixels, shape):
            return f"<pre style='line-height:1'>{escape(digit_as_text(pixels, True, shape))}</pre>"
        case Table():
            head = "".join(f"<th style='text-align:right'>{escape(text)}</th>" for text in block.heads)
            rows = "".join(f"<tr>{_html_row(block, row)}</tr>" for row in block.rows)
            more = f"<p>... and {escape(block.more)}</p>" if block.more else ""
            caption = f"<caption>{escape(block.caption)}</caption>" if block.caption else ""
            return f"<table>{caption}<tr>{head}</tr>{rows}</table>{more}"


def _html_row(table: Table, row: Row) -> str:
    cells = "".join(f"<td style='text-align:right'>{escape(cell)}</td>" for cell in table.cells(row))
    if row.mark is None:
        return cells
    pen = Pen(False)
    drawn = pen.bar(row.mark, table.largest) if table.marks == "bar" else pen.arrow(row.mark, table.largest)
    return f"{cells}<td><code style='white-space:pre'>{escape(drawn)}</code></td>"
