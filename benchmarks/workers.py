"""A peer in a process of its own: its threads, its types and its memory touch no other's."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.peers import PEERS, PROVEN, Mnistnet, Peer
from benchmarks.quiet import Watch, helpers
from benchmarks.workloads import WORKLOADS, Workload, images_and_labels, order_of
from mnistnet.util.arrays import Array

T = TypeVar("T")


class Epoch(NamedTuple):
    """What an epoch took: seconds, its mean cost, the process's peak memory in MB, the cores that others used."""

    seconds: float
    cost: float
    peak_mb: float
    others: float


class Worker:
    """A process that makes a peer once and is then asked for epochs. Close it when done."""

    def __init__(self, peer: str, workload: str, images: int, threads: int) -> None:
        # Spawned, not forked: a fork would inherit the memory of this process, and its threads' locks.
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._call(_make, peer, workload, images, "auto" if peer == Mnistnet.name else threads)

    def _call(self, function: Callable[..., T], *values: Any) -> T:
        return self._pool.submit(function, *values).result()

    def epoch(self, number: int) -> Epoch:
        """Train the epoch of this number."""
        return self._call(_epoch, number)

    def products(self, threads: int) -> float:
        """Return the seconds that an epoch's matrix products take with so many threads of the matrix library."""
        return self._call(_products, threads)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def alone(function: Callable[..., T], *values: Any) -> T:
    """Call a function in a process that has done nothing before and ends thereafter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *values).result()


def weights_after(peer: str, workload: str, steps: int, threads: int) -> list[Array]:
    """Return a peer's weights after so many steps in float64, over the first examples in the order of their file."""
    work = WORKLOADS[workload]
    images, labels = images_and_labels()
    few = slice(0, steps * work.batch_size)
    proven = PROVEN[peer](work, images[few], labels[few], "float64", threads)
    proven.epoch(np.arange(len(labels[few])))
    return proven.weights()


def peak_megabytes() -> float:
    """Return the most memory (10^6 bytes) that this process has held at once, and what its helpers do not share."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = [line.split() for helper in helpers() for line in (helper / "smaps_rollup").read_text().splitlines()]
    private = sum(int(words[1]) for words in own if words[0].startswith("Private_"))
    return peak / 1e6 if sys.platform == "darwin" else (peak + private) * 1024 / 1e6


def product_seconds(workload: Workload, images: int, threads: int) -> float:
    """Return the seconds of an epoch's matrix products and nothing else, on arrays laid out as in the training."""
    sizes = [workload.batch_size] * (images // workload.batch_size) + [images % workload.batch_size]
    operands = {size: _operands(workload, size) for size in set(sizes)}
    with threadpool_limits(threads, user_api="blas"):
        began = time.perf_counter()
        for size in sizes:
            for a, b, out in operands[size]:
                np.matmul(a, b, out=out)
        return time.perf_counter() - began


def _operands(workload: Workload, size: int) -> list[tuple[Array, Array, Array]]:
    """Return the factors of each product of a step over `size` examples, and where it is written."""
    random = np.random.default_rng(0)
    products = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(workload.layer_sizes)) if size else ():
        weight, delta, a = (
            random.random(shape, np.float32) for shape in ((fan_out, fan_in), (size, fan_out), (size, fan_in))
        )
        products.append((a, weight.T, np.empty_like(delta)))
        products.append((delta.T, a, np.empty_like(weight)))
        if layer > 0:
            products.append((delta, weight, np.empty_like(a)))
    return products


class _Own:
    """What the functions below find in their process."""

    peer: Peer
    workload: Workload
    images: int


def _make(peer: str, workload: str, images: int, threads: int | Literal["auto"]) -> None:
    _Own.workload, _Own.images = WORKLOADS[workload], images
    pixels, labels = images_and_labels()
    _Own.peer = PEERS[peer](_Own.workload, pixels[:images], labels[:images], "float32", threads)


def _epoch(number: int) -> Epoch:
    order = order_of(number, _Own.images)
    watch, began = Watch(), time.perf_counter()
    cost = _Own.peer.epoch(order)
    return Epoch(time.perf_counter() - began, cost, peak_megabytes(), watch.others())


def _products(threads: int) -> float:
    return product_seconds(_Own.workload, _Own.images, threads)
