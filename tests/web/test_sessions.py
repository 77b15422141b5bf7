"""Visitors' copies of the network: bounded, and changed by lessons that end well and by nothing else."""

import pytest

from mnistnet.errors import DivergedError
from mnistnet.explain.example_gradient import in_float64
from mnistnet.web import sessions
from mnistnet.web.sessions import ForgottenError, Sessions
from tests.explained import small


def taught(visitors: Sessions, token: str | None = None) -> str:
    """Give one lesson, and return the token of the copy that had it."""
    with visitors.lesson(token) as (token, network, _):
        network.parameters += 1
    return token


def test_copies_are_bounded_in_number_and_age() -> None:
    now, network = [0.0], in_float64(small((5, 3, 2), "relu", "cross_entropy"))
    visitors = Sessions(network, seed=1, clock=lambda: now[0])
    tokens = [taught(visitors) for _ in range(sessions.MAX_KEPT)]
    own = visitors.network(tokens[0])  # asked for again, so it is not the one to go
    assert (own.parameters == network.parameters + 1).all()
    taught(visitors)
    assert len(visitors) == sessions.MAX_KEPT
    with pytest.raises(ForgottenError):
        visitors.network(tokens[1])
    now[0] += sessions.AGE - 1
    assert visitors.network(tokens[0]) is own
    now[0] += 2
    taught(visitors)
    assert len(visitors) == 2


def test_large_networks_are_kept_in_smaller_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    network = in_float64(small((5, 3, 2), "relu", "cross_entropy"))
    monkeypatch.setattr(sessions, "MEMORY", 6 * network.parameters.nbytes)
    visitors = Sessions(network)
    for _ in range(9):
        taught(visitors)
    assert len(visitors) == 6


def test_a_lesson_that_fails_teaches_nothing_and_takes_nobodys_place() -> None:
    visitors = Sessions(in_float64(small((5, 3, 2), "relu", "cross_entropy")))
    token = taught(visitors)
    before = visitors.network(token).parameters.copy()

    def fail(whose: str | None) -> None:
        with visitors.lesson(whose) as (_, network, _):
            network.parameters += 1
            raise DivergedError("too large")

    for whose in (None, token):
        with pytest.raises(DivergedError):
            fail(whose)
    assert len(visitors) == 1
    assert (visitors.network(token).parameters == before).all()


def test_a_copy_can_be_asked_while_it_is_taught() -> None:
    visitors = Sessions(in_float64(small((5, 3, 2), "relu", "cross_entropy")))
    token = taught(visitors)
    with visitors.lesson(token) as (_, network, _):
        network.parameters += 1
        assert (visitors.network(token).parameters == network.parameters - 1).all()
    assert visitors.network(token) is network
