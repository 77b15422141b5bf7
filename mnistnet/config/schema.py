"""The keys of a config: name, range, default and meaning.

Reading a file, its errors, `mnistnet config --schema` and the tables in docs/config.md all use these types. The schema
shows the docstring of a section and the `description` of a key.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mnistnet.data.augment import Ciresan2010, Default, Simard2003
from mnistnet.data.forms.found import ReadAs
from mnistnet.nn.schedules import Constant, Cosine, OneCycle, Step
from mnistnet.util.arrays import SMALLEST_NORMAL

Share = Annotated[float, Meta(ge=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Velocity = Annotated[Share, Meta(description="how much of the last step's velocity `v` is kept")]


class Sgd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="sgd"):
    """`w -= rate * g`."""


class Momentum(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="momentum"):
    """`v = momentum * v + g`, `w -= rate * v` (Polyak 1964)."""

    momentum: Velocity = 0.9


class Nesterov(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="nesterov"):
    """`v = momentum * v + g`, `w -= rate * (g + momentum * v)` (Sutskever et al. 2013; form of Bengio et al. 2013)."""

    momentum: Velocity = 0.9


class Adam(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="adam"):
    """Kingma & Ba 2015, algorithm 1."""

    beta1: Annotated[Share, Meta(description="how much of the gradient's running mean is kept in each step")] = 0.9
    beta2: Annotated[Share, Meta(description="the same for the mean of its square")] = 0.999
    epsilon: Annotated[
        float,
        Meta(ge=SMALLEST_NORMAL, le=1, description="added to its root, so that nothing is divided by zero"),
    ] = 1e-8


class EarlyStopping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to stop before the last epoch."""

    patience: Annotated[
        int, Meta(ge=1, le=1_000_000, description="epochs without a new lowest validation loss before stopping")
    ] = 5


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides what a training does. docs/config.md says more."""

    dataset: Annotated[
        str,
        Meta(min_length=1, max_length=1000, description="a known name, or the path of data of your own"),
    ] = "mnist"
    pictures: Annotated[
        Literal["auto", "digits", "scale"],
        Meta(
            description="how a picture becomes an image: `digits` finds, scales and centres a digit as MNIST's makers "
            "did, `scale` takes the whole picture; `auto`: digits for MNIST and what looks like it"
        ),
    ] = "auto"
    orientation: Annotated[
        Literal["upright", "transposed"],
        Meta(description="how images of your own are stored; `transposed`: rows and columns exchanged, as EMNIST's"),
    ] = "upright"
    invert: Annotated[
        bool, Meta(description="exchange black and white in images of your own; networks expect white on black")
    ] = False
    test_share: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="share of each class held out to test on, in data of your own without a test part",
        ),
    ] = 0.15
    train_images: Annotated[
        Count | Literal["all"], Meta(description="training images, of those that `validation` leaves")
    ] = "all"
    validation: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            description="training images held out to choose the best epoch; `0`: none, the last epoch is best",
        ),
    ] = 5000
    layer_sizes: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=1_000_000)], ...],
        Meta(min_length=2, max_length=64, description="neurons of each layer, from the pixels to the classes"),
    ] = (784, 128, 10)
    activation: Annotated[
        Literal["sigmoid", "relu", "tanh"],
        Meta(description="activation function of the hidden layers"),
    ] = "relu"
    loss: Annotated[
        Literal["quadratic", "cross_entropy"],
        Meta(description="`cross_entropy` has softmax outputs, `quadratic` sigmoid outputs, as in the video"),
    ] = "cross_entropy"
    optimizer: Annotated[
        Sgd | Momentum | Nesterov | Adam,
        Meta(description="the update rule: a name, or a mapping with `name` and its settings"),
    ] = Adam()
    learning_rate: Annotated[
        float, Meta(ge=SMALLEST_NORMAL, le=1e9, description="learning rate; the schedule multiplies it")
    ] = 0.015
    schedule: Annotated[
        Constant | Step | Cosine | OneCycle,
        Meta(description="how the learning rate changes: a name, or a mapping with `name` and its settings"),
    ] = OneCycle()
    schedule_epochs: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(
            description="epochs of the schedule, `null`: all; after it `cosine` and `one_cycle` keep their final value"
        ),
    ] = None
    batch_size: Annotated[
        Count | Literal["all"],
        Meta(description="examples per step; `all` is full-batch gradient descent, one step per epoch"),
    ] = 128
    epochs: Annotated[  # so few because their metrics must fit into a checkpoint's header
        int, Meta(ge=0, le=8_000, description="passes over the training images; `0` keeps the first weights")
    ] = 10
    weight_decay: Annotated[
        float,
        Meta(
            ge=0,
            le=1e6,
            description="each step also does `w -= learning_rate * weight_decay * w`, for weights, not for biases",
        ),
    ] = 0.05
    weight_averaging: Annotated[
        Share,
        Meta(description="`0.999`: use the mean weights of about the last 1,000 steps, less noisy than the last ones"),
    ] = 0.0
    class_weights: Annotated[
        Literal["balanced"] | None,
        Meta(
            description="`balanced`: rare classes count as much as frequent ones, in the cost that training descends; "
            "validation and test figures are not weighted"
        ),
    ] = None
    label_smoothing: Annotated[
        Share,
        Meta(
            description="`0.1`: a tenth of each target is spread evenly over all classes "
            "(Szegedy et al. 2016, section 7)"
        ),
    ] = 0.0
    dropout: Annotated[
        Share | tuple[Share, ...],
        Meta(
            description="share of hidden activations set to zero in each step, or a list with one for each layer "
            "(Srivastava et al. 2014)"
        ),
    ] = 0.0
    augment: Annotated[
        Default | Simard2003 | Ciresan2010 | None,
        Meta(description="distort each image in each epoch: a name, or a mapping with `name` and its settings"),
    ] = None
    drawn_digits: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="digits drawn as strokes, added to the training images: common forms of 0, 1, 4, 7 and 9 that "
            "are rare in MNIST",
        ),
    ] = 0
    non_digits: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="drawn letters, scribbles and shapes, which are no digits: the network learns to be unsure "
            "of them (Hendrycks et al. 2019)",
        ),
    ] = 0
    early_stopping: Annotated[
        EarlyStopping | None, Meta(description="stop early, when the validation loss no longer improves")
    ] = None
    keep: Annotated[
        Literal["best", "last"],
        Meta(description="which epoch's network is the result: that with the highest validation accuracy, or the last"),
    ] = "best"
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=2**63 - 1,
            description="decides all that is random: first weights, validation split, order, distortion and dropout",
        ),
    ] = 0
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"],
        Meta(
            description="processes that share each step, on Linux; `auto`: one per processor, or one where steps are "
            "too small to share. Elsewhere threads of the matrix library; `auto`: one"
        ),
    ] = "auto"

    @property
    def read_as(self) -> ReadAs:
        """How data of your own is to be read for this network."""
        return ReadAs(self.pictures, self.orientation, self.invert, self.test_share, self.layer_sizes[0])

    @property
    def dropout_shares(self) -> tuple[float, ...]:
        """The share of activations to drop in each hidden layer; empty where none is."""
        shares = self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * (len(self.layer_sizes) - 2)
        return shares if any(shares) else ()
