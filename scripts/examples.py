"""Runs the commands of a document and writes what they really print beneath them, so that no output is typed by hand.

    python -m scripts.examples                              all of docs/backpropagation.md
    python -m scripts.examples docs/backpropagation.md compare      only those of its commands with this word in them

An example is an indented command, followed by a block for its output:

    mnistnet explain --index 1

    <!-- section 2 -->
    ```text
    ```

Where a section is named, it is that one of the output that is kept. Pictures that a command draws into
docs/ are reduced to the few colours they have, a third of the size.
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
PAGE = ROOT / "docs" / "backpropagation.md"
EXAMPLE = re.compile(r"^    (mnistnet .+)\n\n(?:<!-- section (\d) -->\n)?```text\n((?:.*\n)*?)```$", re.MULTILINE)
DRAWN = re.compile(r"^    (mnistnet .+ --plot docs/.+)$", re.MULTILINE)
COLOURS = 256


class Example(NamedTuple):
    """A command in a document, the section of its output that is kept (empty: all), and that output as it stands."""

    command: str
    section: str
    output: str


def examples(text: str) -> list[Example]:
    """Return the examples of a document."""
    return [Example(*match.groups("")) for match in EXAMPLE.finditer(text)]


def kept(output: str, section: str) -> str:
    """Return a section of an output, from its heading ("2. ... ---") to the next; all of it where none is asked for."""
    if not section:
        return output
    found = re.search(rf"^{section}\. .*?(?=^\d\. .*---$|\Z)", output, re.MULTILINE | re.DOTALL)
    if found is None:
        raise SystemExit(f"no section {section} in the output:\n{output}")
    return found[0].rstrip() + "\n"


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


def main(page: Path = PAGE, word: str = "") -> None:
    """Write the outputs of a document's commands that have a word in them anew, each command being run once."""
    outputs: dict[str, str] = {}

    def renewed(match: re.Match[str]) -> str:
        command, section, _ = match.groups("")
        if word not in command:
            return match[0]
        if command not in outputs:
            outputs[command] = run(command)
        comment = f"<!-- section {section} -->\n" if section else ""
        return f"    {command}\n\n{comment}```text\n{kept(outputs[command], section)}```"

    text = page.read_text(encoding="utf-8")
    for command in DRAWN.findall(text):
        if word in command:
            outputs[command] = run(command)
    page.write_text(EXAMPLE.sub(renewed, text), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE, *sys.argv[2:3])
