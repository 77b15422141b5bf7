"""Makes `version-1.npz`, the golden checkpoint. It is committed and never made again: old files must load for ever.

python -m tests.golden.make PATH
"""

import sys
from pathlib import Path

import numpy as np

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.config.schema import Config, EarlyStopping, Momentum
from mnistnet.nn.network import Network
from mnistnet.nn.schedules import Constant

GOLDEN = Path(__file__).parent / "version-1.npz"


def golden() -> Checkpoint:
    """Return a small checkpoint that uses everything the format has, with numbers anyone can compute again."""
    config = Config(  # spelt out: defaults may change, this file may not
        dataset="mnist",
        train_images="all",
        validation=100,
        layer_sizes=(784, 2, 10),
        activation="tanh",
        loss="cross_entropy",
        optimizer=Momentum(momentum=0.5),
        learning_rate=0.001,
        schedule=Constant(),
        batch_size=128,
        epochs=3,
        weight_decay=0.0,
        early_stopping=EarlyStopping(patience=2),
        seed=7,
        threads=2,
    )
    network = Network(config.layer_sizes, config.activation, config.loss)
    n = network.parameters.size
    network.parameters[...] = (np.arange(n) - n // 2) / 1024
    return Checkpoint(
        config=config,
        network=network,
        epoch=2,
        metrics={
            "epoch": [1, 2],
            "loss": [2.5, 0.1],
            "train_accuracy": [0.25, 0.875],
            "validation_loss": [2.0, 1e-07],
            "validation_accuracy": [0.5, 1.0],
            "learning_rate": [0.001, 0.0005],
        },
        best={"epoch": 2, "validation_accuracy": 1.0, "chosen_by": "validation_accuracy"},
        dataset={"name": "mnist", "sha256": {"train-images-idx3-ubyte.gz": "0" * 64}},
        blas="openblas 0.3.30 Haswell",
        threads=2,
        temperature=1.25,
        versions={"mnistnet": "0.1.0", "numpy": "2.4.6"},
        training={
            "optimizer.steps": np.array(860, np.int64),
            "optimizer.velocity": np.arange(n, dtype=np.float32) / 8,
        },
    )


if __name__ == "__main__":
    checkpoint.save(Path(sys.argv[1]), golden())
