"""`mnistnet config`: the resolved config, and its schema."""

import json
from pathlib import Path

import click

from mnistnet.cli.options import PATH, set_option


@click.command(
    name="config",
    epilog="""\b
Examples:
  mnistnet config
  mnistnet config configs/3blue1brown.yaml --set epochs=5 > my.yaml
  mnistnet config --schema > mnistnet.schema.json""",
)
@click.argument("file", required=False, type=PATH)
@set_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of config files, for editors.")
def command(file: Path | None, overrides: tuple[str, ...], schema: bool) -> None:
    """Print the config that FILE (default: none) and the overrides come to, as YAML that loads again."""
    from mnistnet import config as configs

    if schema:
        click.echo(json.dumps(configs.json_schema(), indent=2))
    else:
        click.echo(configs.to_yaml(configs.load(file, overrides)), nl=False)
