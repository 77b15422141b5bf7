"""Times epochs of the same training in mnistnet and its peers, and proves that it is the same training.

    pip install -e '.[bench]'
    python -m benchmarks.bench                                  # everything, into benchmarks/results.json
    python -m benchmarks.bench --workloads video,wide --peers pytorch,jax

Proof: after 20 steps in float64 a peer's weights agree with ours to 1e-9 relative, and after the first epoch in
float32 the costs agree within 1 %. Timing: each peer lives in a process of its own, one of which works at a time, and
their epochs alternate, so that a slow moment of the machine meets all. An epoch during which other programs were at
work is repeated. The first epoch, in which a peer may compile, is counted apart. `ratio` is the peer's median over
ours in the same run. Peers with enough epochs have also done a whole training: their first TRAINING epochs, compiling
included.

The file keeps what was measured on other machines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from benchmarks.machine import about, sentence, title
from benchmarks.peers import PEERS, missing_module, why_not
from benchmarks.quiet import CALM, wait_for_calm
from benchmarks.workers import Epoch, Worker, alone, weights_after
from benchmarks.workloads import WORKLOADS, Workload
from mnistnet.util.arrays import Array
from mnistnet.util.system import processors

RESULTS = Path(__file__).resolve().parent / "results.json"
OURS = "mnistnet"
EPOCHS = {"video": 15, "video-10": 9, "classic": 11, "wide": 11, "deep": 5}
TRAINING = 12  # epochs of a whole training, the first included
TEXTBOOK_EPOCHS = 2  # it takes as long as all others together
STEPS = 20
WEIGHTS_AGREE, COSTS_AGREE = 1e-9, 0.01
TRIES = 3  # times as many epochs as are to count, at most, where other programs disturb them
REST = 0.3  # seconds before each epoch: idle threads of a matrix library look busily for work for a while

Row = dict[str, Any]


@dataclass
class Measured:
    """The epochs of one peer, the first one included, and how many of the others are to count."""

    wanted: int
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Return whether enough epochs were left alone by other programs, or it has been tried often enough."""
        calm = sum(epoch.others <= CALM for epoch in self.epochs[1:])
        return calm >= self.wanted or len(self.epochs) > TRIES * self.wanted

    @property
    def counted(self) -> list[Epoch]:
        """Return the epochs that count: the first that were left alone, and where those are too few, the calmest."""
        return sorted(self.epochs[1:], key=lambda epoch: max(epoch.others, CALM))[: self.wanted]

    @property
    def median(self) -> float:
        """Return the median of the epochs that count, in seconds."""
        return median(epoch.seconds for epoch in self.counted)

    @property
    def training(self) -> float | None:
        """Return the seconds of the first TRAINING epochs, None where there were fewer."""
        return sum(epoch.seconds for epoch in self.epochs[:TRAINING]) if len(self.epochs) >= TRAINING else None


