"""Checkpoints: a JSON header and named arrays in one .npz. docs/checkpoint.md describes the format.

Saving is atomic, and equal networks make equal bytes. It refuses to write what loading would refuse. Loading trusts
nothing: it reads the header first, and compares its config with the file's arrays before allocating the network.
"""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, NotRequired, TypedDict

import msgspec
import numpy as np
from msgspec import Meta

from mnistnet import __version__
from mnistnet.checkpoint import npz
from mnistnet.checkpoint.npz import FormatError
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Store
from mnistnet.data.forms.found import ReadAs
from mnistnet.data.registry import DATASETS
from mnistnet.errors import CheckpointError, ConfigError
from mnistnet.nn.network import Network, parameter_count
from mnistnet.util.arrays import Array
from mnistnet.util.atomic_files import atomic_write, reason
from mnistnet.util.printable import printable

FORMAT = 1
MAX_HEADER = 1 << 20  # bytes

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Number = Annotated[int, Meta(ge=-(2**53), le=2**53)] | float
Words = Annotated[str, Meta(max_length=200, pattern=r"\A[ -~]*\Z")]
"""Text that is safe to print on a terminal."""


class Best(TypedDict):
    """The best epoch so far, how it was chosen, and its score."""

    epoch: Count
    validation_accuracy: float | None
    chosen_by: Words


class Origin(TypedDict):
    """The data set a network has learned from: its name, and the SHA-256 of each of its files.

    For data of your own also the names of the classes, an image's rows and columns, and how pictures are prepared.
    """

    name: Words
    sha256: dict[Words, Words]
    labels: NotRequired[Annotated[list[Words], Meta(min_length=2, max_length=256)]]
    shape: NotRequired[Annotated[list[Annotated[int, Meta(ge=1, le=1_000_000)]], Meta(min_length=2, max_length=2)]]
    pictures: NotRequired[Literal["digits", "scale"]]


