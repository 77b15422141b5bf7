"""Likely mistakes in data of your own: a sentence for each, with a remedy.

Readers refuse what cannot be right. These data may be intended: each sentence names them, what was expected and what
was found.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mnistnet.data.forms.found import Part, ReadAs
from mnistnet.util.arrays import Array

MAX_IMBALANCE = 20  # times as many examples as the rarest class has
MAX_STRAY_SHARE = (
    0.05  # share of the examples, up to which the last of the classes with gaps before it may be a mistake
)
DARK = 128  # a brightest pixel below this is reported
LIKE_DIGITS = 0.6  # correlation with MNIST's mean digits; its own have 0.9 and more, other symbols up to 0.3
MIN_DIGITS = 5  # kinds of digits needed to compare
DIGIT_SHAPE = (28, 28)
CELL = 4  # pixels a side of the cell that each number of MEAN_DIGITS averages
MEAN_DIGITS: Array = np.frombuffer(
    bytes.fromhex(
        "000000010100000002247a862900001480786c7604004680133080080067622173580300369e9b5f0f0000010607010000"
        "000000000000000000043f480d00000003714f0300000004a71b00000000229b0a00000006436510010000000405010000"
        "0000040b060100000d5088711700000e2a357525000008295e751702013c8ca779390901327357452a0400000101010000"
        "0000010201000000135888651100010f2a617f16000004469d7f130002131823792c000332788c69100000041012040000"
        "0000000000000000051a192b2102001464316e2b0100339b65a22101001b4d7f7211000001144c3b08000000050d090100"
        "00000000010000000322535a3b0a000b6570412609001079774b0e0000182539611f0100206d7d550f0000010d11050000"
        "00000514180500000220634109000007525f190c000013856b7d440400169c8d8a410200043e733e070000000000000000"
        "00000000000000000718221e080004348487a631000114212692160000030e6d5c060000022a74220100000527330e0100"
        "0000000000000000032771702602000e6961764305000752b2711101000b6b83500e0000167b8a500b0000011118060000"
        "000000000000000001104336070000117765851f0000237d6fa11200000933696607000001165a3a070000011324160400"
    ),
    np.uint8,
).reshape(10, 7, 7)
"""The mean of MNIST's training images of each digit, in cells of 4x4 pixels."""

Labels = npt.NDArray[np.uint8]


def about(
    where: str, parts: Mapping[str, Part], names: tuple[str, ...], read_as: ReadAs, *, emnist: bool = False
) -> list[str]:
    """Return a sentence for each likely mistake in a data set.

    `emnist`: whether its files are named so.
    """
    train, test = parts["train"], parts["test"]
    found = [*_of_labels(where, train, test, names), *_of_brightness(where, train)]
    shared = _shared(train.images, test.images)
    if shared:
        found.append(
            f"{where}: {shared:,} of the {len(test.labels):,} test images are also training images, so the test "
            "accuracy will be too good: take them out of one of the two"
        )
    return found + _of_direction(where, train, names, read_as, emnist)


def look_like_digits(part: Part, names: tuple[str, ...]) -> bool:
    """Return whether images of classes called 0 to 9 are digits as in MNIST, be they transposed or inverted."""
    return max(map(abs, likeness(part, names)), default=0) > LIKE_DIGITS


def likeness(part: Part, names: tuple[str, ...]) -> tuple[float, float] | tuple[()]:
    """Return the correlation of the digits' mean images with MNIST's, from -1 to 1:

    as they are, and transposed. None where the images are of another size, or too few classes are digits.
    """
    if part.images.shape[1:] != DIGIT_SHAPE:
        return ()
    means, expected = [], []
    for label, name in enumerate(names):
        chosen = part.images[part.labels == label] if len(name) == 1 and name in "0123456789" else ()
        if len(chosen):
            mean = np.add.reduce(chosen, axis=0, dtype=np.float64) / len(chosen)
            means.append(mean.reshape(7, CELL, 7, CELL).mean(axis=(1, 3)))
            expected.append(MEAN_DIGITS[int(name)])
    if len(means) < MIN_DIGITS:
        return ()
    found = np.stack(means)
    return _correlation(found, np.stack(expected)), _correlation(found.transpose(0, 2, 1), np.stack(expected))


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)  # without what all digits have in common
    scale = np.sqrt((one * one).sum() * (other * other).sum())
    return float((one * other).sum() / scale) if scale else 0.0


