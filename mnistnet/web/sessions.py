"""Each visitor's own copies of the network and trainings, bounded in number, memory and age."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from mnistnet.errors import MnistnetError
from mnistnet.explain.example_gradient import in_float64
from mnistnet.nn.network import Network

T = TypeVar("T")

MAX_KEPT = 64  # copies, or trainings
MEMORY = 256 << 20  # bytes for all of them together, but MIN_KEPT are always allowed
MIN_KEPT = 4
AGE = 3600.0  # seconds that one is kept after its last use


class ForgottenError(MnistnetError):
    """The token's object is too old, made room for others, or never existed."""


class Kept(Generic[T]):
    """Keeps objects under tokens that cannot be guessed; the one unused for longest makes room.

    Thread-safe. `size` returns the bytes of an object.
    """

    def __init__(self, gone: str, size: Callable[[T], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._gone, self._size, self._clock = gone, size, clock
        self._things: OrderedDict[str, tuple[T, float]] = OrderedDict()  # the last used one is last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._things)

    def find(self, token: str) -> T:
        """Return a token's object. Raises ForgottenError."""
        with self._lock:
            self._forget_old()
            if token not in self._things:
                raise ForgottenError(self._gone)
            thing, _ = self._things.pop(token)
            self._things[token] = thing, self._clock()
            return thing

    def add(self, thing: T, token: str | None = None) -> str:
        """Keep an object, and return its token."""
        token, size = token or secrets.token_urlsafe(18), self._size(thing)
        with self._lock:
            self._forget_old()
            while len(self._things) >= MAX_KEPT or (len(self._things) >= MIN_KEPT and self._taken() + size > MEMORY):
                self._things.popitem(last=False)
            self._things[token] = thing, self._clock()
        return token

    def forget(self, token: str) -> None:
        """Drop an object, if it is still there."""
        with self._lock:
            self._things.pop(token, None)

    def _taken(self) -> int:
        return sum(self._size(thing) for thing, _ in self._things.values())

    def _forget_old(self) -> None:
        oldest = self._clock() - AGE
        while self._things and next(iter(self._things.values()))[1] < oldest:
            self._things.popitem(last=False)


@dataclass
class FineTunedCopy:
    """A visitor's copy of the network, and the random numbers that choose its batches.

    A lesson replaces `network` at its end, so requests need not wait for it.
    """

    network: Network
    random: np.random.Generator
    lesson: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """Hands out copies of `network`, each under a token."""

    def __init__(self, network: Network, seed: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._network, self._seeds, self._spawning = network, np.random.SeedSequence(seed), threading.Lock()
        gone = "your copy of the network is gone: reset, and teach the original again"
        self._copies: Kept[FineTunedCopy] = Kept(gone, lambda kept: kept.network.parameters.nbytes, clock)

    def __len__(self) -> int:
        return len(self._copies)

    def network(self, token: str | None) -> Network:
        """Return the network to ask: the visitor's copy, or without a token the original. Raises ForgottenError."""
        return self._network if token is None else self._copies.find(token).network

    def adopt(self, network: Network) -> str:
        """Keep a copy of another network for the visitor, and return its token."""
        return self._copies.add(self._copy(in_float64(network)))

    @contextmanager
    def lesson(self, token: str | None) -> Iterator[tuple[str, Network, np.random.Generator]]:
        """Provide a copy to teach, with its token and random numbers; without a token a new one.

        Raises ForgottenError. The lesson counts if the block ends without an error; otherwise nothing changes, and no
        copy is added.
        """
        copy = self._copy(self._network) if token is None else self._copies.find(token)
        named = token or secrets.token_urlsafe(18)
        with copy.lesson:
            taught = in_float64(copy.network)
            yield named, taught, copy.random
            copy.network = taught
        if token is None:
            self._copies.add(copy, named)

    def forget(self, token: str) -> None:
        """Drop a copy, if it is still there."""
        self._copies.forget(token)

    def _copy(self, network: Network) -> FineTunedCopy:
        with self._spawning:
            return FineTunedCopy(network, np.random.default_rng(self._seeds.spawn(1)[0]))
