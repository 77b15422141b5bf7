"""How many trials a test makes: a sample in every run of the suite, all of them in `make torture`."""

from typing import Any

import pytest


def counts(sample: int, full: int) -> pytest.MarkDecorator:
    """Run a test with `count=sample`, and in `make torture` with `count=full`, where it may take ten minutes."""
    marks = (pytest.mark.torture, pytest.mark.timeout(600))
    values: list[Any] = [pytest.param(sample, id="sample"), pytest.param(full, id="full", marks=marks)]
    return pytest.mark.parametrize("count", values)
