"""Train, read and explain dense networks for MNIST; backpropagation in plain NumPy.

    clf = mnistnet.load("best")
    clf.predict(images)

docs/python.md shows the rest. Importing this takes next to no time: each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnistnet import datasets as datasets
    from mnistnet.api import Classifier as Classifier
    from mnistnet.api import Run as Run
    from mnistnet.api import load as load
    from mnistnet.api import train as train

__version__ = "0.2.0"
__all__ = ["Classifier", "Run", "__version__", "datasets", "load", "train"]


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return import_module("mnistnet.datasets")
    if name in __all__:
        return getattr(import_module("mnistnet.api"), name)
    raise AttributeError(f"module 'mnistnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
