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
from mnistnet.explain.example_gradient import in_float64
from mnistnet.nn.network import Network

MAX_COPIES = 64  # copies
MEMORY = 256 << 20  # bytes that all copies may take together, but there are always a few
AGE = 3600.0  # seconds that a copy is kept after it was last asked for


class ForgottenError(MnistnetError):
    """A copy that was asked for too long ago, or made room for others, or never was."""


@dataclass
class FineTunedCopy:
    """A visitor's copy of the network, and the random numbers that choose what it learns from.

    What was taught takes the place of `network` in one step, so whoever asks it need not wait for a lesson to end.
    """

    network: Network
    random: np.random.Generator
    used: float
    lesson: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """Hands out copies of `network`, each under a token that cannot be guessed. Safe to use from several threads."""

    def __init__(self, network: Network, seed: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._network, self._clock = network, clock
        self._seeds = np.random.SeedSequence(seed)
        self._most = int(min(MAX_COPIES, max(4, MEMORY // network.parameters.nbytes)))
        self._pupils: OrderedDict[str, FineTunedCopy] = OrderedDict()  # the one that was asked last stands last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pupils)

    def network(self, token: str | None) -> Network:
        """Return the network to ask: the visitor's copy, or without a token the original. Raises ForgottenError."""
        return self._network if token is None else self._find(token).network

    @contextmanager
    def lesson(self, token: str | None) -> Iterator[tuple[str, Network, np.random.Generator]]:
        """Give a copy to teach, with its token and random numbers; without a token a new one. Raises ForgottenError.

        What it was taught counts when the block ends well; otherwise nothing has happened, and no copy was added.
        """
        if token is None:
            with self._lock:
                pupil = FineTunedCopy(self._network, np.random.default_rng(self._seeds.spawn(1)[0]), self._clock())
        else:
            pupil = self._find(token)
        named = token or secrets.token_urlsafe(18)
        with pupil.lesson:
            taught = in_float64(pupil.network)
            yield named, taught, pupil.random
            pupil.network = taught
        if token is None:
            self._add(named, pupil)

    def forget(self, token: str) -> None:
        """Drop a copy, if it is still there."""
        with self._lock:
            self._pupils.pop(token, None)

    def _find(self, token: str) -> FineTunedCopy:
        with self._lock:
            self._forget_old()
            pupil = self._pupils.get(token)
            if pupil is None:
                raise ForgottenError("your copy of the network is gone: reset, and teach the original anew")
            pupil.used = self._clock()
            self._pupils.move_to_end(token)
            return pupil

    def _add(self, token: str, pupil: FineTunedCopy) -> None:
        with self._lock:
            self._forget_old()
            while len(self._pupils) >= self._most:
                self._pupils.popitem(last=False)
            pupil.used = self._clock()
            self._pupils[token] = pupil

    def _forget_old(self) -> None:
        oldest = self._clock() - AGE
        while self._pupils and next(iter(self._pupils.values())).used < oldest:
            self._pupils.popitem(last=False)
