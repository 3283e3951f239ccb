"""What a run is told: optimizer, batches, length, precision and when to stop."""

from typing import Annotated, Literal

from pydantic import Field

from core.arrays import Model
from core.optimizers import AnyOptimizer
from core.optimizers.adam import Adam
from core.schedules import AnySchedule
from core.schedules.constant import Constant
from core.training.clipping import Clip
from core.training.stopping import EarlyStopping


class TrainingSpec(Model):
    """How a network is trained; everything has a default."""

    optimizer: AnyOptimizer = Adam()
    schedule: AnySchedule = Constant()
    """Learning rate by epoch."""

    clip: Clip | None = None
    """Bound on the gradient before each update."""

    batch_size: Annotated[int, Field(ge=1, le=10_000_000)] | Literal["full"] = 32
    """Examples a step; "full" is gradient descent on the whole split, 1 plain stochastic descent."""

    batches_per_update: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Gradient accumulation: an update takes the mean gradient of so many batches, weighted by their examples."""

    max_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest L2 norm of the weights that feed one unit, restored after each update."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """Passes over the training split."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides starting weights, order of rows and dropout; the same seed gives the same bits."""

    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the whole run."""

    shuffle: bool = True
    """Whether rows come in a new order each epoch; a short last batch is kept either way."""

    early_stopping: EarlyStopping | None = None
    """Stop when the watched value no longer improves."""

    statistics: bool = True
    """Whether some steps and epochs are looked at more closely; what is learned is the same to the last bit."""
