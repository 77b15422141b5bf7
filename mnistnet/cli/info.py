"""`mnistnet info`: what a checkpoint is and where it comes from."""

import hashlib
import json

import click

from mnistnet.cli.options import find_checkpoint, json_option
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.util.number_format import per_cent


@click.command(
    name="info",
    epilog="""\b
Examples:
  mnistnet info runs/default/best.npz
  mnistnet info last-run --json""",
)
@click.argument("checkpoint")
@json_option
def command(checkpoint: str, as_json: bool) -> None:
    """Describe CHECKPOINT: network, training and data, with hashes.

    CHECKPOINT is a file, the folder of a run, `last-run`, or `best` or `3blue1brown`, which come with the package.
    """
    from mnistnet.checkpoint import checkpoint as checkpoints

    path = find_checkpoint(checkpoint)
    loaded = checkpoints.load(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if as_json:
        echo_json(loaded.header() | {"sha256": sha256})
        return
    config, header = loaded.config, loaded.header()
    output = {
        "quadratic": "sigmoid outputs, quadratic cost",
        "cross_entropy": "softmax outputs, cross-entropy cost",
    }
    hidden = f"{config.activation} hidden layers, " if len(config.layer_sizes) > 2 else ""
    echo(f"{path}: a dense network of {'-'.join(map(str, config.layer_sizes))} neurons")
    echo(f"  {loaded.network.parameters.size:,} parameters ({loaded.parameters}); {hidden}{output[config.loss]}")
    echo(f"  best epoch {loaded.best.get('epoch')}, chosen by {loaded.best.get('chosen_by')}")
    if loaded.temperature is not None:
        echo(f"  confidences are divided by a temperature of {loaded.temperature:.3f}")
    echo("", "trained with")
    for key, value in header["config"].items():
        echo(f"  {key:15} {_words(value)}")
    if loaded.epoch:
        _print_metrics(header["metrics"])
    echo()
    echo(f"written by mnistnet {header['mnistnet']}, numpy {header['numpy']}, {loaded.blas}, threads {loaded.threads}")
    echo(f"data set {loaded.dataset.get('name')}")
    for name, digest in dict(loaded.dataset.get("sha256") or {}).items():
        echo(f"  {digest}  {name}")
    echo("this file", f"  {sha256}  {path}")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{v}" if k == "name" else f"{k} {v}" for k, v in value.items())
    return json.dumps(value) if isinstance(value, list | None) else str(value)


def _print_metrics(metrics: dict[str, list[float | None]]) -> None:
    """Print the epochs as a table: all of up to twelve, else the first and the last six."""
    names = [name for name in metrics if name != "epoch"]
    echo("", "  ".join(["epoch", *(f"{name:>{max(10, len(name))}}" for name in names)]))
    rows = list(zip(*metrics.values(), strict=True))
    for number, row in enumerate(rows):
        if len(rows) > 12 and 6 <= number < len(rows) - 6:
            if number == 6:
                echo("  ...")
            continue
        cells = dict(zip(metrics, row, strict=True))
        shown = [_cell(name, cells[name]).rjust(max(10, len(name))) for name in names]
        echo("  ".join([f"{number + 1:>5}", *shown]))


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return per_cent(value, 2) if name.endswith("accuracy") else f"{value:.4g}"