@dataclass(frozen=True)
class Checkpoint:
    """A network with its preprocessing, its origin, and (in `training`) the state to resume training.

    `metrics` are columns of equal length, one entry an epoch. `parameters` says which weights the layers hold: "raw",
    or "averaged". `temperature` calibrates shown confidences, or is None; `ood_threshold` is the score below which an
    answer is unsure, or None. `training` maps names that end in `.steps` to a count, int64 of shape (), and other names
    to a float32 vector with a number for each parameter.
    """

    config: Config
    network: Network
    epoch: int
    metrics: Mapping[str, list[Any]]
    best: Best
    dataset: Origin
    blas: str
    threads: int | None
    temperature: float | None = None
    ood_threshold: float | None = None
    parameters: str = "raw"
    versions: Mapping[str, str] = field(default_factory=lambda: {"mnistnet": __version__, "numpy": np.__version__})
    training: Mapping[str, Array] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        spec = DATASETS.get(self.config.dataset)
        numbers = map(str, range(self.config.layer_sizes[-1]))
        return spec.labels if spec else tuple(self.dataset.get("labels") or numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the images it takes."""
        spec = DATASETS.get(self.config.dataset)
        rows, columns = spec.shape if spec else self.dataset.get("shape") or (1, self.config.layer_sizes[0])
        return rows, columns

    @property
    def pictures(self) -> str:
        """How a picture becomes an image that it takes: prepared as "digits", or to "scale"."""
        spec = DATASETS.get(self.config.dataset)
        return self.dataset.get("pictures") or (spec.pictures if spec else "scale")

    @property
    def read_as(self) -> ReadAs:
        """How the data it has learned from are to be read again."""
        return replace(self.config.read_as, pictures=self.pictures)

    def header(self) -> dict[str, Any]:
        """Return the file's header, as plain values in a fixed order."""
        return {
            "format": FORMAT,
            **self.versions,
            "config": configs.to_mapping(self.config),
            "epoch": self.epoch,
            "metrics": dict(self.metrics),
            "best": dict(self.best),
            "dataset": dict(self.dataset),
            "parameters": self.parameters,
            "blas": self.blas,
            "threads": self.threads,
            "temperature": self.temperature,
        } | ({} if self.ood_threshold is None else {"evidence": self.ood_threshold})


def origin(store: Store) -> Origin:
    """Return the header's entry about a store's data."""
    spec, known = store.spec, Origin(name=store.spec.name, sha256=store.hashes())
    pictures: Literal["digits", "scale"] = "digits" if store.pictures == "digits" else "scale"
    if spec.files:  # published: the registry tells the rest
        return known if pictures == spec.pictures else {**known, "pictures": pictures}
    return {**known, "labels": list(spec.labels), "shape": list(spec.shape), "pictures": pictures}


class _Stamp(msgspec.Struct):
    """The entries of a header that every format has."""

    format: Count
    mnistnet: Words = "of unknown version"


class _Header(msgspec.Struct):
    """The header of format 1. Entries it does not name are ignored: what changes a meaning changes the format."""

    mnistnet: Words
    numpy: Words
    config: dict[str, Any]
    epoch: Count
    metrics: dict[Words, list[Number | None]]
    best: Best
    dataset: Origin
    parameters: Literal["raw", "averaged"]
    blas: Words
    threads: Count | None
    temperature: Annotated[float, Meta(ge=0.001, le=1000)] | None
    evidence: float | None = None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint to `path`, or leave the old file unchanged. Raises CheckpointError."""
    try:
        arrays = _arrays(checkpoint)
        with atomic_write(path) as stream:
            npz.write(stream, arrays)
    except FormatError as error:
        raise CheckpointError(f"{path}: not written, because it could not be read again: {error}") from None
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written: {reason(error)}; see that its folder is there, writable and has space"
        ) from None


def write(stream: BinaryIO, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into a stream. Raises CheckpointError."""
    try:
        npz.write(stream, _arrays(checkpoint))
    except FormatError as error:
        raise CheckpointError(f"not written, because it could not be read again: {error}") from None


def _arrays(checkpoint: Checkpoint) -> dict[str, Array]:
    """Return a file's arrays. Raises FormatError where they could not be read again."""
    entries = checkpoint.header()
    header = msgspec.json.encode(entries)
    arrays: dict[str, Array] = {"header": np.array(header)}
    for i, (weight, bias) in enumerate(zip(checkpoint.network.weights, checkpoint.network.biases, strict=True)):
        arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"] = weight, bias
    for name, array in (checkpoint.training or {}).items():
        arrays[f"training.{name}"] = array
    _check_size(header)
    _check_columns(checkpoint.epoch, checkpoint.metrics)
    # Without the metrics: they are numbers, and thousands of them after as many epochs.
    _parse_header(msgspec.json.encode(entries | {"metrics": {}}))
    _check_finite(checkpoint.network)
    return arrays


def load(path: Path, *, training: bool = False) -> Checkpoint:
    """Read a checkpoint; `training`: with the state to resume. Raises CheckpointError, naming `path`."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            what = "is a directory" if path.is_dir() else "is a device or a pipe"
            raise CheckpointError(f"{path}: cannot be read: {what}; expected a checkpoint file")
        with path.open("rb") as stream:
            return read(stream, str(path), training=training)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {reason(error)}") from None


def read(stream: BinaryIO, name: str, *, training: bool = False) -> Checkpoint:
    """Read a checkpoint from an open file, or from memory. Raises CheckpointError, naming `name`, and OSError."""
    try:
        return _load(npz.Reader(stream), training)
    except (FormatError, ConfigError, RecursionError) as error:
        raise CheckpointError(f"{name}: not a checkpoint that can be used: {printable(str(error))}") from None


def _load(file: npz.Reader, training: bool) -> Checkpoint:
    header = _parse_header(file.text("header", MAX_HEADER))
    config = configs.from_mapping(header.config, source="the config in its header")
    _check_origin(header.dataset, config)
    network = _read_network(file, config)
    return Checkpoint(
        config=config,
        network=network,
        epoch=header.epoch,
        metrics=header.metrics,
        best=header.best,
        dataset=header.dataset,
        blas=header.blas,
        threads=header.threads,
        temperature=header.temperature,
        ood_threshold=header.evidence,
        parameters=header.parameters,
        versions={"mnistnet": header.mnistnet, "numpy": header.numpy},
        training=_read_training(file, config) if training else None,
    )


def _parse_header(text: bytes) -> _Header:
    """Return the header, every entry of the type its readers rely on. Raises FormatError."""
    _check_size(text)
    try:
        stamp = msgspec.json.decode(text, type=_Stamp)
        if stamp.format != FORMAT:
            raise FormatError(
                f"expected checkpoint format {FORMAT}, found format {stamp.format}, written by mnistnet "
                f"{stamp.mnistnet}; this is mnistnet {__version__}, so install the version that wrote it"
            )
        header = msgspec.json.decode(text, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"its header: {str(error)[:200]}") from None
    if header.best["epoch"] > header.epoch:
        raise FormatError(f"its header: best epoch {header.best['epoch']} of {header.epoch} epochs")
    _check_columns(header.epoch, header.metrics)
    return header


def _check_origin(dataset: Origin, config: Config) -> None:
    """Raise FormatError where names of classes or the shape of images do not fit the network."""
    rows, columns = dataset.get("shape") or (1, config.layer_sizes[0])
    labels = dataset.get("labels") or [""] * config.layer_sizes[-1]
    if rows * columns != config.layer_sizes[0] or len(labels) != config.layer_sizes[-1]:
        raise FormatError("its header: the data set's labels or shape do not fit the config's layer_sizes")


def _check_size(header: bytes) -> None:
    if len(header) > MAX_HEADER:
        raise FormatError(f"its header has {len(header):,} bytes; expected at most {MAX_HEADER:,}")


def _check_columns(epochs: int, metrics: Mapping[str, Sequence[Any]]) -> None:
    if any(len(column) != epochs for column in metrics.values()):
        raise FormatError(f"its header: the metrics do not fit the {epochs} epochs it claims")


def _read_network(file: npz.Reader, config: Config) -> Network:
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(config.layer_sizes)):
        shapes[f"layers.{i}.weight"], shapes[f"layers.{i}.bias"] = (fan_out, fan_in), (fan_out,)
    # All are compared with the file's bytes before memory for the network is allocated.
    for name, shape in shapes.items():
        file.expect(name, "<f4", shape)
    for name in file.names:
        if name != "header" and name not in shapes and not name.startswith("training."):
            raise FormatError(f"holds an array that its config's layer_sizes do not ask for: {name[:60]}")
    network = Network(config.layer_sizes, config.activation, config.loss)
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        weight[...] = file.array(f"layers.{i}.weight", "<f4", weight.shape)
        bias[...] = file.array(f"layers.{i}.bias", "<f4", bias.shape)
    _check_finite(network)
    return network


def _read_training(file: npz.Reader, config: Config) -> dict[str, Array]:
    state, vector = {}, (parameter_count(config.layer_sizes),)
    for name in file.names:
        if name.startswith("training."):
            kind = ("<i8", ()) if name.endswith(".steps") else ("<f4", vector)
            state[name.removeprefix("training.")] = file.array(name, *kind)
    return state


def _check_finite(network: Network) -> None:
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        for name, array in ((f"layers.{i}.weight", weight), (f"layers.{i}.bias", bias)):
            if not np.isfinite(array).all():
                raise FormatError(f"{name}: holds numbers that are not finite")
