"""`mnistnet plot`: draw a figure, and print its file's name."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mnistnet import pretrained
from mnistnet.checkpoint.find import LAST_RUN
from mnistnet.cli.options import PATH, bar, data_options, find_checkpoint, open_store
from mnistnet.cli.terminal import echo

if TYPE_CHECKING:
    from mnistnet.checkpoint.checkpoint import Checkpoint
    from mnistnet.data.datasets import Examples
    from mnistnet.data.registry import DatasetSpec
    from mnistnet.inference.evaluate import Evaluation

output_option = click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="Draw into this .png, .svg or .pdf [default: a .png beside the run; for a network by name, in this folder].",
)
checkpoint_argument = click.argument("word", metavar="CHECKPOINT")


def split_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --split."""
    return click.option(
        "--split",
        type=click.Choice(["test", "validation", "train"]),
        default="test",
        show_default=True,
        help="Images to evaluate on; validation and train as its training split them.",
    )(command)


@click.group(
    name="plot",
    epilog="""\b
Examples:
  mnistnet plot curves runs/default runs/wide -o curves.pdf
  mnistnet plot confusion runs/default/best.npz
  mnistnet plot mistakes best
  mnistnet plot weights 3blue1brown
  mnistnet plot doubts last-run
  mnistnet plot sweep sweeps/sweep""",
)
def command() -> None:
    """Draw plots of runs, networks and sweeps: PNG, SVG or PDF.

    Each command prints the name of its file. Needs the extra `plot`. docs/plots.md shows how to read them.
    """


@command.command(name="curves", epilog="\b\nExamples:\n  mnistnet plot curves runs/a runs/b -o ab.svg")
@click.argument("words", nargs=-1, required=True, metavar="RUN...")
@output_option
def curves(words: tuple[str, ...], output: Path | None) -> None:
    """Draw cost, accuracy and learning rate of each RUN against epochs.

    RUN is the folder of a run, a checkpoint, or `last-run`, `best` or `3blue1brown`.
    """
    from mnistnet.checkpoint import checkpoint
    from mnistnet.plots.curves import curve, draw_curves

    path = _output(output, words[0] if len(words) == 1 else LAST_RUN, "curves")
    if output is None and len(words) > 1:
        path = Path("curves.png")
    _check(path)
    draw_curves([curve(word, checkpoint.load(_whole_run(word))) for word in words], path)
    echo(str(path))


@command.command(name="confusion", epilog="\b\nExamples:\n  mnistnet plot confusion last-run --split validation")
@checkpoint_argument
@split_option
@output_option
@data_options
def confusion(word: str, split: str, output: Path | None, data_dir: Path | None, mirrors: tuple[str, ...]) -> None:
    """Draw the confusion matrix: true against predicted classes."""
    path = _checked_output(output, word, "confusion")
    from mnistnet.plots.confusion import draw_confusion

    subject = _evaluated(word, split, data_dir, mirrors)
    draw_confusion(subject.evaluation, subject.spec.labels, subject.title, path)
    echo(str(path))


@command.command(name="mistakes", epilog="\b\nExamples:\n  mnistnet plot mistakes best --most 24 -o mistakes.pdf")
@checkpoint_argument
@click.option("--most", type=click.IntRange(1, 200), default=32, show_default=True, help="Number of images.")
@split_option
@output_option
@data_options
def mistakes(
    word: str, most: int, split: str, output: Path | None, data_dir: Path | None, mirrors: tuple[str, ...]
) -> None:
    """Draw the most confident errors: image, prediction, confidence and true class.

    The numbers are those of `mnistnet explain --index`.
    """
    path = _checked_output(output, word, "mistakes")
    from mnistnet.inference.misclassified import most_confident_errors
    from mnistnet.plots.misclassified import draw_misclassified

    subject = _evaluated(word, split, data_dir, mirrors)
    found = most_confident_errors(subject.evaluation, subject.examples, subject.loaded.temperature, most)
    wrong = subject.evaluation.total - subject.evaluation.correct
    title = f"{subject.title}: the {len(found):,} most confident of {wrong:,} errors"
    draw_misclassified(found, subject.spec.labels, subject.spec.shape, title, path)
    echo(str(path))


