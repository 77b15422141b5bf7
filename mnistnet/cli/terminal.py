"""What commands print: lines with control characters escaped, and commands that work when they are pasted."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from mnistnet.errors import DivergedError
from mnistnet.util.printable import printable_line

COMMAND = re.compile(r"`mnistnet (?=\w)")


def echo(*lines: str, err: bool = False) -> None:
    """Print lines, or an empty one. Control characters, line ends included, are shown as escapes."""
    for line in lines or ("",):
        click.echo(printable_line(line), err=err)


def echo_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON, in one line unless it is indented.

    Raises DivergedError for a number that is not finite, which JSON cannot express.
    """
    try:
        click.echo(json.dumps(value, allow_nan=False, indent=indent))
    except ValueError:
        raise DivergedError(
            "a figure is not a finite number: the network's weights are too large to compute with"
        ) from None


def program() -> str:
    """Return how `mnistnet` was called: with a folder, by python -m, or by its name alone."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(_as_typed(Path(sys.executable)))} -m mnistnet"
    return shlex.quote(_as_typed(called)) if called.name.startswith("mnistnet") else "mnistnet"


def _as_typed(path: Path) -> str:
    """Return a program's bare name if the shell finds it, else its path, relative if it lies below this folder."""
    full = path.absolute()
    if (found := shutil.which(path.name)) and Path(found).absolute() == full:
        return path.name
    here = Path.cwd()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(full)


def command_line(*words: object) -> str:
    """Return a command of this program, quoted for a shell."""
    return f"{program()} {shlex.join(map(str, words))}"


def with_program(sentence: str) -> str:
    """Return a sentence whose commands in backticks start as this program was called."""
    return COMMAND.sub(lambda _: f"`{program()} ", sentence)
