"""`mnistnet explain`: what one digit wishes of a network, in the video's order."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet.cli.options import PATH, bar, check_data, data_options, find_checkpoint, json_option, open_store
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.errors import UsageError
from mnistnet.util.printable import printable_line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mnistnet.checkpoint.checkpoint import Checkpoint
    from mnistnet.data.datasets import Examples, Store
    from mnistnet.nn.network import Network


@click.command(
    name="explain",
    epilog="""\b
Examples:
  mnistnet explain --index 321
  mnistnet explain --index 1 --untrained --section 2 --section 3
  mnistnet explain --index 1 --untrained --plot nudges.png
  mnistnet explain --index 1 --untrained --plot slides.pdf --slides
  mnistnet explain two.png --label 2 --neuron 3
  mnistnet explain --index 8 --split train --neuron 1:12 --json""",
)
@click.argument("image", required=False, metavar="[IMAGE]", type=PATH)
@click.option("--index", type=int, metavar="N", help="An image of the data set instead of IMAGE, counted from 0.")
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="What --index counts.",
)
@click.option(
    "--checkpoint", metavar="CHECKPOINT", help="The network [default: 3blue1brown, which comes with the package]."
)
@click.option(
    "--label",
    type=int,
    metavar="D",
    help="The right answer [default: the true label; for IMAGE, the network's prediction].",
)
@click.option(
    "--neuron",
    metavar="J",
    help="Neuron of section 3: an output neuron, or LAYER:J [default: the label's].",
)
@click.option("--top", type=click.IntRange(1, 50), default=5, show_default=True, help="Rows of each list.")
@click.option(
    "--examples", type=click.IntRange(1), metavar="N", help="Average over N training images [default: all of them]."
)
@click.option("--untrained", is_flag=True, help="Explain the same network with random first weights.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="N",
    help="Seed of first weights and mini-batches [default: that of its training].",
)
@click.option(
    "--section",
    "sections",
    type=click.IntRange(1, 6),
    multiple=True,
    metavar="N",
    help="Show this section only (can be repeated).",
)
@click.option(
    "--plot",
    type=PATH,
    metavar="FILE",
    help="Also draw it, into a .png or .svg as one tall picture, or into a .pdf as A4 pages.",
)
@click.option("--slides", is_flag=True, help="Make the .pdf of --plot slides of 16:9.")
@data_options
@json_option
def command(
    image: Path | None,
    index: int | None,
    split: str,
    checkpoint: str | None,
    label: int | None,
    neuron: str | None,
    top: int,
    examples: int | None,
    untrained: bool,
    seed: int | None,
    sections: tuple[int, ...],
    plot: Path | None,
    slides: bool,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Explain backpropagation for one digit, in the file IMAGE or from the data set.

    Follows the video "What is backpropagation really doing?" in six sections: the example, what the output layer
    wishes, three ways for one neuron, all wishes passed back, which weights and biases matter most, and the average
    over all examples. On a small terminal a pager shows it (PAGER names another).
    """
    if (image is None) == (index is None):
        raise UsageError("expected either a picture file or --index N, " + ("found both" if image else "found neither"))
    from mnistnet.checkpoint import checkpoint as checkpoints
    from mnistnet.config.loader import check_layer_sizes
    from mnistnet.explain import batch_gradient
    from mnistnet.explain.explanation import as_json as to_json
    from mnistnet.explain.explanation import explain
    from mnistnet.explain.labels import Subject

    if plot:
        from mnistnet import plots

        plots.check(plot)
    if slides and (plot is None or plot.suffix.lower() != ".pdf"):
        found = f"--plot {plot}" if plot else "no --plot"
        raise UsageError(
            f"--slides makes slides of a PDF: expected --plot with a name that ends in .pdf, found {found}"
        )
    path = find_checkpoint(checkpoint, default="3blue1brown")
    loaded = checkpoints.load(path)
    seed = loaded.config.seed if seed is None else seed
    network = _first_weights(loaded, seed) if untrained else loaded.network
    where = _neuron(neuron, len(network.weights))
    store = open_store(loaded.config.dataset, data_dir, mirrors, loaded.read_as)
    check_layer_sizes(loaded.config, store.spec, "the checkpoint's config")
    store.ensure()
    check_data(loaded, store, "test")  # the network is explained as it is, whatever the options
    train, test = store.examples("train"), store.examples("test")
    if image:
        picture = _from_file(image, loaded, network)
    else:
        picture = _from_split(index or 0, split, train if split == "train" else test, store)
    known = picture.true_label is not None or label is not None
    progress = bar(batch_gradient.work(len(train), len(test), examples), "asking all examples", " images")
    try:
        explanation = explain(
            network,
            picture.pixels,
            picture.read_as if label is None else label,
            train=train,
            test=test,
            neuron=where,
            top=top,
            examples=examples,
            seed=seed,
            on_progress=progress.update,
        )
    finally:
        progress.close()
    subject = Subject(
        explanation.example,
        explanation.three_ways,
        picture.title,
        store.spec.labels,
        store.spec.shape,
        known=known,
        untrained=untrained,
        top=top,
    )
    if plot:
        from mnistnet.plots.explanation import draw_explanation

        draw_explanation(subject, explanation, plot, slides=slides)
    if as_json:
        origin = {"checkpoint": str(path), "untrained": untrained, "seed": seed}
        echo_json(origin | picture.origin | {"true_label": picture.true_label} | to_json(explanation))
        return
    from mnistnet.explain.report import report
    from mnistnet.util.text_drawing import Pen, is_rich_terminal

    rich = is_rich_terminal()
    _show(list(report(subject, explanation).lines(Pen(rich), sections)), rich)


