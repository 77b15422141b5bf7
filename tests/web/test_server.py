"""Nobody is let into the page's server, and nothing that is sent to it breaks it."""

import base64
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnistnet.explain.example_gradient import in_float64
from mnistnet.inference.classifier import Classifier
from mnistnet.web.demo_model import DemoModel
from mnistnet.web.server import HEADERS, MAX_BODY, Hosts, create_app, is_loopback
from tests.demo import Served, served
from tests.explained import small, some_examples
from tests.web.conftest import ORIGIN

NAMES = (
    *("describe", "draw", "think", "wish", "average", "judge", "learn", "forget", "begin", "advance"),
    *("race", "together", "survey", "load", "adopt", "save", "leave"),
)
HOST = {"Host": "127.0.0.1:8000"}
BLACK = base64.b64encode(bytes(784)).decode()


def client_of(hosts: Hosts | None = None) -> FlaskClient:
    network = in_float64(small((784, 4, 3, 10), "relu", "quadratic", spread=0.1))
    images = some_examples(784, 10, 120)
    shown = DemoModel(
        "small", Classifier(network, "mnist", tuple("0123456789"), (28, 28)), images, images, images, ORIGIN
    )
    return create_app(shown, hosts or Hosts("127.0.0.1", 8000)).test_client()


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return client_of()


def checked(response: Any) -> int:
    """Return the status of a response, which is JSON: an answer, or an error in one sentence without a traceback."""
    assert response.status_code < 500, response.data
    body = json.loads(response.data)
    if response.status_code != 200:
        assert set(body) == {"error"}
        assert 5 < len(body["error"]) < 400
        assert "\n" not in body["error"]
        assert "Traceback" not in body["error"]
    assert response.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    return int(response.status_code)


def test_every_response_carries_the_headers_and_no_script_but_ours_may_run(client: FlaskClient) -> None:
    for path in ("/", "/main.js", "/demo.css", "/favicon.ico", "/none"):
        response = client.get(path, headers=HOST)
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    page = client.get("/", headers=HOST).text
    assert "style=" not in page
    assert page.count("<script") == page.count("<script src=") == 1
    assert client.get("/main.js", headers=HOST).content_type == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("bound", "host", "let_in"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "LOCALHOST:8000", True),
        ("127.0.0.1", "[::1]:8000", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1:8001", False),
        ("127.0.0.1", "rebound.example:8000", False),
        ("127.0.0.1", "127.0.0.1.rebound.example:8000", False),
        ("127.0.0.1", "127.0.0.1:8000@rebound.example", False),
        ("127.0.0.1", "192.0.2.7:8000", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "\xff\xfe:8000", False),
        ("0.0.0.0", "192.0.2.7:8000", True),
        ("0.0.0.0", "[2001:db8::1]:8000", True),
        ("0.0.0.0", "rebound.example:8000", False),
        ("192.0.2.7", "192.0.2.7:8000", True),
        ("192.0.2.7", "localhost:8000", False),
        ("192.0.2.7", "192.0.2.8:8000", False),
    ],
)
def test_only_the_bound_address_is_answered(bound: str, host: str, let_in: bool) -> None:
    client = client_of(Hosts(bound, 8000))
    for path in ("/", "/none", "//none"):
        status = client.get(path, headers={"Host": host}).status_code
        assert (status == 421) == (not let_in)


