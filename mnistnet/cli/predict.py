"""`mnistnet predict`: read digits from picture files."""

import json
from math import isfinite
from pathlib import Path
from typing import Any

import click

from mnistnet.cli.options import PATH, find_checkpoint, json_option, per_cent
from mnistnet.errors import DivergedError, ImageError


@click.command(
    name="predict",
    epilog="""\b
Examples:
  mnistnet predict seven.png
  mnistnet predict scans/*.jpg --checkpoint runs/default/best.npz --json
  mnistnet predict seven.png --show --top 5""",
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=PATH)
@click.option(
    "--checkpoint",
    metavar="CHECKPOINT",
    help="The network: a file, a run's folder, `last-run`, `3blue1brown` [default: best, shipped with the package].",
)
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many answers to show.")
@click.option("--show", is_flag=True, help="Draw the 28x28 that the network sees.")
@json_option
def command(images: tuple[Path, ...], checkpoint: str | None, top: int, show: bool, as_json: bool) -> None:
    """Say which digit each IMAGE shows, how sure the network is, and what comes next to mind.

    One digit a picture, dark on light or light on dark, anywhere in the picture. A network of another data set says
    what it knows instead of a digit, and sees the whole picture, scaled to its size. A file that cannot be read is an
    error line, and the others are read all the same (exit code 1).
    """
    from mnistnet import checkpoint as checkpoints
    from mnistnet import scaling

    loaded = checkpoints.load(find_checkpoint(checkpoint, default="best"))
    failed = False
    for path in images:
        try:
            pixels = scaling.read_for(loaded.config.dataset, loaded.shape, path)
        except ImageError as error:
            failed = True
            if as_json:
                click.echo(json.dumps({"file": str(path), "error": str(error)}))
            else:
                click.echo(f"mnistnet: error: {error}", err=True)
            continue
        probabilities = _probabilities(loaded, pixels)
        if as_json:
            click.echo(json.dumps(_as_json(path, probabilities, loaded.labels)))
        else:
            click.echo(_as_line(path, probabilities, top, loaded.labels))
        if show:
            from mnistnet.cli.drawing import digit_as_text

            click.echo(digit_as_text(pixels, shape=loaded.shape), err=as_json)
    if failed:
        click.get_current_context().exit(1)


def _probabilities(loaded: Any, pixels: Any) -> list[float]:
    from mnistnet import calibration
    from mnistnet.evaluation import forward

    logits = forward(loaded.network, pixels[None])
    if not all(map(isfinite, logits[0])):
        raise DivergedError("this network's answer is not a finite number: its weights are too large to compute with")
    result: list[float] = calibration.probabilities(logits, loaded.temperature)[0].tolist()
    return result


def _as_json(path: Path, probabilities: list[float], labels: tuple[str, ...]) -> dict[str, Any]:
    digit = max(range(len(probabilities)), key=probabilities.__getitem__)
    return {
        "file": str(path),
        "digit": digit,
        "label": labels[digit],
        "confidence": probabilities[digit],
        "probabilities": probabilities,
    }


def _as_line(path: Path, probabilities: list[float], top: int, labels: tuple[str, ...]) -> str:
    order = sorted(range(len(probabilities)), key=lambda d: -probabilities[d])[:top]
    first, *others = (f"{labels[d]} ({per_cent(probabilities[d])})" for d in order)
    return f"{click.format_filename(path)}: {first}" + (f"   then {', '.join(others)}" if others else "")
