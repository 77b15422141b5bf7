"""A demo without a browser: what it shows, and its messages posted to it."""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Origin
from mnistnet.data.datasets import Examples
from mnistnet.explain.example_gradient import in_float64
from mnistnet.inference.classifier import Classifier
from mnistnet.web.demo_model import DemoModel
from mnistnet.web.server import Hosts, create_app

Post = Callable[..., Any]
ORIGIN = Origin(name="mnist", sha256={})


@pytest.fixture(scope="module")
def demo_model(mnist_train: Examples, mnist_test: Examples) -> DemoModel:
    loaded = checkpoint.load(pretrained.path("3blue1brown"))
    eval_subset = Examples(mnist_test.images[::10], mnist_test.labels[::10])
    classifier = replace(Classifier.of(loaded), network=in_float64(loaded.network))
    return DemoModel("3blue1brown", classifier, mnist_train, mnist_test, eval_subset, ORIGIN)


@pytest.fixture
def post(demo_model: DemoModel) -> Post:
    client = create_app(demo_model, Hosts("127.0.0.1", 8000)).test_client()

    def posted(call: str, status: int = 200, /, **message: Any) -> Any:
        for key in ("pixels", "picture"):
            if key in message:
                message[key] = base64.b64encode(message[key]).decode()
        response = client.post(f"/api/{call}", json=message, headers={"Host": "127.0.0.1:8000"})
        assert response.status_code == status, response.data
        return response.json

    return posted
