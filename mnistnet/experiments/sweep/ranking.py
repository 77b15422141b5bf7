"""Which values were best, on the mean over seeds, and how much of the difference may be luck."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any

from mnistnet.experiments.sweep.journal import Entry


@dataclass(frozen=True)
class Standing:
    """One choice of values, with the validation accuracies of its trials over seeds; `diverged` counts those without.

    `seeds` are those of `accuracies`, best first.
    """

    values: dict[str, Any]
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    seconds: float
    diverged: int

    @property
    def mean(self) -> float | None:
        """Mean validation accuracy; None unless every trial has one: values that diverge for one seed are not best."""
        return sum(self.accuracies) / len(self.accuracies) if self.accuracies and not self.diverged else None


def rank(entries: Iterable[Entry]) -> list[Standing]:
    """Return each choice of values that has a result, the best mean first, those that diverged last."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.is_result:
            groups.setdefault(json.dumps(entry.values, sort_keys=True), []).append(entry)
    standings = [_standing(group) for group in groups.values()]
    return sorted(standings, key=lambda standing: -1 if standing.mean is None else standing.mean, reverse=True)


def spread(standings: Iterable[Standing]) -> float | None:
    """Return the standard deviation of accuracy over seeds, pooled over all values; None where each has one seed."""
    squares, freedom = 0.0, 0
    for standing in standings:
        if standing.mean is not None:
            squares += sum((accuracy - standing.mean) ** 2 for accuracy in standing.accuracies)
            freedom += len(standing.accuracies) - 1
    return sqrt(squares / freedom) if freedom else None


def _standing(group: list[Entry]) -> Standing:
    scored = [(entry.validation_accuracy, entry.seed) for entry in group if entry.validation_accuracy is not None]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    return Standing(
        values=group[0].values,
        seeds=tuple(seed for _, seed in scored),
        accuracies=tuple(accuracy for accuracy, _ in scored),
        seconds=sum(entry.seconds for entry in group) / len(group),
        diverged=sum(entry.outcome == "diverged" for entry in group),
    )
