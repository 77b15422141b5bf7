"""What one example wishes of every number in the network: the backward pass of training, explained.

The gradient says how the cost rises; minus the gradient is what this example wishes, its nudges. Everything here is
one forward and one backward pass of `Network`, in float64, over a batch of one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import WHITE
from mnistnet.errors import DivergedError, UsageError
from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.layer_buffers import ForwardCache, Gradients
from mnistnet.nn.losses import LOSSES
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array, ignore_fp_errors

Labels = npt.NDArray[np.uint8] | list[int]


@dataclass(frozen=True)
class LayerGradient:
    """One layer's activations and derivatives for an example. n neurons, m before them.

    - `activations`: (n,).
    - `nudges`: minus dC/da, (n,); None at a cross-entropy output, where only the delta is finite.
    - `slopes`: f'(z), the share of a wish for the activation that reaches the weighted sum, (n,); None at the output,
      whose slope comes with the loss.
    - `delta`: dC/dz, (n,).
    - `weight_gradient`: dC/dW, (n, m). `bias_gradient`: dC/db, (n,).
    """

    activations: Array
    nudges: Array | None
    slopes: Array | None
    delta: Array
    weight_gradient: Array
    bias_gradient: Array


@dataclass(frozen=True)
class ExampleGradient:
    """What one example wishes of the network. Layer 1 is the first hidden one; the last is the output.

    - `network`: the one explained, in float64. `inputs`: what it sees, 0 black to 1 white, shape (pixels,).
    - `target`: what the output should be, 1 at the label, else 0; `wish`: target - output, both (classes,).
    - `cost`: of this example; `cost_terms`: what each output neuron adds to it, (classes,).
    - `gradient`: dC/d(every parameter), in the order of `Network.parameters`.
    - `wishes[n, o]`: what output neuron o wishes of neuron n before it, -W[o, n] delta[o]. The sum of a row is that
      neuron's nudge. None without a hidden layer: there the pixels come before the output, and pixels are given.
    """

    network: Network
    inputs: Array
    label: int
    prediction: int
    target: Array
    wish: Array
    cost: float
    cost_terms: Array
    gradient: Array
    layers: tuple[LayerGradient, ...]
    wishes: Array | None

    def activations_before(self, layer: int) -> Array:
        """Return the activations in the layer before, or the pixels."""
        return self.layers[layer - 2].activations if layer > 1 else self.inputs


@dataclass(frozen=True)
class ThreeWays:
    """The three ways to give a neuron what it wishes, m neurons being before it, and how far each way alone leads.

    - `bias_nudge`: for its bias.
    - `weight_nudges`: for its weights, (m,): in proportion to `activations_before`.
    - `activation_nudges`: for those activations, (m,): in proportion to `weights`; None where they are pixels.
    - `reach`: by how much following each way alone would move the neuron's weighted sum.
    """

    layer: int
    neuron: int
    weights: Array
    activations_before: Array
    bias_nudge: float
    weight_nudges: Array
    activation_nudges: Array | None
    reach: tuple[float, float, float | None]


def in_float64(network: Network) -> Network:
    """Return a copy of a network that computes in float64."""
    activation = next(word for word, function in ACTIVATIONS.items() if function is network.activation)
    loss = next(word for word, function in LOSSES.items() if function is network.loss)
    copy = Network(network.layer_sizes, activation, loss, np.float64)
    copy.parameters[...] = network.parameters
    return copy


def as_inputs(images: npt.NDArray[np.uint8]) -> Array:
    """Return images as networks are trained on them, pixel / 255 in float32, converted to float64."""
    return np.divide(images, WHITE, dtype=np.float32).astype(np.float64)


@ignore_fp_errors
def backpropagate(network: Network, inputs: Array, labels: Labels) -> tuple[Array, ForwardCache, Gradients]:
    """Return the costs (batch,) and the results of both passes over a batch; `inputs`: (batch, pixels).

    Raises DivergedError where the network's numbers are too large for a finite cost or gradient.
    """
    target = np.eye(network.layer_sizes[-1])[labels]
    cache = network.forward(inputs, network.forward_cache(len(inputs)))
    costs = network.loss.costs(cache.logits, target)
    gradients = network.backward(cache, target, network.gradients(len(inputs)))
    if not (np.isfinite(costs).all() and np.isfinite(gradients.flat).all()):
        raise DivergedError(
            "the cost or its gradient is not a finite number: the network's weights are too large to compute with; "
            "train it again with a lower learning rate"
        )
    return costs, cache, gradients


def of_example(network: Network, pixels: npt.NDArray[np.uint8], label: int) -> ExampleGradient:
    """Return what an image of shape (pixels,) wishes so that it be read as `label`.

    Raises UsageError where image or label do not fit the network, and DivergedError.
    """
    size, classes = network.layer_sizes[0], network.layer_sizes[-1]
    if pixels.shape != (size,):
        raise UsageError(f"this network takes images of {size} pixels, found {pixels.size}")
    if not 0 <= label < classes:
        raise UsageError(f"label {label}: expected 0 to {classes - 1}, one for each output neuron")
    network, inputs, target = in_float64(network), as_inputs(pixels), np.eye(classes)[label]
    costs, cache, gradients = backpropagate(network, inputs[None], [label])
    cost, output = float(costs[0]), cache.activations[-1][0]
    return ExampleGradient(
        network=network,
        inputs=inputs,
        label=label,
        prediction=int(cache.logits[0].argmax()),
        target=target,
        wish=target - output,
        cost=cost,
        # A cross-entropy is minus the logarithm of the right digit's activation.
        cost_terms=(output - target) ** 2 if network.loss.has_activation_derivative else cost * target,
        gradient=gradients.flat,
        layers=tuple(_layer(network, cache, gradients, layer) for layer in range(len(network.weights))),
        wishes=0 - (gradients.deltas[-1][0, :, None] * network.weights[-1]).T if len(network.weights) > 1 else None,
    )


def _layer(network: Network, cache: ForwardCache, gradients: Gradients, layer: int) -> LayerGradient:
    a, d_activation = cache.activations[layer + 1][0], gradients.activations[layer]
    slopes = None
    if layer < len(network.weights) - 1:
        slopes = np.empty_like(a)
        network.activation.derivative(a, out=slopes)
    return LayerGradient(
        activations=a,
        nudges=None if d_activation is None else 0 - d_activation[0],  # -x would turn zeros into minus zeros
        slopes=slopes,
        delta=gradients.deltas[layer][0],
        weight_gradient=gradients.weights[layer],
        bias_gradient=gradients.biases[layer],
    )


def three_ways(example: ExampleGradient, layer: int, neuron: int) -> ThreeWays:
    """Return the three ways to give neuron `neuron` (from 0) of `layer` (from 1) its wish. Raises UsageError."""
    if not 1 <= layer <= len(example.layers):
        raise UsageError(
            f"layer {layer}: expected 1 to {len(example.layers)}; 1 is the first after the pixels, "
            f"{len(example.layers)} the output"
        )
    own = example.layers[layer - 1]
    if not 0 <= neuron < len(own.delta):
        raise UsageError(f"neuron {neuron}: layer {layer} has neurons 0 to {len(own.delta) - 1}")
    weights, before = example.network.weights[layer - 1][neuron], example.activations_before(layer)
    bias_nudge, weight_nudges = 0 - own.bias_gradient[neuron], 0 - own.weight_gradient[neuron]
    activation_nudges = 0 - own.delta[neuron] * weights if layer > 1 else None
    reach = None if activation_nudges is None else float(activation_nudges @ weights)
    return ThreeWays(
        layer=layer,
        neuron=neuron,
        weights=weights,
        activations_before=before,
        bias_nudge=float(bias_nudge),
        weight_nudges=weight_nudges,
        activation_nudges=activation_nudges,
        reach=(float(bias_nudge), float(weight_nudges @ before), reach),
    )
