"""Counts what was tried and what was lost, promise by promise, and keeps the figures for docs/reliability.md."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROMISES = {
    1: "stop anywhere, continue exactly",
    2: "a failed or cut-off write leaves the old file or the new one",
    3: "files from others cannot run code, exhaust memory or be misread",
    4: "a download is what was published",
    5: "two trainings cannot share a folder",
    6: "numbers stay finite",
    7: "the page withstands hostile requests",
    8: "memory and open files do not grow",
    9: "it works in unusual surroundings",
}


@dataclass
class Row:
    """One kind of trial of a promise: how many were tried, how many did not end as promised, and other figures."""

    promise: int
    what: str
    tried: int
    lost: int
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tally:
    """The rows of one session of tests."""

    rows: list[Row] = field(default_factory=list)

    def add(self, promise: int, what: str, tried: int, lost: int, **figures: Any) -> None:
        """Note a kind of trial; call it before asserting, so that what is lost is counted too."""
        self.rows.append(Row(promise, what, tried, lost, figures))

    def lines(self) -> list[str]:
        """Return a line a promise: tried, survived, lost."""
        found = []
        for promise, title in PROMISES.items():
            rows = [row for row in self.rows if row.promise == promise]
            if rows:
                tried, lost = sum(row.tried for row in rows), sum(row.lost for row in rows)
                found.append(f"{promise}. {title}: tried {tried:,}, survived {tried - lost:,}, lost {lost:,}")
        return found

    def write(self, path: Path, about: dict[str, Any]) -> None:
        """Keep all figures as JSON; what another machine could not try is simply not there."""
        rows = [
            {"promise": row.promise, "what": row.what, "tried": row.tried, "lost": row.lost, **row.figures}
            for row in sorted(self.rows, key=lambda row: (row.promise, row.what))
        ]
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
