"""Visitors' own copies of the network: nobody sees what another has taught. Bounded in number, memory and age."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mnistnet.errors import MnistnetError
from mnistnet.network import Network
from mnistnet.nudges import in_float64

MOST = 64  # copies
MEMORY = 256 << 20  # bytes that all copies may take together, but there are always a few
AGE = 3600.0  # seconds that a copy is kept after it was last asked for


class ForgottenError(MnistnetError):
    """A copy that was asked for too long ago, or made room for others, or never was."""


@dataclass
class Pupil:
    """A copy of the network, and the random numbers that choose what it learns from. Use it with its lock held."""

    network: Network
    random: np.random.Generator
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """Hands out copies of `network`, each under a token that cannot be guessed. Safe to use from several threads."""

    def __init__(self, network: Network, seed: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._network, self._clock = network, clock
        self._seeds = np.random.SeedSequence(seed)
        self._most = int(min(MOST, max(4, MEMORY // network.parameters.nbytes)))
        self._pupils: OrderedDict[str, Pupil] = OrderedDict()  # the one that was asked last stands last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pupils)

    @contextmanager
    def network(self, token: str | None) -> Iterator[Network]:
        """Give the network to ask: the visitor's copy, or without a token the original. Raises ForgottenError."""
        if token is None:
            yield self._network
            return
        pupil = self._find(token)
        with pupil.lock:
            yield pupil.network

    @contextmanager
    def pupil(self, token: str | None) -> Iterator[tuple[str, Pupil]]:
        """Give the visitor's copy to teach, with its token; without one a new copy. Raises ForgottenError."""
        if token is None:
            token, pupil = self._new()
        else:
            pupil = self._find(token)
        with pupil.lock:
            yield token, pupil

    def forget(self, token: str) -> None:
        """Drop a copy, if it is still there."""
        with self._lock:
            self._pupils.pop(token, None)

    def _find(self, token: str) -> Pupil:
        with self._lock:
            self._forget_old()
            pupil = self._pupils.get(token)
            if pupil is None:
                raise ForgottenError("your copy of the network is gone: reset, and teach the original anew")
            pupil.used = self._clock()
            self._pupils.move_to_end(token)
            return pupil

    def _new(self) -> tuple[str, Pupil]:
        with self._lock:
            self._forget_old()
            while len(self._pupils) >= self._most:
                self._pupils.popitem(last=False)
            token = secrets.token_urlsafe(18)
            random = np.random.default_rng(self._seeds.spawn(1)[0])
            self._pupils[token] = Pupil(in_float64(self._network), random, self._clock())
            return token, self._pupils[token]

    def _forget_old(self) -> None:
        oldest = self._clock() - AGE
        while self._pupils and next(iter(self._pupils.values())).used < oldest:
            self._pupils.popitem(last=False)
