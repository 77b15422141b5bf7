"""Ranks choices of values by their mean over seeds, with the spread over seeds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from mnistnet.experiments.sweep.journal import Entry
from mnistnet.experiments.sweep.plan import Trial


@dataclass(frozen=True)
class Standing:
    """One choice of values, with the validation accuracies of its trials over seeds.

    `seeds` are those of `accuracies`, best first. `diverged` counts the seeds that diverged, `missing` those without a
    result.
    """

    values: dict[str, Any]
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    seconds: float
    diverged: int
    missing: int = 0

    @property
    def mean(self) -> float | None:
        """Mean validation accuracy over all seeds; None unless each has one.

        Values that diverge or lack a result for a seed cannot be best.
        """
        return sum(self.accuracies) / len(self.accuracies) if self.accuracies and not self._incomplete else None

    @property
    def _incomplete(self) -> int:
        return self.diverged + self.missing


def rank(trials: Iterable[Trial], results: Sequence[Entry | None]) -> list[Standing]:
    """Return each choice of values that has a result, the best mean first, those without one last.

    `results` are the trials' entries, in their order; None, or an entry that is no result, for a trial without one.
    """
    groups: dict[str, list[tuple[Trial, Entry | None]]] = {}
    for trial, entry in zip(trials, results, strict=True):
        result = entry if entry and entry.is_result else None
        groups.setdefault(json.dumps(trial.values, sort_keys=True), []).append((trial, result))
    standings = [_standing(group) for group in groups.values() if any(entry for _, entry in group)]
    return sorted(standings, key=lambda standing: -1 if standing.mean is None else standing.mean, reverse=True)


def spread(standings: Iterable[Standing]) -> float | None:
    """Return the standard deviation of accuracy over seeds, pooled over all values; None where each has one seed."""
    squares, freedom = 0.0, 0
    for standing in standings:
        if standing.mean is not None:
            squares += sum((accuracy - standing.mean) ** 2 for accuracy in standing.accuracies)
            freedom += len(standing.accuracies) - 1
    return sqrt(squares / freedom) if freedom else None


def _standing(group: list[tuple[Trial, Entry | None]]) -> Standing:
    entries = [entry for _, entry in group if entry]
    scored = [(entry.validation_accuracy, entry.seed) for entry in entries if entry.validation_accuracy is not None]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    return Standing(
        values=group[0][0].values,
        seeds=tuple(seed for _, seed in scored),
        accuracies=tuple(accuracy for accuracy, _ in scored),
        seconds=sum(entry.seconds for entry in entries) / len(entries),
        diverged=sum(entry.outcome == "diverged" for entry in entries),
        missing=len(group) - len(entries),
    )
