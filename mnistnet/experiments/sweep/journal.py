"""A sweep's folder: `sweep.jsonl` with a line for each finished trial, and `best.yaml`.

Each line is synced to disk before the next is written. A crash can damage only the last one; `--resume` cuts it off and
runs its trial again.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from mnistnet import __version__
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.errors import SweepError, UsageError
from mnistnet.experiments.sweep.plan import Trial
from mnistnet.experiments.sweep.trial import Score
from mnistnet.util.atomic_files import atomic_write, open_regular, reason, remove_temporaries, replace_file

log = logging.getLogger(__name__)

JOURNAL, BEST = "sweep.jsonl", "best.yaml"


class Entry(Struct, frozen=True, kw_only=True):
    """A line of the journal: which trial (`values` of the keys that vary, `seed`) and how it ended, as in `Score`."""

    key: str
    values: dict[str, Any]
    seed: int
    outcome: Literal["done", "diverged", "failed", "killed"]
    validation_accuracy: float | None
    validation_loss: float | None
    best_epoch: int | None
    seconds: float
    worker: str
    error: str | None
    mnistnet: str

    @property
    def is_result(self) -> bool:
        """Whether it is a result for the trial's config. `--resume` tries the others again."""
        return self.outcome in ("done", "diverged")

    def as_json(self) -> dict[str, Any]:
        """Return the line's keys and values."""
        return msgspec.structs.asdict(self)


def entry(trial: Trial, score: Score) -> Entry:
    """Return a trial's line for the journal."""
    kept = msgspec.structs.asdict(score)
    return Entry(values=trial.values, seed=trial.config.seed, mnistnet=__version__, **kept)


class Journal:
    """A sweep's folder, which the caller has locked. `entries` holds the last line of each trial."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / JOURNAL
        self.entries: dict[str, Entry] = {}

    def begin(self, *, resume: bool, force: bool) -> None:
        """Start a new journal, or continue the one that is there. Raises UsageError and SweepError."""
        refuse_present(self.folder, resume or force)
        try:
            if force:
                for name in (JOURNAL, BEST):
                    (self.folder / name).unlink(missing_ok=True)
            if not self._path.exists():
                with atomic_write(self._path):
                    pass
            for name in (JOURNAL, BEST):
                remove_temporaries(self.folder, name)
            with open_regular(self._path, os.O_RDWR) as stream:
                content = stream.read()
                whole = content[: content.rfind(b"\n") + 1]
                if len(whole) < len(content):
                    log.warning(
                        "%s: its last line is incomplete, after a crash or a full disk; it is cut off", self._path
                    )
                    stream.truncate(len(whole))
        except OSError as error:
            raise SweepError(f"{self._path}: cannot be used: {reason(error)}; choose another with --out") from None
        self.entries = parse(whole, str(self._path))

    def add(self, entry: Entry) -> None:
        """Write a line and sync it to disk. Raises SweepError."""
        line = msgspec.json.encode(entry) + b"\n"
        try:
            with open_regular(self._path, os.O_RDWR | os.O_APPEND) as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise SweepError(
                f"{self._path}: cannot be written: {reason(error)}; its entries are safe: continue with --resume"
            ) from None
        self.entries[entry.key] = entry

    def choose(self, config: Config, remark: str) -> Path:
        """Write the best config, with a remark above it, and return its file. Raises SweepError."""
        path = self.folder / BEST
        text = "".join(f"# {line}\n" for line in remark.splitlines()) + "\n" + configs.to_yaml(config)
        replace_file(path, text.encode(), SweepError)
        return path


def refuse_present(folder: Path, allowed: bool) -> None:
    """Raise UsageError where the folder holds a sweep, unless that is allowed."""
    path = folder / JOURNAL
    if not allowed and path.exists() and path.stat().st_size:
        raise UsageError(
            f"{folder} already holds a sweep ({JOURNAL}): continue it with --resume, start over with --force, "
            "or choose another folder with --out"
        )


def read(path: Path) -> dict[str, Entry]:
    """Return the entries of a sweep's folder, or of its journal itself, by key. Raises SweepError."""
    with suppress(OSError):
        path = path / JOURNAL if path.is_dir() else path
    try:
        with open_regular(path.resolve()) as stream:
            content = stream.read()
    except OSError as error:
        raise SweepError(f"{path}: cannot be read: {reason(error)}; expected the folder of a sweep") from None
    return parse(content[: content.rfind(b"\n") + 1], str(path))


def parse(content: bytes, source: str) -> dict[str, Entry]:
    """Return a journal's entries by key; of two with the same key the later one counts.

    A line that is not an entry is left out, with a warning: its trial is then missing, and can be run again.
    """
    entries: dict[str, Entry] = {}
    for number, line in enumerate(content.splitlines(), 1):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("%s:%d: not a trial's entry (%s); it is ignored", source, number, str(error)[:100])
        else:
            entries[entry.key] = entry
    return entries
