"""Work in a child with limits: its answer, its refusal, and what happens to what takes too much."""

import os
import threading
import time
from pathlib import Path

import pytest

from mnistnet.util import bounded, system

pytestmark = pytest.mark.skipif(not system.CAN_FORK, reason="needs processes that can be forked")


def children() -> set[str]:
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_the_answer_of_any_length_comes_back() -> None:
    for size in (0, 1, 70_000, 5_000_000):
        content = os.urandom(size)
        assert bounded.call(lambda content=content: content, ValueError, 2, 100) == content  # type: ignore[misc]


def test_a_refusal_comes_back_in_its_words_and_anything_else_is_a_limit() -> None:
    def refuse() -> bytes:
        raise ValueError("no such picture: größe")

    with pytest.raises(bounded.RefusedWorkError, match="no such picture: größe"):
        bounded.call(refuse, ValueError, 2, 100)
    with pytest.raises(bounded.LimitError):
        bounded.call(refuse, OSError, 2, 100)
    with pytest.raises(bounded.LimitError):
        bounded.call(lambda: os.abort(), ValueError, 2, 100)  # as a decoder without memory does


def test_time_and_memory_end_at_their_limits_and_the_child_is_gone() -> None:
    def spin() -> bytes:
        while True:
            pass

    def sleep() -> bytes:
        time.sleep(60)
        return b""

    def fill() -> bytes:
        return bytes(500 << 20)

    before = children()
    for work, words in ((spin, "more than 1 s"), (sleep, "more than 1 s"), (fill, "more than 100 MB of memory")):
        with pytest.raises(bounded.LimitError, match=words):
            bounded.call(work, ValueError, 1, 100)
    assert children() == before


def test_several_threads_get_their_own_answers() -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = bounded.call(lambda: b"%d" % number * 1000, ValueError, 5, 100)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d" % number * 1000 for number in range(12)}
