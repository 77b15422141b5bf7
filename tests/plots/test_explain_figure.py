"""The figure of `mnistnet explain`: made for networks of every kind, with all of its story, and nothing in the way."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from mnistnet import plots
from mnistnet.cli import cli
from mnistnet.data.datasets import Examples
from mnistnet.data.registry import FASHION_MNIST
from mnistnet.explain import batch_gradient
from mnistnet.explain.explanation import Explanation, explain
from mnistnet.explain.labels import Subject
from mnistnet.nn.network import Network
from mnistnet.plots.explanation import A4, SLIDE, compose, draw_explanation, sheets
from mnistnet.plots.layout import DOWN, UP, brightness
from tests.conftest import ROOT
from tests.explained import small, some_examples
from tests.golden.screen import story

DPI = 160
DIGITS = tuple("0123456789")
HEADINGS = [
    "1  The example",
    "2  What the output layer wishes",
    "3  Three ways to",
    "4  All wishes added up, and passed back",
    "5  Which weights and biases matter most",
    "6  Only this example, or all of them",
]


@pytest.fixture(autouse=True)
def _coarse_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer dots to the inch, and walk less far, than the command does."""
    monkeypatch.setitem(plots.STYLE, "savefig.dpi", 60)
    monkeypatch.setattr(batch_gradient, "STEPS", (0, 3))


def told(
    network: Network,
    names: tuple[str, ...] = DIGITS,
    label: int = 7,
    shape: tuple[int, int] = (28, 28),
    **options: Any,
) -> tuple[Subject, Explanation]:
    """Return what a seven made of two strokes wishes of a network."""
    pixels = np.rint(story().subject.example.inputs * 255).astype(np.uint8)
    train, test = some_examples(784, 10, 120), some_examples(784, 10, 40, seed=1)
    explanation = explain(network, pixels, label, train=train, test=test, **options)
    return Subject(explanation.example, explanation.three_ways, "A seven", names, shape), explanation


@cache
def drawn(name: str) -> tuple[Subject, Explanation, Figure, list[str], npt.NDArray[Any]]:
    """Return what is told of one of NETWORKS, the figure, the texts on it, and their boxes in dots."""
    network, options = NETWORKS[name]
    subject, explanation = told(network, **options)
    with rc_context(plots.STYLE | {"figure.dpi": DPI}):  # letters come in whole dots
        figure = Figure()
        page = compose(figure, subject, explanation)
        renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        texts = [text for text in page.canvas.texts if text.get_text()]
        boxes = np.array([text.get_window_extent(renderer).extents for text in texts])
    return subject, explanation, figure, [text.get_text() for text in texts], boxes


def content() -> Network:
    """Return a network with nothing left to wish."""
    network = Network((784, 4, 10), "sigmoid", "quadratic")
    network.biases[1][...] = -1000
    network.biases[1][7] = 100
    return network


def all_but_content() -> Network:
    """Return a network whose wishes are around 1e-30."""
    network = small((784, 4, 10), "sigmoid", "quadratic")
    network.biases[1][...] = -70
    network.biases[1][7] = 100
    return network


