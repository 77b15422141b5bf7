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
rows, and the sum of theirs is the gradient of all. Where results are written is in `layer_buffers.py`.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.layer_buffers import ForwardCache, Gradients, parameter_views, without_subnormals
from mnistnet.nn.losses import LOSSES
from mnistnet.util.arrays import Array


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
        self.parameters: Array
        self.use_parameters(np.zeros(parameter_count(self.layer_sizes), self.dtype))

    def use_parameters(self, vector: Array) -> None:
        """Keep all weights and biases in this vector from now on, with the values that it holds."""
        self.parameters = vector
        self.weights, self.biases = parameter_views(self.layer_sizes, vector)
        self._transposed = [weight.T for weight in self.weights]

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
        """Return memory for forward passes over `batch_size` examples."""
        return ForwardCache(self.layer_sizes, batch_size, self.dtype)

    def gradients(self, rows: int, flat: Array | None = None, batch_size: int | None = None) -> Gradients:
        """Return memory for backward passes over `rows` examples, of a batch of `batch_size` or all there are.

        `flat` lets several numbers of rows leave their result in one and the same vector.
        """
        if flat is None:
            flat = np.zeros_like(self.parameters)
        output_derivative = self.loss.has_activation_derivative
        return Gradients(self.layer_sizes, rows, batch_size or rows, flat, output_derivative=output_derivative)

    def forward(self, inputs: Array, cache: ForwardCache) -> ForwardCache:
        """Compute all activations, from the inputs, shape (batch, layer_sizes[0]), to the output layer.

        NumPy may warn of an overflow here and in `backward`: callers that look for one themselves `ignore_fp_errors`.
        """
        a, z, last = cache.activations, cache.weighted_sums, len(self.weights) - 1
        a[0] = inputs
        for layer in range(last + 1):
            cache.dot(a[layer], self._transposed[layer], z[layer])
            np.add(z[layer], self.biases[layer], z[layer])
            if layer < last:
                self.activation.value(z[layer], a[layer + 1])
                if cache.masks:
                    np.multiply(a[layer + 1], cache.masks[layer], a[layer + 1])
        self.loss.output(z[last], a[last + 1])
        return cache

    def backward(
        self, cache: ForwardCache, target: Array, gradients: Gradients, weights: Array | None = None
    ) -> Gradients:
        """Send the derivative of the cost back through the network, for the batch of the forward pass before.

        `target` has shape (batch, classes): 1 at each example's own digit, else 0. `weights`, shape (batch, 1), say how
        much each example's cost counts; without them each counts 1.
        """
        a, delta, d_hidden, last = cache.activations, gradients.deltas, gradients.hidden, len(self.weights) - 1
        self.loss.delta(a[-1], target, gradients.scale, delta[last], gradients.activations[last])  # BP1
        if weights is not None:
            gradients.weigh(weights)
        without_subnormals(delta[last])
        for layer in range(last - 1, -1, -1):
            undropped = np.multiply(a[layer + 1], cache.keep[layer], d_hidden[layer]) if cache.masks else a[layer + 1]
            self.activation.derivative(undropped, delta[layer])
            gradients.dot(delta[layer + 1], self.weights[layer + 1], d_hidden[layer])
            np.multiply(delta[layer], d_hidden[layer], delta[layer])  # BP2
            if cache.masks:
                np.multiply(delta[layer], cache.masks[layer], delta[layer])
        for layer in range(last + 1):
            # A sum over examples is a product with ones; the matrix library adds faster than np.sum.
            np.dot(gradients.ones, delta[layer], gradients.biases[layer])  # BP3
            np.dot(delta[layer].T, a[layer], gradients.weights[layer])  # BP4
        return gradients


def parameter_count(layer_sizes: tuple[int, ...]) -> int:
    """Return how many weights and biases such a network has: 13,002 for 784-16-16-10."""
    return sum(fan_out * (fan_in + 1) for fan_in, fan_out in pairwise(layer_sizes))
