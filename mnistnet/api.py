"""The Python API, what `import mnistnet` promises: load, ask, explain and train networks. docs/python.md shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.checkpoint.find import find
from mnistnet.config import loader as configs
from mnistnet.config.loader import Change
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Store
from mnistnet.datasets import store_of
from mnistnet.errors import UsageError
from mnistnet.explain.explanation import explain
from mnistnet.explain.labels import Subject
from mnistnet.explain.report import Report, report
from mnistnet.inference import classifier
from mnistnet.inference.classifier import Prediction
from mnistnet.inference.evaluate import Evaluation, evaluate
from mnistnet.training import loop
from mnistnet.training.metrics import EpochMetrics
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.training.run import open_run
from mnistnet.training.state import split_for
from mnistnet.util.arrays import Array
from mnistnet.vision.image_file import read_file


@dataclass(frozen=True)
class Row:
    """What is read in a picture of several digits: `text`, a line for each row, and each digit.

    `boxes`: where each digit is (left, top, right, bottom); `rows`: the number of its row; `left_out`: boxes of what
    touches the edge and was not read.
    """

    text: str
    digits: tuple[Prediction, ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    rows: tuple[int, ...] = ()
    left_out: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True, repr=False)
class Classifier(classifier.Classifier):
    """A network to ask. Images are (n, pixels), (n, rows, columns) or one image: uint8, or float from 0 to 1."""

    def __repr__(self) -> str:
        return f"Classifier of {self.dataset}: {self.network!r}"

    def predict(self, images: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the class of each image, shape (n,). Raises ValueError where these are not such images."""
        classes: npt.NDArray[np.int64] = self.predict_proba(images).argmax(axis=1)
        return classes

    def predict_proba(self, images: npt.ArrayLike) -> Array:
        """Return how likely each class is, float64 (n, classes), calibrated; each row adds up to 1."""
        return self.probabilities(as_pixels(images, self.shape))

    def score(self, images: npt.ArrayLike, labels: npt.ArrayLike) -> float:
        """Return the accuracy, 0 to 1. Raises ValueError where images and labels do not fit."""
        answers, expected = self.predict(images), np.asarray(labels)
        if expected.shape != answers.shape or not np.issubdtype(expected.dtype, np.integer):
            raise ValueError(
                f"labels: expected {len(answers)} integers, one for each image, found an array of shape "
                f"{expected.shape} and type {expected.dtype}"
            )
        if not len(answers):
            raise ValueError("there are no images to score: expected at least one")
        return float(np.mean(answers == expected))

    def read(self, file: str | Path, *, page: bool = False, line: bool = False) -> Prediction | Row:
        """Return what `mnistnet predict` says of a picture file; with `page` (or `line`) of all its digits.

        Raises `mnistnet.errors.ImageError` where the file is not a picture with a digit.
        """
        if (page or line) and not self.reads_digits:
            raise UsageError(f"page=True reads digits, and this network knows {self.dataset}")
        seen = self.prepare(read_file(Path(file)), str(file), page=page or line)
        found = self.answers(seen)
        if not (page or line):
            return found[0]
        texts = [""] * (seen.rows[-1] + 1)
        for row, each in zip(seen.rows, found, strict=True):
            texts[row] += each.label
        return Row("\n".join(texts), tuple(found), tuple(seen.boxes), tuple(seen.rows), tuple(seen.left_out))

    def explain(
        self,
        image: npt.ArrayLike,
        label: int | None = None,
        *,
        neuron: tuple[int, int] | None = None,
        top: int = 5,
        examples: int | None = None,
        seed: int = 0,
        data_dir: str | Path | None = None,
    ) -> Report:
        """Return the six sections of `mnistnet explain` for one image: print it, or look at it in a notebook.

        `label` is what the image should be read as (None: what the network reads); `neuron` is (layer, neuron), whose
        three ways are shown; `examples` is how many training images to average over (None: all). Raises ValueError
        for what is not one image, and UsageError for a label or a neuron that there is not.
        """
        pixels = as_pixels(image, self.shape)
        if len(pixels) != 1:
            raise ValueError(f"image: expected one, found {len(pixels)}")
        store = store_of(self.dataset, data_dir, self.read_as)
        store.ensure()
        explanation = explain(
            self.network,
            pixels[0],
            int(self.predict(pixels)[0]) if label is None else label,
            train=store.examples("train"),
            test=store.examples("test"),
            neuron=neuron,
            top=top,
            examples=examples,
            seed=seed,
        )
        return report(
            Subject(
                explanation.example,
                explanation.three_ways,
                "The image",
                self.labels,
                self.shape,
                known=label is not None,
                top=top,
            ),
            explanation,
        )