@click.command()
@click.option("--workloads", default=",".join(WORKLOADS), help="Names, with commas between them; by default all.")
@click.option("--peers", default=",".join(PEERS), help="Names likewise; mnistnet always takes part.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs that count, instead of each workload's own number.")
@click.option("--images", type=click.IntRange(1, 60_000), default=60_000, help="Train on the first so many.")
@click.option("--patience", default=30.0, help="Seconds to wait before an epoch while other programs compute.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="File to write.")
def main(workloads: str, peers: str, epochs: int | None, images: int, patience: float, results: Path) -> None:
    """Measure, and replace what was measured before on the same machine."""
    chosen = [OURS, *(peer for peer in _names(peers, PEERS) if peer != OURS)]
    names = _names(workloads, WORKLOADS)
    for peer in chosen:
        if module := missing_module(peer):
            raise click.ClickException(f"{peer} needs {module}, which is not installed: pip install -e '.[bench]'")
    found, environment = True, about(images)
    click.echo(sentence(environment), err=True)
    for name in names:
        workload = WORKLOADS[name]
        absent = [Row(workload=name, peer=p, why=why) for p in chosen if (why := why_not(p, workload))]
        rows = run(workload, [p for p in chosen if not why_not(p, workload)], epochs, images, patience)
        _write(results, environment, rows, absent)
        for row in rows:
            click.echo(f"{name:9} {row['peer']:17} {row['median_s']:8.3f} s  ratio {row['ratio']:6.2f}  {row['valid']}")
            found = found and row["valid"]
    if not found:
        raise click.ClickException("a peer did other work than ours: see the rows that say `valid: false`")


def run(workload: Workload, peers: list[str], epochs: int | None, images: int, patience: float) -> list[Row]:
    """Return the rows of one workload, ours first."""
    differences = _differences(workload, peers)
    wanted = dict.fromkeys(peers, EPOCHS[workload.name]) | {"textbook": TEXTBOOK_EPOCHS}
    measured = {peer: Measured(epochs or wanted[peer]) for peer in peers}
    products: dict[int, list[float]] = {threads: [] for threads in {1, processors()}}
    with ExitStack() as stack:
        workers = {p: stack.enter_context(closing(Worker(p, workload.name, images, processors()))) for p in peers}
        while waiting := [peer for peer in peers if not measured[peer].done]:
            for peer in waiting:
                wait_for_calm(patience, REST)
                epoch = workers[peer].epoch(len(measured[peer].epochs) + 1)
                measured[peer].epochs.append(epoch)
                click.echo(f"{workload.name} {peer}: {epoch.seconds:.3f} s, others {epoch.others:.2f} cores", err=True)
            # After our second epoch, so that these products' arrays are not in our peak of memory.
            for threads in products if OURS in waiting and len(measured[OURS].epochs) > 1 else ():
                wait_for_calm(patience, REST)
                products[threads].append(workers[OURS].products(threads))
    rows = [_row(workload, peer, measured[peer], measured[OURS], images, differences[peer]) for peer in peers]
    bare = min(median(seconds) for seconds in products.values())
    rows[0] |= {"bare_s": round(bare, 4), "bare_share": round(bare / measured[OURS].median, 3)}
    return rows


def _differences(workload: Workload, peers: list[str]) -> dict[str, float]:
    """Return how far each peer's weights are from ours after the same steps in float64."""
    weights: dict[str, list[Array]] = {}
    for peer in peers:
        click.echo(f"{workload.name}: {STEPS} steps in float64 of {peer}", err=True)
        weights[peer] = alone(weights_after, peer, workload.name, STEPS, processors())
    return {peer: difference(weights[OURS], theirs) for peer, theirs in weights.items()}


def difference(ours: list[Array], theirs: list[Array]) -> float:
    """Return the largest difference in any array, relative to the largest number in that array."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(ours, theirs, strict=True))


def _row(workload: Workload, peer: str, theirs: Measured, ours: Measured, images: int, difference: float) -> Row:
    times, middle, first = [epoch.seconds for epoch in theirs.counted], theirs.median, theirs.epochs[0]
    same_cost = abs(first.cost / ours.epochs[0].cost - 1) <= COSTS_AGREE
    whole = {}
    if theirs.training and ours.training:
        whole = {
            "training_s": round(theirs.training, 3),
            "training_ratio": round(theirs.training / ours.training, 3),
            "training_disturbed": sum(epoch.others > CALM for epoch in theirs.epochs[:TRAINING]),
        }
    return {
        "workload": workload.name,
        "peer": peer,
        "best_s": round(min(times), 4),
        "median_s": round(middle, 4),
        "worst_s": round(max(times), 4),
        "epochs": len(times),
        "disturbed": sum(epoch.others > CALM for epoch in theirs.counted),
        "ratio": round(middle / ours.median, 3),
        "first_epoch_s": round(first.seconds, 4),
        **whole,
        "samples_per_s": round(images / middle),
        "gflops": round(workload.operations * images / middle / 1e9, 2),
        "peak_mb": round(theirs.epochs[1].peak_mb),
        "float64_difference": difference,
        "first_epoch_cost": round(first.cost, 5),
        "valid": bool(same_cost and difference <= WEIGHTS_AGREE),
    }


def merged(old: dict[str, Any], environment: Row, rows: list[Row], absent: list[Row]) -> dict[str, Any]:
    """Return the results with these rows, this machine's first.

    Other machines' rows stay as they are; of this one's, those that are comparable, in the order of WORKLOADS.
    """
    new = {(row["workload"], row["peer"]) for row in [*rows, *absent]}
    machines = old.get("machines", [])
    kept: dict[str, Any] = next((machine for machine in machines if machine["about"] == environment), {})
    together = {
        "rows": [*(r for r in kept.get("rows", []) if (r["workload"], r["peer"]) not in new), *rows],
        "absent": [*(r for r in kept.get("absent", []) if (r["workload"], r["peer"]) not in new), *absent],
    }
    workloads, peers = list(WORKLOADS), list(PEERS)
    for found in together.values():
        found.sort(key=lambda row: (workloads.index(row["workload"]), peers.index(row["peer"])))
    others = [machine for machine in machines if title(machine["about"]) != title(environment)]
    return {"machines": [{"about": environment, **together}, *others]}


def _write(path: Path, environment: Row, rows: list[Row], absent: list[Row]) -> None:
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    text = json.dumps(merged(old, environment, rows, absent), indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def _names(text: str, known: Iterable[str]) -> list[str]:
    """Return the names in a list with commas. Raises UsageError for one that is not known."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise click.UsageError(f"expected some of {', '.join(known)}; found {name!r}")
    return names


if __name__ == "__main__":
    main()