def test_port_80_need_not_be_named() -> None:
    client = client_of(Hosts("127.0.0.1", 80))
    assert client.get("/", headers={"Host": "127.0.0.1"}).status_code == 200
    assert client.get("/", headers={"Host": "[::1]"}).status_code == 200
    assert client.get("/", headers={"Host": "127.0.0.1:80"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:8000"}, 200),
        ({"Origin": "http://127.0.0.1:8001"}, 403),
        ({"Origin": "https://127.0.0.1:8000"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_a_page_of_another_site_cannot_ask(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    sent = {**HOST, "Content-Type": "application/json", **headers}
    assert checked(client.post("/api/describe", data="{}", headers=sent)) == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "NONSENSE"])
def test_messages_are_posted_and_nothing_else(client: FlaskClient, method: str) -> None:
    response = client.open("/api/describe", method=method, headers=HOST)
    assert response.status_code == 405
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("address", [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)])
def test_what_counts_as_this_machine_alone(address: tuple[str, bool]) -> None:
    assert is_loopback(address[0]) == address[1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"17",
        b'{"unknown": 1}',
        b'{"pixels": NaN}',
        b'{"label": 1e999, "pixels": ""}',
        b'{"label": ' + b"9" * 5000 + b"}",
        b'{"index": -1, "session": 7, "label": -1, "rate": -1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"pixels": "' + b"A" * 4 + b'"}',
        b'{"session": "' + b"x" * 100_000 + b'"}',
        '{"session": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
    ids=lambda body: str(body[:24]),
)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_message_is_refused_in_one_sentence(client: FlaskClient, name: str, body: bytes) -> None:
    response = client.post(f"/api/{name}", data=body, headers={**HOST, "Content-Type": "application/json"})
    assert checked(response) == 400


NUMBERS = (
    st.integers() | st.floats(allow_nan=False) | st.sampled_from([0, 1, 9, 10, 783, 1 << 31, 1 << 63, 1e308, 1e-300])
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(max_size=40),
    st.lists(NUMBERS, max_size=3),
    st.just(BLACK),
    st.binary(max_size=60).map(lambda content: base64.b64encode(content).decode()),
)
FIELDS = (
    "pixels",
    "picture",
    "label",
    "neuron",
    "session",
    "rate",
    "times",
    "at_random",
    "index",
    "hidden",
    "training",
    "learning_rate",
    "checkpoint",
    "batch_sizes",
)
LIKELY = {
    "pixels": st.just(BLACK) | VALUES,
    "label": st.integers(-1, 11) | VALUES,
    "neuron": st.lists(st.integers(-1, 12), min_size=2, max_size=2) | VALUES,
    "rate": st.floats(0, 101) | VALUES,
    "times": st.integers(-1, 3) | VALUES,
}


@given(
    name=st.sampled_from(NAMES), message=st.fixed_dictionaries({}, optional={f: LIKELY.get(f, VALUES) for f in FIELDS})
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
def test_any_message_is_answered_or_refused(client: FlaskClient, name: str, message: dict[str, Any]) -> None:
    assert checked(client.post(f"/api/{name}", json=message, headers=HOST)) in (200, 400, 410, 422)


def test_a_body_over_1_mb_is_refused(client: FlaskClient) -> None:
    fits = json.dumps({"picture": "A" * 1_000_000}).encode().ljust(MAX_BODY)
    sent = {**HOST, "Content-Type": "application/json"}
    assert checked(client.post("/api/think", data=fits, headers=sent)) == 422
    assert checked(client.post("/api/think", data=fits + b" ", headers=sent)) == 413


def test_an_unknown_message_is_told_the_known_ones(client: FlaskClient) -> None:
    response = client.post("/api/none", json={}, headers=HOST)
    assert checked(response) == 404
    assert response.json == {"error": f"nothing is called /api/none; there are {', '.join(NAMES)}"}


def test_a_mistake_of_ours_is_an_error_without_its_details(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mnistnet.web.views.think", lambda *_: 1 / 0)
    response = client.post("/api/think", json={"pixels": BLACK}, headers=HOST)
    assert response.status_code == 500
    assert response.json == {"error": "internal error; the terminal that serves this page says more"}
    assert [record.getMessage() for record in caplog.records] == [
        "internal error, please report it (ZeroDivisionError: division by zero)"
    ]


@pytest.fixture(scope="module")
def running(_own_environment: None) -> Iterator[Served]:
    with served() as demo:
        yield demo


def raw(running: Served, *parts: bytes) -> tuple[socket.socket, bytes]:
    """Send bytes as they are, and return the connection with what came back first."""
    address = urlsplit(running.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
    for part in parts:
        connection.sendall(part)
    return connection, connection.recv(4096)


def request(running: Served, *lines: str, host: str | None = None) -> bytes:
    return "\r\n".join([*lines, f"Host: {host or urlsplit(running.url).netloc}", "", ""]).encode()


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not http\r\n\r\n"], b"400"),
        ([b"POST /api/describe HTTP/1.1\r\nHost: HERE\r\nContent-Length: x\r\n\r\n"], b"400"),
        ([b"POST /api/think HTTP/1.1\r\nHost: HERE\r\nContent-Length: 99999999999\r\n\r\n"], b"413"),
        ([b"POST /api/think HTTP/1.1\r\nHost: HERE\r\nContent-Length: 2000000\r\n\r\n", b"x" * 2_000_000], b"41"),
        ([b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: HERE\r\n\r\n"], b"431"),
        ([b"GET / HTTP/1.1\r\n\r\n"], b"421"),
        ([b"GET http://rebound.example/ HTTP/1.1\r\nHost: rebound.example\r\n\r\n"], b"421"),
        ([b"GET / HTTP/1.1\r\nHost: HERE:80\r\n\r\n"], b"421"),
        ([b"GET / HTTP/1.1\r\nHost: HERE/\r\n\r\n"], b"421"),
        ([b"GET /../../etc/passwd HTTP/1.1\r\nHost: HERE\r\n\r\n"], b"404"),
        ([b"GET /static/%2e%2e/server.py HTTP/1.1\r\nHost: HERE\r\n\r\n"], b"404"),
    ],
    ids=range(11),
)
def test_what_is_hardly_http_is_refused(running: Served, parts: list[bytes], answer: bytes) -> None:
    here = urlsplit(running.url).netloc.encode()
    connection, received = raw(running, *(part.replace(b"HERE", here) for part in parts))
    connection.close()
    assert received.startswith((b"HTTP/1.1 " + answer, b"HTTP/1.0 " + answer)), received[:80]
    assert b"Traceback" not in received
    assert b"Server:" not in received


def test_slow_bodies_and_200_requests_at_once_leave_it_well(running: Served) -> None:
    before = running.memory()
    address = urlsplit(running.url)
    slow = []
    for _ in range(30):
        connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
        head = request(running, "POST /api/think HTTP/1.1", "Content-Type: application/json", "Content-Length: 900000")
        connection.sendall(head + b'{"picture": "')
        slow.append(connection)

    def ask(number: int) -> int:
        connection = HTTPConnection(address.netloc, timeout=60)
        body = [json.dumps({"pixels": BLACK, "label": number % 12}), "nonsense", "A" * 900_000][number % 3]
        connection.request("POST", "/api/wish", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert b"Traceback" not in response.read()
        connection.close()
        return response.status

    with ThreadPoolExecutor(200) as crowd:
        statuses = list(crowd.map(ask, range(200)))
    assert set(statuses) == {200, 400}
    assert running.post("think", pixels=BLACK)["layers"]
    for connection in slow:
        connection.close()
    assert running.memory() - before < 150 << 20
    assert running.process.poll() is None
