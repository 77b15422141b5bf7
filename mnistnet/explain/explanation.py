"""The walkthrough of 3Blue1Brown's "What is backpropagation really doing?", over one network and one digit, as data.

    what the output wishes, three ways for one neuron, all wishes added up, layer by layer    example_gradient.py
    how sensitive the cost is to each weight and bias                                         sensitivity.py
    only this example, or all of them                                                         batch_gradient.py

All of it uses `Network.forward` and `Network.backward`, as training does.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Examples
from mnistnet.explain import batch_gradient, example_gradient, sensitivity
from mnistnet.explain.batch_gradient import BatchGradient, Progress
from mnistnet.explain.example_gradient import ExampleGradient, LayerGradient, ThreeWays
from mnistnet.explain.sensitivity import Sensitivities, Sensitivity
from mnistnet.nn.network import Network
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.util.arrays import Array


@dataclass(frozen=True)
class Explanation:
    """The explanation of one example, in the order of the video."""

    example: ExampleGradient
    three_ways: ThreeWays
    sensitivities: Sensitivities
    averages: BatchGradient


def explain(
    network: Network,
    pixels: npt.NDArray[np.uint8],
    label: int,
    *,
    train: Examples,
    test: Examples,
    neuron: tuple[int, int] | None = None,
    top: int = 5,
    examples: int | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Explanation:
    """Explain what an image of shape (pixels,) wishes of the network so that it be read as `label`.

    - `neuron`: whose three ways to show, as (layer from 1, neuron from 0); None: the label's output neuron.
    - `top`: how many of the most and least sensitive parameters to nudge.
    - `examples`: how many of `train` to average over (None: all), drawn by `seed`.
    - `on_progress(n)`: called after every n images, `work(...)` in all.

    Raises UsageError where image, label or neuron do not fit the network, DivergedError where its numbers are too
    large to compute with.
    """
    with one_blas_thread():  # on matrices as narrow as these, two threads mostly wait for each other
        wished = example_gradient.of_example(network, pixels, label)
        ways = example_gradient.three_ways(wished, *(neuron or (len(wished.layers), label)))
        felt = sensitivity.sensitivities(wished, top)
        averages = batch_gradient.averages(wished, train, test, examples=examples, seed=seed, on_progress=on_progress)
    return Explanation(wished, ways, felt, averages)


def as_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as plain values, which docs/json.md describes."""
    wished, ways, felt = explanation.example, explanation.three_ways, explanation.sensitivities
    return {
        "label": wished.label,
        "prediction": wished.prediction,
        "cost": wished.cost,
        "cost_terms": wished.cost_terms.tolist(),
        "inputs": wished.inputs.tolist(),
        "target": wished.target.tolist(),
        "wish": wished.wish.tolist(),
        "layers": [_layer_as_json(layer) for layer in wished.layers],
        "wishes": _list(wished.wishes),
        "three_ways": {
            "layer": ways.layer,
            "neuron": ways.neuron,
            "weights": ways.weights.tolist(),
            "behind": ways.activations_before.tolist(),
            "bias_nudge": ways.bias_nudge,
            "weight_nudges": ways.weight_nudges.tolist(),
            "activation_nudges": _list(ways.activation_nudges),
            "reach": dict(zip(("bias", "weights", "activations"), ways.reach, strict=True)),
        },
        "sensitivities": {
            "most_weights": _sensitivities_as_json(felt.most_weights),
            "least_weights": _sensitivities_as_json(felt.least_weights),
            "most_biases": _sensitivities_as_json(felt.most_biases),
            "least_biases": _sensitivities_as_json(felt.least_biases),
            "middle": next(iter(_sensitivities_as_json((felt.middle,) if felt.middle else ())), None),
            "zeros": felt.zeros,
            "black": felt.black,
            "shares": [asdict(share) for share in felt.shares],
        },
        "averages": _averages_as_json(explanation.averages),
    }


def _list(array: Array | None) -> Any:
    return None if array is None else array.tolist()


def _layer_as_json(layer: LayerGradient) -> dict[str, Any]:
    return {name: _list(getattr(layer, name)) for name in LayerGradient.__dataclass_fields__}


def _sensitivities_as_json(entries: tuple[Sensitivity, ...]) -> list[dict[str, Any]]:
    return [
        {
            **entry.parameter._asdict(),
            "derivative": entry.derivative,
            "step": entry.step,
            "promised": entry.promised,
            "measured": entry.measured,
        }
        for entry in entries
    ]


def _averages_as_json(averages: BatchGradient) -> dict[str, Any]:
    return {
        "labels": list(averages.labels),
        "rows": [
            {**parameter._asdict(), "nudges": nudges, "average": average}
            for parameter, nudges, average in zip(
                averages.parameters, averages.nudges.tolist(), averages.average.tolist(), strict=True
            )
        ],
        "example": asdict(averages.example),
        "batch": asdict(averages.batch),
        "all": asdict(averages.all),
        "heeded": [asdict(row) for row in averages.fine_tuning],
    }
