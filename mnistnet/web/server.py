"""HTTP around the demo: the page's files, JSON over POST under /api/, and access control.

A page elsewhere must not be able to use this server through its visitor's browser. So the Host header must name the
address that we are bound to (else a stranger's domain name could be pointed here, "DNS rebinding"), the Origin must be
our own, and bodies must be JSON, which no browser lets another site send unasked.
"""

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from mnistnet.checkpoint import checkpoint as checkpoints
from mnistnet.config import loader as configs
from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError, ImageError, MnistnetError, UsageError
from mnistnet.explain.report import LAST_STEPS, step_titles
from mnistnet.inference.classifier import Classifier
from mnistnet.nn.network import Network, parameter_count
from mnistnet.web import fine_tune, live_training, messages, race, views
from mnistnet.web.demo_model import DemoModel
from mnistnet.web.live_training import LiveTraining
from mnistnet.web.race import Race
from mnistnet.web.sessions import ForgottenError, Kept, Sessions

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

MAX_BODY, MAX_CHECKPOINT = 1 << 20, 12 << 20  # bytes of a message, and of one with a checkpoint in it
DECODERS, PATIENCE = 2, 1.0  # pictures decoded at a time, and how many seconds others wait for that
LIMITS: dict[str, Any] = {  # for waitress, whose documentation explains each
    "threads": 4,
    "connection_limit": 250,
    "channel_timeout": 30,  # seconds without a byte
    "cleanup_interval": 5,  # seconds between two checks for such connections
    "channel_request_lookahead": 0,
    "max_request_header_size": 1 << 16,  # a browser sends the cookies of every server that this machine has ever had
    "max_request_body_size": MAX_CHECKPOINT,  # up to this the page's own message is sent
    "asyncore_use_poll": True,  # select cannot handle file numbers above 1,023
    "ident": None,
}
FILES = {
    "/": ("index.html", "text/html"),
    "/demo.css": ("demo.css", "text/css"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript")
        for name in ("main", "helpers", "state", "pad", "network", "backward", "fine_tune", "curves", "learn", "race")
    },
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
NOT_A_MESSAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
STATUS = {ForgottenError: 410, ImageError: 422, DivergedError: 422, UsageError: 400}


class RefusedError(Exception):
    """A refused request: its HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Api:
    """Answers each message with plain values. Raises MnistnetError where it cannot be answered."""

    def __init__(self, demo_model: DemoModel, sessions: Sessions) -> None:
        self._demo_model, self._sessions = demo_model, sessions
        gone = "this training is gone, because others needed its place or nobody asked for it: start over"
        self._trainings: Kept[LiveTraining] = Kept(gone, lambda training: live_training.BYTES)
        self._races: Kept[Race] = Kept(gone, lambda trainings: race.BYTES)
        self._random, self._decoders = np.random.default_rng(), threading.BoundedSemaphore(DECODERS)
        self.calls: dict[str, tuple[type[messages.Message], Callable[[Any], dict[str, Any]]]] = {
            "describe": (messages.Describe, self.describe),
            "draw": (messages.Draw, self.draw),
            "think": (messages.Think, self.think),
            "wish": (messages.Wish, self.wish),
            "average": (messages.Average, self.average),
            "judge": (messages.Judge, self.judge),
            "learn": (messages.Learn, self.learn),
            "forget": (messages.Forget, self.forget),
            "begin": (messages.Begin, self.begin),
            "advance": (messages.Advance, self.advance),
            "race": (messages.Race, self.race),
            "together": (messages.Together, self.together),
            "survey": (messages.Survey, self.survey),
            "load": (messages.Load, self.load),
            "adopt": (messages.Adopt, self.adopt),
            "save": (messages.Save, self.save),
            "leave": (messages.Leave, self.leave),
        }

    def describe(self, message: messages.Describe) -> dict[str, Any]:
        """Describe the network."""
        return self._about(self._demo_model.name, self._demo_model.classifier.network)

    def _about(self, name: str, network: Network) -> dict[str, Any]:
        return {
            "name": name,
            "layer_sizes": list(network.layer_sizes),
            "activation": network.activation.__name__.lower(),
            "quadratic": network.loss.has_activation_derivative,
            "parameters": network.parameters.size,
            "labels": list(self._demo_model.classifier.labels),
            "judges": len(self._demo_model.eval_subset),
            "batch": fine_tune.BATCH,
            "steps": [*step_titles(len(network.weights)), *LAST_STEPS],
        }

    def draw(self, message: messages.Draw) -> dict[str, Any]:
        """Return a test image."""
        test = self._demo_model.test
        index = int(self._random.integers(len(test))) if message.index is None else message.index
        if index >= len(test):
            raise UsageError(f"index {index}: expected 0 to {len(test) - 1}")
        return {"index": index, "label": int(test.labels[index]), "pixels": test.images[index].tobytes()}

    def think(self, message: messages.Think) -> dict[str, Any]:
        """Return the forward pass of a picture, and its 28x28 pixels."""
        if (message.picture is None) == (message.pixels is None):
            raise UsageError("expected either picture or pixels")
        pixels, doubtful = (_image(message.pixels), False) if message.picture is None else self._seen(message.picture)
        thought = views.think(self._classifier(message.session), pixels)
        return {"pixels": pixels.tobytes(), **thought, "unsure": thought["unsure"] or doubtful}

    def _classifier(self, session: str | None) -> Classifier:
        """Return the visitor's own copy, or the original."""
        classifier = self._demo_model.classifier
        return classifier if session is None else classifier.with_network(self._sessions.network(session))

    def _seen(self, picture: bytes) -> tuple[npt.NDArray[np.uint8], bool]:
        """Return the 28x28 of a picture, and whether the picture does not look like a digit on paper."""
        # Fewer at a time than there are threads, so that the others can answer quick requests.
        if not self._decoders.acquire(timeout=PATIENCE):
            raise RefusedError(503, "other pictures are being decoded; try again in a moment")
        try:
            seen = self._demo_model.classifier.prepare(picture, "your picture")
            return seen.pixels[0], seen.doubtful
        finally:
            self._decoders.release()

    def wish(self, message: messages.Wish) -> dict[str, Any]:
        """Return the backward pass."""
        classifier = self._classifier(message.session)
        return views.look_back(classifier, _image(message.pixels), message.label, message.neuron)

    def average(self, message: messages.Average) -> dict[str, Any]:
        """Return the steps that follow the backward pass."""
        classifier, demo_model = self._classifier(message.session), self._demo_model
        return views.look_around(
            classifier, _image(message.pixels), message.label, demo_model.train, demo_model.eval_subset
        )

    def judge(self, message: messages.Judge) -> dict[str, Any]:
        """Evaluate the visitor's network."""
        network = self._sessions.network(message.session)
        return fine_tune.report(network, self._demo_model.eval_subset, _image(message.pixels), message.label)

    def learn(self, message: messages.Learn) -> dict[str, Any]:
        """Train the visitor's copy, and return its evaluation and its session."""
        pixels, demo_model = _image(message.pixels), self._demo_model
        if message.label >= len(demo_model.classifier.labels):
            raise UsageError(f"label {message.label}: expected 0 to {len(demo_model.classifier.labels) - 1}")
        with self._sessions.lesson(message.session) as (session, network, random):
            if message.at_random:
                batches = fine_tune.at_random(demo_model.train, random, message.times)
            else:
                batches = fine_tune.alone(pixels, message.label, message.times)
            fine_tune.learn(network, batches, message.rate)
            return {"session": session, **fine_tune.report(network, demo_model.eval_subset, pixels, message.label)}

    def forget(self, message: messages.Forget) -> dict[str, Any]:
        """Drop a visitor's copy."""
        self._sessions.forget(message.session)
        return {}

    def begin(self, message: messages.Begin) -> dict[str, Any]:
        """Begin a training."""
        training = self._training(message, message.batch_size)
        return {"training": self._trainings.add(training), **self._report(training, None)}

    def _training(self, message: messages.Training, batch_size: int | Literal["all"]) -> LiveTraining:
        demo_model = self._demo_model
        config = configs.from_mapping(
            {
                "dataset": demo_model.classifier.dataset,
                "layer_sizes": [live_training.PIXELS, *message.hidden, len(demo_model.classifier.labels)],
                "activation": message.activation,
                "loss": message.loss,
                "optimizer": {"name": message.optimizer},
                "learning_rate": message.learning_rate,
                "batch_size": batch_size,
                "seed": message.seed,
                **live_training.PLAIN,
            },
            source="this training",
        )
        twist = live_training.Twist(message.zero_start, message.shuffle, message.wrong_labels)
        return live_training.of(self._parts, config, message.images, twist)

    @cached_property
    def _parts(self) -> tuple[Examples, Examples]:
        return live_training.split(self._demo_model.train)

    def advance(self, message: messages.Advance) -> dict[str, Any]:
        """Continue a training for a moment."""
        training = self._trainings.find(message.training)
        with training.lock:
            if message.learning_rate is not None:
                training.learning_rate = message.learning_rate
            training.advance(message.milliseconds / 1000, message.steps)
            return self._report(training, message.pixels)

    def race(self, message: messages.Race) -> dict[str, Any]:
        """Begin trainings side by side."""
        sizes = live_training.PIXELS, *message.hidden, len(self._demo_model.classifier.labels)
        if parameter_count(sizes) > race.MAX_PARAMETERS:
            raise UsageError(f"side by side, networks may have at most {race.MAX_PARAMETERS:,} weights and biases")
        trainings = [self._training(message, size) for size in message.batch_sizes]
        begun = Race(trainings, self._parts[1])
        return {"training": self._races.add(begun), "trainings": begun.report()}

    def together(self, message: messages.Together) -> dict[str, Any]:
        """Continue trainings side by side for a moment."""
        found = self._races.find(message.training)
        with found.lock:
            found.advance(message.milliseconds / 1000, message.learning_rate)
            return {"trainings": found.report()}

    def survey(self, message: messages.Survey) -> dict[str, Any]:
        """Return the paths of trainings side by side."""
        found = self._races.find(message.training)
        with found.lock:
            return {**found.survey(), "trainings": found.report()}

    def _report(self, training: LiveTraining, pixels: bytes | None) -> dict[str, Any]:
        classifier = self._demo_model.classifier.with_network(training.state.network)
        reading = None if pixels is None else asdict(classifier.predictions(_image(pixels)[None])[0])
        return {**training.report(), "reading": reading}

    def adopt(self, message: messages.Adopt) -> dict[str, Any]:
        """Make a copy of a training's network the visitor's own."""
        training = self._trainings.find(message.training)
        with training.lock:
            session, name = self._sessions.adopt(training.state.network), f"trained for {training.steps:,} steps"
        return {"session": session, **self._about(name, self._sessions.network(session))}

    def load(self, message: messages.Load) -> dict[str, Any]:
        """Make the network of a checkpoint the visitor's own."""
        loaded = checkpoints.read(BytesIO(message.checkpoint), message.name)
        network, classifier = loaded.network, self._demo_model.classifier
        if (network.layer_sizes[0], loaded.labels) != (live_training.PIXELS, classifier.labels):
            raise UsageError(
                f"{message.name}: expected a network for 28x28 images of {classifier.dataset}, found one of "
                f"{'-'.join(map(str, network.layer_sizes))} neurons for {loaded.config.dataset}"
            )
        session = self._sessions.adopt(network)
        return {"session": session, **self._about(message.name, self._sessions.network(session))}

    def save(self, message: messages.Save) -> dict[str, Any]:
        """Return a training's network as the bytes of a checkpoint."""
        training = self._trainings.find(message.training)
        with training.lock:
            return {"checkpoint": training.checkpoint(self._demo_model.origin)}

    def leave(self, message: messages.Leave) -> dict[str, Any]:
        """Drop a training."""
        self._trainings.forget(message.training)
        self._races.forget(message.training)
        return {}


def create_app(demo_model: DemoModel, hosts: "Hosts") -> "Flask":
    """Return the web application, which answers only requests for `hosts`."""
    from flask import Flask, Response, request
    from werkzeug.exceptions import HTTPException

    app = Flask("mnistnet.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_CHECKPOINT
    app.url_map.merge_slashes = False
    api = Api(demo_model, Sessions(demo_model.classifier.network))
    folder = resources.files("mnistnet.web") / "static"
    files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    def answer(status: int, value: dict[str, Any]) -> Response:
        return Response(msgspec.json.encode(value), status, content_type="application/json")

    @app.before_request
    def let_in() -> None:
        hosts.check(request.headers)

    @app.after_request
    def with_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    def file() -> Response:
        content, kind = files[request.path]
        return Response(content, content_type=f"{kind}; charset=utf-8")

    for path in files:
        app.add_url_rule(path, path, file)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    @app.post("/api/<name>", provide_automatic_options=False)
    def call(name: str) -> Response:
        if name not in api.calls:
            raise RefusedError(404, f"nothing is called /api/{name[:40]}; there are {', '.join(api.calls)}")
        if request.mimetype != "application/json":
            raise RefusedError(415, "expected a body of the type application/json")
        kind, reply = api.calls[name]
        limit = MAX_CHECKPOINT if kind is messages.Load else MAX_BODY
        if (request.content_length or 0) > limit:
            raise RefusedError(413, f"at most {limit:,} bytes can be sent")
        try:
            message = msgspec.json.decode(request.get_data(cache=False), type=kind)
        except NOT_A_MESSAGE as error:
            raise RefusedError(400, f"not a request for /api/{name}: {' '.join(str(error).split())[:200]}") from None
        return answer(200, reply(message))

    @app.errorhandler(RefusedError)
    def refused(error: RefusedError) -> Response:
        return answer(error.status, {"error": str(error)})

    @app.errorhandler(MnistnetError)
    def unanswered(error: MnistnetError) -> Response:
        return answer(STATUS.get(type(error), 400), {"error": str(error)})

    @app.errorhandler(HTTPException)
    def not_http(error: HTTPException) -> Response:
        return answer(error.code or 400, {"error": error.name.lower()})

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Response:
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        log.error("internal error, please report it (%s)", what)
        return answer(500, {"error": "internal error; the terminal that serves this page says more"})

    return app


def _image(pixels: bytes | None) -> npt.NDArray[np.uint8]:
    return np.frombuffer(pixels or b"", np.uint8)


class Hosts:
    """The Host headers that a server bound to `host` and `port` accepts.

    Bound to all addresses of the machine, it accepts any address, but only the machine's own name: a stranger could
    point a name here.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        self._any = _is_unspecified(host)
        self._names = {host.lower()}
        if self._any:
            self._names |= {"localhost", socket.gethostname().lower()}
        elif is_loopback(host):
            self._names |= {"localhost", "127.0.0.1", "::1"}

    def check(self, headers: Any) -> None:
        """Raise RefusedError unless a request is meant for this server, and comes from its own page or from no page."""
        host = headers.get("Host", "")
        if not self._is_ours(host):
            raise RefusedError(421, f"this server does not go by the name {host[:80]!r}")
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "none")
        if (origin is not None and origin.lower() != f"http://{host}".lower()) or site == "cross-site":
            raise RefusedError(403, "another site's page may not use this server")

    def _is_ours(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, "80"
        if port != str(self.port):
            return False
        name = name.lower().removeprefix("[").removesuffix("]")
        return name in self._names or (self._any and _is_address(name))


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server bound to `host`."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_unspecified(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
