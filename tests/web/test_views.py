"""`mnistnet demo` below the page: the numbers it gives, the lessons, visitors' copies, the command and its process."""

import base64
import json
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.cli import cli
from mnistnet.data import datasets, registry
from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError, ImageError, UsageError
from mnistnet.explain import batch_gradient
from mnistnet.explain.example_gradient import in_float64, of_example
from mnistnet.inference.classifier import Classifier
from mnistnet.nn.network import Network
from mnistnet.util.extras import install_command
from mnistnet.web import demo_model, fine_tune, server, views
from mnistnet.web.demo_model import DemoModel
from mnistnet.web.server import FILES, Hosts, create_app
from tests.conftest import ROOT
from tests.demo import Served, served
from tests.explained import small, some_examples
from tests.pictures import enlarged, png
from tests.web.conftest import ORIGIN, Post


def digits(network: Network) -> Classifier:
    return Classifier(network, "mnist", tuple("0123456789"), (28, 28))


def tables(step: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for block in step["blocks"] if block["kind"] == "table"]


def test_the_numbers_of_the_page_are_those_of_explain_json(
    post: Post, mnist_test: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_gradient, "STEPS", (0, 1))
    monkeypatch.setattr(views, "AVERAGED", 100)
    words = ["explain", "--index", "8", "--label", "7", "--neuron", "1:3", "--examples", "100", "--json"]
    told = json.loads(CliRunner().invoke(cli, [*words, "--data-dir", str(ROOT / "data")]).stdout)
    pixels = mnist_test.images[8].tobytes()
    thought, wish = post("think", pixels=pixels), post("wish", pixels=pixels, label=7, neuron=[1, 3])
    for key in ("label", "prediction", "cost", "cost_terms", "target", "wish"):
        assert wish[key] == told[key]
    for own, known, seen in zip(wish["layers"], told["layers"], thought["layers"], strict=True):
        assert own["neurons"] == seen["neurons"] == list(range(len(known["activations"])))
        assert own["activations"] == seen["activations"] == known["activations"]
        assert (own["nudges"], own["slopes"]) == (known["nudges"], known["slopes"])
        assert own["bias_nudges"] == [0 - value for value in known["bias_gradient"]]
    assert np.transpose(wish["passed"][-1]).tolist() == told["wishes"]
    assert {key: wish["three_ways"][key] for key in told["three_ways"]} == told["three_ways"]
    assert wish["first_weights"] == [[0 - value for value in row] for row in told["layers"][0]["weight_gradient"]]
    around = post("average", pixels=pixels, label=7)
    assert [step["title"] for step in [*wish["steps"], *around["steps"]]] == post("describe")["steps"]
    assert around["examples"] == 100
    (most, *_), averages = tables(around["steps"][0]), tables(around["steps"][1])
    assert [row["values"][1] for row in most["rows"]] == [
        entry["derivative"] for entry in told["sensitivities"]["most_weights"][:3]
    ]
    assert [row["values"][1] for row in averages[1]["rows"]] == [
        told["averages"][name]["cost"] for name in ("example", "all")
    ]
    assert np.sum(wish["passed"][0], axis=0) == pytest.approx(wish["layers"][0]["nudges"], rel=1e-12)


