"""Writes docs/commands.md: what `--help` says of each command, in the order of `mnistnet --help`.

Options that several commands share are described once, and named below each of these commands.

    python -m scripts.commands
"""

import copy
from collections import Counter
from pathlib import Path

import click

from mnistnet.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
WIDTH = 80
SHARED_BY = 3  # an option of at least so many commands is described once
HEAD = """# Commands

Every command explains itself with `--help` (`-h`). Results go to stdout, progress and errors to stderr. Exit codes:
0 done, 1 an error, 2 wrong usage or config, 130 interrupted, 143 terminated. `python -m scripts.commands` makes this
page from the help texts.

## Shared options
"""


def page() -> str:
    """Return the page as it should be."""
    found = commands()
    records = Counter(record for _, command in found for record in _records(command).values())
    shared = {record: count for record, count in records.items() if count >= SHARED_BY}
    formatter = click.HelpFormatter(width=WIDTH)
    formatter.write_dl(list(shared))
    parts = [HEAD, _indented(formatter.getvalue().rstrip())]
    for name, command in found:
        parts.append(f"\n## `{name}`\n\n{_indented(help_text(name, command, set(shared)))}")
        if names := [_name(option) for option, record in _records(command).items() if record in shared]:
            parts.append(f"\nShared options: {', '.join(f'`{each}`' for each in names)}.")
    return "\n".join(parts) + "\n"


def commands() -> list[tuple[str, click.Command]]:
    """Return each command with its name, those of groups after their group."""
    found = []
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        found.append((f"mnistnet {name}", command))
        if isinstance(command, click.Group):
            found += [(f"mnistnet {name} {inner}", command.commands[inner]) for inner in sorted(command.commands)]
    return found


def help_text(name: str, command: click.Command, shared: set[tuple[str, str]]) -> str:
    """Return what `--help` prints on a terminal of 80 columns, without the shared options and `--help` itself."""
    command = copy.copy(command)
    hidden = [option for option, record in _records(command).items() if record in shared]
    command.params = [param for param in command.params if param not in hidden]
    command.add_help_option = False
    if isinstance(command, click.Group):
        command.epilog = None  # its commands have examples of their own
    return command.get_help(click.Context(command, info_name=name, terminal_width=WIDTH)).strip()


def _records(command: click.Command) -> dict[click.Option, tuple[str, str]]:
    """Return what the help says of each option: its names with the kind of value, and its meaning."""
    context = click.Context(command)
    options = [param for param in command.params if isinstance(param, click.Option)]
    return {option: record for option in options if (record := option.get_help_record(context))}


def _name(option: click.Option) -> str:
    return max(option.opts, key=len)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
