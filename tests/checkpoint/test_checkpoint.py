"""Checkpoints: what is written comes back, equal networks make equal bytes, and every bad file ends in one line."""

import errno
import json
import os
import random
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mnistnet.checkpoint import checkpoint, npz
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.errors import CheckpointError
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array
from tests.conftest import ROOT
from tests.golden.make import GOLDEN, golden

GOOD = GOLDEN.read_bytes()
Members = dict[str, bytes]


def refused(path: Path, *, training: bool = False) -> str:
    """Load a file that must be refused; return the error, having checked its form."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path, training=training)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable(), "one line, safe for a terminal"
    assert len(message) < len(str(path)) + 400
    return message


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Return whether two checkpoints hold the same, bit by bit."""
    return one.header() == other.header() and bool(np.array_equal(one.network.parameters, other.network.parameters))


# What is written comes back


def test_the_golden_file_of_version_1_loads_to_known_values() -> None:
    loaded, expected = checkpoint.load(GOLDEN, training=True), golden()
    assert same(loaded, expected)
    assert loaded.config == expected.config
    assert loaded.network.weights[0][1, 3] == (784 + 3 - 800) / 1024
    assert loaded.network.biases[1].tolist() == [(1590 + neuron - 800) / 1024 for neuron in range(10)]
    assert loaded.training is not None
    assert loaded.training["optimizer.steps"] == 860
    assert np.array_equal(loaded.training["optimizer.velocity"], np.arange(1600, dtype=np.float32) / 8)
    assert (loaded.metrics["validation_loss"], loaded.temperature, loaded.threads) == ([2.0, 1e-07], 1.25, 2)


def test_saving_the_golden_checkpoint_makes_the_committed_bytes_again(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "again.npz", checkpoint.load(GOLDEN, training=True))
    again = (tmp_path / "again.npz").read_bytes()
    # A config key that is added later joins the header; everything else stays, bit by bit.
    old, new = (json.loads(npz.Reader(BytesIO(data)).text("header", 1 << 20)) for data in (GOOD, again))
    assert {key: new["config"][key] for key in old["config"]} == old["config"]
    if new["config"].keys() == old["config"].keys():
        assert again == GOOD
    first_array = GOOD.index(b"layers.0.weight.npy") - 30
    assert again[again.index(b"layers.0.weight.npy") - 30 :].startswith(GOOD[first_array : GOOD.index(b"PK\1\2")])


def test_metrics_come_back_to_the_last_bit(tmp_path: Path) -> None:
    source = random.Random(1)
    column = [source.random() * 10 ** source.randint(-300, 300) for _ in range(2000)]
    saved = replace(golden(), epoch=2000, metrics={"loss": column, "validation_loss": [None] * 2000})
    checkpoint.save(tmp_path / "a.npz", saved)
    assert checkpoint.load(tmp_path / "a.npz").metrics == saved.metrics


def test_without_asking_for_it_training_is_not_read() -> None:
    assert checkpoint.load(GOLDEN).training is None


def test_infinite_moments_come_back_because_training_may_have_them(tmp_path: Path) -> None:
    velocity = np.full(1600, np.inf, np.float32)
    checkpoint.save(tmp_path / "a.npz", replace(golden(), training={"optimizer.velocity": velocity}))
    loaded = checkpoint.load(tmp_path / "a.npz", training=True)
    assert loaded.training is not None
    assert np.array_equal(loaded.training["optimizer.velocity"], velocity)


