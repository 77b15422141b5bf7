"""Draws what commands print in a terminal as pictures for README.md, by running them.

    python -m scripts.terminal              docs/train.svg and docs/explain.svg
    python -m scripts.terminal explain      only this one

Each command runs in an empty folder and a terminal of its own. The picture is an SVG of text and lines
that needs no font of its own: `textLength` keeps columns straight in whatever the reader's machine has. In a recording
each line appears when it did; where nothing moves, all lines are there. The text stands in its <desc>, too.
"""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
ROWS = 50
CELL, LINE, MARGIN = 8, 17, 16  # pixels; whole ones, so that lines meet
CUT = "[...]"
STYLE = """
text { font: 13.3px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
text, path { fill: #e6edf3 }
.bold { font-weight: bold } .up { fill: #79b8ff } .down { fill: #ff938a } .dim { fill: #8b949e } .page { fill: #161b22 }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
@media (prefers-reduced-motion: no-preference) { .later { animation: appear step-end } }
"""
COLOURS = {"1": "bold", "94": "up", "91": "down"}
PIECE = re.compile(r"\S+(?: \S+)*")  # wider gaps lie between columns, each of which begins at its own place
CONTROL = re.compile(r"\x1b\[([\d;]*)([A-Za-z])|.", re.DOTALL)

Cell = tuple[str, str]
"""A character and its class."""


@dataclass(frozen=True)
class Picture:
    """A command, and between which words of its output lies what is shown: (from, up to), empty for its ends."""

    command: str
    title: str
    parts: tuple[tuple[str, str], ...] = (("", ""),)
    columns: int = 80
    moves: bool = False


PICTURES = {
    "train": Picture(
        "mnistnet train --config speedrun", "A training of two epochs, as it happens", columns=100, moves=True
    ),
    "explain": Picture(
        "mnistnet explain --index 321 --section 2 --section 4",
        "What a 2 that is read as a 7 wishes of the output layer, and what all outputs wish of the layer before",
        (("2. What the output", "4. All wishes"), ("4. All wishes", "Now hidden layer 2")),
    ),
}


class Screen:
    """What a terminal shows of an output: its lines as cells, and when each of them was finished."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self.lines: list[list[Cell]] = []
        self.times: list[float] = []
        self._line: list[Cell] = []
        self._column, self._class = 0, ""

    def feed(self, text: str, when: float) -> None:
        """Take more of the output, printed so many seconds after the command's start."""
        for match in CONTROL.finditer(text):
            codes, kind = match.groups()
            if kind:
                if kind == "m":
                    self._class = COLOURS.get(codes, "")
            elif match[0] == "\r":
                self._column = 0
            elif match[0] == "\n":
                self._end(when)
            else:
                if self._column == self._columns:
                    self._end(when)
                self._line[self._column : self._column + 1] = [(match[0], self._class)]
                self._column += 1

    def _end(self, when: float) -> None:
        self.lines.append(self._line)
        self.times.append(when)
        self._line, self._column = [], 0


def record(command: str, columns: int) -> Screen:
    """Run a command in an empty folder and a terminal of its own."""
    _, *words = shlex.split(command)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", ROWS, columns, 0, 0))
    own = {"PYTHONPATH": str(ROOT), "MNISTNET_DATA_DIR": str(ROOT / "data"), "TERM": "xterm-256color", "PAGER": "cat"}
    own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where `mnistnet` is
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")} | own
    screen, held = Screen(columns), b""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        program = ["mnistnet", *words]
        with subprocess.Popen(
            program, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        ) as child:
            os.close(theirs)
            while piece := _read(ours):
                # A character or a colour may be cut in two; after a whole line neither is.
                held += piece
                whole, end, held = held.rpartition(b"\n")
                screen.feed((whole + end).decode().replace("\r\n", "\n"), time.perf_counter() - began)
    os.close(ours)
    if child.returncode:
        raise SystemExit(f"{command} failed:\n{text(screen.lines)}")
    return screen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody holds the other end any more
        return b""


def shown(picture: Picture, screen: Screen) -> tuple[list[list[Cell]], list[float]]:
    """Return the lines of a picture, the command first, and when each appears."""
    lines: list[list[Cell]] = [[("$", "dim"), (" ", ""), *((character, "bold") for character in picture.command)]]
    times = [0.0]
    words = [text([line]) for line in screen.lines]
    end = 0
    for begin, stop in picture.parts:
        start = next(number for number, line in enumerate(words) if number >= end and line.startswith(begin))
        if start > end:
            lines.append([(character, "dim") for character in CUT])
            times.append(screen.times[start])
        end = next((n for n, line in enumerate(words) if stop and n > start and line.startswith(stop)), len(words))
        lines += screen.lines[start:end]
        times += screen.times[start:end]
    if end < len(words):
        lines.append([(character, "dim") for character in CUT])
        times.append(screen.times[-1])
    return lines, times


def text(lines: list[list[Cell]]) -> str:
    """Return lines without their classes."""
    return "\n".join("".join(character for character, _ in line).rstrip() for line in lines)


def drawn(picture: Picture, screen: Screen) -> str:
    """Return the picture as SVG."""
    lines, times = shown(picture, screen)
    width, height = 2 * MARGIN + picture.columns * CELL, 2 * MARGIN + len(lines) * LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(picture.title)}</title>",
        f"<desc>{escape(text(lines))}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="6" class="page"/>',
    ]
    for number, (line, when) in enumerate(zip(lines, times, strict=True)):
        # It lasts as long as the line is awaited: after a delay some browsers paint no more, and the line never came.
        later = f' class="later" style="animation-duration:{when:.2f}s"' if picture.moves and when else ""
        inside = "".join(_runs(line, MARGIN + number * LINE))
        parts += [f"<g{later}>{inside}</g>"] if inside else []
    return "\n".join([*parts, "</svg>\n"])


def _runs(line: list[Cell], top: int) -> list[str]:
    """Return the shapes of a line: pieces of text of one class, and arrows as lines, which meet in no font."""
    parts, column = [], 0
    for (name, shape), group in groupby(line, key=lambda cell: (cell[1], cell[0] if cell[0] in SHAPES else "")):
        words = "".join(character for character, _ in group)
        kind, left = f' class="{name}"' if name else "", MARGIN + column * CELL
        if shape:
            parts.append(f'<path{kind} d="{SHAPES[shape](left, top, len(words) * CELL)}"/>')
        for piece in () if shape else PIECE.finditer(words):
            place = f'x="{left + piece.start() * CELL}" y="{top + 13}" textLength="{len(piece[0]) * CELL}"'
            parts.append(f"<text{kind} {place}>{escape(piece[0])}</text>")
        column += len(words)
    return parts


SHAPES = {
    "─": lambda x, y, w: f"M{x} {y + 8}h{w}v1h-{w}z",
    "│": lambda x, y, w: f"M{x + 4} {y}h1v{LINE}h-1z",
    "►": lambda x, y, w: f"M{x} {y + 4}l7 4.5-7 4.5z",
    "◄": lambda x, y, w: f"M{x + w} {y + 4}l-7 4.5 7 4.5z",
}
"""The path of a run of each character that is drawn, by its left edge, its top and its width."""


def main(*names: str) -> None:
    """Draw the pictures of these names, or all."""
    for name in names or PICTURES:
        picture = PICTURES[name]
        (ROOT / "docs" / f"{name}.svg").write_text(
            drawn(picture, record(picture.command, picture.columns)), encoding="utf-8"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
