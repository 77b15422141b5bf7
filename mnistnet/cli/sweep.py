"""`mnistnet sweep`: train a set of configs and rank them."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet.cli import TerminatedError
from mnistnet.cli.options import PATH, bar, data_options, json_option, open_store
from mnistnet.cli.terminal import command_line, echo, echo_json
from mnistnet.util.number_format import per_cent
from mnistnet.util.printable import without_password

if TYPE_CHECKING:
    from mnistnet.experiments.sweep.journal import Entry
    from mnistnet.experiments.sweep.ranking import Standing
    from mnistnet.experiments.sweep.session import Session, StartWorkers

ROWS = 10  # of the table of the best


@click.command(
    name="sweep",
    epilog="""\b
Examples:
  mnistnet sweep configs/sweep.yaml --jobs 2
  mnistnet sweep configs/sweep.yaml --resume
  mnistnet sweep configs/sweep.yaml --scheduler tcp://192.168.0.10:8786 --out sweeps/many""",
)
@click.argument("path", metavar="SWEEP", type=PATH)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Run N trials at a time on this machine [default: one for each processor].",
)
@click.option("--scheduler", metavar="ADDRESS", help="Run them on the Dask cluster of this scheduler instead.")
@click.option("--tls-ca-file", type=PATH, metavar="FILE", help="For tls:// addresses: certificate authority, as PEM.")
@click.option("--tls-cert", type=PATH, metavar="FILE", help="For tls:// addresses: this client's certificate, as PEM.")
@click.option("--tls-key", type=PATH, metavar="FILE", help="For tls:// addresses: this client's private key, as PEM.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="M", help="Override budget_minutes.")
@click.option("--out", type=PATH, metavar="FOLDER", help="Folder of the sweep [default: sweeps/NAME].")
@click.option("--resume", is_flag=True, help="Run only the trials that have no result yet in that folder.")
@click.option("--force", is_flag=True, help="Start over in a folder that holds a sweep; its results are lost.")
@data_options
@click.option("--quiet", is_flag=True, help="Print only the result, no line for each trial.")
@json_option
def command(
    path: Path,
    jobs: int | None,
    scheduler: str | None,
    tls_ca_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    minutes: float | None,
    out: Path | None,
    resume: bool,
    force: bool,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Train every config that the file SWEEP asks for, and rank them by validation accuracy.

    Writes a line for each trial into sweeps/NAME/sweep.jsonl as soon as it ends, and at the end best.yaml, for
    `mnistnet train --config`. You can stop it at any time; --resume runs the missing trials. The test images are not
    read.
    """
    for given, other, why in (
        (resume and force, "--resume and --force", "the one continues a sweep and the other starts it over"),
        (scheduler and jobs, "--scheduler and --jobs", "a cluster has workers of its own"),
    ):
        if given:
            raise click.UsageError(f"{other}: {why}; choose one")
    tls = (tls_ca_file, tls_cert, tls_key)
    if any(tls) and not (scheduler or "").startswith("tls://"):
        raise click.UsageError("--tls-...: expected --scheduler tls://HOST:PORT beside it")
    from mnistnet.experiments.sweep import cluster, plan
    from mnistnet.experiments.sweep.session import open_session

    sweep = plan.load(path)
    if scheduler is not None:
        cluster.require()
    folder = out or Path("sweeps") / path.stem
    store = open_store(sweep.dataset, data_dir, mirrors, sweep.read_as)
    store.warn()
    # Other machines have the data in folders of their own, unless a shared one was named.
    where = None if scheduler and data_dir is None else store.folder.parent.absolute()
    began = time.perf_counter()
    with open_session(sweep, folder, store, data_dir=where, minutes=minutes, resume=resume, force=force) as session:
        known = len(session.trials) - len(session.missing)
        echo(f"{path}: {_trials(len(session.trials))}" + f", {known:,} of them done before" * bool(known), err=True)
        try:
            if session.missing:
                if scheduler is None:
                    store.ensure()
                with _workers(scheduler, tls, jobs) as start_workers, closing(session.run(start_workers)) as entries:
                    _run(session, entries, quiet, as_json)
            _print_end(session, path, time.perf_counter() - began, as_json)
        except (KeyboardInterrupt, TerminatedError):
            done = f"{len(session.trials) - len(session.missing):,} of {_trials(len(session.trials))}"
            again = _resume_command(click.get_current_context())
            echo("", f"stopped: {done} are safe in {folder}; continue with", f"  {again}", err=True)
            raise
        _raise_failures(session)


@contextmanager
def _workers(
    scheduler: str | None, tls: tuple[Path | None, Path | None, Path | None], jobs: int | None
) -> "Iterator[StartWorkers]":
    from mnistnet.experiments.sweep import cluster, local
    from mnistnet.util.system import processors

    if scheduler is None:
        count = jobs or processors()
        yield lambda waiting: local.LocalWorkers(min(count, len(waiting)))
    else:
        with cluster.cluster_at(scheduler, tls) as client:
            yield lambda waiting: cluster.ClusterWorkers(client, waiting[0])


def _run(session: "Session", entries: "Iterator[Entry]", quiet: bool, as_json: bool) -> None:
    total, done = len(session.trials), len(session.trials) - len(session.missing)
    progress = bar(total, "trials", "")
    progress.update(done)
    try:
        for entry in entries:
            done += 1
            progress.clear()
            if as_json:
                echo_json(entry.as_json())
            elif not quiet:
                echo(f"trial {done:>{len(str(total))}}/{total}  {_as_line(entry)}")
            progress.update(1)
    finally:
        progress.close()
    if session.out_of_time:
        echo(f"the budget is used up; --resume runs the {_trials(len(session.missing))} left", err=True)


def _as_line(entry: "Entry") -> str:
    if entry.validation_accuracy is not None:
        how = f"val {per_cent(entry.validation_accuracy, 2):>8}"
    else:
        how = f"{entry.outcome:>12}"
    values = "  ".join(f"{key} {_short(value)}" for key, value in entry.values.items())
    line = f"{how}  {entry.seconds:6.2f} s  seed {entry.seed}  {values}"
    return line if entry.is_result else f"{line}: {entry.error}"


def _short(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _trials(number: int) -> str:
    return f"{number:,} trial{'s' * (number != 1)}"


def _print_end(session: "Session", path: Path, seconds: float, as_json: bool) -> None:
    from mnistnet.experiments.sweep.ranking import spread

    standings, best = session.choose()
    outcomes = [entry.outcome for entry in session.entries]
    if as_json:
        line = {
            "trials": len(session.trials),
            **{outcome: outcomes.count(outcome) for outcome in ("done", "diverged", "failed", "killed")},
            "missing": len(session.missing),
            "spread": spread(standings),
            "seconds": round(seconds, 3),
            "best_config": None if best is None else str(best),
            "ranking": [
                {
                    "values": one.values,
                    "validation_accuracy": one.mean,
                    "accuracies": one.accuracies,
                    "seeds": one.seeds,
                    "missing": one.missing,
                }
                for one in standings
            ],
        }
        echo_json(line)
        return
    if standings:
        _print_table(standings)
    if (deviation := spread(standings)) is not None:
        echo(f"seeds alone make a difference of {100 * deviation:.2f} points (standard deviation)")
    counts = ", ".join(f"{outcomes.count(word):,} {word}" for word in dict.fromkeys(outcomes))
    echo(f"{path}: {_trials(len(session.trials))}: {counts or 'none ended'}, in {seconds:.1f} s")
    if best is None and session.missing:
        echo("no choice of values has a result for each of its seeds, so there is no best yet; --resume goes on")
    elif best is not None:
        echo(f"next: {command_line('train', '--config', best, '--out', 'runs/best-of-sweep')}")


def _print_table(standings: "list[Standing]") -> None:
    """Print the best choices of values, with the range over seeds."""
    keys = list(standings[0].values)
    rows = [["validation", "seeds", "s a trial", *keys]]
    for one in standings[:ROWS]:
        mean = per_cent(one.mean, 2) if one.mean is not None else "diverged" if one.diverged else "incomplete"
        if one.mean is not None and len(one.accuracies) > 1:
            mean += f" ({100 * one.accuracies[-1]:.2f} to {100 * one.accuracies[0]:.2f})"
        done = len(one.accuracies) + one.diverged
        number = f"{done} of {done + one.missing}" if one.missing else str(done)
        rows.append([mean, number, f"{one.seconds:.2f}", *(_short(one.values[key]) for key in keys)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    echo()
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(standings) > ROWS:
        echo(f"and {len(standings) - ROWS:,} more")
    echo()


def _raise_failures(session: "Session") -> None:
    """Raise SweepError where a trial failed or was killed."""
    from mnistnet.errors import SweepError

    failed = [entry for entry in session.entries if not entry.is_result]
    if failed:
        values = ", ".join(f"{key}={_short(value)}" for key, value in failed[0].values.items())
        raise SweepError(
            f"{len(failed):,} of {_trials(len(session.trials))} have no result, first {values} with seed "
            f"{failed[0].seed} ({failed[0].error}); --resume tries them again"
        )


def _resume_command(context: click.Context) -> str:
    """Return the command that resumes this sweep with its own options; a mirror's password is left out."""
    words = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        option = parameter.opts[-1]
        if not value or option in ("--force", "--resume", "--help"):
            continue
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words.append(option)
        else:
            for one in value if parameter.multiple else [value]:
                words += [option, str(one)] if without_password(str(one)) == str(one) else []
    return command_line("sweep", *words, "--resume")
