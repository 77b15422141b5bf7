"""Writes the network of docs/worksheet.html, 2-2-2 neurons, and its image of two pixels into a folder.

python examples/worksheet.py worksheet
mnistnet explain --checkpoint worksheet/network.npz --index 0
"""

import sys
from pathlib import Path

import numpy as np

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.config import loader
from mnistnet.datasets import store_of
from mnistnet.nn.network import Network

IMAGE = np.array([[[255, 51]]], np.uint8)  # activations 1 and 0.2
LABEL = np.array([0], np.uint8)
WEIGHTS = [[[2, -5], [-1, 5]], [[2, -3], [-1, 4]]]  # [layer][neuron][neuron before]
BIASES = [[0, 0], [0, -1]]


def network() -> Network:
    """Return the network, 2-2-2 neurons with sigmoids."""
    made = Network((2, 2, 2), "sigmoid", "quadratic")
    for layer in range(2):
        made.weights[layer][...] = WEIGHTS[layer]
        made.biases[layer][...] = BIASES[layer]
    return made


def write(folder: Path) -> None:
    """Write `network.npz` into a folder, and beside it a data set that has the image as its only one."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", IMAGE), ("labels-idx1", LABEL)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
    (folder / "classes.txt").write_text("0\n1\n", encoding="utf-8")
    settings = {"dataset": str(folder.resolve()), "layer_sizes": [2, 2, 2], "validation": 0}
    video = {"activation": "sigmoid", "loss": "quadratic"}
    kept = Checkpoint(
        config=loader.from_mapping(settings | video),
        network=network(),
        epoch=0,
        metrics={},
        best={"epoch": 0, "validation_accuracy": None, "chosen_by": "hand"},
        dataset=checkpoint.origin(store_of(str(folder.resolve()), None)),
        blas="",
        threads=None,
    )
    checkpoint.save(folder / "network.npz", kept)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "worksheet"))