def test_the_answer_is_that_of_predict_and_a_picture_goes_the_same_way(
    post: Post, mnist_test: Examples, tmp_path: Path
) -> None:
    picture = png(255 - enlarged(mnist_test.images[1].reshape(28, 28), 9))
    (tmp_path / "two.png").write_bytes(picture)
    predicted = json.loads(
        CliRunner().invoke(cli, ["predict", "two.png", "--checkpoint", "3blue1brown", "--json"]).stdout
    )
    thought = post("think", picture=picture)
    assert thought["digit"] == predicted["digit"] == 2
    assert thought["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-5)
    assert thought["confidence"] == max(thought["probabilities"])
    assert post("think", pixels=base64.b64decode(thought["pixels"])) == thought


def post_to(shown: DemoModel, name: str, **message: Any) -> Any:
    client = create_app(shown, Hosts("127.0.0.1", 8000)).test_client()
    headers = {"Host": "127.0.0.1:8000", "Content-Type": "application/json"}
    return client.post(f"/api/{name}", data=json.dumps(message), headers=headers).get_json()


def test_a_scribble_is_as_unsure_on_the_page_as_in_predict(post: Post) -> None:
    drawing, random = Image.new("L", (100, 100), 255), np.random.default_rng(2)
    corners = [tuple(map(int, random.integers(8, 92, 2))) for _ in range(9)]
    ImageDraw.Draw(drawing).line(corners, fill=0, width=7)
    drawing.save("scribble.png")
    said = CliRunner().invoke(cli, ["predict", "scribble.png", "--checkpoint", "3blue1brown", "--json"]).stdout
    thought = post("think", picture=Path("scribble.png").read_bytes())
    assert json.loads(said)["unsure"] is True
    assert thought["unsure"] is True
    assert thought["confidence"] > 0.8  # so it is not the confidence that tells
    assert thought["calibrated"] is True


def test_pictures_of_another_data_set_are_prepared_as_predict_prepares_them(mnist_test: Examples) -> None:
    network = in_float64(small((784, 4, 10), "relu", "cross_entropy", spread=0.1))
    clothes = Classifier(network, "fashion_mnist", tuple(f"class {n}" for n in range(10)), (28, 28))
    picture = np.zeros((28, 28), np.uint8)
    picture[1:9, 2:27] = 200  # nothing like a digit, and off the centre: it must come through unchanged
    shown = DemoModel("clothes", clothes, mnist_test, mnist_test, mnist_test, ORIGIN)
    answer = post_to(shown, "think", picture=base64.b64encode(png(picture)).decode())
    assert base64.b64decode(answer["pixels"]) == picture.tobytes()
    assert answer["label"] == f"class {answer['digit']}"


def test_a_copy_that_was_taught_is_not_calibrated_by_the_originals_temperature(mnist_test: Examples) -> None:
    network = in_float64(small((784, 4, 10), "relu", "cross_entropy", spread=0.1))
    untrained = replace(digits(network), temperature=49.99, threshold=1e6)
    shown = DemoModel("untrained", untrained, mnist_test, mnist_test, mnist_test.take(np.arange(50)), ORIGIN)
    client = create_app(shown, Hosts("127.0.0.1", 8000)).test_client()
    headers = {"Host": "127.0.0.1:8000", "Content-Type": "application/json"}
    pixels = base64.b64encode(mnist_test.images[0].tobytes()).decode()

    def ask(name: str, **message: Any) -> Any:
        return client.post(f"/api/{name}", data=json.dumps({"pixels": pixels} | message), headers=headers).get_json()

    assert ask("think")["confidence"] < 0.2
    session = ask("learn", label=7, rate=0.5, times=50)["session"]
    taught = ask("think", session=session)
    assert taught["digit"] == 7
    assert taught["confidence"] > 0.9
    assert (taught["calibrated"], taught["unsure"]) == (False, False)


def test_pictures_that_take_long_to_decode_hold_up_nobody_but_other_pictures(
    demo_model: DemoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, decoding = threading.Event(), threading.Semaphore(0)

    def prepare(self: Classifier, content: bytes, name: str) -> Any:
        decoding.release()
        go_on.wait(60)
        raise ImageError("your picture: not one")

    monkeypatch.setattr(Classifier, "prepare", prepare)
    monkeypatch.setattr(server, "PATIENCE", 0.05)
    client = create_app(demo_model, Hosts("127.0.0.1", 8000)).test_client
    headers = {"Host": "127.0.0.1:8000", "Content-Type": "application/json"}

    def ask(name: str, **message: Any) -> int:
        return client().post(f"/api/{name}", data=json.dumps(message), headers=headers).status_code

    with ThreadPoolExecutor(server.DECODERS) as slow:
        held = [slow.submit(ask, "think", picture="AAAA") for _ in range(server.DECODERS)]
        for _ in held:
            decoding.acquire()
        assert ask("think", picture="AAAA") == 503
        assert ask("describe") == 200
        go_on.set()
        assert [one.result() for one in held] == [422] * len(held)
    assert ask("think", picture="AAAA") == 422


def test_lines_are_weight_times_activation_and_add_up_to_what_arrives_at_a_neuron(mnist_test: Examples) -> None:
    network = in_float64(small((784, 5, 4, 10), "tanh", "quadratic"))
    thought = views.think(digits(network), mnist_test.images[0])
    first, second, output = (np.array(layer["activations"]) for layer in thought["layers"])
    assert np.tanh(np.sum(thought["lines"][1], axis=1) + network.biases[1]) == pytest.approx(second)
    assert np.shape(thought["lines"][2]) == (10, 4)
    assert all(len(row) == views.PIXELS for row in thought["lines"][0])
    inputs = mnist_test.images[0] / 255
    for row, values in enumerate(thought["lines"][0]):
        products = network.weights[0][row] * inputs
        assert [value for _, value in values] == pytest.approx(sorted(products, key=abs, reverse=True)[:8], rel=1e-6)
    assert len(first) + len(second) + len(output) == 19


def test_of_a_large_layer_the_most_active_neurons_are_shown(mnist_test: Examples) -> None:
    network = in_float64(small((784, 40, 30, 10), "relu", "cross_entropy", spread=0.1))
    thought = views.think(digits(network), mnist_test.images[0])
    every = [layer.activations for layer in of_example(network, mnist_test.images[0], 3).layers]
    for layer, activations in zip(thought["layers"][:-1], every[:-1], strict=True):
        assert layer["neurons"] == sorted(layer["neurons"])
        assert sorted(layer["activations"]) == pytest.approx(sorted(activations)[-16:])
    wish = views.look_back(digits(network), mnist_test.images[0], 3, (2, 29))
    assert [layer["neurons"] for layer in wish["layers"]] == [layer["neurons"] for layer in thought["layers"]]
    assert [np.shape(rows) for rows in wish["passed"]] == [(16, 16), (10, 16)]
    assert wish["layers"][-1]["nudges"] is None
    assert wish["three_ways"]["neurons"] == thought["layers"][0]["neurons"]


def test_a_network_without_hidden_layers_can_be_looked_into_too(mnist_test: Examples) -> None:
    network = in_float64(small((784, 10), "relu", "cross_entropy"))
    wish = views.look_back(digits(network), mnist_test.images[0], 7, None)
    assert wish["passed"] == []
    assert wish["three_ways"]["activation_nudges"] is None
    assert np.shape(wish["first_weights"]) == (10, 784)


def test_a_lesson_of_one_example_is_a_step_against_its_gradient(mnist_test: Examples) -> None:
    network = in_float64(small((784, 6, 10), "sigmoid", "quadratic", spread=0.1))
    before, wished = network.parameters.copy(), of_example(network, mnist_test.images[0], 4)
    fine_tune.learn(network, fine_tune.alone(mnist_test.images[0], 4, 1), 0.5)
    assert network.parameters == pytest.approx(before - 0.5 * wished.gradient, abs=1e-15)


def test_a_wrong_lesson_lowers_cost_and_accuracy_and_a_hundred_examples_raise_it_again(
    post: Post, mnist_test: Examples
) -> None:
    example = {"pixels": mnist_test.images[0].tobytes(), "label": 2}
    start = post("judge", **example)
    taught = post("learn", rate=1.0, times=25, **example)
    assert taught["cost"] < start["cost"] / 4
    assert taught["accuracy"] < start["accuracy"] - 0.05
    assert taught["share"] > start["share"] + 0.05
    own = {"session": taught["session"], **example}
    healed = post("learn", rate=1.0, times=20, at_random=True, **own)
    assert healed["session"] == taught["session"]
    assert healed["accuracy"] > taught["accuracy"]
    assert post("judge", **own)["accuracy"] == healed["accuracy"]
    assert post("think", session=own["session"], pixels=example["pixels"]) != post("think", pixels=example["pixels"])
    post("forget", session=own["session"])
    assert "is gone: reset" in post("judge", 410, **own)["error"]
    assert post("judge", **example) == start  # the original has learned nothing


def test_a_rate_too_high_teaches_nothing_and_says_so() -> None:
    network = in_float64(small((784, 6, 5, 10), "relu", "cross_entropy"))
    network.parameters *= 1e120
    before = network.parameters.copy()
    with pytest.raises(DivergedError, match="with a rate of 100 the network's numbers grow too large"):
        fine_tune.learn(network, fine_tune.alone(some_examples(784, 10, 1).images[0], 4, 5), 100)
    assert (network.parameters == before).all()


def test_the_judges_are_a_thousand_spread_over_the_test_images(mnist_test: Examples) -> None:
    loaded = checkpoint.load(pretrained.path("best"))
    shown = demo_model.prepare("best", loaded, datasets.store(registry.MNIST, ROOT / "data"))
    assert len(shown.eval_subset) == 1000
    assert (shown.eval_subset.images == mnist_test.images[::10]).all()
    assert shown.classifier.network.dtype == np.float64


def test_a_network_for_images_of_another_size_is_refused() -> None:
    loaded = checkpoint.load(pretrained.path("best"))
    store = datasets.store(replace(registry.MNIST, shape=(10, 12)), ROOT / "data")
    with pytest.raises(UsageError, match="the page draws 28x28 pixels, and images of mnist have 10x12"):
        demo_model.prepare("best", loaded, store)


def test_the_files_of_the_page_are_in_the_package_and_ask_nobody_else() -> None:
    folder = ROOT / "mnistnet" / "web" / "static"
    assert {name for name, _ in FILES.values()} == {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text


def test_without_flask_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask", None)
    result = CliRunner().invoke(cli, ["demo"])
    assert result.exit_code == 1
    command = install_command("demo")
    assert command.endswith(f"-m pip install -e '{ROOT}[demo]'")
    assert result.stderr == (
        f"mnistnet: error: the page needs flask and waitress, which are not installed: `{command}` adds them\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "192.0.2.1"], "cannot listen at 192.0.2.1, port 0: cannot assign requested address; choose others"),
        (["--host", "none.invalid"], "cannot listen at none.invalid, port 0: name or service not known; choose others"),
        (["none.npz"], "none.npz: cannot be read: no such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_1(options: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known (while attempting to bind on address ('none.invalid', 0))")

    if "invalid" in options[-1]:
        monkeypatch.setattr(socket, "create_server", refused)
    result = CliRunner().invoke(cli, ["demo", *options, "--data-dir", str(ROOT / "data")])
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.splitlines()[-1].startswith("mnistnet: error: ")
    assert "Traceback" not in result.stderr


def stopped(running: Served, number: int) -> tuple[int, str, str]:
    running.process.send_signal(number)
    out, err = running.process.communicate(timeout=30)
    return running.process.returncode, out, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_says_where_it_listens_and_stops_cleanly(number: int, code: int) -> None:
    with served() as running:
        assert running.url.startswith("http://127.0.0.1:")
        assert running.post("describe")["layer_sizes"] == [784, 16, 16, 10]
        status, out, err = stopped(running, number)
        assert (status, out) == (code, "")
        assert err.rstrip("\n") == "using 3blue1brown, which comes with the package"


def test_a_port_in_use_is_named_and_a_network_and_port_can_be_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, ["demo", "--port", str(port), "--data-dir", str(ROOT / "data")])
    assert result.exit_code == 1
    assert f"cannot listen at 127.0.0.1, port {port}: address already in use" in result.stderr
    with served("best", "--port", str(port), "--host", "localhost") as running:
        assert running.url == f"http://localhost:{port}/"
        assert running.post("describe")["name"] == "best"
        assert stopped(running, signal.SIGINT) == (130, "", "\n")


def test_bound_to_every_address_it_warns() -> None:
    with served("--host", "0.0.0.0") as running:
        assert running.url.startswith("http://localhost:")
        assert running.post("describe")["name"] == "3blue1brown"
        _, _, err = stopped(running, signal.SIGINT)
    assert "mnistnet: warning: bound to 0.0.0.0: everybody who can reach this machine can use the page\n" in err
