"""How many trials an hour a sweep gets through with 1 and 2 workers, and what handing one over costs.

    python -m benchmarks.sweep

The ideal is what the workers could do if each trial took no longer than its training, measured in the worker. Both are
of the same minutes, so that other programs on the machine slow them alike; the best of several rounds counts.
"""

import argparse
import time

from mnistnet.config import loader as configs
from mnistnet.data import datasets
from mnistnet.data.registry import MNIST
from mnistnet.experiments.sweep import local
from mnistnet.experiments.sweep.trial import Job, key_of
from mnistnet.experiments.sweep.workers import scores

BASE = ("layer_sizes=[784, 64, 10]", "train_images=5000", "epochs=5", "threads=1")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    store = datasets.store(MNIST)
    store.ensure()
    folder = str(store.folder.parent.absolute())
    jobs = []
    for seed in range(options.trials):
        config = configs.load(None, [*BASE, f"seed={seed}"])
        hashes = store.hashes()
        jobs.append(Job(key_of(config, hashes), configs.to_mapping(config), MNIST.name, hashes, folder))
    print(f"{options.trials} trials, best of {options.rounds} rounds; each: {', '.join(BASE)}")
    for workers in (1, 2):
        lost, hourly, ideal = min(_round(jobs, workers) for _ in range(options.rounds))
        print(
            f"{workers} workers: {hourly:,.0f} trials an hour, {100 * hourly / ideal:.1f} % of the ideal {ideal:,.0f}; "
            f"{1000 * lost:.0f} ms a trial are not training, starting the workers included"
        )


def _round(jobs: list[Job], workers: int) -> tuple[float, float, float]:
    """Return seconds a trial that are not training, trials an hour, and how many those would be without them."""
    began = time.perf_counter()
    training = sum(score.seconds for score in scores(local.LocalWorkers(workers), jobs))
    wall = time.perf_counter() - began
    lost = (workers * wall - training) / len(jobs)
    return lost, 3600 * len(jobs) / wall, 3600 * len(jobs) * workers / training


if __name__ == "__main__":
    main()
