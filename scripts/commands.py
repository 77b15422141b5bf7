"""Writes docs/commands.md: what `--help` says of each command, in the order of `mnistnet --help`.

python -m scripts.commands
"""

from pathlib import Path

import click
from click.testing import CliRunner

from mnistnet.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# Commands

What `--help` says, made by `python -m scripts.commands`. Results go to stdout, progress and errors to stderr. Exit
codes: 0 done, 1 an error, 2 wrong usage or config, 130 interrupted, 143 terminated.
"""


def page() -> str:
    """Return the page as it should be."""
    return "\n".join([HEAD, *(f"## `{name}`\n\n{_indented(help_text(words))}\n" for name, words in commands())])


def commands() -> list[tuple[str, list[str]]]:
    """Return each command's name and words, those of groups after their group."""
    found = []
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        found.append((f"mnistnet {name}", [name]))
        if isinstance(command, click.Group):
            inner = command.list_commands(click.Context(command))
            found += [(f"mnistnet {name} {each}", [name, each]) for each in inner]
    return found


def help_text(words: list[str]) -> str:
    """Return what `--help` prints on a terminal of 80 columns."""
    result = CliRunner().invoke(cli, [*words, "--help"], prog_name="mnistnet", terminal_width=80, color=False)
    return result.stdout.strip()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
