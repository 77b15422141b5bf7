"""The networks that come with the package, in the checkpoint format: each header tells how its network was made.

`best` reads digits; `3blue1brown` is the video's 784-16-16-10, to be explained. `make pretrained` makes them again.
"""

from pathlib import Path

NAMES = ("best", "3blue1brown")


def path(name: str) -> Path:
    """Return the file of the shipped network of this name."""
    return Path(__file__).parent / f"{name}.npz"