def _show(blocks: list[str], colours: bool) -> None:
    """Print a report; with a pager where it is longer than the terminal."""
    lines = [printable_line(line) for block in blocks for line in block.split("\n")]
    if sys.stdout.isatty() and len(lines) >= shutil.get_terminal_size().lines:
        click.echo_via_pager("\n".join(lines) + "\n", color=colours)
    else:
        echo(*lines)


@dataclass(frozen=True)
class Example:
    """A picture to explain: its name, its pixels, its label and its origin."""

    title: str
    pixels: "npt.NDArray[np.uint8]"
    read_as: int
    true_label: int | None
    origin: dict[str, Any]


def _first_weights(loaded: "Checkpoint", seed: int) -> "Network":
    from mnistnet.nn.network import Network
    from mnistnet.util.rng import Use, generator

    network = Network(loaded.config.layer_sizes, loaded.config.activation, loaded.config.loss)
    network.initialise(generator(seed, Use.INIT))
    return network


def _neuron(word: str | None, layers: int) -> tuple[int, int] | None:
    """Return (layer, neuron) of --neuron: `J` is of the output layer, `LAYER:J` of another."""
    if word is None:
        return None
    layer, colon, neuron = word.rpartition(":")
    try:
        return int(layer) if colon else layers, int(neuron)
    except ValueError:
        raise UsageError(
            f"--neuron {word}: expected the number of an output neuron such as 3, or LAYER:NEURON such as 1:12"
        ) from None


def _from_file(path: Path, loaded: "Checkpoint", network: "Network") -> Example:
    from mnistnet.inference.classifier import Classifier
    from mnistnet.inference.evaluate import forward
    from mnistnet.vision.image_file import read_file

    pixels = Classifier.of(loaded).prepare(read_file(path), str(path)).pixels[0]
    answer = int(forward(network, pixels[None])[0].argmax())
    return Example(str(path), pixels, answer, None, {"file": str(path)})


def _from_split(index: int, split: str, examples: "Examples", store: "Store") -> Example:
    name = store.spec.name
    if not 0 <= index < len(examples):
        raise UsageError(f"--index {index}: expected 0 to {len(examples) - 1:,}, the {split} images of {name}")
    label = int(examples.labels[index])
    origin = {"dataset": name, "split": split, "index": index}
    return Example(f"{split.capitalize()} image {index} of {name}", examples.images[index], label, label, origin)
