"""Times an epoch of the same training in mnistnet and PyTorch, in turn, in one process, and proves it is the same.

    pip install -e '.[bench]'
    python -m benchmarks.bench                     # writes benchmarks/results.json and the table in docs/benchmarks.md

Proof: after 20 steps in float64 the weights of both agree to 1e-9 relative, and after the first timed epoch in float32
their costs agree within 1 %. Timing: after one epoch that is not counted, epochs of both alternate, so that a slow
moment of the machine meets both; `ratio` is the peer's median over ours.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import WORKLOADS, Mnistnet, Torch, Workload
from benchmarks.report import RESULTS, write_table
from mnistnet import __version__, datasets, registry, training
from mnistnet.datasets import Examples
from mnistnet.functions import Array
from mnistnet.network import Network
from mnistnet.optimizers import OPTIMIZERS
from mnistnet.randomness import Use, generator

SEED = 0
EPOCHS = {"video": 9, "wide": 5}
STEPS = 20


def main() -> None:
    """Run the workloads named on the command line (all by default) and write results and table."""
    import torch

    threads = training.blas_description()[1] or os.cpu_count() or 1
    torch.set_num_threads(threads)
    examples = datasets.store(registry.MNIST).examples("train")
    rows = []
    for name in sys.argv[1:] or WORKLOADS:
        rows += run(WORKLOADS[name], examples)
        print(json.dumps(rows[-1]), flush=True)
    root = Path(__file__).resolve().parent.parent
    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    about = {
        "commit": commit.stdout.strip(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "mnistnet": __version__,
        "numpy": np.__version__,
        "blas": training.blas_description()[0],
        "torch": torch.__version__,
        "threads": threads,
        "seed": SEED,
        "images": len(examples),
    }
    RESULTS.write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    write_table()


def run(workload: Workload, examples: Examples) -> list[dict[str, Any]]:
    """Return the rows of one workload."""
    network = Network(workload.layer_sizes, workload.activation, workload.loss)
    network.initialise(generator(SEED, Use.INIT))
    agreement = agree_in_float64(workload, examples)
    peers = [Mnistnet(workload, network, examples, SEED), Torch(workload, network, examples)]
    seconds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    costs: dict[str, float] = {}
    for epoch in range(1, EPOCHS[workload.name] + 2):
        order = generator(SEED, Use.SHUFFLE, epoch).permutation(len(examples))
        for peer in peers:
            began = time.perf_counter()
            cost = peer.epoch(order)
            seconds[peer.name].append(time.perf_counter() - began)
            costs.setdefault(peer.name, cost)
    ours = statistics.median(seconds["mnistnet"][1:])
    rows = []
    for peer in peers:
        times = seconds[peer.name][1:]
        close = abs(costs[peer.name] / costs["mnistnet"] - 1) < 0.01
        row = {
            "workload": workload.name,
            "peer": peer.name,
            "best_s": round(min(times), 4),
            "median_s": round(statistics.median(times), 4),
            "worst_s": round(max(times), 4),
            "epochs": len(times),
            "ratio": round(statistics.median(times) / ours, 2),
            "first_epoch_cost": round(costs[peer.name], 5),
            "float64_difference": agreement,
            "valid": bool(close and agreement < 1e-9),
        }
        rows.append(row)
    return rows


def agree_in_float64(workload: Workload, examples: Examples) -> float:
    """Return the largest relative difference of the weights after 20 steps in float64, ours against PyTorch."""
    import torch

    network = Network(workload.layer_sizes, workload.activation, workload.loss, np.float64)
    network.initialise(generator(SEED, Use.INIT))
    size = workload.batch_size
    few = examples.take(np.arange(STEPS * size))
    peer = Torch(workload, network, few, torch.float64)
    peer.epoch(np.arange(len(few)))
    gradients = network.gradients(size)
    optimizer = OPTIMIZERS[workload.optimizer](network.parameters, gradients.flat, network.weight_count)
    trace = network.trace(size)
    targets: Array = np.eye(workload.layer_sizes[-1])[few.labels]
    for start in range(0, len(few), size):
        rows = slice(start, start + size)
        network.backward(network.forward(few.images[rows] / 255, trace), targets[rows], gradients)
        optimizer.step(workload.learning_rate)
    pairs = zip([*network.weights, *network.biases], peer.weights(), strict=True)
    return float(max(np.abs(ours - theirs).max() / np.abs(theirs).max() for ours, theirs in pairs))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
