"""A step shared among processes is the step that one would take: nothing twice, nothing left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.config import loader as configs
from mnistnet.data import datasets, registry
from mnistnet.data.datasets import Examples
from mnistnet.nn import optimizers
from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import OPTIMIZERS
from mnistnet.training import loop, parallel, share_neurons
from mnistnet.training import run as runs
from mnistnet.training.averaging import ParameterAverage
from mnistnet.training.data_loader import Batch, partition
from mnistnet.training.parallel import MIN_ROWS, WORTH_A_PROCESS, by_neurons, num_workers
from mnistnet.training.process_pool import ProcessPool
from mnistnet.training.share_neurons import StepByNeurons
from mnistnet.training.share_rows import StepByRows
from mnistnet.training.state import State, attach_optimizer
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator
from mnistnet.util.shared_memory import shared_zeros
from tests.helpers import some

SIZES = (9, 7, 5, 4)


def shared(values: Array) -> Array:
    memory = shared_zeros(values.shape, values.dtype)
    memory[...] = values
    return memory


@given(st.integers(0, 50), st.integers(0, 200), st.integers(1, 9))
def test_shares_are_next_to_each_other_and_alike(start: int, n: int, parts: int) -> None:
    found = [partition(slice(start, start + n), part, parts) for part in range(parts)]
    assert [i for share in found for i in range(share.start, share.stop)] == list(range(start, start + n))
    lengths = [share.stop - share.start for share in found]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("share", [StepByRows, StepByNeurons])
@pytest.mark.parametrize("workers", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("name", "activation", "loss"),
    [*zip(OPTIMIZERS, ("tanh", "relu", "sigmoid", "relu"), ("quadratic", "cross_entropy") * 2, strict=True)],
)
def test_processes_take_the_step_that_one_would_take(
    name: str, activation: str, loss: str, workers: int, share: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything at once: decay, dropout, class weights, averaging, batches of two sizes, flushed moments."""
    monkeypatch.setattr(share_neurons, "GRADIENT", 20)  # several blocks a layer, of several pieces
    monkeypatch.setattr(share_neurons, "PIECE", 9)
    monkeypatch.setattr(optimizers, "FLUSH_EVERY", 2)
    random, keep = generator(0, Use.INIT), (0.5, 0.8)
    alone, together = (Network(SIZES, activation, loss, np.float64) for _ in range(2))
    alone.parameters[...] = random.normal(0, 0.5, alone.parameters.shape)
    own = np.zeros_like(alone.parameters)
    expected = OPTIMIZERS[name](alone.parameters, own, alone.weight_count, weight_decay=0.1)
    expected_average, average = alone.parameters.copy(), shared(alone.parameters)
    follow = ParameterAverage(alone.parameters, expected_average, 0.7)
    together.use_parameters(shared(alone.parameters))
    flat = shared(own)
    optimizer = OPTIMIZERS[name](together.parameters, flat, together.weight_count, weight_decay=0.1, zeros=shared_zeros)
    inputs, targets, logits, *masks = (shared_zeros((12, n), np.float64) for n in (9, 4, 4, *SIZES[1:-1]))
    weights = shared_zeros((12, 1), np.float64)
    everything = Batch(inputs, np.zeros(12, np.uint8), targets, tuple(masks), logits, weights)
    with ProcessPool(workers) as pool:
        step = share(together, optimizer, [12, 5], pool, keep=keep, average=average, decay=0.7)
        pool.start(lambda worker, n: step.run(worker, everything.rows(slice(0, int(n))), 0.1))
        for size in (12, 12, 5, 12, 5):
            batch = everything.rows(slice(0, size))
            batch.inputs[...], batch.targets[...] = random.random((size, 9)), np.eye(4)[random.integers(4, size=size)]
            weights[...] = random.random((12, 1))
            for mask, share_kept in zip(masks, keep, strict=True):
                mask[...] = (random.random(mask.shape) < share_kept) / share_kept
            cache = alone.forward_cache(size)
            cache.keep, cache.masks = keep, batch.masks
            alone.forward(batch.inputs, cache)
            alone.backward(cache, batch.targets, alone.gradients(size, own), batch.weights)
            expected.step(0.1)
            follow.update(expected.steps)
            pool.run(size)
            assert np.allclose(batch.logits, cache.logits, rtol=1e-11, atol=1e-13)
    assert np.allclose(together.parameters, alone.parameters, rtol=1e-11, atol=1e-13)
    assert np.allclose(average, expected_average, rtol=1e-11, atol=1e-13)
    for moment, values in optimizer.state.items():
        assert np.allclose(values, expected.state[moment], rtol=1e-11, atol=1e-13)


