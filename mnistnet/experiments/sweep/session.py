"""A sweep from its file to its best config: runs the missing trials and records each result at once."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mnistnet import __version__
from mnistnet.config import loader as configs
from mnistnet.data import own_data
from mnistnet.data.datasets import Store
from mnistnet.experiments.sweep import ranking
from mnistnet.experiments.sweep.journal import Entry, Journal, entry, refuse_present
from mnistnet.experiments.sweep.plan import Plan, Trial
from mnistnet.experiments.sweep.ranking import Standing
from mnistnet.experiments.sweep.trial import Job, key_of
from mnistnet.experiments.sweep.workers import Workers, scores
from mnistnet.util.locks import locked

StartWorkers = Callable[[Sequence[Job]], Workers]
"""Starts the workers for some jobs."""


@dataclass
class Session:
    """A running sweep. `trials` are the plan's by key; two with the same training count as one."""

    trials: dict[str, Trial]
    store: Store
    journal: Journal
    minutes: float | None
    data_dir: Path | None
    out_of_time: bool = field(default=False, init=False)

    @property
    def missing(self) -> list[str]:
        """The keys of trials without a result, in the plan's order."""
        known = self.journal.entries
        return [key for key in self.trials if key not in known or not known[key].is_result]

    @property
    def entries(self) -> list[Entry]:
        """The entries of the plan's trials, in the plan's order and with its values.

        The journal may have others: an earlier file may have varied other keys.
        """
        known = ((trial, self.journal.entries.get(key)) for key, trial in self.trials.items())
        return [msgspec.structs.replace(found, values=trial.values) for trial, found in known if found]

    def run(self, start_workers: StartWorkers) -> Generator[Entry, None, None]:
        """Run the missing trials; yield each entry once it is on disk.

        Raises SweepError.
        """
        jobs = [self._job(key) for key in self.missing]
        if not jobs:
            return
        until = None if self.minutes is None else time.monotonic() + 60 * self.minutes
        with closing(scores(start_workers(jobs), jobs, until)) as ended:
            for score in ended:
                one = entry(self.trials[score.key], score)
                self.journal.add(one)
                yield one
        self.out_of_time = until is not None and time.monotonic() >= until and bool(self.missing)

    def choose(self) -> tuple[list[Standing], Path | None]:
        """Rank the results, and write the best values' config, unless every choice lacks a result."""
        standings = ranking.rank(self.trials.values(), [self.journal.entries.get(key) for key in self.trials])
        if not standings or standings[0].mean is None:
            return standings, None
        best = standings[0]
        config = next(
            trial.config
            for trial in self.trials.values()
            if trial.values == best.values and trial.config.seed == best.seeds[0]
        )
        remark = (
            f"The best of {len(standings):,} choices of values: {100 * standings[0].mean:.2f} % of validation images, "
            f"mean over {len(best.accuracies)} seed{'s' * (len(best.accuracies) > 1)}.\n"
            "threads: 1 repeats the trial to the last digit; threads: auto is faster where the network is large."
        )
        if config.train_images != "all":
            remark += (
                f"\nThe trials learned from {config.train_images:,} training images only; with --set train_images=all "
                "it learns from all."
            )
        return standings, self.journal.choose(config, remark)

    def _job(self, key: str) -> Job:
        config = self.trials[key].config
        folder = None if self.data_dir is None else str(self.data_dir)
        dataset = config.dataset
        if own_data.is_path(dataset):
            dataset = str(Path(dataset).expanduser().absolute())
        return Job(key, configs.to_mapping(config), dataset, self.store.hashes(), folder, __version__)


@contextmanager
def open_session(
    plan: Plan,
    folder: Path,
    store: Store,
    *,
    data_dir: Path | None = None,
    minutes: float | None = None,
    resume: bool = False,
    force: bool = False,
) -> Iterator[Session]:
    """Open a sweep's folder. `data_dir` is where workers find the data; `minutes` overrides the plan's budget.

    Raises UsageError for a folder that holds a sweep already, RunError and SweepError where it cannot be used.
    """
    refuse_present(folder, resume or force)
    trials = {key_of(trial.config, store.hashes()): trial for trial in plan.trials}
    with locked(folder):
        journal = Journal(folder)
        journal.begin(resume=resume, force=force)
        yield Session(trials, store, journal, plan.budget_minutes if minutes is None else minutes, data_dir)
