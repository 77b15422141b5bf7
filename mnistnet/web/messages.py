"""The requests that the page may send, as types: anything else is refused with a sentence. docs/demo.md lists them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Session = Annotated[str, Meta(max_length=64)] | None
Pixels = Annotated[bytes, Meta(min_length=784, max_length=784)]
"""A 28x28 image row by row, 0 black to 255 white; bytes travel as base64."""
Token = Annotated[str, Meta(max_length=64)]
LiveRate = Annotated[float, Meta(gt=0, le=1e9)]
Small = Annotated[int, Meta(ge=0, le=1_000_000)]
Rate = Annotated[float, Meta(gt=0, le=100)]


class Message(Struct, forbid_unknown_fields=True):
    """A request. Who has taught a copy of the network names it by `session`."""


class Describe(Message):
    """What is shown here?"""


class Draw(Message):
    """Give me a test image at random, or this one."""

    index: Small | None = None


class Think(Message):
    """What does the network make of a picture file, or of a 28x28 image?"""

    picture: bytes | None = None
    pixels: Pixels | None = None
    session: Session = None


class Wish(Message):
    """What does an image wish of the network, so that it be read as `label`? `neuron` is [layer, neuron]."""

    pixels: Pixels
    label: Small
    neuron: tuple[Small, Small] | None = None
    session: Session = None


class Average(Message):
    """What follows the backward pass: which weights matter most to an image, and what all examples wish together."""

    pixels: Pixels
    label: Small
    session: Session = None


class Judge(Message):
    """How good is the network, at this example and at all?"""

    pixels: Pixels
    label: Small
    session: Session = None


class Learn(Judge, kw_only=True):
    """Learn from this example alone, so many times; or so many times from examples drawn at random."""

    rate: Rate
    times: Annotated[int, Meta(ge=1, le=100)] = 1
    at_random: bool = False


BatchSize = Annotated[int, Meta(ge=1, le=100_000)] | Literal["all"]


class Training(Message):
    """What a training is like. `hidden` are the sizes of its hidden layers."""

    hidden: Annotated[tuple[Annotated[int, Meta(ge=1, le=512)], ...], Meta(max_length=4)]
    activation: Literal["sigmoid", "tanh", "relu"]
    loss: Literal["quadratic", "cross_entropy"]
    optimizer: Literal["sgd", "momentum", "nesterov", "adam"]
    learning_rate: LiveRate
    seed: Small = 0
    images: Annotated[int, Meta(ge=100, le=1_000_000)] | Literal["all"] = "all"
    zero_start: bool = False
    shuffle: bool = True
    wrong_labels: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Begin(Training, kw_only=True):
    """Begin a training from random weights."""

    batch_size: BatchSize


class Race(Training, kw_only=True):
    """Begin two or three trainings from the same random weights, side by side."""

    batch_sizes: Annotated[tuple[BatchSize, ...], Meta(min_length=2, max_length=3)]


class OfTraining(Message):
    """A request about a training, which its token names."""

    training: Token


class Advance(OfTraining, kw_only=True):
    """Go on for some milliseconds, or so many steps if that takes less, and say what can be drawn."""

    milliseconds: Annotated[int, Meta(ge=0, le=1000)] = 25
    steps: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    learning_rate: LiveRate | None = None
    pixels: Pixels | None = None


class Together(OfTraining, kw_only=True):
    """Let trainings that stand side by side go on for some milliseconds, each for its share."""

    milliseconds: Annotated[int, Meta(ge=0, le=1000)] = 100
    learning_rate: LiveRate | None = None


class Survey(OfTraining):
    """Show the paths of trainings side by side, over contours of the cost."""


class Load(Message):
    """Let the other views ask the network in a checkpoint; `name` is its file's."""

    checkpoint: bytes
    name: Annotated[str, Meta(max_length=200)] = "from a checkpoint"


class Adopt(OfTraining):
    """Let the other views ask a copy of this training's network as it is now."""


class Save(OfTraining):
    """Give me this training's network as a checkpoint."""


class Leave(OfTraining):
    """Drop this training."""


class Forget(Message):
    """Drop my copy of the network."""

    session: Token
