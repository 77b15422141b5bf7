"""The network: forward, and backward, written once for training, checking and explaining alike.

In the video's notation (chapter 4, "Backpropagation calculus") a layer computes

    z(l) = W(l) a(l-1) + b(l)         its weighted sums                                       (0:38)
    a(l) = f(z(l))                    its activations

and backpropagation, with delta(l) standing for dC/dz(l), is four equations:

    delta(L)  = dC/da(L) * f'(z(L))                   how the cost reacts to the output layer      (BP1, 3:56)
    delta(l)  = (delta(l+1) W(l+1)) * f'(z(l))        the same, one layer back                     (BP2, 6:42)
    dC/db(l)  = sum over examples of delta(l)         to the biases                                (BP3, 5:39)
    dC/dW(l)  = delta(l)^T a(l-1)                     to the weights: fire together, wire together (BP4, 5:39)

Batches are rows, so an image is a row of activations, and `C` is the average cost over the rows of the batch.

BP3 and BP4 are sums over the rows, so a batch can be shared out among processes: each works out the gradient of some
rows, and the sum of theirs is the gradient of all.

Small arrays cost as much for the call as for the arithmetic: np.dot is np.matmul with less to decide beforehand.
Large ones cost more or less by how they lie in memory: see `LayerBuffers` and `product`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.losses import LOSSES
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.shared_memory import shared_zeros


class LayerBuffers:
    """Makes arrays (rows, neurons) for the layers of a network, and has them lie in memory as products are quicker.

    The matrix library prefers its larger side first. So where the first hidden layer has more neurons than the batch
    has rows, the examples become columns, as in the video: each neuron's numbers lie together. That makes products up
    to a quarter quicker; docs/experiments.md.
    """

    def __init__(self, layer_sizes: tuple[int, ...], rows: int, dtype: npt.DTypeLike) -> None:
        self._by_neuron, self._rows, self._dtype = layer_sizes[1] >= rows, rows, dtype

    def __call__(self, neurons: int) -> Array:
        """Return such an array, not filled in."""
        return np.empty((self._rows, neurons), self._dtype, order="F" if self._by_neuron else "C")


def product(a: Array, b: Array, out: Array) -> None:
    """Write a b into `out`, whichever way that lies in memory: np.dot fills rows only, but (a b)^T = b^T a^T."""
    if out.flags.c_contiguous:
        np.dot(a, b, out=out)
    else:
        np.dot(b.T, a.T, out=out.T)


class ForwardCache:
    """What a forward pass leaves behind: `activations` of every layer, the inputs first, and `logits`.

    `activations[l]` has shape (batch, layer_sizes[l]); `logits` are the weighted sums of the output layer, from
    which costs are computed. A cache is made once for a batch size and used again for every batch of that size,
    so that a training step allocates nothing.

    `masks` are dropout's, none by default: for each hidden layer 0 where an activation is dropped, else 1 / `keep`,
    so that its mean stays what it is without dropout (Srivastava et al. 2014, section 10).
    """

    def __init__(self, layer_sizes: tuple[int, ...], batch_size: int, dtype: npt.DTypeLike) -> None:
        room = LayerBuffers(layer_sizes, batch_size, dtype)
        self.activations: list[Array] = [room(size) for size in layer_sizes]
        self.logits = room(layer_sizes[-1])
        self.masks: Sequence[Array] = ()
        self.keep: Sequence[float] = ()

    def __repr__(self) -> str:
        sizes = "-".join(str(a.shape[1]) for a in self.activations)
        return f"ForwardCache of {len(self.logits)} examples through {sizes}"


class Gradients:
    """What a backward pass leaves behind: minus this is what the batch wishes of each number in the network.

    - `flat`: dC/d(every parameter), in the order of `Network.parameters`; `weights` and `biases` are views of it.
    - `deltas[l]`: dC/dz of layer l + 1 (the first hidden layer is entry 0), shape (batch, its size).
    - `activations[l]`: dC/da of the same layer; None at a cross-entropy output, where only the delta is finite.

    `C` is the batch's average cost, so row i is example i's share of it: 1/batch of its own derivative. These may be
    `rows` of a larger batch only.
    """

    def __init__(
        self, layer_sizes: tuple[int, ...], rows: int, batch_size: int, flat: Array, *, output_derivative: bool
    ) -> None:
        self.flat = flat
        self.weights, self.biases = _views(layer_sizes, flat)
        self.deltas: list[Array] = list(map(LayerBuffers(layer_sizes, rows, flat.dtype), layer_sizes[1:]))
        self.activations: list[Array | None] = [np.empty_like(delta) for delta in self.deltas]
        if not output_derivative:
            self.activations[-1] = None
        self.share = 1 / batch_size
        self.ones: Array = np.ones(rows, flat.dtype)

    def __repr__(self) -> str:
        return f"Gradients of {self.flat.size:,} parameters over {len(self.ones)} examples"


class Network:
    """A dense network: every neuron is connected to all of the layer before.

    `layer_sizes` counts the neurons of each layer, inputs first. `activation` names the function of the hidden
    layers; the output layer's comes with the `loss` (quadratic: sigmoid, cross_entropy: softmax).

    All parameters live in one vector, `parameters`: all weights, then all biases. `weights[l]`, of shape
    (layer_sizes[l + 1], layer_sizes[l]), and `biases[l]` are views of it, so changing one changes the other.
    """

    def __init__(
        self,
        layer_sizes: tuple[int, ...],
        activation: str,
        loss: str,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.layer_sizes = tuple(layer_sizes)
        self.activation = ACTIVATIONS[activation]
        self.loss = LOSSES[loss]
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.parameters: Array = np.zeros(parameter_count(self.layer_sizes), self.dtype)
        self.weights, self.biases = _views(self.layer_sizes, self.parameters)

    def share(self) -> None:
        """Move the parameters into memory that this process shares with those it will fork."""
        shared = shared_zeros(self.parameters.shape, self.dtype)
        shared[...] = self.parameters
        self.parameters = shared
        self.weights, self.biases = _views(self.layer_sizes, shared)

    @property
    def weight_count(self) -> int:
        """How many of the parameters, counted from the start of the vector, are weights."""
        return sum(weight.size for weight in self.weights)

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.layer_sizes))
        names = f"{self.activation.__name__.lower()}, {self.loss.__name__}"
        return f"Network {sizes} ({names}): {self.parameters.size:,} parameters"

    def initialise(self, random: np.random.Generator) -> None:
        """Draw first weights from a normal distribution, scaled for what each layer's activation does; zero biases."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            last = weight is self.weights[-1]
            fan_out, fan_in = weight.shape
            scale = (self.loss if last else self.activation).weight_scale(fan_in, fan_out)
            weight[...] = random.standard_normal(weight.shape, dtype=np.float32)
            weight *= scale
            bias[...] = 0

    def forward_cache(self, batch_size: int) -> ForwardCache:
        """Return a workspace for forward passes over `batch_size` examples."""
        return ForwardCache(self.layer_sizes, batch_size, self.dtype)

    def gradients(self, rows: int, flat: Array | None = None, batch_size: int | None = None) -> Gradients:
        """Return a workspace for backward passes over `rows` examples, of a batch of `batch_size` or all there are.

        `flat` lets workspaces for several numbers of rows leave their result in one and the same vector.
        """
        if flat is None:
            flat = np.zeros_like(self.parameters)
        output_derivative = self.loss.has_activation_derivative
        return Gradients(self.layer_sizes, rows, batch_size or rows, flat, output_derivative=output_derivative)

    @ignore_fp_errors
    def forward(self, inputs: Array, cache: ForwardCache) -> ForwardCache:
        """Let the activations ripple from the inputs, shape (batch, layer_sizes[0]), to the output layer."""
        self.feed_forward(inputs, cache)
        return cache

    def feed_forward(self, inputs: Array, cache: ForwardCache) -> None:
        """Do the same, for callers who keep NumPy quiet around many steps: that alone costs half a microsecond."""
        cache.activations[0] = inputs
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            a = cache.activations[layer + 1]
            z = cache.logits if layer == last else a
            product(cache.activations[layer], weight.T, out=z)
            np.add(z, bias, out=z)
            if layer == last:
                self.loss.output(z, out=a)
            else:
                self.activation.value(z, out=a)
                if cache.masks:
                    np.multiply(a, cache.masks[layer], out=a)

    @ignore_fp_errors
    def backward(self, cache: ForwardCache, target: Array, gradients: Gradients) -> Gradients:
        """Send the wishes of the output layer back through the network, for one traced batch.

        `target` has shape (batch, classes): 1 at each example's own digit, else 0.
        """
        self.send_back(cache, target, gradients)
        return gradients

    def send_back(self, cache: ForwardCache, target: Array, gradients: Gradients) -> None:
        """Do the same, for callers who keep NumPy quiet around many steps."""
        deltas = gradients.deltas
        for layer in reversed(range(len(self.weights))):
            a, delta, d_activation = cache.activations[layer + 1], deltas[layer], gradients.activations[layer]
            if layer == len(self.weights) - 1:
                self.loss.delta(a, target, gradients.share, delta, d_activation)  # BP1
            else:
                assert d_activation is not None
                if cache.masks:  # the derivative is told by the activation as it was
                    a = np.multiply(a, cache.keep[layer], out=d_activation)
                self.activation.derivative(a, out=delta)
                product(deltas[layer + 1], self.weights[layer + 1], out=d_activation)
                np.multiply(delta, d_activation, out=delta)  # BP2
                if cache.masks:
                    np.multiply(delta, cache.masks[layer], out=delta)
            # A sum over examples is a product with ones; the matrix library adds faster than np.sum.
            np.dot(gradients.ones, delta, out=gradients.biases[layer])  # BP3
            np.dot(delta.T, cache.activations[layer], out=gradients.weights[layer])  # BP4


def parameter_count(layer_sizes: tuple[int, ...]) -> int:
    """Return how many weights and biases such a network has: 13,002 for 784-16-16-10."""
    return sum(fan_out * (fan_in + 1) for fan_in, fan_out in pairwise(layer_sizes))


def _views(layer_sizes: tuple[int, ...], flat: Array) -> tuple[list[Array], list[Array]]:
    """Return each layer's weights and biases as views of one vector: all weights, then all biases."""
    weights, biases, start = [], [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        weights.append(flat[start : start + fan_out * fan_in].reshape(fan_out, fan_in))
        start += fan_out * fan_in
    for fan_out in layer_sizes[1:]:
        biases.append(flat[start : start + fan_out])
        start += fan_out
    return weights, biases
