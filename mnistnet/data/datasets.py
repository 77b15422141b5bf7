"""From a data set's name to arrays: finds its files, verifies, repairs or fetches them, reads and splits them.

Images stay uint8; training divides them by 255. Every load compares the SHA-256 of every file it reads, or of its
unpacked content, with the published one.
"""

import errno
import hashlib
import logging
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import platformdirs

from mnistnet.data import idx
from mnistnet.data.registry import NAMES, DatasetSpec, RemoteFile
from mnistnet.data.what_else import GZIP
from mnistnet.errors import ConfigError, DataError, DownloadError
from mnistnet.util.atomic_files import atomic_write, reason, remove_temporaries
from mnistnet.util.rng import Use, generator

if TYPE_CHECKING:
    from mnistnet.data.download import Progress

log = logging.getLogger(__name__)

ENVIRONMENT_FOLDER = "MNISTNET_DATA_DIR"
ENVIRONMENT_MIRROR = "MNISTNET_MIRROR"
WHITE = np.float32(255)  # of a pixel as stored; networks see pixel / 255
MAX_SIZE_RATIO = 16  # times the published size that a repacked file may have: MNIST unpacked has 5
CHECKOUT = Path(__file__).parents[2]  # of the repository, where this is an editable installation
PATIENCE = 2.0  # seconds to wait for another process before a message


@dataclass(frozen=True)
class Examples:
    """Images, uint8 of shape (n, pixels), 0 black to 255 white, and their labels, uint8 of shape (n,).

    `shape`: an image's rows and columns.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    shape: tuple[int, int] = (28, 28)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"{len(self):,} examples of {self.images.shape[1]} pixels"

    def take(self, indices: npt.NDArray[np.intp]) -> "Examples":
        """Return the examples at `indices`, in that order, copied."""
        return Examples(np.take(self.images, indices, axis=0), np.take(self.labels, indices), self.shape)


@dataclass(frozen=True)
class Store:
    """A data set's folder, and the mirrors to fetch its files from.

    `mirrors` are asked before the published ones. `on_progress(name, received, size)` is called as a download proceeds.
    `prepared`: how pictures are prepared for a network of these data, None: as usual for the data set. For data of your
    own, `form` describes the files they were read from, and `remarks` lists likely mistakes.
    """

    spec: DatasetSpec
    folder: Path
    mirrors: tuple[str, ...] = ()
    on_progress: "Progress | None" = None
    prepared: str | None = None
    form: str = "published IDX files"
    remarks: tuple[str, ...] = ()

    @property
    def pictures(self) -> str:
        """How pictures are prepared for a network of these data: as "digits", or to "scale"."""
        return self.prepared or self.spec.pictures

    def examples(self, part: str) -> Examples:
        """Read the "train" or the "test" files, verified. Raises DataError."""
        images = idx.parse(self._content(part, "images"), 3, self._name(part, "images"))
        labels = idx.parse(self._content(part, "labels"), 1, self._name(part, "labels"))
        return checked(images, labels, len(self.spec.labels), str(self.folder))

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file by name, which identify the data."""
        return {file.name: file.sha256 for file in self.spec.files}

    def warn(self) -> None:
        """Log likely mistakes in the data."""
        for remark in self.remarks:
            log.warning("%s", remark)

    def ensure(self) -> list[RemoteFile]:
        """Fetch missing files, and return those. Files that are there are verified when they are read."""
        missing = [file for file in self.spec.files if not self.path(file).is_file()]
        return [file for file in missing if self._mend(file).fetched]

    def verify(self) -> list[RemoteFile]:
        """Verify all files now, fetch what is missing or damaged, and return the files that were fetched."""
        return [file for file in self.spec.files if self._read(file) is None and self._mend(file).fetched]

    def path(self, file: RemoteFile) -> Path:
        """Return the path of a file, under its own name or unpacked under a name that others use."""
        path = self.folder / file.name
        if not os.path.lexists(path):
            for plain in _plain_names(file):
                if (self.folder / plain).is_file():
                    return self.folder / plain
        return path

    def states(self) -> dict[str, str]:
        """Return for each file whether it is "verified", "damaged" or "missing". Fetches and writes nothing."""
        return {file.name: self._state(file) for file in self.spec.files}

    def _state(self, file: RemoteFile) -> str:
        if self._read(file) is not None:
            return "verified"
        return "damaged" if os.path.lexists(self.path(file)) else "missing"

    def _name(self, part: str, kind: str) -> str:
        return str(self.folder / NAMES[part, kind])

    def _content(self, part: str, kind: str) -> bytes | memoryview:
        """Return the verified IDX file itself, from the unpacked cache where that is faster."""
        file = self.spec.file(part, kind)
        packed = self._read(file)
        if packed is None:
            packed = self._mend(file).content
        if packed[:2] != GZIP:
            return packed
        if file.content_sha256 is None or kind == "labels":
            return idx.unpack(packed, 3 if kind == "images" else 1, self._name(part, kind))
        return _unpacked(packed, file.content_sha256, self._name(part, kind))

    def _read(self, file: RemoteFile) -> bytes | None:
        """Return a file's bytes if it is the published one, or a repacked one with the same content; else None."""
        path = self.path(file)
        try:
            fits = path.is_file() and path.stat().st_size <= MAX_SIZE_RATIO * file.size  # a pipe would never end
            content = path.read_bytes() if fits else b""
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link to itself counts as missing
                return None
            raise DataError(
                f"{path}: cannot be read: {reason(error)}; make it readable, or choose another folder with --data-dir"
            ) from None
        same = hashlib.sha256(content).hexdigest() == file.sha256 or _holds(content, file)
        return content if same else None

    def _mend(self, file: RemoteFile) -> "_Mended":
        """Fetch a missing or damaged file, and rename a damaged one.

        One process at a time: the others wait, and find the file repaired.
        """
        path = self.folder / file.name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone_in(self.folder):
                remove_temporaries(self.folder, file.name)
                content = self._read(file)
                if content is not None:
                    return _Mended(content, fetched=False)
                content = self._fetch(file)
                if os.path.lexists(path):  # a damaged file, a folder, or a link to nowhere
                    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
                    path.rename(aside)
                    log.warning("%s was not the published file; it is now %s, and was fetched again", path, aside.name)
                with atomic_write(path) as stream:
                    stream.write(content)
                return _Mended(content, fetched=True)
        except OSError as error:
            raise DataError(
                f"{file.name} is missing or damaged in {self.folder}, and cannot be put there: {reason(error)}; "
                f"choose another folder with --data-dir or {ENVIRONMENT_FOLDER}"
            ) from None

    def _fetch(self, file: RemoteFile) -> bytes:
        from mnistnet.data import download  # its libraries are slow to import

        own = os.environ.get(ENVIRONMENT_MIRROR, "")
        mirrors = [*self.mirrors, *([own] if own else []), *self.spec.mirrors]
        try:
            return download.fetch(file, list(dict.fromkeys(mirrors)), self.on_progress)
        except DownloadError as error:
            damaged = " (what is there is damaged)"
            wanted = ", ".join(
                other.name + (damaged if os.path.lexists(self.folder / other.name) else "")
                for other in self.spec.files
                if self._read(other) is None
            )
            raise DownloadError(
                f"{error}; get them elsewhere and put them into {self.folder.absolute()}: {wanted}; "
                f"or name another mirror with --mirror URL (or {ENVIRONMENT_MIRROR})"
            ) from None


