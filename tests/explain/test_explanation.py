"""What `explain` says is true: against the batch gradient, against the cost itself, against numbers worked by hand."""

import json
import re
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError, UsageError
from mnistnet.explain import batch_gradient, example_gradient, report, sensitivity
from mnistnet.explain.example_gradient import ExampleGradient
from mnistnet.explain.explanation import as_json, explain
from mnistnet.explain.labels import Subject
from mnistnet.explain.sensitivity import Parameter
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array
from tests.explained import networks, small, some_examples

seeds = st.integers(0, 1000)


def one(network: Network, seed: int = 0) -> ExampleGradient:
    """Return what a random example wishes of a network."""
    examples = some_examples(network.layer_sizes[0], network.layer_sizes[-1], 1, seed)
    return example_gradient.of_example(network, examples.images[0], int(examples.labels[0]))


def cost_if(wished: ExampleGradient, layer: int, activations: Array) -> float:
    """Return what the example would cost if a hidden layer had other activations."""
    network = wished.network
    rest = Network(network.layer_sizes[layer:], "sigmoid", "quadratic", np.float64)
    rest.activation, rest.loss = network.activation, network.loss
    for own, weight in zip(
        (*rest.weights, *rest.biases), (*network.weights[layer:], *network.biases[layer:]), strict=True
    ):
        own[...] = weight
    logits = rest.forward(activations[None], rest.forward_cache(1)).logits
    return float(network.loss.costs(logits, wished.target[None])[0])