ALL_AT_ONCE = (
    "layer_sizes=[784, 12, 9, 10]",
    "epochs=2",
    "batch_size=64",
    "dropout=[0.2, 0.1]",
    "weight_averaging=0.9",
    "weight_decay=0.05",
    "class_weights=balanced",
    "label_smoothing=0.1",
    "augment=default",
    "train_images=all",
)


@pytest.mark.parametrize("augment", ["null", "default"])
@pytest.mark.parametrize("neurons", [False, True], ids=["rows", "neurons"])
def test_a_training_shared_in_either_way_is_the_serial_one(
    mnist_train: Examples, neurons: bool, augment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "by_neurons", lambda *_: neurons)
    few = some(mnist_train, 210)  # the last batch has 18 images

    def train(threads: int) -> State:
        config = configs.load(None, [*ALL_AT_ONCE, f"augment={augment}", "validation=0", f"threads={threads}"])
        network = Network(config.layer_sizes, config.activation, config.loss, np.float64)
        network.initialise(generator(0, Use.INIT))
        state = attach_optimizer(config, network)
        list(loop.fit(state, few, None))
        return state

    serial = train(1)
    for threads in (2, 3):
        state = train(threads)
        assert state.optimizer.steps == serial.optimizer.steps == 8
        for found, expected in ((state.network, serial.network), (state.result, serial.result)):
            difference = np.abs(found.parameters - expected.parameters).max()
            assert difference < 1e-9 * np.abs(expected.parameters).max()
        for one, other in zip(state.history, serial.history, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=1e-6)  # from logits in float32
            assert one.train_accuracy == other.train_accuracy
        assert train(threads).network.parameters.tobytes() == state.network.parameters.tobytes()


def test_a_run_shared_by_neuron_resumes_bit_for_bit(
    mnist_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "by_neurons", lambda *_: True)
    settings = configs.load(None, [*ALL_AT_ONCE, "train_images=300", "validation=100", "threads=2"])
    store = datasets.store(registry.MNIST, mnist_dir)

    def train(name: str, epochs: int) -> bytes:
        with runs.open_run(tmp_path / name, settings, store, resume=True) as run:
            for _ in zip(range(epochs), run.epochs(), strict=False):
                pass
        return (tmp_path / name / runs.LAST).read_bytes()

    unbroken = train("unbroken", 2)
    assert train("stopped", 1) != unbroken
    assert train("stopped", 1) == unbroken


@pytest.mark.parametrize("share", [StepByRows, StepByNeurons])
def test_the_learning_rate_is_the_first_workers_to_say(share: Any) -> None:
    network = Network(SIZES, "tanh", "cross_entropy", np.float64)
    network.use_parameters(shared_zeros(network.parameters.shape, np.float64))
    flat = shared_zeros(network.parameters.shape, np.float64)
    optimizer = OPTIMIZERS["sgd"](network.parameters, flat, network.weight_count)
    shapes = ((4, 9), (4, 4), (4, 4))
    inputs, targets, logits = (shared_zeros(shape, np.float64) for shape in shapes)
    batch = Batch(inputs, np.zeros(4, np.uint8), targets, (), logits)
    targets[:, 1] = 1
    with ProcessPool(2) as pool:
        step = share(network, optimizer, [4], pool)
        pool.start(lambda worker: step.run(worker, batch, 0.5 if worker == 0 else 0.0))
        pool.run()
    # With all weights 0 each output is 1/4, so each bias of the output moves by the rate times (y - 1/4).
    assert network.biases[-1] == pytest.approx([-0.125, 0.375, -0.125, -0.125])


def test_small_steps_stay_with_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert num_workers((784, 16, 16, 10), 10) == 1  # measured, it would not pay
    assert num_workers((784, 16, 16, 10), 100) == 2
    assert num_workers((784, 128, 10), 128) == 4
    assert num_workers((WORTH_A_PROCESS, 10), MIN_ROWS) == 1
    assert num_workers((784, 800, 800, 10), 10) == 4  # by neuron a small batch is no obstacle


def test_large_layers_are_shared_by_neuron_and_small_ones_or_large_batches_by_rows() -> None:
    assert by_neurons((784, 800, 800, 10), 128)
    assert by_neurons((784, 512, 128, 10), 128)
    assert not by_neurons((784, 800, 800, 10), 512)
    assert not by_neurons((784, 128, 10), 128)
    assert not by_neurons((784, 16, 16, 10), 10)
    assert not by_neurons((100_000, 10), 1)  # there is no hidden layer to share
