"""`mnistnet train`: train a network and keep the best one."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet.cli import TerminatedError
from mnistnet.cli.options import PATH, bar, data_options, find_checkpoint, json_option, open_store, set_option
from mnistnet.cli.terminal import command_line, echo, echo_json
from mnistnet.errors import UsageError
from mnistnet.util.number_format import per_cent
from mnistnet.util.printable import without_password

if TYPE_CHECKING:
    from mnistnet.checkpoint.checkpoint import Checkpoint
    from mnistnet.cli.options import Bar
    from mnistnet.config.schema import Config
    from mnistnet.training.loop import EpochResult
    from mnistnet.training.run import Run, Summary


@click.command(
    name="train",
    epilog="""\b
Examples:
  mnistnet train
  mnistnet train --config 3blue1brown
  mnistnet train --set layer_sizes="[784, 300, 10]" --set epochs=20 --out runs/wide
  mnistnet train --config default --resume
  mnistnet train --out runs/wide --resume --set epochs=40
  mnistnet train --from best --set dataset=./mine --out runs/mine""",
)
@click.option(
    "--config",
    "config_path",
    type=PATH,
    metavar="FILE",
    help="YAML config, or the name of one that comes with the package (`mnistnet config --list`).",
)
@set_option
@click.option("--out", type=PATH, metavar="FOLDER", help="Folder of the run [default: runs/NAME].")
@click.option(
    "--resume",
    is_flag=True,
    help="Resume the run in that folder, with its own config unless --config is given; start one where there is none.",
)
@click.option("--from", "source", metavar="CHECKPOINT", help="Start from the weights of this network.")
@click.option("--force", is_flag=True, help="Start over in a folder that holds a run; the old run is lost.")
@data_options
@click.option("--plot", is_flag=True, help="Draw curves.png into the run's folder at the end (needs the extra `plot`).")
@click.option("--quiet", is_flag=True, help="Print only the result, no line for each epoch.")
@json_option
def command(
    config_path: Path | None,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    source: str | None,
    force: bool,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    plot: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a network and keep the best one.

    Writes config.yaml, metrics.csv, last.npz (to resume from) and best.npz (to use) into runs/NAME, where NAME is that
    of the config file, or `default`. Prints a line after each epoch: mean cost and accuracy over its training batches,
    accuracy on validation images, learning rate, time.
    """
    if resume and force:
        raise click.UsageError("--resume continues a run and --force starts it over: choose one")
    if resume and source:
        raise click.UsageError("--resume continues a run and --from begins one with given weights: choose one")
    began = time.perf_counter()
    from mnistnet.config import loader as configs
    from mnistnet.training import run as runs

    folder = out or Path("runs") / (config_path.stem if config_path else "default")
    own = folder / runs.CONFIG
    given = _given_network(source) if source else None
    base = own if resume and config_path is None and own.is_file() else config_path
    config = configs.load(base, overrides, base=given.config if given else None)
    if given:
        _check_same_network(given.config, config, source or "")
    if plot:
        from mnistnet import plots

        plots.require()
    store = open_store(config.dataset, data_dir, mirrors, config.read_as)
    flags = [flag for flag, given in (("--plot", plot), ("--quiet", quiet), ("--json", as_json)) if given]
    again = _resume_command(config_path, overrides, out, data_dir, mirrors, flags)
    run: Run | None = None
    try:
        with runs.open_run(
            folder, config, store, resume=resume, force=force, weights=given.network if given else None
        ) as run:
            if run.resumed_epoch:
                what = "is finished" if run.state.finished else "goes on"
                echo(f"{folder}: {what} after epoch {run.resumed_epoch} of {config.epochs}", err=True)
            elif not quiet:
                echo(_introduction(run), err=True)
            _train(run, config, quiet, as_json)
            summary = run.finish()
            picture = _draw_curves(run) if plot else None
            _print_summary(run, summary, picture, time.perf_counter() - began, as_json)
    except (KeyboardInterrupt, TerminatedError):
        epoch = runs.safe_epoch(folder) if run or resume else 0
        safe = f"epoch {epoch} is safe in {folder / runs.LAST}" if epoch else "no epoch was finished"
        echo("", f"stopped: {safe}; continue with", f"  {again}", err=True)
        raise


def _given_network(word: str) -> "Checkpoint":
    from mnistnet.checkpoint import checkpoint

    return checkpoint.load(find_checkpoint(word))


def _check_same_network(one: "Config", other: "Config", word: str) -> None:
    """Raise UsageError where a checkpoint's weights do not fit a config's network."""
    for key in ("layer_sizes", "activation"):
        theirs, ours = getattr(one, key), getattr(other, key)
        if theirs != ours:
            raise UsageError(f"--from {word}: its {key} is {theirs}, and the config's is {ours}; expected the same")


