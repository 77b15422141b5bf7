"""What commands print: lines without control characters of others, and commands that work when they are pasted."""

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
    """Print lines, or an empty one. Whatever could steer a terminal is shown as an escape, a line end too."""
    for line in lines or ("",):
        click.echo(printable_line(line), err=err)


def echo_json(value: Any, indent: int | None = None) -> None:
    """Print a value as JSON, in one line unless it is indented.

    Raises DivergedError where a number in it is not finite, which JSON has no word for.
    """
    try:
        click.echo(json.dumps(value, allow_nan=False, indent=indent))
    except ValueError:
        raise DivergedError(
            "a figure is not a finite number: the network's weights are too large to compute with"
        ) from None


def program() -> str:
    """Return what to type for `mnistnet`, as it was called: with a folder, by python -m, or just by its name."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(_as_typed(Path(sys.executable)))} -m mnistnet"
    return shlex.quote(_as_typed(called)) if called.name.startswith("mnistnet") else "mnistnet"


def _as_typed(path: Path) -> str:
    """Return the bare name of a program that the shell finds by it, else its path, from here if it lies below."""
    full = path.absolute()
    if (found := shutil.which(path.name)) and Path(found).absolute() == full:
        return path.name
    here = Path.cwd()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(full)


def command_line(*words: object) -> str:
    """Return a command of this program, quoted for a shell."""
    return f"{program()} {shlex.join(map(str, words))}"


def with_program(sentence: str) -> str:
    """Return a sentence whose commands in backticks begin as this program was called."""
    return COMMAND.sub(lambda _: f"`{program()} ", sentence)
