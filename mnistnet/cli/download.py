"""`mnistnet download`: fetch a data set, or verify the one that is there."""

import json
from pathlib import Path

import click

from mnistnet.cli.options import data_options, json_option, open_store


@click.command(
    name="download",
    epilog="""\b
Examples:
  mnistnet download
  mnistnet download fashion_mnist --data-dir ~/data
  mnistnet download --mirror http://localhost:8000/mnist/""",
)
@click.argument("dataset", default="mnist")
@data_options
@json_option
def command(dataset: str, data_dir: Path | None, mirrors: tuple[str, ...], as_json: bool) -> None:
    """Make sure that DATASET (mnist, fashion_mnist, kmnist) is there and is what was published.

    Verifies the SHA-256 of each file, fetches what is missing or damaged from the first mirror that has it, and sets
    damaged files aside under another name.
    """
    store = open_store(dataset, data_dir, mirrors)
    fetched = {file.name for file in store.verify()}
    for file in store.spec.files:
        status = "fetched" if file.name in fetched else "verified"
        if as_json:
            row = {
                "file": str(store.folder / file.name),
                "size": file.size,
                "sha256": file.sha256,
                "status": status,
            }
            click.echo(json.dumps(row))
        else:
            click.echo(f"{status:8}  {file.size:>10,} bytes  {store.folder / file.name}")
