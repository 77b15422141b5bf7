"""Runs the commands of documents and writes what they really print beneath them, so that no output is typed by hand.

    python -m scripts.examples                      all examples of PAGES
    python -m scripts.examples compare              only those whose command contains this word

An example is an indented command, followed by a block for its output:

    mnistnet explain --index 1

    <!-- section 4, blocks 1 3-4, lines 6 -->
    ```text
    ```

The comment chooses a part of the output: a section; of its blocks, which empty lines separate, those named; of each
table as many lines. Three dots stand for what was left out. Pictures that a command draws into docs/ are reduced to
the few colours they have, a third of the size.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "docs" / name for name in ("backpropagation.md", "gradient-descent.md")]
EXAMPLE = re.compile(r"^    (mnistnet .+)\n\n(?:<!-- (section .*) -->\n)?```text\n((?:.*\n)*?)```$", re.MULTILINE)
PART = re.compile(r"section (\d)(?:, blocks ([\d -]+))?(?:, lines (\d+))?")
OMITTED = "..."
DRAWN = re.compile(r"^    (mnistnet .+ --plot docs/.+)$", re.MULTILINE)
COLOURS = 256


class Example(NamedTuple):
    """A command in a document, the part of its output that is kept (empty: all), and that output as it stands."""

    command: str
    part: str
    output: str


def examples(text: str) -> list[Example]:
    """Return the examples of a document."""
    return [Example(*match.groups("")) for match in EXAMPLE.finditer(text)]


def kept(output: str, part: str) -> str:
    """Return the part of an output that an example's comment names; all of it where there is no comment."""
    if not part:
        return output
    match = PART.fullmatch(part)
    if match is None:
        raise SystemExit(f'expected a part such as "section 4, blocks 1 3-4, lines 6", found "{part}"')
    section, wanted, lines = match.groups()
    found = re.search(rf"^{section}\. .*?(?=^\d\. .*---$|\Z)", output, re.MULTILINE | re.DOTALL)
    if found is None:
        raise SystemExit(f"no section {section} in the output:\n{output}")
    blocks = found[0].rstrip().split("\n\n")
    numbers = _numbers(wanted) if wanted else list(range(1, len(blocks) + 1))
    shown, last = [], 0
    for number in numbers:
        if number != last + 1:
            shown.append(OMITTED)
        shown.append(_shortened(blocks[number - 1], int(lines)) if lines else blocks[number - 1])
        last = number
    if last != len(blocks):
        shown.append(OMITTED)
    return "\n\n".join(shown) + "\n"


def _numbers(wanted: str) -> list[int]:
    """Return the block numbers that "1 3-4" names."""
    ends = [[int(end) for end in each.split("-")] for each in wanted.split()]
    return [number for each in ends for number in range(each[0], each[-1] + 1)]


def _shortened(block: str, lines: int) -> str:
    """Return a table's first lines; other blocks are not indented, and stay whole."""
    rows = block.splitlines()
    is_table = all(row.startswith("  ") for row in rows)
    return "\n".join([*rows[:lines], f"  {OMITTED}"]) if is_table and len(rows) > lines else block


def run(command: str) -> str:
    """Run a command from the repository's folder and return what it prints into a pipe."""
    _, *words = shlex.split(command)
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "mnistnet", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        encoding="utf-8",
    )
    for word in words:
        if word.endswith(".png") and "--plot" in words:
            _reduce(ROOT / word)
    return done.stdout


def _reduce(path: Path) -> None:
    """Give a drawn picture a palette: it has few colours, and is read on screens."""
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def main(word: str = "") -> None:
    """Write the outputs of the documents' commands that contain a word anew, each command being run once."""
    outputs: dict[str, str] = {}

    def renewed(match: re.Match[str]) -> str:
        command, part, _ = match.groups("")
        if word not in command:
            return match[0]
        if command not in outputs:
            outputs[command] = run(command)
        comment = f"<!-- {part} -->\n" if part else ""
        return f"    {command}\n\n{comment}```text\n{kept(outputs[command], part)}```"

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for command in DRAWN.findall(text):
            if word in command:
                outputs[command] = run(command)
        page.write_text(EXAMPLE.sub(renewed, text), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:2])