def test_entries_of_the_header_that_are_not_known_are_ignored(tmp_path: Path) -> None:
    path = forged_header(tmp_path, {"mood": "cheerful"})
    assert same(checkpoint.load(path), golden())


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_the_documented_lines_read_a_checkpoint_with_numpy_alone(tmp_path: Path, activation: str) -> None:
    page = (ROOT / "docs" / "checkpoint.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    made = golden()
    network = Network((784, 6, 5, 10), activation, "cross_entropy")
    network.parameters[...] = np.random.default_rng(2).normal(0, 1, network.parameters.size)
    config = msgspec.structs.replace(made.config, layer_sizes=(784, 6, 5, 10), activation=activation)
    checkpoint.save(tmp_path / "best.npz", replace(made, config=config, network=network, training=None))
    source = np.random.default_rng(3)
    images = source.integers(0, 256, (20, 784), np.uint8) * (source.random((20, 784)) < 0.05).astype(np.uint8)
    names: dict[str, Any] = {"images": images}
    exec(code, names)
    cache = network.forward((images / 255).astype(np.float32), network.forward_cache(20))
    assert names["digits"].tolist() == cache.logits.argmax(axis=1).tolist()
    assert len(set(names["digits"].tolist())) > 1


def test_a_file_made_by_numpy_savez_loads(tmp_path: Path) -> None:
    with np.load(GOLDEN) as file:
        np.savez(tmp_path / "a.npz", **{name: file[name] for name in file.files})
    assert same(checkpoint.load(tmp_path / "a.npz"), golden())


# Writing


def diverged() -> Checkpoint:
    made = golden()
    made.network.weights[1][0, 0] = np.nan
    return made


def lengthy() -> Checkpoint:
    return replace(golden(), epoch=60_000, metrics={"loss": [1 / 3] * 60_000})


@pytest.mark.parametrize(
    ("unwanted", "words"),
    [
        (diverged, "layers.1.weight: holds numbers that are not finite"),
        (lengthy, "its header has 1,"),
        (lambda: replace(golden(), temperature=0.0), "temperature"),
    ],
)
def test_what_loading_would_refuse_is_not_written_over_a_good_file(
    tmp_path: Path, unwanted: Callable[[], Checkpoint], words: str
) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(GOOD)
    with pytest.raises(CheckpointError, match=re.escape(words)):
        checkpoint.save(path, unwanted())
    assert path.read_bytes() == GOOD
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("call", ["os.open", "os.fsync", "os.fdopen", "pathlib.Path.replace"])
def test_a_failed_system_call_leaves_the_old_file_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.npz"
    path.write_bytes(GOOD)
    changed = replace(golden(), temperature=2.0)
    with monkeypatch.context() as patch:
        patch.setattr(call, fail)
        with pytest.raises(CheckpointError) as caught:
            checkpoint.save(path, changed)
    assert "no space left on device" in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize("room", [0, 100, 5000, len(GOOD) - 1])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    path = tmp_path / "a.npz"
    path.write_bytes(GOOD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot be written: file too large"):
            checkpoint.save(path, golden())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == GOOD
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


# Bad files


def members() -> Members:
    with zipfile.ZipFile(BytesIO(GOOD)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(contents: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy(array: Array, *, pickled: bool = False) -> bytes:
    out = BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=pickled)
    return out.getvalue()


def with_member(name: str, content: bytes) -> bytes:
    return zipped(members() | {f"{name}.npy": content})


def without(name: str) -> bytes:
    return zipped({key: content for key, content in members().items() if key != f"{name}.npy"})


def header_text(changes: dict[str, Any]) -> bytes:
    return json.dumps(golden().header() | changes).encode()


def with_header(text: bytes) -> bytes:
    return with_member("header", npy(np.array(text)))


def forged_header(folder: Path, changes: dict[str, Any]) -> Path:
    path = folder / "forged.npz"
    path.write_bytes(with_header(header_text(changes)))
    return path


def with_shape(name: str, old: bytes, new: bytes) -> bytes:
    """Let an array's own header claim another shape, at the same length."""
    content = members()[f"{name}.npy"]
    header = content.replace(old, new)
    surplus = len(header) - len(content)
    return with_member(name, header.replace(b" " * surplus + b"\n", b"\n", 1) if surplus else header)


def with_end(**changes: int) -> bytes:
    """Change the zip's last record: `size`, `start`, `comment`."""
    fields = list(struct.unpack("<4s4H2IH", GOOD[-22:]))
    for name, value in changes.items():
        fields[{"size": 5, "start": 6, "comment": 7}[name]] = value
    return GOOD[:-22] + struct.pack("<4s4H2IH", *fields)


def with_entry(at: int, code: str, value: int) -> bytes:
    """Change a field of the first entry of the zip's directory."""
    data = bytearray(GOOD)
    struct.pack_into(code, data, GOOD.index(b"PK\1\2") + at, value)
    return bytes(data)


def duplicated() -> bytes:
    return GOOD.replace(b"layers.1.bias.npy", b"layers.0.bias.npy")


def tiny_and_giant() -> bytes:
    """A file of some hundred bytes whose array claims to be 8 TB."""
    config = golden().header()["config"] | {"layer_sizes": [784, 1_000_000, 1_000_000, 10]}
    content = npy(np.zeros((1, 1), np.float32)).replace(b"(1, 1), }" + b" " * 12, b"(1000000, 1000000), }")
    return zipped({"header.npy": npy(np.array(header_text({"config": config}))), "layers.0.weight.npy": content})


def nested(depth: int) -> bytes:
    return b'{"format":1,"config":' + b"[" * depth + b"]" * depth + b"}"


def many_entries() -> bytes:
    return zipped({f"a{i}.npy": b"" for i in range(2000)})


def with_nan() -> bytes:
    return with_member("layers.1.bias", npy(np.full(10, np.nan, np.float32)))


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"dear diary,\n" * 100, "another kind of file"),
    "a few bytes": (lambda: b"PK", "another kind of file"),
    "zeros": (lambda: bytes(10_000), "another kind of file"),
    "a pickle": (lambda: b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00c", "another kind of file"),
    "a bare array": (lambda: npy(np.zeros(100, np.float32)), "another kind of file"),
    "bytes after the end": (lambda: GOOD + b"x", "another kind of file"),
    "bytes before the start": (lambda: b"x" + GOOD, "another kind of file"),
    "a zip comment": (lambda: with_end(comment=1), "another kind of file"),
    "a directory of 4 GB": (lambda: with_end(size=2**32 - 1), "another kind of file"),
    "a directory elsewhere": (lambda: with_end(start=0), "another kind of file"),
    "a directory that starts too early": (lambda: with_end(start=1, size=len(GOOD) - 23), "is damaged"),
    "too many arrays": (many_entries, "its list of arrays has"),
    "no arrays": (lambda: zipped({}), "lacks the array header"),
    "another zip": (lambda: zipped({"readme.txt": b"hello"}), "its list of arrays is damaged"),
    "a name with control characters": (lambda: zipped({"\x1b[2J.npy": b""}), "its list of arrays is damaged"),
    "another npz": (lambda: zipped({"x.npy": npy(np.zeros(3, np.float32))}), "lacks the array header"),
    "compressed": (lambda: zipped(members(), zipfile.ZIP_DEFLATED), "compressed or encrypted"),
    "encrypted": (lambda: with_entry(8, "<H", 1), "compressed or encrypted"),
    "unequal sizes": (lambda: with_entry(20, "<I", 1), "compressed or encrypted"),
    "a name twice": (duplicated, "two of its arrays have the name layers.0.bias"),
    "an array beyond the end": (lambda: with_entry(42, "<I", 2**32 - 1), "cut short"),
    "an array somewhere else": (lambda: with_entry(42, "<I", 1), "is not where"),
    "a wrong checksum": (lambda: with_entry(16, "<I", 1), "its checksum does not match"),
    "no header": (lambda: without("header"), "lacks the array header"),
    "a missing array": (lambda: without("layers.0.bias"), "lacks the array layers.0.bias"),
    "an array too many": (lambda: with_member("layers.2.bias", npy(np.zeros(9, np.float32))), "do not ask for"),
    "a pickled array": (
        lambda: with_member("layers.0.bias", npy(np.array([None, {}], object), pickled=True)),
        "expected <f4 of shape (2,), found |O of shape (2,)",
    ),
    "a pickled header": (lambda: with_member("header", npy(np.array(None, object), pickled=True)), "found |O"),
    "fields": (lambda: with_member("layers.0.bias", npy(np.zeros(2, "<f4,<f4"))), "is not a plain array"),
    "doubles": (lambda: with_member("layers.0.bias", npy(np.zeros(2))), "expected <f4 of shape (2,), found <f8"),
    "the other byte order": (lambda: with_member("layers.0.bias", npy(np.zeros(2, ">f4"))), "found >f4"),
    "columns": (
        lambda: with_member("layers.1.weight", npy(np.zeros((10, 2), np.float32, order="F"))),
        "is not a plain array",
    ),
    "another shape": (
        lambda: with_member("layers.1.weight", npy(np.zeros((2, 10), np.float32))),
        "expected <f4 of shape (10, 2), found <f4 of shape (2, 10)",
    ),
    "too few numbers": (
        lambda: with_member("layers.1.bias", npy(np.zeros(10, np.float32))[:-4]),
        "needs 40 bytes, found 36",
    ),
    "too many numbers": (
        lambda: with_member("layers.1.bias", npy(np.zeros(10, np.float32)) + b"1234"),
        "needs 40 bytes, found 44",
    ),
    "an empty array file": (lambda: with_member("layers.1.bias", b""), "is not a plain array"),
    "another npy version": (
        lambda: with_member("layers.1.bias", npy(np.zeros(10, np.float32)).replace(b"\x01\x00", b"\x03\x00", 1)),
        "version 1.0",
    ),
    "a forged shape": (lambda: with_shape("layers.1.bias", b"(10,)", b"(999999999999,)"), "shape (999999999999,)"),
    "a negative shape": (lambda: with_shape("layers.1.bias", b"(10,)", b"(-1,)"), "is not a plain array"),
    "code for a shape": (lambda: with_shape("layers.1.bias", b"(10,)", b"exit()"), "is not a plain array"),
    "a giant config": (tiny_and_giant, "layers.0.weight: expected <f4 of shape (1000000, 784)"),
    "weights that are not numbers": (with_nan, "layers.1.bias: holds numbers that are not finite"),
    "a header that is a number": (lambda: with_member("header", npy(np.array(1.0))), "expected one string of bytes"),
    "a header of characters": (lambda: with_member("header", npy(np.array("{}"))), "expected one string of bytes"),
    "a header too large": (lambda: with_header(b" " * (1 << 20) + b"{}"), "expected at most 1,048,576"),
    "a header that is no JSON": (lambda: with_header(b"format: 1"), "JSON is malformed"),
    "a header that is no UTF-8": (lambda: with_header(b'{"format":1,"mnistnet":"\xff"}'), "its header"),
    "a header cut short": (lambda: with_header(header_text({})[:-1]), "its header"),
    "a header that is a list": (lambda: with_header(b"[1]"), "Expected `object`, got `array`"),
    "a deep header": (lambda: with_header(nested(300_000)), "its header"),
    "a header as deep as allowed": (lambda: with_header(nested(900)), "its header"),
    "a deep config": (
        lambda: with_header(header_text({"config": {"seed": json.loads(b"[" * 400 + b"]" * 400)}})),
        "the config in its header",
    ),
    "NaN in the header": (lambda: with_header(header_text({"temperature": float("nan")})), "JSON is malformed"),
    "infinity in the header": (
        lambda: with_header(header_text({}).replace(b"0.875", b"1e999")),
        "Number out of range",
    ),
    "a huge integer": (lambda: with_header(header_text({"epoch": 10**300})), "its header"),
}

ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "no format": ({"format": None}, "Expected `int`, got `null` - at `$.format`"),
    "a newer format": (
        {"format": 2, "mnistnet": "9.1"},
        "expected checkpoint format 1, found format 2, written by mnistnet 9.1",
    ),
    "a newer format with other entries": ({"format": 2, "config": [], "epoch": "ten"}, "found format 2"),
    "a version that is no text": ({"numpy": 2.4}, "$.numpy"),
    "an escape sequence": ({"blas": "\x1b[2J"}, "$.blas"),
    "endless text": ({"blas": "b" * 201}, "$.blas"),
    "a config that is no mapping": ({"config": [1]}, "Expected `object`, got `array` - at `$.config`"),
    "an unknown config key": ({"config": {"layers": 3}}, "the config in its header: unknown key layers"),
    "a config with an escape sequence": ({"config": {"loss": "\x1b]0;x\x07"}}, "the config in its header: loss"),
    "a config for other pictures": ({"config": {"layer_sizes": [5, 10]}}, "layer_sizes[0]: expected 784"),
    "a negative epoch": ({"epoch": -1}, "$.epoch"),
    "an epoch that is true": ({"epoch": True}, "$.epoch"),
    "columns of another length": ({"metrics": {"epoch": [1, 2], "loss": [1.0]}}, "do not fit the 2 epochs"),
    "metrics in words": ({"metrics": {"loss": ["low", "lower"]}}, "$.metrics"),
    "metrics that are no columns": ({"metrics": {"loss": 3.0}}, "$.metrics"),
    "a best epoch to come": ({"best": golden().best | {"epoch": 3}}, "best epoch 3 of 2 epochs"),
    "no best epoch": ({"best": {"chosen_by": "me", "validation_accuracy": None}}, "missing required field `epoch`"),
    "no data set": ({"dataset": {}}, "missing required field"),
    "unknown weights": ({"parameters": "\x1b[31mstrange"}, "$.parameters"),
    "threads in words": ({"threads": "many"}, "$.threads"),
    "a huge number of epochs": ({"epoch": 10**300}, "$.epoch"),
    "a huge number in the metrics": ({"metrics": {"loss": [10**300, 1]}}, "$.metrics"),
    "a temperature of zero": ({"temperature": 0}, "$.temperature"),
    "a temperature of ice": ({"temperature": -273.15}, "$.temperature"),
    "a temperature below all": ({"temperature": 1e-300}, "$.temperature"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_line_without_taking_memory(tmp_path: Path, case: str) -> None:
    make, words = BAD[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(make())
    tracemalloc.start()
    try:
        message = refused(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert words in message
    assert peak < 200_000 + 8 * path.stat().st_size


@pytest.mark.parametrize("case", ENTRIES)
def test_a_wrong_header_entry_is_refused_by_name(tmp_path: Path, case: str) -> None:
    changes, words = ENTRIES[case]
    assert words in refused(forged_header(tmp_path, changes))


@pytest.mark.parametrize("entry", [key for key in golden().header() if key != "mnistnet"])
def test_a_header_without_one_of_its_entries_is_refused_by_name(tmp_path: Path, entry: str) -> None:
    header = {key: value for key, value in golden().header().items() if key != entry}
    path = tmp_path / "a.npz"
    path.write_bytes(with_header(json.dumps(header).encode()))
    assert f"missing required field `{entry}`" in refused(path)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("training.optimizer.velocity", np.zeros(1599, np.float32), "expected <f4 of shape (1600,), found"),
        ("training.optimizer.velocity", np.zeros(1600), "found <f8 of shape (1600,)"),
        ("training.optimizer.steps", np.zeros(1, np.int64), "expected <i8 of shape (), found <i8 of shape (1,)"),
        ("training.optimizer.steps", np.array(860.0), "found <f8 of shape ()"),
        ("training.anything", np.zeros((2, 800), np.float32), "found <f4 of shape (2, 800)"),
    ],
)
def test_training_arrays_of_another_size_are_refused(tmp_path: Path, name: str, array: Array, words: str) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(with_member(name, npy(array)))
    assert words in refused(path, training=True)


def test_arrays_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    # Were they allowed, hundreds of names for the same numbers would be read as hundreds of times the file's size.
    content = BytesIO()
    npz.write(content, {name: np.zeros(100, np.float32) for name in ("a", "b")})
    data = bytearray(content.getvalue())
    first, second = (match.start() for match in re.finditer(rb"PK\x01\x02", data))
    size, start_of_second = (struct.unpack_from("<I", data, at)[0] for at in (first + 24, second + 42))
    for at in (20, 24):  # let the first array reach over the second
        struct.pack_into("<I", data, first + at, size + start_of_second)
    (tmp_path / "a.npz").write_bytes(data)
    assert "claim more bytes than the file has" in refused(tmp_path / "a.npz")


@pytest.mark.parametrize("place", ["missing", "folder", "under a file", "device"])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(GOOD)
    paths = {"missing": "nowhere/best.npz", "folder": ".", "under a file": "file/best.npz", "device": os.devnull}
    words = {
        "missing": "no such file",
        "folder": "is a directory; expected a checkpoint file",
        "under a file": "not a directory",
        "device": "is a device or a pipe; expected",
    }
    assert words[place] in refused(tmp_path / paths[place])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a device or a pipe; expected" in refused(tmp_path / "pipe")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for length in [*range(0, len(GOOD) - 200, 61), *range(len(GOOD) - 200, len(GOOD))]:
        path.write_bytes(GOOD[:length])
        refused(path)


def test_flipped_bytes_are_refused_or_do_not_matter(tmp_path: Path) -> None:
    source, path, expected = random.Random(4), tmp_path / "a.npz", checkpoint.load(GOLDEN)
    # Most of the file is numbers; half of the flips go to the places that describe them.
    described = [
        m.start() + i for m in re.finditer(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06|\x93NUMPY", GOOD) for i in range(100)
    ]
    survived = 0
    for number in range(500):
        data = bytearray(GOOD)
        for _ in range(source.randint(1, 3)):
            at = source.choice(described) if number % 2 else source.randrange(len(data))
            data[min(at, len(data) - 1)] ^= 1 << source.randrange(8)
        path.write_bytes(data)
        try:
            loaded = checkpoint.load(path)
        except CheckpointError:
            continue
        assert same(loaded, expected)
        survived += 1
    assert survived < 450, "most flips matter"


def test_any_flipped_bit_of_an_array_or_the_header_is_noticed(tmp_path: Path) -> None:
    source, path = random.Random(5), tmp_path / "a.npz"
    for info in zipfile.ZipFile(BytesIO(GOOD)).infolist():
        if not info.filename.startswith("training"):
            for _ in range(30):
                data = bytearray(GOOD)
                start = info.header_offset + 30 + len(info.filename)
                data[start + source.randrange(info.file_size)] ^= 1 << source.randrange(8)
                path.write_bytes(data)
                refused(path)