@given(network=networks, seed=seeds, count=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_mean_of_what_single_examples_wish_is_minus_the_gradient_over_all(
    network: Network, seed: int, count: int
) -> None:
    examples = some_examples(network.layer_sizes[0], network.layer_sizes[-1], count, seed)
    wished = [example_gradient.of_example(network, examples.images[i], int(examples.labels[i])) for i in range(count)]
    _, gradient = batch_gradient.mean_gradient(example_gradient.in_float64(network), examples, np.arange(count))
    mean_nudge = -np.mean([w.gradient for w in wished], axis=0)
    assert np.abs(-mean_nudge - gradient).max() < 1e-12


def test_the_mean_over_more_than_one_chunk_is_that_of_the_whole() -> None:
    network, examples = example_gradient.in_float64(small((5, 4, 3), "tanh", "quadratic")), some_examples(5, 3, 2300)
    chunked_cost, chunked = batch_gradient.mean_gradient(network, examples, np.arange(2300))
    costs, _, whole = example_gradient.backpropagate(
        network, example_gradient.as_inputs(examples.images), examples.labels
    )
    assert np.abs(chunked - whole.flat).max() < 1e-12
    assert chunked_cost == pytest.approx(costs.mean(), rel=1e-12)


@given(network=networks, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_the_outputs_wishes_add_up_to_the_nudges_of_the_layer_before(network: Network, seed: int) -> None:
    wished = one(network, seed)
    if len(wished.layers) == 1:
        assert wished.wishes is None
        return
    before = wished.layers[-2].nudges
    assert wished.wishes is not None
    assert before is not None
    assert wished.wishes.shape == (network.layer_sizes[-2], network.layer_sizes[-1])
    assert np.abs(wished.wishes.sum(axis=1) - before).max() < 1e-12


@given(network=networks, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_weight_nudges_are_the_outer_product_of_wish_and_activation(network: Network, seed: int) -> None:
    wished = one(network, seed)
    for number, layer in enumerate(wished.layers, 1):
        outer = np.outer(-layer.delta, wished.activations_before(number))
        assert np.abs(-layer.weight_gradient - outer).max() < 1e-12
        assert np.array_equal(layer.bias_gradient, layer.delta)
        if layer.slopes is not None and layer.nudges is not None:
            assert np.abs(layer.nudges * layer.slopes + layer.delta).max() < 1e-12


@given(network=networks, seed=seeds)
@settings(max_examples=40, deadline=None)
def test_nudges_of_hidden_neurons_are_what_changing_their_activation_does(network: Network, seed: int) -> None:
    wished, width = one(network, seed), 1e-5
    for number, layer in enumerate(wished.layers[:-1], 1):
        assert layer.nudges is not None
        for neuron, nudge in enumerate(layer.nudges):
            step = np.eye(len(layer.nudges))[neuron] * width
            above, below = (cost_if(wished, number, layer.activations + s) for s in (step, -step))
            if network.activation.__name__ == "Relu":  # a kink within the step makes the slope that of neither side
                middle = cost_if(wished, number, layer.activations)
                if abs(above - 2 * middle + below) > 1e-8:
                    continue
            assert -(above - below) / (2 * width) == pytest.approx(nudge, rel=1e-5, abs=1e-8)


@given(network=networks, seed=seeds)
@settings(max_examples=40, deadline=None)
def test_each_claimed_sensitivity_is_the_slope_of_the_cost(network: Network, seed: int) -> None:
    wished, width = one(network, seed), 1e-5
    felt = sensitivity.sensitivities(wished, top=3)
    for entry in (*felt.most_weights, *felt.least_weights, *felt.most_biases, *felt.least_biases):
        copy = example_gradient.in_float64(network)
        array, index = entry.parameter.place(copy)
        costs = []
        for step in (width, -width, 0.0):
            value = array[index]
            array[index] += step
            costs.append(sensitivity.cost(copy, wished))
            array[index] = value
        above, below, middle = costs
        if network.activation.__name__ == "Relu" and abs(above - 2 * middle + below) > 1e-8:
            continue
        assert entry.derivative == pytest.approx((above - below) / (2 * width), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("loss", ["quadratic", "cross_entropy"])
def test_a_real_nudge_changes_the_cost_as_promised_and_leaves_the_network_as_it_was(loss: str) -> None:
    wished = one(small((6, 5, 4), "sigmoid", loss))
    before = wished.network.parameters.copy()
    felt = sensitivity.sensitivities(wished, top=4)
    for entry in (*felt.most_weights, *felt.most_biases):
        assert entry.promised == entry.derivative * entry.step < 0
        assert entry.measured == pytest.approx(entry.promised, rel=5e-3)
    assert np.array_equal(wished.network.parameters, before)
    sizes = [abs(entry.derivative) for entry in felt.most_weights]
    assert sizes == sorted(sizes, reverse=True)
    assert felt.middle is not None
    assert sizes[0] >= abs(felt.middle.derivative) >= abs(felt.least_weights[0].derivative) > 0


def test_a_change_that_is_lost_in_rounding_is_said_to_be_lost() -> None:
    network = small((2, 2, 2), "sigmoid", "quadratic")
    network.biases[1][...] = -38, 0  # e^-38: a slope of 3e-17
    entry = sensitivity.sensitivities(
        example_gradient.of_example(network, np.array([255, 255], np.uint8), 1), 1
    ).least_biases[0]
    assert entry.parameter == Parameter(2, 0, None)
    assert 0 < abs(entry.derivative) < 1e-20
    assert entry.measured is None


def test_zero_derivatives_are_counted_and_listed_nowhere() -> None:
    network = small((4, 3, 2), "relu", "quadratic")
    network.weights[0][0], network.biases[0][0] = 0, -1  # a silent neuron
    network.weights[0][1:], network.biases[0][1:] = 1, 1
    wished = example_gradient.of_example(network, np.array([0, 0, 0, 255], np.uint8), 0)
    felt = sensitivity.sensitivities(wished, top=100)
    # First weights: 3 black pixels times 3 neurons, and the silent neuron's fourth weight; its bias; 2 weights from it.
    assert (felt.black, felt.zeros) == (9, 13)
    assert [(s.layer, s.biases, s.count, s.zeros) for s in felt.shares] == [
        (1, False, 12, 10),
        (1, True, 3, 1),
        (2, False, 6, 2),
        (2, True, 2, 0),
    ]
    assert sum(share.share for share in felt.shares) == pytest.approx(1)
    assert len(felt.most_weights) == len(felt.least_weights) == 12 + 6 - 12
    assert all(entry.derivative for entry in felt.least_weights)


@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple))
@settings(max_examples=30, deadline=None)
def test_a_parameters_name_leads_to_its_place(sizes: tuple[int, ...]) -> None:
    network = Network(sizes, "relu", "quadratic")
    network.parameters[...] = np.arange(network.parameters.size)
    for index in range(network.parameters.size):
        array, place = sensitivity.parameter_at(sizes, index).place(network)
        assert array[place] == index
    with pytest.raises(IndexError):
        sensitivity.parameter_at(sizes, network.parameters.size)


def by_hand() -> Network:
    """Return the network 2-2-2 of the example below."""
    network = Network((2, 2, 2), "sigmoid", "quadratic")
    network.weights[0][...] = [[0, 5], [0, -5]]
    network.weights[1][...] = [[2, -2], [4, -4]]
    return network


def test_the_json_of_a_small_network_is_what_one_works_out_by_hand() -> None:
    # Pixels 255 and 0, so inputs 1 and 0: the weights 5 and -5 lie behind the black pixel. All biases are 0.
    #   hidden: z = (0, 0), so a = (1/2, 1/2).    output: z = (2 - 2, 4 - 4) / 2 = (0, 0), so a = (1/2, 1/2)
    # It should be class 0: target (1, 0), wish (1/2, -1/2), cost 1/4 + 1/4.
    #   output: dC/da = 2 (a - y) = (-1, 1); f' = 1/2 * 1/2 = 1/4; delta = (-1/4, 1/4)
    #           dC/dW = delta times a: ((-1/8, -1/8), (1/8, 1/8))
    #   wishes[n][o] = -W[o][n] delta[o]: neuron 0: 2/4, -4/4; neuron 1: -2/4, 4/4; sums: -1/2, 1/2
    #   hidden: nudges = those sums, f' = 1/4, delta = minus nudge times 1/4 = (1/8, -1/8); dC/dW = delta times (1, 0)
    examples = Examples(np.array([[255, 0]], np.uint8), np.array([0], np.uint8))
    pixels = np.array([255, 0], np.uint8)
    found = as_json(explain(by_hand(), pixels, 0, train=examples, test=examples, top=1))
    assert json.loads(json.dumps(found)) == found
    for name, expected in {
        "label": 0,
        "cost": 0.5,
        "cost_terms": [0.25, 0.25],
        "inputs": [1, 0],
        "target": [1, 0],
        "wish": [0.5, -0.5],
        "wishes": [[0.5, -1], [-0.5, 1]],
        "layers": [
            {
                "activations": [0.5, 0.5],
                "nudges": [-0.5, 0.5],
                "slopes": [0.25, 0.25],
                "delta": [0.125, -0.125],
                "weight_gradient": [[0.125, 0], [-0.125, 0]],
                "bias_gradient": [0.125, -0.125],
            },
            {
                "activations": [0.5, 0.5],
                "nudges": [1, -1],
                "slopes": None,
                "delta": [-0.25, 0.25],
                "weight_gradient": [[-0.125, -0.125], [0.125, 0.125]],
                "bias_gradient": [-0.25, 0.25],
            },
        ],
        "three_ways": {
            "layer": 2,
            "neuron": 0,
            "weights": [2, -2],
            "behind": [0.5, 0.5],
            "bias_nudge": 0.25,
            "weight_nudges": [0.125, 0.125],
            "activation_nudges": [0.5, -0.5],
            "reach": {"bias": 0.25, "weights": 0.125, "activations": 2},  # 1/8 * 1/2 twice; 2 * 1/2 + -2 * -1/2
        },
    }.items():
        assert found[name] == expected, name
    felt = found["sensitivities"]
    assert (felt["zeros"], felt["black"]) == (2, 2)
    assert (felt["most_biases"][0]["derivative"], felt["most_biases"][0]["step"]) in ((-0.25, 0.001), (0.25, -0.001))
    assert felt["most_biases"][0]["promised"] == -0.00025
    # The bias is really moved by 0.001 towards its wish: that output's square becomes (1 / (1 + e^0.001))^2.
    assert felt["most_biases"][0]["measured"] == pytest.approx((1 / (1 + exp(0.001))) ** 2 - 0.25, abs=1e-15)
    # Squares: first weights 2/64, first biases 2/64, last weights 4/64, last biases 8/64, of 16/64.
    assert [share["share"] for share in felt["shares"]] == [0.125, 0.125, 0.25, 0.5]
    # The only training image is this very example, so all directions are one.
    averages = found["averages"]
    assert averages["labels"] == [0, 0]
    assert [averages[name]["angle"] for name in ("example", "batch", "all")] == [0, 0, 0]
    assert [averages[name]["length"] for name in ("example", "batch", "all")] == [0.5, 0.5, 0.5]
    for row in averages["rows"]:
        assert row["nudges"] == [row["average"], row["average"]]
    assert averages["heeded"][-1]["alone_share"] == averages["heeded"][-1]["alone_accuracy"] == 1


def test_a_cross_entropy_output_wishes_y_minus_a_and_has_no_derivative_by_its_activations() -> None:
    # Weights 0: softmax gives each of 4 classes 1/4; the cost is ln 4, all of it the right class's.
    wished = example_gradient.of_example(Network((3, 4), "relu", "cross_entropy"), np.array([0, 51, 255], np.uint8), 2)
    assert wished.cost == pytest.approx(log(4))
    assert wished.cost_terms.tolist() == [0, 0, wished.cost, 0]
    assert wished.wish.tolist() == [-0.25, -0.25, 0.75, -0.25]
    assert wished.layers[0].nudges is None
    assert (-wished.layers[0].delta).tolist() == wished.wish.tolist()
    assert wished.layers[0].weight_gradient[0] == pytest.approx([0, 0.05, 0.25], rel=1e-7)
    assert example_gradient.three_ways(wished, 1, 2).activation_nudges is None


@pytest.mark.parametrize("layer", [1, 2])
def test_the_three_ways_of_any_neuron_lead_as_far_as_they_say(layer: int) -> None:
    wished = one(small((5, 4, 3), "tanh", "quadratic"))
    ways = example_gradient.three_ways(wished, layer, 1)
    before = float(ways.weights @ ways.activations_before)
    assert ways.reach[0] == ways.bias_nudge == -wished.layers[layer - 1].delta[1]
    assert (ways.weights + ways.weight_nudges) @ ways.activations_before - before == pytest.approx(ways.reach[1])
    if layer == 1:
        assert ways.activation_nudges is None
        assert ways.reach[2] is None
    else:
        assert ways.activation_nudges is not None
        assert wished.wishes is not None
        assert ways.activation_nudges == pytest.approx(wished.wishes[:, 1])
        assert ways.weights @ (ways.activations_before + ways.activation_nudges) - before == pytest.approx(
            ways.reach[2]
        )


def test_what_does_not_fit_the_network_is_refused_in_a_sentence() -> None:
    network, pixels = small((4, 3, 2), "relu", "quadratic"), np.zeros(4, np.uint8)
    with pytest.raises(UsageError, match="takes images of 4 pixels, found 5"):
        example_gradient.of_example(network, np.zeros(5, np.uint8), 0)
    for label in (-1, 2):
        with pytest.raises(UsageError, match="expected 0 to 1"):
            example_gradient.of_example(network, pixels, label)
    wished = example_gradient.of_example(network, pixels, 0)
    for layer, neuron in ((0, 0), (3, 0), (1, 3), (2, -1)):
        with pytest.raises(UsageError, match="layer"):
            example_gradient.three_ways(wished, layer, neuron)


def test_weights_too_large_to_compute_with_are_an_error() -> None:
    network = Network((4, *[3] * 8, 2), "relu", "cross_entropy")
    network.parameters[...] = 1e38  # each layer multiplies by it, and float64 ends at 1e308
    examples = some_examples(4, 2, 3)
    with pytest.raises(DivergedError, match="lower learning rate"):
        explain(network, examples.images[0], 1, train=examples, test=examples)


def test_the_angle_between_directions_keeps_its_digits() -> None:
    assert batch_gradient.angle(np.array([1.0, 0]), np.array([0, 2.0])) == pytest.approx(90)
    assert batch_gradient.angle(np.array([1.0, 1]), np.array([-2.0, -2])) == pytest.approx(180)
    assert batch_gradient.angle(np.array([1.0, 0]), np.array([1, 1e-9])) == pytest.approx(np.degrees(1e-9), rel=1e-6)
    assert batch_gradient.angle(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0
    assert batch_gradient.angle(np.zeros(2), np.array([1.0, 0])) is None


def test_the_table_shows_what_each_example_wishes_and_the_average_over_those_asked_for() -> None:
    network, train = small((6, 5, 4), "sigmoid", "quadratic"), some_examples(6, 4, 40, seed=3)
    wished = one(network)
    found = batch_gradient.averages(wished, train, train, examples=25, seed=9)
    assert found.labels == (wished.label, *train.labels[:5])
    columns = [wished, *(example_gradient.of_example(network, train.images[i], int(train.labels[i])) for i in range(5))]
    for row, parameter in enumerate(found.parameters):
        for column, source in enumerate(columns):
            layer = source.layers[parameter.layer - 1]
            gradient = layer.bias_gradient if parameter.source is None else layer.weight_gradient[:, parameter.source]
            assert found.nudges[row, column] == pytest.approx(-gradient[parameter.neuron], abs=1e-15)
    assert {parameter.layer for parameter in found.parameters} == {1, 2}
    assert [d.examples for d in (found.example, found.batch, found.all)] == [1, 25, 25]
    assert found.example.cost == wished.cost
    assert 0 < (found.example.angle or 0) < 180
    everything = batch_gradient.averages(wished, train, train, seed=1)
    _, gradient = batch_gradient.mean_gradient(wished.network, train, np.arange(40))
    assert everything.all.length == pytest.approx(np.linalg.norm(gradient))
    assert not np.allclose(everything.average, found.average)


def test_listening_to_one_example_alone_makes_everything_look_like_it_and_batches_teach(
    mnist_train: Examples, mnist_test: Examples
) -> None:
    train, test = mnist_train.take(np.arange(3000)), mnist_test.take(np.arange(500))
    network = Network((784, 16, 10), "relu", "cross_entropy")
    network.initialise(np.random.default_rng(0))
    wished = example_gradient.of_example(network, test.images[0], 7)
    done: list[int] = []
    heeded = batch_gradient.averages(wished, train, test, on_progress=done.append).fine_tuning
    assert sum(done) == batch_gradient.work(len(train), len(test), None)
    assert [row.steps for row in heeded] == [0, 1, 3, 10, 30, 100]
    first, last = heeded[0], heeded[-1]
    assert (first.alone_share, first.alone_accuracy) == (first.batches_share, first.batches_accuracy)
    assert last.alone_share > 0.99
    assert last.alone_accuracy == pytest.approx(np.mean(test.labels == 7), abs=0.01)
    assert last.batches_accuracy > 0.7


def test_an_example_with_nothing_left_to_wish_moves_nothing() -> None:
    network = Network((2, 2), "sigmoid", "quadratic")
    network.biases[0][...] = 100, -1000  # outputs of exactly 1 and 0
    examples = Examples(np.zeros((2, 2), np.uint8), np.zeros(2, np.uint8))
    found = explain(network, examples.images[0], 0, train=examples, test=examples)
    assert not found.example.gradient.any()
    assert found.sensitivities.middle is None
    assert found.averages.example.angle is None
    assert {row.alone_accuracy for row in found.averages.fine_tuning} == {1}
    assert "NaN" not in json.dumps(as_json(found))


@pytest.mark.parametrize(
    ("loss", "layer"), [("quadratic", 1), ("quadratic", 2), ("cross_entropy", 1), ("cross_entropy", 2)]
)
def test_the_weighted_sum_that_is_spelled_out_adds_up(loss: str, layer: int) -> None:
    network = small((9, 5, 3), "relu", loss)
    wished = example_gradient.of_example(network, np.arange(0, 252, 28, dtype=np.uint8), 1)
    ways = example_gradient.three_ways(wished, layer, 2)
    text = report.about_sum(Subject(wished, ways, "It", ("a", "b", "c"), (3, 3)))
    _, _, spelled = text.partition(" z = ")
    terms, _, result = spelled.partition(" (its bias) = ")
    products = re.findall(r"\(([+-][\d.]+)\)\(([\d.]+)\)", terms)
    others = re.findall(r" ([+-]) ([\d.]+)(?: from| *$)", terms)
    assert (len(products), len(others)) == (3, 2)
    total = sum(float(w) * float(a) for w, a in products) + sum(float(sign + number) for sign, number in others)
    assert total == pytest.approx(float(result.split(",")[0]), abs=0.03)
    assert f"{wished.layers[layer - 1].activations[2]:.3f}" in result
