"""Checkpoints: one uncompressed .npz, data and nothing else. docs/checkpoint.md describes the format.

Saving is atomic and depends on its arguments alone: equal networks make equal bytes. Loading trusts nothing: the
header is read first, what its config demands is compared with what the file holds before any array is made, and no
array is larger than its bytes in the file.
"""

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from mnistnet import __version__
from mnistnet import config as configs
from mnistnet.config import Config
from mnistnet.errors import CheckpointError, ConfigError
from mnistnet.files import atomic_write, reason
from mnistnet.functions import Array
from mnistnet.network import Network, parameter_count

FORMAT = 1
LARGEST_HEADER = 1 << 20  # bytes
MOST_MEMBERS = 1000
_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp: the same network makes the same bytes on any day


@dataclass(frozen=True)
class Checkpoint:
    """A network with all it takes to use it, to say where it comes from, and (in `training`) to go on training it.

    `metrics` are columns of equal length, one entry an epoch. `best` tells which epoch validation chose. `parameters`
    says which weights the layers hold: "raw", or "averaged". `temperature` calibrates shown confidences, or is None.
    """

    config: Config
    network: Network
    epoch: int
    metrics: Mapping[str, list[Any]]
    best: Mapping[str, Any]
    dataset: Mapping[str, Any]
    blas: str
    threads: int | None
    temperature: float | None = None
    parameters: str = "raw"
    versions: Mapping[str, str] = field(default_factory=lambda: {"mnistnet": __version__, "numpy": np.__version__})
    training: Mapping[str, Array] | None = None

    def header(self) -> dict[str, Any]:
        """Return what the file's header holds, as plain values in a fixed order."""
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
        }


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in the place of `path`, or leave what is there as it is. Raises CheckpointError."""
    header = json.dumps(checkpoint.header(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    arrays: dict[str, Array] = {"header": np.array(header.encode())}
    for i, (weight, bias) in enumerate(zip(checkpoint.network.weights, checkpoint.network.biases, strict=True)):
        arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"] = weight, bias
    for name, array in (checkpoint.training or {}).items():
        arrays[f"training.{name}"] = array
    try:
        with atomic_write(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy", _DATE)
                member.create_system, member.external_attr = 3, 0o644 << 16
                content = BytesIO()
                npy.write_array(content, array, version=(1, 0), allow_pickle=False)
                archive.writestr(member, content.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written: {reason(error)}; what was there before is untouched"
        ) from None


def load(path: Path, *, training: bool = False) -> Checkpoint:
    """Read a checkpoint; `training`: with what resuming needs. Raises CheckpointError, naming `path`."""
    try:
        with path.open("rb") as stream:
            return _load(stream, training)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {reason(error)}") from None
    except _BadError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except ConfigError as error:
        raise CheckpointError(f"{path}: the config in its header is not valid: {error}") from None


class _BadError(Exception):
    """What is wrong with a file, without its name."""


def _load(stream: BinaryIO, training: bool) -> Checkpoint:
    with _archive(stream) as archive:
        members = _members(archive, stream)
        header = _read_header(archive, members)
        config = configs.from_mapping(header["config"])
        _expect_only(members, config)
        network = _read_network(archive, members, config)
        state = _read_training(archive, members, parameter_count(config.layer_sizes)) if training else None
    try:
        return Checkpoint(
            config=config,
            network=network,
            epoch=header["epoch"],
            metrics=header["metrics"],
            best=header["best"],
            dataset=header["dataset"],
            blas=header["blas"],
            threads=header["threads"],
            temperature=header["temperature"],
            parameters=header["parameters"],
            versions={key: header[key] for key in ("mnistnet", "numpy")},
            training=state,
        )
    except KeyError as error:
        raise _BadError(f"its header lacks {error}") from None


@contextmanager
def _archive(stream: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open the zip archive. Whatever a damaged one makes the reader raise, inside the block too, is a _BadError."""
    try:
        with zipfile.ZipFile(stream) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
    ) as error:
        words = " ".join(str(error).split())[:120]
        raise _BadError(f"not a checkpoint, or a damaged one ({words or type(error).__name__})") from None


def _members(archive: zipfile.ZipFile, stream: BinaryIO) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's members by array name, having checked that each lies in the file as it is."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise _BadError(f"expected at most {MOST_MEMBERS:,} arrays, found {len(infos):,}")
    members = {info.filename.removesuffix(".npy"): info for info in infos}
    if len(members) != len(infos):
        raise _BadError("two of its arrays have the same name")
    size = stream.seek(0, 2)
    for name, info in members.items():
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise _BadError(f"{name[:60]}: arrays must be stored, but this one is compressed")
        if info.header_offset + info.file_size > size:
            raise _BadError(
                f"{name[:60]}: promises {info.file_size:,} bytes, more than the file holds; it is cut short"
            )
    return members


