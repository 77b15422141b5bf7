"""Promise 1: stop a training anywhere, resume it, and the files at its end are those of a run that nothing stopped."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.torture import real
from tests.torture.counts import counts
from tests.torture.tally import Tally
from tests.training.test_resume import contents

COMMON = {"train_images": 600, "validation": 200, "layer_sizes": "[784, 24, 10]", "batch_size": 30, "epochs": 12}
CONFIGS: dict[str, dict[str, object]] = {
    "momentum": {"optimizer": "momentum", "schedule": "cosine", "weight_decay": 0.01},
    "adam, one_cycle, averaging": {
        "optimizer": "adam",
        "schedule": "one_cycle",
        "weight_averaging": 0.99,
        "learning_rate": 0.005,
    },
    "augmentation, dropout": {"augment": "default", "dropout": 0.2, "epochs": 6},
    "early stopping": {"early_stopping": "{patience: 2}", "learning_rate": 0.2, "schedule": "constant", "epochs": 40},
    "everything, two threads": {
        "augment": "simard2003",
        "dropout": 0.1,
        "optimizer": "adam",
        "weight_averaging": 0.9,
        "label_smoothing": 0.1,
        "early_stopping": "{patience: 4}",
        "threads": 2,
        "epochs": 5,
    },
}
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
CALLS = 150  # a killed call is one of the first so many that change files: all of the first six epochs


@dataclass
class Whole:
    """A run that nothing stopped: its files, and the seconds it took from start to end."""

    name: str
    files: dict[str, bytes]
    seconds: float

    def options(self) -> list[str]:
        return real.settings(**(COMMON | CONFIGS[self.name]))


def whole(name: str, folder: Path, data: Path) -> Whole:
    began = time.monotonic()
    real.run(real.train(folder, data, *Whole(name, {}, 0).options()))
    return Whole(name, contents(folder), time.monotonic() - began)


def stop(run: Whole, folder: Path, data: Path, number: int) -> str | None:
    """Stop one training at a moment chosen by `number`; return where it was hit, or None where it had ended before.

    A third of the stops is a SIGKILL in a call that changes a file, the others are signals at any time.
    """
    source = random.Random(number)
    words = ["--out", str(folder), "--data-dir", str(data), *run.options(), "--resume"]
    if number % 3 == 0:
        call = str(source.randint(1, CALLS))
        command = [sys.executable, "-m", "tests.torture.faults", "crash", call, "train", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        return "in a write" if done.returncode == -signal.SIGKILL else None
    # As users have it: a signal inside Python's own import leaves a file to be closed later, which Python warns of.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    with real.started(real.mnistnet("train", *words), env=env) as process:
        time.sleep(source.uniform(0, run.seconds))
        fresh = not (folder / "last.npz").exists()
        how = source.choice(list(SIGNALS))
        process.send_signal(how)
        _, error = process.communicate(timeout=60)
    if process.returncode == 0:
        return None
    # Before Python has installed its own answer to it, SIGTERM and SIGINT end a process as they end any other.
    assert process.returncode in (SIGNALS[how], -how), error
    assert process.returncode == -how or "Traceback" not in error
    return "before the first epoch was safe" if fresh else "later"


def survives(run: Whole, folder: Path, data: Path, number: int) -> tuple[list[str], bool]:
    """Stop a training up to three times and resume it; return where it was hit, and whether its end is equal."""
    hits = [stop(run, folder, data, 3 * number + i) for i in range(3)]
    done = real.run(real.train(folder, data, *run.options(), "--resume"), code=None)
    strays = list(folder.glob(".*.tmp"))
    return [hit for hit in hits if hit], done.returncode == 0 and contents(folder) == run.files and not strays


@counts(5, 100)
def test_a_training_stopped_anywhere_ends_in_the_same_bytes(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    names = list(CONFIGS) if count > 10 else ["adam, one_cycle, averaging", "everything, two threads"]
    wholes = [whole(name, tmp_path / f"whole {i}", mnist_dir) for i, name in enumerate(names)]
    places: Counter[str] = Counter()
    lost = 0
    with ThreadPoolExecutor(2) as pool:
        for first in range(0, 10 * count, 4):
            numbers = range(first, first + (2 if count < 10 else 4))
            for hits, equal in pool.map(
                lambda n: survives(wholes[n % len(wholes)], tmp_path / str(n), mnist_dir, n), numbers
            ):
                places.update(hits)
                lost += not equal
            if places.total() >= count:
                break
    where = ", ".join(f"{number} {place}" for place, number in sorted(places.items()))
    tally.add(1, "kill -9, SIGTERM or SIGINT", places.total(), lost, configs=len(names), where=where)
    assert not lost
    assert places.total() >= count
