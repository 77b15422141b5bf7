"""Exports a trained network as an ONNX model, or as a safetensors file with the names PyTorch gives its layers.

Both also hold its config, the names of its classes, and its accuracy on validation images.
The same checkpoint gives the same bytes. Each format needs its library, an extra of the same name.
"""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

from mnistnet import __version__
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.config import loader as configs
from mnistnet.errors import ExportError, UsageError
from mnistnet.util.atomic_files import replace_file
from mnistnet.util.extras import install_command

OPSET, IR_VERSION = 13, 8  # old enough for readers of some years ago; nothing newer is needed
OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
MODULES = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh"}


def check(path: Path, force: bool = False) -> None:
    """Raise UsageError or ExportError unless a network can be written into such a file: better now than later."""
    form = path.suffix.lower().removeprefix(".")
    if form not in WRITERS:
        raise UsageError(f"{path}: expected a file name that ends in .onnx or .safetensors")
    try:
        importlib.import_module(form)
    except ImportError:
        raise ExportError(
            f"{path}: needs the library {form}, which is not installed: `{install_command(form)}` adds it"
        ) from None
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; expected the name of a file to write")
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already: write over it with --force, or choose another name")


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write the network of a checkpoint in the format that the file's name ends in. Raises ExportError."""
    replace_file(path, WRITERS[path.suffix.lower().removeprefix(".")](checkpoint), ExportError)


def metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what an exported file says about itself, as text; labels and config are JSON."""
    config, score = checkpoint.config, checkpoint.best["validation_accuracy"]
    facts = {
        "mnistnet": __version__,
        "dataset": checkpoint.dataset["name"],
        "labels": json.dumps(checkpoint.labels),
        "config": json.dumps(configs.to_mapping(config)),
        "input": f"pixels / 255, {checkpoint.shape[0]}x{checkpoint.shape[1]}, light on dark, row by row",
    }
    if score is not None:
        facts |= {"accuracy": repr(score), "accuracy_of": f"{config.validation} validation images"}
    if checkpoint.temperature is not None:
        facts["temperature"] = repr(checkpoint.temperature)
    return facts


def as_onnx(checkpoint: Checkpoint) -> bytes:
    """Return the network as an ONNX model, checked.

    Input `image`, float32 [N, pixels] from 0 to 1. Outputs `logits`, the last layer's weighted sums, and
    `probabilities`, their calibrated softmax, which `mnistnet predict` shows; both float32 [N, classes].
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network, classes = checkpoint.network, checkpoint.config.layer_sizes[-1]
    nodes, constants, value = [], [], "image"
    last = len(network.weights) - 1
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        names = [f"layers.{i}.weight", f"layers.{i}.bias"]
        constants += [numpy_helper.from_array(np.array(a), name) for a, name in zip((weight, bias), names, strict=True)]
        weighted_sum = "logits" if i == last else f"layers.{i}.z"
        nodes.append(helper.make_node("Gemm", [value, *names], [weighted_sum], name=f"layer {i}", transB=1))
        if i < last:
            value = f"layers.{i}.a"
            operator = OPERATORS[checkpoint.config.activation]
            nodes.append(helper.make_node(operator, [weighted_sum], [value], name=f"activation {i}"))
    constants.append(numpy_helper.from_array(np.array(checkpoint.temperature or 1.0, np.float32), "temperature"))
    nodes.append(helper.make_node("Div", ["logits", "temperature"], ["calibrated"], name="calibration"))
    nodes.append(helper.make_node("Softmax", ["calibrated"], ["probabilities"], name="softmax", axis=1))

    def tensor(name: str, width: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])

    outputs = [tensor("logits", classes), tensor("probabilities", classes)]
    inputs = [tensor("image", checkpoint.config.layer_sizes[0])]
    graph = helper.make_graph(nodes, "mnistnet", inputs, outputs, constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="mnistnet", producer_version=__version__, opset_imports=opset)
    model.ir_version = IR_VERSION
    helper.set_model_props(model, metadata(checkpoint))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def as_safetensors(checkpoint: Checkpoint) -> bytes:
    """Return the network as a safetensors file, its arrays named as in a `torch.nn.Sequential` of `Linear` layers.

    The Linear layers stand at places 0, 2, 4, ..., each but the last with its activation behind it.
    """
    import numpy as np
    from safetensors.numpy import save

    network = checkpoint.network
    arrays, modules = {}, []
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays[f"{2 * i}.weight"], arrays[f"{2 * i}.bias"] = np.array(weight), np.array(bias)
        modules += [f"Linear({weight.shape[1]}, {weight.shape[0]})", f"{MODULES[checkpoint.config.activation]}()"]
    facts = metadata(checkpoint) | {"module": f"Sequential({', '.join(modules[:-1])})"}
    return _in_order(save(arrays, facts))


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with its header sorted: the library writes metadata in another order each time.

    It is the header's size in 8 bytes, JSON, spaces to a multiple of 8 bytes, and the numbers.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


WRITERS: dict[str, Callable[[Checkpoint], bytes]] = {"onnx": as_onnx, "safetensors": as_safetensors}
"""By what a file's name ends in, which is also the name of the library and of the extra."""