def _of_labels(where: str, train: Part, test: Part, names: tuple[str, ...]) -> list[str]:
    """Return sentences about odd numbers of examples per class."""
    counts, in_test = (np.bincount(part.labels, minlength=len(names)) for part in (train, test))
    found = [f"{where}: {words}" for words in _of_empty(counts + in_test, names)]
    unseen = np.flatnonzero((counts == 0) & (in_test > 0))
    if len(unseen):
        found.append(f"{where}: {_these(unseen, names)} no training image, so what is tested there cannot be learned")
    some = np.flatnonzero(counts)
    most, least = some[counts[some].argmax()], some[counts[some].argmin()]
    if counts[most] > MAX_IMBALANCE * counts[least]:
        found.append(
            f"{where}: class {names[most]} has {counts[most]:,} training images and class {names[least]} "
            f"{counts[least]:,}, over {MAX_IMBALANCE} to 1, so the rare one will be learned badly: "
            "--set class_weights=balanced gives each class the same weight"
        )
    return found


def _of_empty(counts: npt.NDArray[np.intp], names: tuple[str, ...]) -> list[str]:
    """Return a sentence about classes without an example, and its likely cause."""
    empty, last = np.flatnonzero(counts == 0), int(np.flatnonzero(counts)[-1])
    if not len(empty):
        return []
    what = f"{_these(empty, names)} no example"
    if empty[-1] == len(empty) - 1:
        what = f"labels begin at {len(empty)}, expected 0: {what}"
    elif counts[last] <= MAX_STRAY_SHARE * counts.sum():
        times = "once" if counts[last] == 1 else f"{counts[last]} times"
        what = f"{what}, of {len(names)}; label {last} stands {times}, perhaps by mistake"
    return [f"{what}; `mnistnet data convert --renumber` leaves out classes without an example"]


def _these(classes: npt.NDArray[np.intp], names: tuple[str, ...]) -> str:
    if len(classes) == 1:
        return f"class {names[classes[0]]} has"
    shown = ", ".join(names[each] for each in classes[:5]) + (", ..." if len(classes) > 5 else "")
    return f"{len(classes)} classes ({shown}) have"


def _of_brightness(where: str, train: Part) -> list[str]:
    top, bottom = int(train.images.max()), int(train.images.min())
    if top == bottom:
        return [f"{where}: all pixels of all training images are {top}: there is nothing to learn from"]
    if top >= DARK:
        return []
    what = "pixels of 0 and 1 in place of 0 and 255" if top == 1 else "images far darker than MNIST's"
    return [
        f"{where}: the brightest pixel is {top} of 255, expected about 255: {what} are hard to learn from; multiply "
        f"them by {255 // max(top, 1)} where they are made"
    ]


def _of_direction(where: str, train: Part, names: tuple[str, ...], read_as: ReadAs, emnist: bool) -> list[str]:
    """Return sentences about images of digits that look transposed or inverted."""
    upright, transposed = likeness(train, names) or (0.0, 0.0)
    found = []
    if max(abs(upright), abs(transposed)) > LIKE_DIGITS:
        if abs(transposed) > abs(upright):
            word = "transposed" if read_as.orientation == "upright" else "upright"
            found.append(
                f"{where}: the digits look transposed (rows and columns exchanged, as EMNIST stores them): "
                f"--set orientation={word} turns them upright"
            )
        if max(upright, transposed, key=abs) < 0:
            found.append(
                f"{where}: the digits look inverted (black on white; expected white on black, as in MNIST): "
                f"--set invert={str(not read_as.invert).lower()} exchanges black and white"
            )
    elif emnist and read_as.orientation == "upright":
        found.append(
            f"{where}: the files are called EMNIST, whose images are stored transposed (rows and columns exchanged): "
            "--set orientation=transposed turns them upright"
        )
    return found


def _shared(train: Labels, test: Labels) -> int:
    """Return how many test images are also training images."""
    known = {image.tobytes() for image in test}
    seen = {content for image in train if (content := image.tobytes()) in known}
    return sum(image.tobytes() in seen for image in test)
