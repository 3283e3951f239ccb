"""What a job says of its experiment; only `target` is needed."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from core.arrays import Model
from core.losses import AnyLoss
from core.network import Network
from core.op import Name
from core.optimizers import AnyOptimizer
from core.penalties import Penalty
from core.schedules import AnySchedule
from core.training.clipping import Clip
from core.training.range_test import LearningRateRange
from core.training.stopping import EarlyStopping

ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]
Columns = Annotated[list[ColumnName], Field(min_length=1, max_length=100_000)]
TargetColumns = Annotated[list[ColumnName], Field(min_length=1, max_length=1000)]


def _form_of_target(value: object) -> str:
    if isinstance(value, dict):
        return "by name"
    return "columns" if isinstance(value, list) else "one column"


def _form_of_features(value: object) -> str:
    return "by name" if isinstance(value, dict) else "columns"


# Told apart by their type, so that a mistake is told of the form that was meant and of no other.
_TargetColumns = Annotated[
    Annotated[ColumnName, Tag("one column")] | Annotated[TargetColumns, Tag("columns")], Discriminator(_form_of_target)
]
Target = Annotated[
    Annotated[ColumnName, Tag("one column")]
    | Annotated[TargetColumns, Tag("columns")]
    | Annotated[dict[Name, _TargetColumns], Field(min_length=1, max_length=100), Tag("by name")],
    Discriminator(_form_of_target),
]
Features = Annotated[
    Annotated[Columns, Tag("columns")]
    | Annotated[dict[Name, Columns], Field(min_length=1, max_length=1000), Tag("by name")],
    Discriminator(_form_of_features),
]


class SplitSpec(Model):
    """Which rows are learned from, which are watched after each epoch, and which are kept for the last test."""

    validation: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the rows that is measured after each epoch."""

    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share that is measured once, at the end."""

    stratify: bool = True
    """Whether each class is divided by the same shares."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides which rows go where; the job's own seed does not."""

    validation_dataset: Annotated[str, Field(max_length=64)] | None = None
    """Another data set to validate on, in place of a share of this one."""


class ExperimentSpec(Model):
    """What is learned from which columns, by which network, and how."""

    target: Target
    """Column to predict, or several columns; for a network with several targets, an object that says of each by its
    name which columns it is. A group of the data set stands for its columns."""

    features: Features | None = None
    """Columns to predict from, in the order in which they feed the network's only input; left out, all others but
    texts. For a network with several inputs, an object that says of each by its name which columns feed it. A group
    of the data set stands for its columns, and by itself gives an input that the network does not declare its shape.
    """

    preparation: Literal["auto", "none"] = "auto"
    """`auto` fills gaps, standardizes numbers and one-hot encodes categories; `none` feeds numbers as they are.

    Numbers that feed an input of several axes share their mean and deviation: those of a sequence (L, d) with all
    steps of the same feature, those of an image (c, h, w) with all pixels of the same channel, and so those of (c, L)
    where a one-dimensional convolution reads it. An input of dtype int takes whole numbers from 0 as they are."""

    split: SplitSpec = SplitSpec()
    """Left out, a fifth of the rows is for validation."""

    network: Network | None = None
    """Left out, a network that does well on small tables."""

    loss: AnyLoss | None = None
    """Left out, cross_entropy for classes and mse for numbers."""

    optimizer: AnyOptimizer | None = None
    """Left out, Adam with its usual hyper-parameters."""

    schedule: AnySchedule | None = None
    """Learning rate by epoch; left out, constant."""

    penalties: Annotated[list[Penalty], Field(max_length=1000)] = []
    """L1 and L2 terms, beside those the network brings."""

    clip: Clip | None = None
    """Bound on the gradient before each update."""

    batch_size: Annotated[int, Field(ge=1, le=10_000_000)] | Literal["full"] | None = None
    """Examples a step; "full" is gradient descent on the whole split, 1 plain stochastic descent."""

    batches_per_update: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Gradient accumulation: an update takes the mean gradient of so many batches, weighted by their examples."""

    max_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest L2 norm of the weights that feed one unit, restored after each update."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Passes over the training split; left out together with `early_stopping`, as many as validation improves for."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides starting weights, order of rows and dropout; the same seed gives the same bits."""

    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the run."""

    shuffle: bool = True
    """Whether rows come in a new order each epoch; a short last batch is kept either way."""

    early_stopping: EarlyStopping | None = None
    """Stop when the watched value no longer improves; left out with `epochs` given, never."""

    statistics: bool = True
    """Whether some steps and epochs are looked at more closely, for `/layers` and the diagnosis; what is learned is
    the same to the last bit."""

    learning_rate_range: LearningRateRange | None = None
    """Measure through which learning rates the loss falls, by single updates at growing rates, and train no model."""
