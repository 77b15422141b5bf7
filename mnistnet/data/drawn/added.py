"""Adds drawn images to those of a data set."""

import numpy as np

from mnistnet.data.datasets import Examples
from mnistnet.errors import ConfigError


def added(examples: Examples, drawn: Examples, key: str) -> Examples:
    """Return examples with drawn ones after them, as the config's `key` asks.

    Raises ConfigError unless both have the same shape.
    """
    if examples.shape != drawn.shape:
        ours, others = ("{}x{}".format(*each.shape) for each in (drawn, examples))
        raise ConfigError(f"{key}: expected 0, since drawn ones have {ours} pixels and the others {others}")
    images, labels = np.concatenate([examples.images, drawn.images]), np.concatenate([examples.labels, drawn.labels])
    return Examples(images, labels, examples.shape)
