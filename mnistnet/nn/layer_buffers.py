"""Memory for both passes, made once and used again for every batch, and why it lies as it does.

A training takes thousands of steps a second, so a step allocates nothing: each batch size has one `ForwardCache` and
one `Gradients`. Two facts about the matrix library decide the rest:

- It prefers its larger side first. Where a large first hidden layer has more neurons than the batch has rows, the
  examples become columns, as in the video, so that each neuron's numbers lie together. Products are up to a quarter
  quicker then (docs/experiments.md). `dot` is np.dot for either order.
- For small arrays a call costs as much as the arithmetic. `np.dot` is `np.matmul` with less to decide beforehand.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array

MIN_COLUMNS = 32  # with fewer neurons the calls are what costs, and they are quicker with rows
SMALL = np.array(2.0**-83, np.float32)


class ForwardCache:
    """What a forward pass leaves for the backward pass: the activations of every layer, the inputs first.

    - `activations[l]`: shape (batch, layer_sizes[l]).
    - `weighted_sums[l]`: z of layer l + 1. A hidden layer's activations overwrite its sums: f'(z) is computed from
      f(z), so nobody needs both. The last ones, `logits`, stay: costs are computed from them.
    - `masks`: dropout's, none by default. For each hidden layer 0 where an activation is dropped, else 1 / `keep`, so
      that its mean stays what it is without dropout (Srivastava et al. 2014, section 10).
    """

    def __init__(self, layer_sizes: tuple[int, ...], batch_size: int, dtype: npt.DTypeLike) -> None:
        by_columns = _prefers_columns(layer_sizes, batch_size)
        self.activations = _layers(layer_sizes, batch_size, dtype, by_columns)
        (self.logits,) = _layers(layer_sizes[-1:], batch_size, dtype, by_columns)
        self.dot = _dot_by_columns if by_columns else np.dot
        self.weighted_sums = [*self.activations[1:-1], self.logits]
        self.masks: Sequence[Array] = ()
        self.keep: Sequence[float] = ()

    def __repr__(self) -> str:
        sizes = "-".join(str(a.shape[1]) for a in self.activations)
        return f"ForwardCache of {len(self.logits)} examples through {sizes}"


class Gradients:
    """What a backward pass leaves behind: the gradient of the cost, and what it was computed from.

    - `flat`: dC/d(every parameter), in the order of `Network.parameters`; `weights` and `biases` are views of it.
    - `deltas[l]`: dC/dz of layer l + 1 (the first hidden layer is entry 0), shape (batch, its size).
    - `activations[l]`: dC/da of the same layer; None at a cross-entropy output, where only the delta is finite.
      `hidden` are those of the hidden layers.

    `C` is the batch's average cost, so row i is example i's share of it: `scale`, 1/batch, times its own derivative.
    These may be `rows` of a larger batch only.
    """

    def __init__(
        self, layer_sizes: tuple[int, ...], rows: int, batch_size: int, flat: Array, *, output_derivative: bool
    ) -> None:
        self.flat = flat
        self.weights, self.biases = parameter_views(layer_sizes, flat)
        by_columns = _prefers_columns(layer_sizes, rows)
        self.deltas = _layers(layer_sizes[1:], rows, flat.dtype, by_columns)
        self.dot = _dot_by_columns if by_columns else np.dot
        self.hidden = [np.empty_like(delta) for delta in self.deltas[:-1]]
        self.activations = [*self.hidden, np.empty_like(self.deltas[-1]) if output_derivative else None]
        self.scale: Array = np.array(1 / batch_size, flat.dtype)
        self.ones: Array = np.ones(rows, flat.dtype)

    def weigh(self, weights: Array) -> None:
        """Multiply the derivatives at the output layer, of each example by its weight, shape (batch, 1)."""
        for derivative in (self.deltas[-1], self.activations[-1]):
            if derivative is not None:
                np.multiply(derivative, weights, derivative)

    def __repr__(self) -> str:
        return f"Gradients of {self.flat.size:,} parameters over {len(self.ones)} examples"


def _dot_by_columns(a: Array, b: Array, out: Array) -> None:
    """Write a b into `out`, whose columns lie together in memory: np.dot fills rows only, but (a b)^T = b^T a^T."""
    np.dot(b.T, a.T, out.T)


def without_subnormals(delta: Array) -> None:
    """Make zero of what is below 2^-107 in a float32 delta: a squared output near 0 leaves 1e-40 and less.

    Nothing that small moves a weight, but products of such numbers are a hundred times slower. Adding a number and
    taking it away costs two passes; what it rounds away is below 2^-107.
    """
    if delta.dtype == np.float32:
        np.add(delta, SMALL, delta)
        np.subtract(delta, SMALL, delta)


def parameter_views(layer_sizes: tuple[int, ...], flat: Array) -> tuple[list[Array], list[Array]]:
    """Return each layer's weights and biases as views of one vector: all weights, then all biases."""
    weights, biases, start = [], [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        weights.append(flat[start : start + fan_out * fan_in].reshape(fan_out, fan_in))
        start += fan_out * fan_in
    for fan_out in layer_sizes[1:]:
        biases.append(flat[start : start + fan_out])
        start += fan_out
    return weights, biases


def _prefers_columns(layer_sizes: tuple[int, ...], rows: int) -> bool:
    return layer_sizes[1] >= max(rows, MIN_COLUMNS)


def _layers(sizes: Sequence[int], rows: int, dtype: npt.DTypeLike, by_columns: bool) -> list[Array]:
    """Return an array (rows, size) for each of `sizes`, not filled in; with `by_columns` these lie together."""
    if by_columns:
        return [np.empty((size, rows), dtype).T for size in sizes]
    return [np.empty((rows, size), dtype) for size in sizes]
