"""A run's table, `metrics.csv`: a row an epoch, for people and spreadsheets.

Failing to write it must not cost a training: that is logged once, and made good as soon as writing works again.
"""

import csv
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from mnistnet.util.atomic_files import atomic_write, open_regular, reason

log = logging.getLogger(__name__)

Row = dict[str, Any]


class MetricsCsv:
    """A CSV file that starts anew with `start` and grows with `add`."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path, self._columns = path, tuple(columns)
        self._text = b""
        self._told = False

    def start(self, rows: Sequence[Row] = ()) -> None:
        """Let the table hold these rows and no others; each takes its epoch's seconds from an older table."""
        seconds: dict[str, str] = {}
        with suppress(OSError, csv.Error, UnicodeDecodeError), open_regular(self._path) as stream:
            for row in csv.DictReader(stream.read().decode().splitlines()):
                seconds[row.get("epoch") or ""] = row.get("seconds") or ""
        header = dict(zip(self._columns, self._columns, strict=True))
        old = [row | {"seconds": seconds.get(str(row["epoch"]), "")} for row in rows]
        self._text = b"".join(map(self._line, [header, *old]))
        self._write(len(self._text))

    def add(self, row: Row) -> None:
        """Add a row at the end."""
        line = self._line(row)
        self._text += line
        self._write(len(line))

    def _write(self, new: int) -> None:
        """Bring the last `new` bytes to disk, or all where the file is not what was written before."""
        try:
            there = self._path.lstat().st_size if self._path.exists() else 0
            if 0 < there == len(self._text) - new:
                with open_regular(self._path, os.O_RDWR | os.O_APPEND) as stream:
                    stream.write(self._text[-new:])
            else:
                with atomic_write(self._path) as stream:
                    stream.write(self._text)
        except OSError as error:
            if not self._told:
                log.warning("%s: cannot be written: %s; training goes on", self._path, reason(error))
            self._told = True

    def _line(self, row: Row) -> bytes:
        text = StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerow(row)
        return text.getvalue().encode()
