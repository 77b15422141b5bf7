"""What the promises cost in time: fsync at every checkpoint, a hash of every data file at every start.

    python -m tests.torture.cost DATA [FILE]

prints milliseconds, the best of several, as JSON, and adds them to a file of figures.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.data import registry


def best(work: Callable[[], object], times: int = 15) -> float:
    """Return the fewest milliseconds that work took."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return round(1000 * min(found), 2)


def main() -> None:
    """Measure and print."""
    loaded = checkpoint.load(pretrained.path("best"))
    files = [Path(sys.argv[1]) / "mnist" / file.name for file in registry.MNIST.files]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.npz"
        safe = best(lambda: checkpoint.save(path, loaded))
        with mock.patch.object(os, "fsync"):
            unsafe = best(lambda: checkpoint.save(path, loaded))
    hashes = best(lambda: [hashlib.sha256(file.read_bytes()).digest() for file in files])
    size = pretrained.path("best").stat().st_size
    cost = {"bytes": size, "save_ms": safe, "save_without_fsync_ms": unsafe, "hash_data_ms": hashes}
    print(json.dumps(cost))
    for name in sys.argv[2:]:
        figures = json.loads(Path(name).read_text(encoding="utf-8"))
        Path(name).write_text(json.dumps(figures | {"cost": cost}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
