"""`mnistnet eval`: accuracy, cost and errors of a checkpoint."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistnet.cli.options import bar, check_data, data_options, find_checkpoint, json_option, open_store
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.errors import UsageError
from mnistnet.util.number_format import per_cent

if TYPE_CHECKING:
    from mnistnet.checkpoint.checkpoint import Checkpoint
    from mnistnet.data.datasets import Examples, Store
    from mnistnet.inference.evaluate import Evaluation


@click.command(
    name="eval",
    epilog="""\b
Examples:
  mnistnet eval runs/default/best.npz
  mnistnet eval last-run --confusion
  mnistnet eval last-run --split validation --json
  mnistnet eval runs/a runs/b runs/c""",
)
@click.argument("checkpoints", nargs=-1, required=True, metavar="CHECKPOINT...")
@click.option("--dataset", help="Evaluate on this data set instead of the one it was trained on.")
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Images to evaluate on; validation and train as its training split them.",
)
@click.option("--confusion", is_flag=True, help="Print the confusion matrix.")
@data_options
@json_option
def command(
    checkpoints: tuple[str, ...],
    dataset: str | None,
    split: str,
    confusion: bool,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Evaluate CHECKPOINT: accuracy, cost, precision and recall of each digit, most frequent confusions.

    CHECKPOINT is a file, the folder of a run, `last-run`, or `best` or `3blue1brown`, which come with the package.
    Several are evaluated as an ensemble: their calibrated probabilities are averaged.
    """
    from mnistnet.checkpoint import checkpoint
    from mnistnet.data.forms.found import ReadAs
    from mnistnet.inference.classifier import Classifier, check_alike, evaluate_together
    from mnistnet.inference.evaluate import evaluate

    paths = [find_checkpoint(word) for word in checkpoints]
    loaded, *others = [checkpoint.load(path) for path in paths]
    classifiers = [Classifier.of(each) for each in (loaded, *others)]
    check_alike(classifiers)  # before any data is fetched
    read_as = loaded.read_as
    if dataset:  # for another data set, only what the network itself asks for is known
        read_as = ReadAs(pictures=read_as.pictures, pixels=read_as.pixels)
    store = open_store(dataset or loaded.config.dataset, data_dir, mirrors, read_as)
    began = time.perf_counter()
    examples = examples_of(loaded, store, split)
    for other in others:
        check_data(other, store, split)
    if any(not same_images(loaded, other, split) for other in others):
        raise UsageError(f"--split {split}: these networks were trained on different parts; only --split test is fair")
    progress = bar(len(examples) * len(paths), "evaluating", " images")
    try:
        if others:
            result = evaluate_together(classifiers, examples, progress.update)
        else:
            result = evaluate(loaded.network, examples, progress.update)
    finally:
        progress.close()
    seconds = time.perf_counter() - began
    if as_json:
        line = {
            "dataset": store.spec.name,
            "split": split,
            "correct": result.correct,
            "total": result.total,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "confusion": result.confusion.tolist(),
        }
        echo_json(line)
        return
    echo(
        f"{' + '.join(map(str, paths))} on {store.spec.name} {split}: accuracy {per_cent(result.accuracy, 2)} "
        f"({result.correct:,} of {result.total:,}), cost {result.loss:.4f}, {seconds:.2f} s"
    )
    _print_classes(result, store.spec.labels)
    if confusion:
        _print_confusion(result, store.spec.labels)


def same_images(one: "Checkpoint", other: "Checkpoint", part: str) -> bool:
    """Return whether both networks were trained on the same split of the same images, or this does not matter."""
    keys = ["dataset", "seed", "validation", "train_images", *(["drawn_digits"] if part == "train" else [])]
    return part == "test" or all(getattr(one.config, key) == getattr(other.config, key) for key in keys)


def examples_of(loaded: "Checkpoint", store: "Store", part: str) -> "Examples":
    """Return a part of the data set, split as for this network's training."""
    from mnistnet.config.loader import check_layer_sizes
    from mnistnet.training.state import split_for

    config = loaded.config
    check_layer_sizes(config, store.spec, "the checkpoint's config")
    check_data(loaded, store, part)
    if part == "test":
        return store.examples("test")
    train, validation = split_for(config, store.examples("train"))
    if part == "train":
        return train
    if validation is None:
        raise UsageError("--split validation: this network was trained with validation: 0, so no images were held out")
    return validation


def _print_classes(result: "Evaluation", labels: tuple[str, ...]) -> None:
    width = max(5, *map(len, labels))
    echo("", f"{'class':>{width}}  images  precision  recall")
    rows = zip(labels, result.confusion.sum(axis=1), result.precision, result.recall, strict=True)
    for label, images, precision, recall in rows:
        shown = ("-" if math.isnan(p) else per_cent(p) for p in (precision, recall))
        echo("  ".join([f"{label:>{width}}", f"{images:>6}", "{:>9}  {:>6}".format(*shown)]))
    if confusions := result.confusions()[:5]:
        echo("", "most frequent confusions")
        for true, predicted, count in confusions:
            echo(f"  {labels[true]} taken for {labels[predicted]}: {count}")


def _print_confusion(result: "Evaluation", labels: tuple[str, ...]) -> None:
    width = max(7, *map(len, labels))
    echo("", "true below, predicted across")
    echo(" " * width + "".join(f"{label[:6]:>7}" for label in labels))
    for label, row in zip(labels, result.confusion, strict=True):
        echo(f"{label:>{width}}" + "".join(f"{count or '.':>7}" for count in row))
