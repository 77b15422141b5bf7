"""`mnistnet export`: write a network for other programs."""

from pathlib import Path

import click

from mnistnet.cli.options import PATH, find_checkpoint
from mnistnet.cli.terminal import echo


@click.command(
    name="export",
    epilog="""\b
Examples:
  mnistnet export best model.onnx
  mnistnet export runs/default/best.npz model.safetensors --force""",
)
@click.argument("checkpoint")
@click.argument("file", type=PATH)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
def command(checkpoint: str, file: Path, force: bool) -> None:
    """Write the network in CHECKPOINT to FILE, an ONNX model (.onnx) or tensors for PyTorch and others (.safetensors).

    CHECKPOINT is a file, the folder of a run, `last-run`, or `best` or `3blue1brown`, which come with the package.
    ONNX: input `image`, pixels / 255, [N, 784]; outputs `logits` and `probabilities`. Safetensors: the names that a
    torch.nn.Sequential of Linear layers has. The file's metadata has config, labels and
    validation accuracy. Each format needs the extra of its name.
    """
    from mnistnet.checkpoint import checkpoint as checkpoints
    from mnistnet.inference import export

    export.check(file, force)
    loaded = checkpoints.load(find_checkpoint(checkpoint))
    export.write(file, loaded)
    sizes = "-".join(map(str, loaded.config.layer_sizes))
    echo(f"{file}: {checkpoint}, {sizes}, {file.stat().st_size:,} bytes")