def load(word: str | Path) -> Classifier:
    """Return a network: "best" or "3blue1brown", "last-run", or the path of a checkpoint or of a run's folder.

    Raises `mnistnet.errors.CheckpointError` where there is none that can be used.
    """
    return _classifier(checkpoint.load(find(str(word))))


@dataclass(frozen=True)
class Run:
    """A training that is over: its metrics epoch by epoch, the classifier of its best epoch, and that one's test score.

    `test.accuracy` is a fraction of 1; `folder` is None where nothing was written.
    """

    config: Config
    history: tuple[EpochMetrics, ...]
    best_epoch: int
    classifier: Classifier
    test: Evaluation
    folder: Path | None = None

    def __repr__(self) -> str:
        return f"Run of {len(self.history)} epochs, test accuracy {self.test.accuracy:.4f}: {self.classifier!r}"


def train(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: bool = False,
    **settings: Any,
) -> Run:
    """Train as `mnistnet train` does: a preset's name, a config file, a dict, or None for the defaults.

    `settings` override keys of the config, such as epochs=5 or optimizer="sgd". `out` is a folder that the run is
    written into; without it nothing is written. `progress` shows a bar on stderr. Raises
    `mnistnet.errors.ConfigError` and the other errors of that module.
    """
    resolved = _resolved(config, settings)
    store = store_of(resolved.dataset, data_dir, resolved.read_as)
    if out is not None:
        with open_run(Path(out), resolved, store) as run:
            for _ in _shown(run.epochs(), resolved.epochs, progress):
                pass
            summary = run.finish()
        best = _classifier(checkpoint.load(summary.checkpoint))
        return Run(resolved, tuple(run.state.history), summary.best_epoch, best, summary.test, Path(out))
    with one_blas_thread():
        return _in_memory(resolved, store, progress)


def _in_memory(config: Config, store: Store, progress: bool) -> Run:
    configs.check_layer_sizes(config, store.spec)
    store.ensure()
    store.warn()
    learn, validation = split_for(config, store.examples("train"))
    state = loop.start(config)
    chosen = state.result.parameters.copy()
    for _ in _shown(loop.fit(state, learn, validation), config.epochs, progress):
        if state.best_epoch == state.epoch:
            chosen[...] = state.result.parameters
    network = state.result
    network.use_parameters(chosen)
    found = Classifier(network, config.dataset, store.spec.labels, store.spec.shape)
    found = replace(found, read_as=replace(config.read_as, pictures=store.pictures))
    if validation:
        found = found.fitted(validation)
    test = evaluate(network, store.examples("test"))
    return Run(config, tuple(state.history), state.best_epoch, found, test)


def _shown(epochs: Iterable[loop.EpochResult], total: int, progress: bool) -> Iterable[loop.EpochResult]:
    from tqdm import tqdm

    return tqdm(epochs, total=total, unit=" epochs", disable=not progress)


def _resolved(config: str | Path | Mapping[str, Any] | None, settings: Mapping[str, Any]) -> Config:
    changes = [Change(key, value, f"train({key}=...)") for key, value in settings.items()]
    if isinstance(config, Mapping):
        changes = [*(Change(key, value, "train({...})") for key, value in config.items()), *changes]
        config = None
    return configs.load(None if config is None else Path(config), changes=changes)


def _classifier(loaded: Checkpoint) -> Classifier:
    made = classifier.Classifier.of(loaded)
    return Classifier(**{field.name: getattr(made, field.name) for field in fields(made)})


def as_pixels(images: npt.ArrayLike, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return images as uint8 (n, pixels). Raises ValueError, which says what was expected and found."""
    found, (rows, columns) = np.asarray(images), shape
    pixels = rows * columns
    if found.shape in ((pixels,), shape):
        found = found[None]
    if found.ndim not in (2, 3) or (found.shape[1:] != (pixels,) and found.shape[1:] != shape):
        raise ValueError(
            f"images: expected shape (n, {pixels}), (n, {rows}, {columns}) or one such image, found {found.shape}"
        )
    found = found.reshape(len(found), pixels)
    result: npt.NDArray[np.uint8]
    if np.issubdtype(found.dtype, np.floating):
        low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 0.0)
        if not (low >= 0 and high <= 1):
            raise ValueError(f"images: expected floats from 0 (black) to 1 (white), found {low:g} to {high:g}")
        result = np.rint(found * 255).astype(np.uint8)
        return result
    if not np.issubdtype(found.dtype, np.integer):
        raise ValueError(f"images: expected uint8 from 0 to 255 or floats from 0 to 1, found {found.dtype}")
    low, high = (int(found.min()), int(found.max())) if found.size else (0, 0)
    if low < 0 or high > 255 or high == 1:
        raise ValueError(f"images: expected integers from 0 (black) to 255 (white), found {low} to {high}")
    result = found.astype(np.uint8)
    return result