def _read_header(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict[str, Any]:
    if "header" not in members:
        raise _BadError("not a mnistnet checkpoint: it has no header")
    if members["header"].file_size > LARGEST_HEADER + 1024:
        raise _BadError(f"its header is larger than 1 MiB ({members['header'].file_size:,} bytes)")
    with archive.open(members["header"]) as stream:
        shape, dtype = _read_npy_header(stream, "header")
        if shape != () or dtype.kind != "S":
            raise _BadError(f"header: expected one string of bytes, found {dtype} of shape {shape}")
        text = stream.read()
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _BadError("its header is not JSON") from None
    if not isinstance(header, dict) or "format" not in header or "config" not in header:
        raise _BadError("not a mnistnet checkpoint: its header has no format or config")
    if header["format"] != FORMAT:
        raise _BadError(
            f"expected checkpoint format {FORMAT}, found {str(header['format'])[:20]}, "
            f"written by mnistnet {str(header.get('mnistnet'))[:20]}; this is mnistnet {__version__}"
        )
    _check_header(header)
    return header


def _check_header(header: dict[str, Any]) -> None:
    """Raise _BadError unless every entry has the type its readers rely on."""
    kinds: dict[str, Any] = {
        "mnistnet": str,
        "numpy": str,
        "epoch": int,
        "metrics": dict,
        "best": dict,
        "dataset": dict,
        "parameters": str,
        "blas": str,
        "threads": int | None,
        "temperature": float | int | None,
    }
    for key, kind in kinds.items():
        if key not in header or not isinstance(header[key], kind) or isinstance(header[key], bool):
            raise _BadError(f"its header has no valid entry {key!r}")
    columns = list(header["metrics"].values())
    if header["epoch"] < 0 or any(not isinstance(c, list) or len(c) != header["epoch"] for c in columns):
        raise _BadError("its header's metrics do not have one entry for each epoch")
    for column in columns:
        if any(isinstance(v, bool) or not isinstance(v, int | float | None) for v in column):
            raise _BadError("its header's metrics are not numbers")
    temperature = header["temperature"]
    if temperature is not None and not (math.isfinite(temperature) and temperature > 0):
        raise _BadError(f"its temperature is {temperature}; expected a number above 0")


def _expect_only(members: dict[str, zipfile.ZipInfo], config: Config) -> None:
    layers = range(len(config.layer_sizes) - 1)
    known = {"header"} | {f"layers.{i}.{kind}" for i in layers for kind in ("weight", "bias")}
    if missing := sorted(known - members.keys()):
        raise _BadError(f"lacks the array {missing[0]}, which its config's layer_sizes ask for")
    strange = sorted(name for name in members.keys() - known if not name.startswith("training."))
    if strange:
        raise _BadError(f"holds an array that its config's layer_sizes do not ask for: {strange[0][:60]}")


def _read_network(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], config: Config) -> Network:
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(config.layer_sizes)):
        shapes[f"layers.{i}.weight"], shapes[f"layers.{i}.bias"] = (fan_out, fan_in), (fan_out,)
    # All sizes are compared with the bytes in the file before the network takes memory for the first of them.
    for name, shape in shapes.items():
        with archive.open(members[name]) as stream:
            _expect_array(stream, members[name], name, shape)
    network = Network(config.layer_sizes, config.activation, config.loss)
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        for name, target in ((f"layers.{i}.weight", weight), (f"layers.{i}.bias", bias)):
            with archive.open(members[name]) as stream:
                target[...] = _read_array(stream, members[name], name, target.shape)
    return network


def _read_training(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], parameters: int) -> dict[str, Array]:
    """Read all `training.*` arrays: each a count, or a vector with a number for each parameter."""
    state = {}
    for name, info in members.items():
        if name.startswith("training."):
            shape: tuple[int, ...] = () if name.endswith(".steps") else (parameters,)
            with archive.open(info) as stream:
                state[name.removeprefix("training.")] = _read_array(stream, info, name, shape)
    return state


def _read_npy_header(stream: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if npy.read_magic(stream) != (1, 0):
        raise _BadError(f"{name}: expected version 1.0 of the .npy format")
    shape, fortran, dtype = npy.read_array_header_1_0(stream)
    if fortran:
        raise _BadError(f"{name}: expected rows one after the other, found columns")
    return shape, dtype


def _expect_array(stream: Any, info: zipfile.ZipInfo, name: str, shape: tuple[int, ...]) -> np.dtype[Any]:
    """Read an array's own header and compare it with the shape the config asks for and the bytes there are."""
    found, dtype = _read_npy_header(stream, name)
    expected = np.dtype(np.int64 if shape == () else np.float32)
    if found != shape or dtype != expected:
        raise _BadError(f"{name}: expected {expected} of shape {shape}, found {dtype} of shape {found}")
    if info.file_size - stream.tell() != math.prod(shape) * expected.itemsize:
        raise _BadError(f"{name}: its size in the file is not that of {expected} of shape {shape}")
    return expected


def _read_array(stream: Any, info: zipfile.ZipInfo, name: str, shape: tuple[int, ...]) -> Array:
    dtype = _expect_array(stream, info, name, shape)
    array = np.frombuffer(stream.read(), dtype).reshape(shape)
    if not np.isfinite(array).all():
        raise _BadError(f"{name}: holds numbers that are not finite")
    return array