class _Mended(NamedTuple):
    """The right content of a file, and whether this process fetched it."""

    content: bytes
    fetched: bool


def store(
    spec: DatasetSpec,
    data_dir: Path | None = None,
    mirrors: Sequence[str] = (),
    on_progress: "Progress | None" = None,
    *,
    pictures: str = "auto",
) -> Store:
    """Return the store of a data set: in `data_dir`, else MNISTNET_DATA_DIR, else ./data or the checkout's data folder
    where they hold the data set's files, else the user's cache folder. Each data set has a subfolder of its name, where
    "-" is as good as "_". `pictures`: how pictures are prepared, "auto": as usual for this data set.
    """
    own = os.environ.get(ENVIRONMENT_FOLDER)
    if data_dir is None and own:
        data_dir = Path(own)
    if data_dir is None:
        near = [Path("data"), *([CHECKOUT / "data"] if (CHECKOUT / "pyproject.toml").is_file() else [])]
        filled = [folder for folder in near if any(_holds_files(folder / name, spec) for name in _names(spec))]
        data_dir = filled[0] if filled else cache_folder() / "data"
    with suppress(RuntimeError):  # "~name" without such a user is a folder's name
        data_dir = data_dir.expanduser()
    folders = [data_dir / name for name in _names(spec) if _holds_files(data_dir / name, spec)]
    folder = folders[0] if folders else data_dir / spec.name
    prepared = None if pictures == "auto" else pictures
    return Store(spec, folder, tuple(mirrors), on_progress, prepared)


