"""`mnistnet config`: the resolved config, and its schema."""

import textwrap
from pathlib import Path

import click

from mnistnet.cli.options import PATH, set_option
from mnistnet.cli.terminal import echo, echo_json, with_program
from mnistnet.errors import UsageError


@click.command(
    name="config",
    epilog="""\b
Examples:
  mnistnet config
  mnistnet config --list
  mnistnet config 3blue1brown --set epochs=5 > my.yaml
  mnistnet config --schema > mnistnet.schema.json""",
)
@click.argument("file", required=False, type=PATH)
@set_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of config files, for editors.")
@click.option(
    "--list", "list_all", is_flag=True, help="List the configs that come with the package, with accuracy and time."
)
def command(file: Path | None, overrides: tuple[str, ...], schema: bool, list_all: bool) -> None:
    """Print the resolved config: the defaults, FILE and the overrides, as YAML that loads again.

    FILE is a path, or the name of a config that comes with the package.
    """
    from mnistnet.config import loader as configs

    if list_all:
        if file or overrides or schema:
            raise UsageError("--list lists the configs that come with the package, and takes nothing else")
        _list()
    elif schema:
        echo_json(configs.json_schema(), indent=2)
    else:
        echo(*configs.to_yaml(configs.load(file, overrides)).splitlines())


def _list() -> None:
    """Print each config that comes with the package: its name, what it is, and how accurate and fast it is."""
    from mnistnet.config import figures, presets

    names, known = presets.names(), figures.all_figures()
    width = max(map(len, names), default=0) + 2
    for name in names:
        lines = textwrap.wrap(presets.summary(name), 100 - width)
        if found := known.get(name):
            lines.append(f"test accuracy {found.accuracy}, n = {len(found.runs)}, in {found.time}")
        echo(*(head.ljust(width) + line for head, line in zip([name] + [""] * len(lines), lines, strict=False)))
    echo("", err=True)
    echo("test accuracy: mean over n seeds (lowest to highest); time: from prompt to prompt on 2 cores, test", err=True)
    echo("included, *: while other programs were at work", err=True)
    echo(with_program("use one with `mnistnet train --config NAME`, print it with `mnistnet config NAME`"), err=True)
