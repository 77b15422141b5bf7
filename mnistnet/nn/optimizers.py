"""Optimizers: how a gradient becomes a step. All work in place on the flat parameter vector.

Each visits the parameters in blocks that fit the processor's cache, because a step is many passes over few numbers:
done block by block the passes after the first find their numbers in the cache.

Weight decay is decoupled from the gradient (Loshchilov & Hutter 2019): w -= learning_rate * weight_decay * w,
for weights only. A bias multiplies no activation, so a large one hides no sharp reaction to the input.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

from mnistnet.util.arrays import SMALLEST_NORMAL, Array

BLOCK = 131_072  # numbers; measured against 4,096 ... all at once, see docs/experiments.md

TINY = 1e-30
FLUSH_EVERY = 64  # steps; a moment needs more than that from TINY down to what is slow

Block = tuple[bool, list[Array], list[Array]]
"""Whether it decays; views of its parameters, gradient, moments and scratch space; and of gradients to be added."""

StepConstants = list[Array]
"""The numbers of one step that are the same for all parameters."""


class Optimizer(ABC):
    """Takes steps for one network. `state` names the arrays that a resumed training must find again.

    `parameters` and `gradient` are flat vectors of one length, kept by reference: fill `gradient`, then `step`.
    The first `weight_count` parameters are weights. Several processes can share a step: each calls `apply` with blocks
    of its own (from `blocks`, or `block` by `block`), and the same `step_constants`; `zeros` then makes the state in
    memory that all of them see.
    """

    moments: ClassVar[tuple[str, ...]] = ()
    tiny: float = TINY
    """Moments below this become zero: they move no weight, and where no gradient comes they would go on shrinking to
    numbers that processors are a hundred times slower with (subnormal ones, below 1.2e-38)."""

    def __init__(
        self,
        parameters: Array,
        gradient: Array,
        weight_count: int,
        *,
        weight_decay: float = 0.0,
        zeros: Callable[..., Array] = np.zeros,
    ) -> None:
        self.weight_decay = weight_decay
        self.steps = 0
        self.state: dict[str, Array] = {name: zeros(parameters.shape, parameters.dtype) for name in self.moments}
        self.parameters, self.gradient, self._weight_count = parameters, gradient, weight_count
        self._all = self.blocks(slice(0, parameters.size))

    def blocks(self, share: slice, others: Sequence[Array] = ()) -> list[Block]:
        """Return the blocks of a share of the parameters, with scratch space of their own.

        `others` are more gradients, each of the batch's other examples: the step is taken against the sum of all.
        """
        scratch = np.empty(min(BLOCK, share.stop - share.start), self.parameters.dtype)
        found = []
        weights = self._weight_count if self.weight_decay else 0
        for decays, first, last in ((True, 0, weights), (False, weights, self.parameters.size)):
            end = min(last, share.stop)
            for start in range(max(first, share.start), end, BLOCK):
                piece = slice(start, min(start + BLOCK, end))
                gradients = [gradient[piece] for gradient in (self.gradient, *others)]
                found.append(self.block(itemgetter(piece), *gradients, scratch=scratch[: end - start], decays=decays))
        return found

    def block(
        self, select: Callable[[Array], Array], gradient: Array, *others: Array, scratch: Array, decays: bool
    ) -> Block:
        """Return a block of any parameters: `select` returns their view of a vector that has a number for each.

        `gradient`, `others` and `scratch` have the view's shape.
        """
        parameters, *moments = [select(vector) for vector in (self.parameters, *self.state.values())]
        return decays and self.weight_decay > 0, [parameters, gradient, *moments, scratch], list(others)

    def step(self, learning_rate: float) -> None:
        """Move all parameters once, against the gradient."""
        self.steps += 1
        self.apply(self._all, self.step_constants(self.steps, learning_rate))

    def step_constants(self, step: int, learning_rate: float) -> StepConstants:
        """Return what is the same for all blocks in a step, counted from 1: what decay leaves, then `_constants`.

        They are 0-d arrays, which NumPy takes three times as fast as Python's numbers.
        """
        dtype = self.gradient.dtype
        constants = self._constants(step, learning_rate)
        return [np.array(x, dtype) for x in (1 - learning_rate * self.weight_decay, *constants)]

    def apply(self, blocks: list[Block], step_constants: StepConstants) -> None:
        """Take a step for these blocks."""
        keep, *constants = step_constants
        for decays, views, others in blocks:
            for gradient in others:
                np.add(views[1], gradient, views[1])
            if decays:
                np.multiply(views[0], keep, views[0])
            self._update(*views, *constants)
        if self.moments and self.steps % FLUSH_EVERY == 0:
            for _, (_, _, *moments, scratch), _ in blocks:
                for moment in moments:
                    np.abs(moment, scratch)
                    np.copyto(moment, 0, where=scratch < self.tiny)

    def restore(self, state: dict[str, Array], steps: int) -> None:
        """Continue from another optimizer's `state` and `steps`."""
        for name, values in self.state.items():
            values[...] = state[name]
        self.steps = steps

    @abstractmethod
    def _constants(self, step: int, learning_rate: float) -> Iterable[float]:
        """Return the constants of a step."""

    @abstractmethod
    def _update(self, *block: Array) -> None:
        """Move one block: its parameters, gradient, moments and scratch space, each a view; then the constants."""


