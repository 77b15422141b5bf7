"""The requests that the page may send, as types, with what answers them: anything else is refused with a sentence.

A request is a POST of a JSON object to /api/NAME, NAME being the class's in lower case. Bytes travel as base64. Layers
count from 1, the first after the pixels; neurons and pixels count from 0. An error is `{"error": SENTENCE}` with status
400 not such a message, 403 another site asks, 404 no such name, 405 not a POST, 410 the session is gone, 413 too
large, 415 not JSON, 421 not this server's name, 422 an unreadable picture or numbers that are not finite, or 503 too
many pictures at a time.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Session = Annotated[str, Meta(max_length=64)] | None
Pixels = Annotated[bytes, Meta(min_length=784, max_length=784)]
"""A 28x28 image row by row, 0 black to 255 white."""
Token = Annotated[str, Meta(max_length=64)]
LiveRate = Annotated[float, Meta(gt=0, le=1e9)]
Small = Annotated[int, Meta(ge=0, le=1_000_000)]
Rate = Annotated[float, Meta(gt=0, le=100)]


class Message(Struct, forbid_unknown_fields=True):
    """A request. `session` names the visitor's own copy of the network; without it the original answers."""


class Describe(Message):
    """Describe the network.

    Answer: `name`, `layer_sizes`, `activation`, `quadratic` (the cost; else cross-entropy), `parameters`, `labels`,
    `judges` (number of test images to measure on), `batch` (images of a step at random), `steps` (titles of the
    backward pass's steps).
    """


class Draw(Message):
    """Draw a test image at random, or the one at `index`. Answer: `index`, `label`, `pixels`."""

    index: Small | None = None


class Think(Message):
    """Run the forward pass on a picture file, or on a 28x28 image.

    Answer: `pixels`; `digit`, `label`, `confidence`, `probabilities`, `unsure` as `predict` gives them; `calibrated`,
    false for a copy that was taught; `layers`, each with `size`, the `neurons` shown and their `activations`;
    `lines`: of layer 1 for each neuron shown its strongest `[pixel, weight times pixel]`, of further layers for each
    neuron shown weight times activation of each shown before it.
    """

    picture: bytes | None = None
    pixels: Pixels | None = None
    session: Session = None


class Wish(Message):
    """Run the backward pass for an image that should be read as `label`. `neuron` is [layer, neuron].

    Answer: `label`, `prediction`, `cost`, `cost_terms`, `target`, `wish` and `three_ways` as in `explain --json`
    (`three_ways` adds `neurons`: which of the layer before its lists are of); `layers` with `size`, `neurons`,
    `activations`, `nudges`, `slopes`, `bias_nudges` and, but for layer 1, `weight_nudges`; `passed`, for each hidden
    layer a row for each neuron after it: what that wishes of each of the layer's neurons; `first_weights`, the nudges
    of all weights of each neuron shown of layer 1; `steps`, the report's sections about this pass as JSON.
    """

    pixels: Pixels
    label: Small
    neuron: tuple[Small, Small] | None = None
    session: Session = None


class Average(Message):
    """Say which weights matter most to an image, and what all examples wish together.

    Answer: `steps`, the report's sections that follow the backward pass; `examples`, the number of training images
    they average over; `test_images`.
    """

    pixels: Pixels
    label: Small
    session: Session = None


class Judge(Message):
    """Measure the network. Answer: `cost` of this example; over the subset `accuracy`, and `share` called `label`."""

    pixels: Pixels
    label: Small
    session: Session = None


class Learn(Judge, kw_only=True):
    """Take steps on this example alone, or each on examples drawn at random.

    Answer: as for Judge, after the steps, and the `session` to name from now on.
    """

    rate: Rate
    times: Annotated[int, Meta(ge=1, le=100)] = 1
    at_random: bool = False


BatchSize = Annotated[int, Meta(ge=1, le=100_000)] | Literal["all"]


class Training(Message):
    """The settings of a training. `hidden` are the sizes of its hidden layers."""

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
    """Begin a training from random weights. Answer: `training`, which names it, and what Advance answers."""

    batch_size: BatchSize


class Race(Training, kw_only=True):
    """Begin two or three trainings from the same random weights, side by side.

    Answer: `training`, which names them, and `trainings`, for each: `batch_size`, `step`, `epoch`, `seconds`,
    `path_length`, `displacement`, `diverged`, accuracies and cost.
    """

    batch_sizes: Annotated[tuple[BatchSize, ...], Meta(min_length=2, max_length=3)]


class OfTraining(Message):
    """A request about a training, which its token names."""

    training: Token


class Advance(OfTraining, kw_only=True):
    """Train for some milliseconds, or for so many steps if that takes less.

    Answer: `step`, `epoch`, `seconds`, `costs`, `train_accuracy`, `held_out_accuracy`, `held_out_cost`, `confusion`,
    `first_weights` (bytes from -127 to 127 of `first_weights_scale`), `layers`, and `reading` of the pixels.
    """

    milliseconds: Annotated[int, Meta(ge=0, le=1000)] = 25
    steps: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    learning_rate: LiveRate | None = None
    pixels: Pixels | None = None


class Together(OfTraining, kw_only=True):
    """Train side by side for some milliseconds, each for its share. Answer: `trainings`, as for Race."""

    milliseconds: Annotated[int, Meta(ge=0, le=1000)] = 100
    learning_rate: LiveRate | None = None


class Survey(OfTraining):
    """Show the paths of trainings side by side, over contours of the cost.

    Answer: `paths` in the plane of most motion, `costs` at `x` and `y`, `shares` of the motion along both axes,
    `stretches`: up to 40 more steps of each, one by one; `trainings`, as for Race.
    """


class Load(Message):
    """Use the network in a checkpoint; `name` is its file's. Answer: as for Adopt."""

    checkpoint: bytes
    name: Annotated[str, Meta(max_length=200)] = "from a checkpoint"


class Adopt(OfTraining):
    """Copy this training's network as it is now. Answer: the copy's `session`, and what Describe says of it."""


class Save(OfTraining):
    """Return this training's network. Answer: `checkpoint`, the bytes of a file."""


class Leave(OfTraining):
    """Drop this training."""


class Forget(Message):
    """Drop the visitor's copy of the network."""

    session: Token