def _introduction(run: "Run") -> str:
    validation = f", {len(run.validation):,} held out for validation" if run.validation else ""
    return f"{run.state.network!r}; learning from {len(run.train):,} images of {run.store.spec.name}{validation}"


class EpochBar:
    """A progress bar for each epoch."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._bar: Bar | None = None

    def update(self, images: int) -> None:
        """Advance by a number of images."""
        if self._bar is None:
            from mnistnet.training.state import epoch_size

            state = self._run.state
            images_an_epoch = epoch_size(state.config, self._run.train)
            self._bar = bar(images_an_epoch, f"epoch {state.epoch + 1}/{state.config.epochs}", " images")
        self._bar.update(images)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _train(run: "Run", config: "Config", quiet: bool, as_json: bool) -> None:
    progress = EpochBar(run)
    try:
        for result in run.epochs(progress.update):
            progress.close()
            for warning in result.warnings:
                echo(f"mnistnet: warning: epoch {result.metrics.epoch}: {warning}", err=True)
            if as_json:
                echo_json(_as_json(result))
            elif not quiet:
                echo(_as_line(result, config.epochs))
    finally:
        progress.close()
    if config.early_stopping and run.state.stopped_early and run.state.epoch < config.epochs:
        echo(
            f"stopped early: validation loss has not fallen for {config.early_stopping.patience} epochs",
            err=True,
        )


def _as_line(result: "EpochResult", epochs: int) -> str:
    m = result.metrics
    validation = "" if m.validation_accuracy is None else f"  val {per_cent(m.validation_accuracy)}"
    rate = f"{m.learning_rate:.4f}" if m.learning_rate >= 0.00095 else f"{m.learning_rate:.1e}"
    return (
        f"epoch {m.epoch:>{len(str(epochs))}}/{epochs}  loss {m.loss:.4f}  train {per_cent(m.train_accuracy)}"
        f"{validation}  lr {rate}  {result.seconds:.2f} s"
    )


def _as_json(result: "EpochResult") -> dict[str, Any]:
    m = result.metrics
    return {
        "epoch": m.epoch,
        "loss": m.loss,
        "train_accuracy": m.train_accuracy,
        "validation_loss": m.validation_loss,
        "validation_accuracy": m.validation_accuracy,
        "learning_rate": m.learning_rate,
        "seconds": round(result.seconds, 4),
    }


def _print_summary(run: "Run", summary: "Summary", picture: Path | None, seconds: float, as_json: bool) -> None:
    test = summary.test
    if as_json:
        line = {
            "best_epoch": summary.best_epoch,
            "test_accuracy": test.accuracy,
            "test_correct": test.correct,
            "test_total": test.total,
            "seconds": round(seconds, 3),
            "checkpoint": str(summary.checkpoint),
        }
        if picture:
            line["plot"] = str(picture)
        echo_json(line)
        return
    history = run.state.history
    chosen = f"{run.state.config.keep} epoch {summary.best_epoch}" if history else "first weights, untrained"
    if history and (score := history[summary.best_epoch - 1].validation_accuracy) is not None:
        chosen += f" (validation {per_cent(score, 2)})"
    echo(
        f"{chosen}: test accuracy {per_cent(test.accuracy, 2)} ({test.correct:,} of {test.total:,}) in {seconds:.1f} s"
    )
    if picture:
        echo(f"curves: {picture}")
    echo(f"next: {command_line('eval', summary.checkpoint, '--confusion')}")


def _draw_curves(run: "Run") -> Path | None:
    """Draw the run's curves into its folder; return the file, or None where there is no epoch to draw."""
    from mnistnet.checkpoint import checkpoint
    from mnistnet.plots.curves import curve, draw_curves
    from mnistnet.training import run as runs

    if not run.state.history:
        return None
    picture = run.folder / "curves.png"
    draw_curves([curve(str(run.folder), checkpoint.load(run.folder / runs.LAST))], picture)
    return picture


def _resume_command(
    config_path: Path | None,
    overrides: tuple[str, ...],
    out: Path | None,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    flags: list[str],
) -> str:
    """Return the command that resumes this training with its own options; a mirror's password is left out."""
    words = ["train"]
    for option, value in (("--config", config_path), ("--out", out), ("--data-dir", data_dir)):
        words += [option, str(value)] if value else []
    for option, values in (("--set", overrides), ("--mirror", mirrors)):
        for text in values:
            words += [option, text] if without_password(text) == text else []
    return command_line(*words, *flags, "--resume")
