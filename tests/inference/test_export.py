"""An exported network answers as the checkpoint does, says what it is, and never replaces a file unasked."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from safetensors import safe_open

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.data.datasets import Examples
from mnistnet.inference import calibration, export
from mnistnet.inference.evaluate import forward
from tests.conftest import ROOT
from tests.golden.make import GOLDEN
from tests.helpers import run
from tests.own_data import FITTING, write_bars

NETWORKS = {"best": pretrained.path("best"), "video": pretrained.path("3blue1brown"), "golden": GOLDEN}
CODE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "interchange.md").read_text(encoding="utf-8"), re.DOTALL)


def answers(content: bytes, images: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return logits and probabilities of an ONNX model by ONNX Runtime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"image": images})
    return logits, probabilities


@pytest.mark.parametrize("path", NETWORKS.values(), ids=NETWORKS.keys())
def test_onnx_runtime_answers_as_we_do_on_all_test_images(path: Path, mnist_test: Examples) -> None:
    saved = checkpoint.load(path)
    logits, probabilities = answers(export.as_onnx(saved), mnist_test.images.astype(np.float32) / 255)
    ours = forward(saved.network, mnist_test.images)
    assert logits.shape == probabilities.shape == (10_000, 10)
    assert np.abs(logits - ours).max() <= 1e-5 * max(1, np.abs(ours).max())
    assert np.abs(probabilities - calibration.probabilities(ours, saved.temperature)).max() <= 1e-5
    assert (logits.argmax(axis=1) == ours.argmax(axis=1)).mean() > 0.9999


@pytest.mark.parametrize("path", NETWORKS.values(), ids=NETWORKS.keys())
def test_the_onnx_model_is_valid_and_says_what_goes_in_and_comes_out(path: Path) -> None:
    model = onnx.load_model_from_string(export.as_onnx(checkpoint.load(path)))
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"image": ["N", 784], "logits": ["N", 10], "probabilities": ["N", 10]}


def test_the_metadata_tells_config_labels_and_accuracy() -> None:
    saved = checkpoint.load(NETWORKS["best"])
    model = onnx.load_model_from_string(export.as_onnx(saved))
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert float(facts["accuracy"]) == saved.best["validation_accuracy"]
    assert facts["accuracy_of"] == "2000 validation images"
    assert json.loads(facts["labels"]) == list("0123456789")
    assert json.loads(facts["config"])["layer_sizes"] == [784, 1024, 1024, 10]
    assert float(facts["temperature"]) == saved.temperature


def test_an_untold_accuracy_is_not_made_up() -> None:
    saved = checkpoint.load(NETWORKS["best"])
    untold = replace(saved, temperature=None, best={**saved.best, "validation_accuracy": None})
    facts = export.metadata(untold)
    assert not {"accuracy", "accuracy_of", "temperature"} & set(facts)
    _, probabilities = answers(export.as_onnx(untold), np.full((1, 784), 0.3, np.float32))
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)


def torch_shapes(module: str) -> dict[str, list[int]]:
    """Return the names and shapes that torch.nn.Sequential would give the arrays of `Sequential(Linear(3, 2), ...)`."""
    shapes: dict[str, list[int]] = {}
    for place, word in enumerate(re.findall(r"(\w+\([\d, ]*\))", module)):
        if sizes := re.fullmatch(r"Linear\((\d+), (\d+)\)", word):
            fan_in, fan_out = map(int, sizes.groups())
            shapes |= {f"{place}.weight": [fan_out, fan_in], f"{place}.bias": [fan_out]}
    return shapes


@pytest.mark.parametrize("path", NETWORKS.values(), ids=NETWORKS.keys())
def test_safetensors_are_named_and_shaped_as_in_a_sequential_of_linear_layers(path: Path, tmp_path: Path) -> None:
    saved = checkpoint.load(path)
    export.write(tmp_path / "x.safetensors", saved)
    with safe_open(tmp_path / "x.safetensors", "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
        facts = file.metadata()
    assert {name: list(array.shape) for name, array in arrays.items()} == torch_shapes(facts["module"])
    layers = enumerate(zip(saved.network.weights, saved.network.biases, strict=True))
    for i, (weight, bias) in layers:
        assert np.array_equal(arrays[f"{2 * i}.weight"], weight)
        assert np.array_equal(arrays[f"{2 * i}.bias"], bias)
    assert facts["module"].count("(") == 2 * len(saved.network.weights)
    assert json.loads(facts["labels"]) == list(saved.labels)


@pytest.mark.parametrize("form", export.WRITERS)
def test_the_same_network_makes_the_same_bytes(form: str) -> None:
    first, second = (export.WRITERS[form](checkpoint.load(NETWORKS["video"])) for _ in range(2))
    assert first == second


def test_a_network_of_ones_own_data_takes_its_images_and_names_its_classes(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars")
    assert run("train", "--set=dataset=bars", *FITTING, "--out", "run").exit_code == 0
    model = onnx.load_model_from_string(export.as_onnx(checkpoint.load(Path("run/best.npz"))))
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["labels"]) == ["left", "middle", "right"]
    assert facts["input"].startswith("pixels / 255, 12x8")
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 96


# The command


def test_a_file_that_is_there_is_replaced_only_by_force() -> None:
    Path("x.onnx").write_bytes(b"precious")
    result = run("export", "3blue1brown", "x.onnx")
    assert (result.exit_code, Path("x.onnx").read_bytes()) == (2, b"precious")
    assert "write over it with --force" in result.stderr
    assert run("export", "3blue1brown", "x.onnx", "--force").stdout.startswith("x.onnx: 3blue1brown, 784-16-16-10, ")
    assert list(Path().iterdir()) == [Path("x.onnx")]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["best", "x.txt"], 2, "x.txt: expected a file name that ends in .onnx or .safetensors"),
        (["none.npz", "x.onnx"], 1, "none.npz: cannot be read: no such file"),
        (["best", "none/x.onnx"], 1, "none/x.onnx: cannot be written: no such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(words: list[str], code: int, sentence: str) -> None:
    result = run("export", *words)
    assert result.exit_code == code
    assert sentence in result.stderr
    assert not list(Path().iterdir())


@pytest.mark.parametrize("form", export.WRITERS)
def test_a_missing_library_is_named_with_its_extra(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, form, None)
    result = run("export", "best", f"x.{form}")
    assert result.exit_code == 1
    assert f"pip install -e '{ROOT}[{form}]'` adds it" in result.stderr


# What the document shows


def test_the_onnx_example_of_the_document_runs_and_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    code = next(code for code in CODE if "onnxruntime" in code)
    assert len(code.splitlines()) <= 11
    export.write(Path("model.onnx"), checkpoint.load(NETWORKS["best"]))
    exec(compile(code, "interchange.md", "exec"), {})
    assert re.fullmatch(r"(\d \d+\.\d%\n){2}", capsys.readouterr().out)


def test_the_torch_example_builds_the_very_module_that_the_file_names() -> None:
    code = next(code for code in CODE if "torch" in code)
    assert len(code.splitlines()) <= 10
    export.write(Path("model.safetensors"), checkpoint.load(NETWORKS["best"]))
    with safe_open("model.safetensors", "numpy") as file:
        module = file.metadata()["module"]
    assert f"model = {module}" in code.replace("nn.", "")
