"""A long training, watched: prints what it holds at epoch 20 and at its end.

    python -m tests.torture.endless EPOCHS FOLDER DATA

It is the training that `mnistnet train` makes, in the same process: resident memory and open files are this process's
own, the seconds of an epoch (with the writing of its files) are of the processor, which others do not disturb.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

from mnistnet.config import loader as config
from mnistnet.data import datasets, registry
from mnistnet.training import run as runs


def held() -> tuple[float, int]:
    """Return the resident memory in megabytes, and how many files are open."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def main() -> None:
    """Train, and print one JSON line."""
    epochs, folder, data = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    small = ["train_images=2000", "validation=500", "layer_sizes=[784, 16, 10]", f"epochs={epochs}", "batch_size=100"]
    store = datasets.store(registry.MNIST, data)
    seconds: list[float] = []
    holdings: list[tuple[float, int]] = []
    with runs.open_run(folder, config.load(None, small), store) as run:
        last = time.process_time()
        for result in run.epochs():
            now = time.process_time()
            seconds.append(now - last)
            if result.metrics.epoch in {20, epochs}:
                holdings.append(held())
            last = time.process_time()
        early, late = holdings[0], holdings[-1]
        tenth = max(1, (len(seconds) - 20) // 10)
        print(
            json.dumps(
                {
                    "epochs": epochs,
                    "megabytes_at_20": round(early[0], 1),
                    "megabytes_at_end": round(late[0], 1),
                    "files_at_20": early[1],
                    "files_at_end": late[1],
                    "ms_an_epoch_at_20": round(1000 * statistics.median(seconds[20 : 20 + tenth]), 2),
                    "ms_an_epoch_at_end": round(1000 * statistics.median(seconds[-tenth:]), 2),
                }
            )
        )


if __name__ == "__main__":
    main()