def _names(spec: DatasetSpec) -> tuple[str, str]:
    """Return the possible names of a data set's folder; Debian's `dataset-fashion-mnist` has `fashion-mnist`."""
    return spec.name, spec.name.replace("_", "-")


def _holds_files(folder: Path, spec: DatasetSpec) -> bool:
    return any((folder / name).is_file() for file in spec.files for name in (file.name, *_plain_names(file)))


def _plain_names(file: RemoteFile) -> list[str]:
    """Return the names of an unpacked file whose content hash is known: as it is, and with a dot before idx."""
    name = file.name.removesuffix(".gz")
    return [name, name.replace("-idx", ".idx")] if file.content_sha256 else []


def _alone_in(folder: Path) -> AbstractContextManager[object]:
    """Acquire and return the lock under which one process at a time repairs a folder; log a long wait."""
    import filelock  # needed only where something is missing

    lock = filelock.FileLock(folder / ".download.lock")
    try:
        return lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        log.warning("waiting for another process that is fetching files into %s", folder)
        return lock.acquire()


def cache_folder() -> Path:
    """Return the folder for this user's cached files, after the custom of the operating system."""
    return Path(platformdirs.user_cache_dir("mnistnet", appauthor=False))


def split(examples: Examples, validation: int, train_images: int | None, seed: int) -> tuple[Examples, Examples | None]:
    """Divide the training files: `validation` examples, chosen by `seed`, are held out; the rest are for training.

    `train_images` keeps only so many of the rest (None: all), from the front of the same permutation, so that
    different amounts are compared on the same validation examples. Raises ConfigError when there are too few.
    """
    rest = len(examples) - validation
    if rest < 1:
        raise ConfigError(
            f"validation: expected fewer than the {len(examples):,} training images, found {validation:,}"
        )
    if train_images is not None and train_images > rest:
        raise ConfigError(
            f"train_images: expected at most {rest:,} ({len(examples):,} less {validation:,} for validation), "
            f"found {train_images:,}"
        )
    order = generator(seed, Use.SPLIT).permutation(len(examples))
    chosen = order[validation : validation + (rest if train_images is None else train_images)]
    # In file order the copy reads memory forwards. Nothing depends on the order: every epoch shuffles.
    train = examples if len(chosen) == len(examples) else examples.take(np.sort(chosen))
    return train, examples.take(np.sort(order[:validation])) if validation else None


def checked(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], classes: int, where: str) -> Examples:
    """Return images (n, rows, columns) and labels (n,) as examples, if they fit each other. Raises DataError."""
    if len(images) != len(labels):
        raise DataError(f"{where}: {len(images):,} images but {len(labels):,} labels")
    if len(labels) and labels.max() >= classes:
        raise DataError(f"{where}: expected labels from 0 to {classes - 1}, found {labels.max()}")
    rows, columns = images.shape[1:]
    return Examples(images.reshape(len(images), rows * columns), labels, (rows, columns))


def _holds(packed: bytes, file: RemoteFile) -> bool:
    """Return whether a file other than the published one holds the same content, packed otherwise or not at all."""
    if file.content_sha256 is None:
        return False
    if packed[:2] != GZIP:
        return hashlib.sha256(packed).hexdigest() == file.content_sha256
    try:
        content = idx.unpack(packed, 3 if "images" in file.name else 1, file.name)
    except DataError:
        return False
    return hashlib.sha256(content).hexdigest() == file.content_sha256


def _unpacked(packed: bytes, content_sha256: str, name: str) -> bytes | memoryview:
    """Return what a verified .gz file holds, from the cache of unpacked files or by unpacking it into there.

    Unpacking MNIST takes 0.3 s, reading and hashing it unpacked 0.06 s. The cache is as safe as the .gz: a file
    counts only if its content has the published hash. It is optional: where it cannot be written, nothing is.
    """
    path = cache_folder() / "unpacked" / content_sha256
    size = int.from_bytes(packed[-4:], "little")  # a gzip file ends with the size of what it holds
    with suppress(OSError):
        if path.stat().st_size == size:
            content = memoryview(bytearray(size))
            with path.open("rb") as stream:
                stream.readinto(content)
            if hashlib.sha256(content).hexdigest() == content_sha256:
                return content.toreadonly()
    unpacked = idx.unpack(packed, 3, name)
    if hashlib.sha256(unpacked).hexdigest() != content_sha256:
        raise DataError(f"{name}: unpacked, it is not the published file")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as out:
            out.write(unpacked)
    return unpacked