@command.command(name="weights", epilog="\b\nExamples:\n  mnistnet plot weights 3blue1brown")
@checkpoint_argument
@click.option("--most", type=click.IntRange(1, 1000), default=64, show_default=True, help="Number of neurons.")
@output_option
def weights(word: str, most: int, output: Path | None) -> None:
    """Draw the weights of each first-layer neuron as an image."""
    path = _checked_output(output, word, "weights")
    from mnistnet.checkpoint import checkpoint
    from mnistnet.plots.weights import draw_weights, strongest

    loaded = checkpoint.load(find_checkpoint(word))
    network = loaded.network
    neurons = strongest(network, most)
    total = network.layer_sizes[1]
    which = f"all {total} neurons" if len(neurons) == total else f"the {len(neurons)} largest of {total} neurons'"
    draw_weights(network, neurons, loaded.labels, loaded.shape, f"{word}: weights of the first layer, {which}", path)
    echo(str(path))


@command.command(name="doubts", epilog="\b\nExamples:\n  mnistnet plot doubts best")
@checkpoint_argument
@split_option
@output_option
@data_options
def doubts(word: str, split: str, output: Path | None, data_dir: Path | None, mirrors: tuple[str, ...]) -> None:
    """Draw the reliability diagram (confidence against accuracy) and the error-reject curve."""
    path = _checked_output(output, word, "doubts")
    from mnistnet.plots.reliability import draw_reliability

    subject = _evaluated(word, split, data_dir, mirrors)
    logits, labels = subject.evaluation.logits, subject.examples.labels
    draw_reliability(logits, labels, subject.loaded.temperature, subject.title, path)
    echo(str(path))


@command.command(name="sweep", epilog="\b\nExamples:\n  mnistnet plot sweep sweeps/sweep -o sweep.svg")
@click.argument("folder", metavar="SWEEP", type=PATH)
@output_option
def sweep(folder: Path, output: Path | None) -> None:
    """Draw the trials of a sweep: parallel coordinates, and accuracy against each key."""
    from mnistnet.experiments.sweep import journal
    from mnistnet.plots.sweep import draw_sweep

    home = folder if folder.is_dir() else folder.parent
    path = output or home / "sweep.png"
    entries = journal.read(folder)
    _check(path)
    draw_sweep(list(entries.values()), str(home), path)
    echo(str(path))


class _Subject(NamedTuple):
    """A network, the examples it was shown, and its predictions."""

    title: str
    loaded: "Checkpoint"
    spec: "DatasetSpec"
    examples: "Examples"
    evaluation: "Evaluation"


def _evaluated(word: str, split: str, data_dir: Path | None, mirrors: tuple[str, ...]) -> _Subject:
    from mnistnet.checkpoint import checkpoint
    from mnistnet.cli.eval import examples_of
    from mnistnet.inference.evaluate import evaluate

    loaded = checkpoint.load(find_checkpoint(word))
    store = open_store(loaded.config.dataset, data_dir, mirrors, loaded.read_as)
    examples = examples_of(loaded, store, split)
    progress = bar(len(examples), "evaluating", " images")
    try:
        evaluation = evaluate(loaded.network, examples, progress.update)
    finally:
        progress.close()
    return _Subject(f"{word} on {store.spec.name} {split} images", loaded, store.spec, examples, evaluation)


def _whole_run(word: str) -> Path:
    """Return the checkpoint with the most epochs of a run: that of the last epoch, if it is there."""
    from mnistnet.training import run as runs

    best = find_checkpoint(word)
    last = best.with_name(runs.LAST)
    is_run = word == LAST_RUN or Path(word).is_dir()
    return last if is_run and last.exists() else best


def _output(output: Path | None, word: str, kind: str) -> Path:
    """Return the file to draw into: the one given, else one beside the run, or in this folder for a network by name."""
    from mnistnet.training import run as runs

    if output is not None:
        return output
    if word == LAST_RUN or word in pretrained.NAMES:
        return Path(f"{word}-{kind}.png")
    path = find_checkpoint(word)
    return path.with_name(f"{kind}.png" if path.name in (runs.BEST, runs.LAST) else f"{path.stem}-{kind}.png")


def _checked_output(output: Path | None, word: str, kind: str) -> Path:
    path = _output(output, word, kind)
    _check(path)
    return path


def _check(path: Path) -> None:
    from mnistnet import plots

    plots.check(path)