NETWORKS: dict[str, tuple[Network, dict[str, Any]]] = {
    "the video's": (small((784, 16, 16, 10), "sigmoid", "quadratic"), {}),
    "wide, relu": (small((784, 200, 40, 10), "relu", "cross_entropy", spread=0.1), {}),
    "no hidden layer": (small((784, 10), "tanh", "cross_entropy"), {"label": 3}),
    "deep, tanh": (small((784, *[12] * 8, 10), "tanh", "quadratic"), {"neuron": (1, 2)}),
    "one neuron, many classes": (
        small((784, 1, 26), "sigmoid", "cross_entropy"),
        {"neuron": (2, 0), "names": tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")},
    ),
    "content": (content(), {}),
    "all but content": (all_but_content(), {}),
    "clothes": (
        small((784, 20, 10), "tanh", "quadratic"),
        {"names": FASHION_MNIST.labels, "label": 9, "shape": (16, 49)},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_whole_story_is_drawn_in_order_and_nothing_covers_anything(name: str) -> None:
    _, _, figure, texts, boxes = drawn(name)
    headings = [text for text in texts if re.match(r"\d  ", text)]
    assert [h.startswith(expected) for h, expected in zip(headings, HEADINGS, strict=True)] == [True] * 6
    assert not [text for text in texts if "nan" in text.lower()]
    margin, (width, height) = 0.43 * DPI, figure.get_size_inches() * DPI
    inside = (boxes > [margin, 0, -np.inf, -np.inf]) & (boxes < [np.inf, np.inf, width - margin, height])
    assert not [text for text, row in zip(texts, inside, strict=True) if not row.all()]
    # Overlap of each text with each other one, and with each image or diagram, across and up.
    areas = np.concatenate([boxes, [axes.get_window_extent().extents for axes in figure.axes[1:]]])
    shared = np.minimum(boxes[:, None, 2:], areas[None, :, 2:]) - np.maximum(boxes[:, None, :2], areas[None, :, :2])
    shared[np.arange(len(boxes)), np.arange(len(boxes))] = 0
    covered = [
        (texts[i], texts[j] if j < len(texts) else "a picture") for i, j in np.argwhere((shared > 2).all(axis=2))
    ]
    assert not covered


def test_numbers_are_those_of_the_explanation() -> None:
    subject, explanation, _, texts, _ = drawn("the video's")
    example = subject.example
    for index in range(10):
        assert f"{example.wish[index]:+.4f}".replace("-", "−") in texts
    joined = " ".join(texts).replace("\u00a0", " ")
    assert f"the cost is {example.cost:.3g}" in joined
    assert example.layers[-2].slopes is not None
    for slope in example.layers[-2].slopes:
        assert f"{slope:.4f}" in texts
    assert f"All {example.gradient.size:,} derivatives together" in joined
    share = explanation.averages.fine_tuning[-1].alone_share
    assert f"to {100 * share:.1f} %" in joined


def test_large_layers_show_the_strongest_and_count_the_rest() -> None:
    subject, _, _, texts, _ = drawn("wide, relu")
    joined = " ".join(texts)
    assert "... and 24 more neurons, which are in the sums" in joined
    assert texts.count("... and 24 more") == 2
    assert texts.count("... and 184 more neurons") == 2  # the nudges, and the images
    loudest = int(np.abs(subject.example.layers[0].delta).argmax())
    assert f"h1.{loudest}" in texts


def test_first_weights_are_shown_as_images_of_their_nudges_on_one_scale() -> None:
    subject, _, figure, _, _ = drawn("the video's")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 1 + 16  # the digit, and a neuron each
    gradient = subject.example.layers[0].weight_gradient
    for image, row in zip(images[1:], gradient, strict=True):
        assert np.array_equal(np.asarray(image.get_array()).ravel(), 0 - row)
        assert image.get_clim() == (-np.abs(gradient).max(), np.abs(gradient).max())


def test_activations_beyond_0_and_1_are_scaled_to_black_and_white() -> None:
    assert brightness(np.array([0.0, 0.25, 1.0])).tolist() == [0, 0.25, 1]
    assert brightness(np.array([0.0, 2.0, 4.0])).tolist() == [0, 0.5, 1]
    assert brightness(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 0.5, 1]


def run(*arguments: str | Path) -> Result:
    words = ["explain", *map(str, arguments), "--data-dir", str(ROOT / "data"), "--examples", "150"]
    return CliRunner().invoke(cli, words)


def test_the_command_draws_the_figure_and_tells_the_story_all_the_same(tmp_path: Path) -> None:
    result = run("--index", "0", "--untrained", "--plot", tmp_path / "nudges.png")
    assert result.exit_code == 0, result.output
    assert "6. Only this example, or all of them" in result.stdout
    with Image.open(tmp_path / "nudges.png") as picture:
        width, height = picture.size
        pixels = np.asarray(picture.convert("RGB"))
    assert width == 630  # 10.5 inches
    assert 3 * width < height < 4 * width
    white = (pixels == 255).all(axis=2).mean(axis=1)
    assert 0.6 < white.mean() < 0.95
    assert all(part.min() < 0.8 for part in np.array_split(white, 12))  # there is something to see everywhere
    for ink in (UP, DOWN):
        wanted = [int(ink[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - wanted).max(axis=2) < 30).sum() > 1000


def test_the_same_explanation_gives_the_same_bytes(tmp_path: Path) -> None:
    subject, explanation = told(content())
    for name in ("a.svg", "b.svg", "c.pdf", "d.pdf"):
        draw_explanation(subject, explanation, tmp_path / name)
    contents = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert [content[:5] for content in contents[::2]] == [b"<?xml", b"%PDF-"]
    assert contents[::2] == contents[1::2]


@pytest.mark.parametrize(("name", "size"), [("the video's", A4), ("deep, tanh", SLIDE)])
def test_sheets_have_their_size_and_every_sentence_of_the_tall_page_once(name: str, size: tuple[float, float]) -> None:
    subject, explanation, _, texts, _ = drawn(name)
    found: list[str] = []
    with rc_context(plots.STYLE | {"figure.dpi": DPI}):
        drawings = list(sheets(subject, explanation, size))
        assert 3 <= len(drawings) <= 6
        for figure in drawings:
            assert tuple(figure.get_size_inches()) == size
            renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
            canvas = figure.axes[0]
            for text in canvas.texts:
                if text.get_text():
                    box = np.asarray(text.get_window_extent(renderer).extents) / DPI
                    assert box.min() >= 0
                    assert (box[2:] <= size).all(), text.get_text()
                    found.append(text.get_text())
    assert found == texts


@pytest.mark.parametrize(
    ("words", "found"), [(["--slides"], "found no --plot"), (["--slides", "--plot", "a.png"], "found --plot a.png")]
)
def test_slides_are_made_of_a_pdf_alone(words: list[str], found: str) -> None:
    result = run("--index", "1", *words)
    assert result.exit_code == 2
    assert found in result.stderr


@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        ("nudges.jpg", 2, "nudges.jpg: expected a file name that ends in .png, .svg or .pdf"),
        ("no/nudges.png", 1, "no/nudges.png: cannot be written: there is no folder no"),
    ],
)
def test_a_file_that_cannot_be_drawn_is_refused_before_any_work(
    file: str, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Examples:
        raise AssertionError("work was done")

    monkeypatch.setattr("mnistnet.explain.explanation.explain", never)
    result = run("--index", "0", "--plot", file)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
