"""Parses file names: the part of a data set, images or labels, and the set's name.

train-images-idx3-ubyte   train-images.idx3-ubyte   emnist-digits-test-labels-idx1-ubyte.gz   x_train   mnist_test.csv
"""

import re
from typing import NamedTuple

PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test", "t10k": "test"}
KINDS = {
    **dict.fromkeys(("images", "image", "imgs", "img", "x", "data"), "images"),
    **dict.fromkeys(("labels", "label", "y", "target", "targets"), "labels"),
}
VALIDATION = {"val", "valid", "validation", "dev"}
"""Words for a part that is not used: validation images come from the training part, by seed."""
NOISE = re.compile(r"idx\d?|ubyte|int|float|double|byte|gz")
"""Words for how numbers are stored, which are ignored."""


class Meaning(NamedTuple):
    """The meaning of a name: the set ("" if not named), "train" or "test", "images" or "labels"."""

    group: str
    part: str | None
    kind: str | None


def meaning(name: str) -> Meaning:
    """Return the meaning of a name's words, in any case and with any separators."""
    part, kind, group = None, None, []
    for word in re.split(r"[^a-z0-9]+", name.lower()):
        if word in PARTS and part is None:
            part = PARTS[word]
        elif word in KINDS and kind is None:
            kind = KINDS[word]
        elif word and not NOISE.fullmatch(word):
            group.append(word)
    return Meaning("-".join(group), part, kind)


def is_idx(name: str) -> bool:
    """Return whether a file's name is like an IDX file's: without an ending, or with idx or ubyte in it."""
    stem, dot, ending = name.lower().removesuffix(".gz").rpartition(".")
    return not dot or (bool(stem) and re.search(r"idx|ubyte", ending) is not None)
