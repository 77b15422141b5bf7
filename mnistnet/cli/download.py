"""`mnistnet download`: fetch a data set, or verify the one that is there."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistnet.cli.options import data_options, json_option, open_store
from mnistnet.cli.terminal import command_line, echo, echo_json
from mnistnet.errors import UsageError

if TYPE_CHECKING:
    from mnistnet.data.datasets import Store


@click.command(
    name="download",
    epilog="""\b
Examples:
  mnistnet download
  mnistnet download --list
  mnistnet download fashion_mnist --data-dir ~/data
  mnistnet download --mirror http://localhost:8000/mnist/""",
)
@click.argument("dataset", required=False)
@click.option("--list", "list_all", is_flag=True, help="List the data sets and whether they are here; fetch nothing.")
@data_options
@json_option
def command(
    dataset: str | None, list_all: bool, data_dir: Path | None, mirrors: tuple[str, ...], as_json: bool
) -> None:
    """Fetch DATASET (mnist, fashion_mnist, kmnist) unless it is there, and verify it [default: mnist].

    Verifies the SHA-256 of each file, fetches missing and damaged ones from the first mirror that has them, and renames
    damaged files. A repacked file is accepted if its content is what was published. DATASET can also be the path of
    data of your own, which is then described as by `data info`.
    """
    if list_all:
        if dataset:
            raise UsageError(f"--list lists all data sets, found {dataset}, too: leave one of the two out")
        _list(data_dir, mirrors, as_json)
        return
    store = open_store(dataset or "mnist", data_dir, mirrors)
    if not store.spec.files:
        _own(store, as_json)
        return
    fetched = {file.name for file in store.verify()}
    for file in store.spec.files:
        path = store.path(file)
        status = "fetched" if file.name in fetched else "verified"
        size = path.stat().st_size
        if as_json:
            row = {
                "file": str(path),
                "size": size,
                "sha256": file.sha256,
                "status": status,
            }
            echo_json(row)
        else:
            anew = "" if size == file.size else "  (not packed as published; it holds the same)"
            echo(f"{status:8}  {size:>10,} bytes  {path}{anew}")


def _own(store: "Store", as_json: bool) -> None:
    """Describe data of your own."""
    for name, sha256 in store.hashes().items():
        if as_json:
            echo_json({"file": name, "sha256": sha256, "status": "read"})
        else:
            echo(f"read  {sha256}  {name}")
    if not as_json:
        from mnistnet.cli.data import describe

        describe(store, as_json, {})


def _list(data_dir: Path | None, mirrors: tuple[str, ...], as_json: bool) -> None:
    """Print a paragraph, or with --json a line, for each data set."""
    from mnistnet.data.registry import DATASETS

    for number, (name, spec) in enumerate(DATASETS.items()):
        store = open_store(name, data_dir, mirrors)
        states = store.states()
        size = sum(file.size for file in spec.files)
        words = [word for word in ("damaged", "missing") if word in states.values()]
        if as_json:
            row = {
                "dataset": name,
                "title": spec.title,
                "size": size,
                "licence": spec.licence,
                "classes": list(spec.labels),
                "folder": str(store.folder),
                "files": states,
                "verified": not words,
            }
            echo_json(row)
            continue
        if number:
            echo()
        echo(f"{name}: {spec.title}, {size / 1e6:.1f} MB")
        echo(f"  licence  {spec.licence}")
        echo(f"  classes  {', '.join(spec.labels)}")
        if set(states.values()) == {"missing"}:
            echo(f"  not here: `{command_line('download', name)}` fetches it into {store.folder}")
        elif words:
            bad = ", ".join(f"{file} {state}" for file, state in states.items() if state != "verified")
            echo(f"  NOT whole in {store.folder}: {bad}; `{command_line('download', name)}` repairs it")
        else:
            echo(f"  verified in {store.folder}")