class Sgd(Optimizer):
    """Stochastic gradient descent: w -= learning_rate * g. The drunk man's step (chapter 3, 9:33)."""

    def _constants(self, step: int, learning_rate: float) -> Iterable[float]:
        return (learning_rate,)

    def _update(self, *block: Array) -> None:
        w, g, scratch, rate = block
        np.multiply(g, rate, scratch)
        np.subtract(w, scratch, w)


class Momentum(Optimizer):
    """A ball with inertia (Polyak 1964): v = momentum * v + g; w -= learning_rate * v."""

    moments = ("velocity",)

    def __init__(self, *vectors: Any, momentum: float = 0.9, **settings: Any) -> None:
        super().__init__(*vectors, **settings)
        self.momentum = momentum

    def _constants(self, step: int, learning_rate: float) -> Iterable[float]:
        return (learning_rate,)

    def _update(self, *block: Array) -> None:
        w, g, v, scratch, rate = block
        v *= self.momentum
        v += g
        np.multiply(v, rate, scratch)
        w -= scratch


class Nesterov(Momentum):
    """Momentum that looks ahead: v as before; w -= learning_rate * (g + momentum * v).

    Sutskever et al. 2013 take the gradient at w + momentum * v. Here w stands for that point itself, the simplification
    of Bengio, Boulanger-Lewandowski & Pascanu 2013; the velocity holds no learning rate, as in PyTorch's SGD.
    """

    def _update(self, *block: Array) -> None:
        w, g, v, scratch, rate = block
        v *= self.momentum
        v += g
        np.multiply(v, self.momentum, scratch)
        scratch += g
        scratch *= rate
        w -= scratch


def adam_step(
    w: Array, g: Array, m: Array, v: Array, t: int, learning_rate: float, beta1: float, beta2: float, epsilon: float
) -> tuple[Array, Array, Array]:
    """Return weights and both moments after step t (from 1), line by line as in Kingma & Ba 2015, algorithm 1.

    To be read, and to test `Adam` by; it takes twice the passes over memory that `Adam` does.
    """
    m = beta1 * m + (1 - beta1) * g  # biased first moment
    v = beta2 * v + (1 - beta2) * g**2  # biased second raw moment
    m_hat = m / (1 - beta1**t)  # bias-corrected
    v_hat = v / (1 - beta2**t)
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return w, m, v


class Adam(Optimizer):
    """Adam as `adam_step` above, with its constants gathered so that ten passes over memory do.

    The paper keeps m = beta1 m + (1 - beta1) g and v = beta2 v + (1 - beta2) g^2, and moves each weight by
    learning_rate * m^ / (sqrt(v^) + epsilon), where m^ = m / (1 - beta1^t) and v^ = v / (1 - beta2^t).
    We keep the plain sums M = m / (1 - beta1) and V = v / (1 - beta2): M = beta1 M + g, V = beta2 V + g^2.
    With c = sqrt((1 - beta2) / (1 - beta2^t)), sqrt(v^) + epsilon = c (sqrt(V) + epsilon / c), so that the move is

        learning_rate (1 - beta1) / ((1 - beta1^t) c)  *  M / (sqrt(V) + epsilon / c)

    and every constant but beta1, beta2 and the two of the last line is gone from the passes over the arrays.
    """

    moments = ("first_moment", "second_moment")

    def __init__(
        self, *vectors: Any, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, **settings: Any
    ) -> None:
        super().__init__(*vectors, **settings)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        # The root of the second moment counts beside epsilon, down to its last digit.
        self.tiny = min(TINY, max((epsilon * 2.0**-26) ** 2, SMALLEST_NORMAL))

    def _constants(self, step: int, learning_rate: float) -> Iterable[float]:
        c = sqrt((1 - self.beta2) / (1 - self.beta2**step))
        return learning_rate * (1 - self.beta1) / ((1 - self.beta1**step) * c), self.epsilon / c

    def _update(self, *block: Array) -> None:
        w, g, first, second, scratch, rate, epsilon = block
        first *= self.beta1
        first += g
        np.multiply(g, g, scratch)
        second *= self.beta2
        second += scratch
        np.sqrt(second, scratch)
        scratch += epsilon
        np.divide(first, scratch, scratch)
        scratch *= rate
        w -= scratch


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
}
