"""A network to check, and what it amounts to."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from core.advice import Advice
from core.arrays import Model
from core.graph.summary import NetworkSummary
from core.losses import AnyLoss
from core.network import Network
from core.op import Name
from core.optimizers import AnyOptimizer
from core.optimizers.adam import Adam
from core.training.memory import RunMemory

EXAMPLE: JsonValue = {
    "inputs": {"x": {"shape": [4]}},
    "layers": [{"op": "dense", "units": 32}, {"op": "relu"}, {"op": "dense", "units": 3}],
}


class TrainingToMeasure(Model):
    """How the network would be trained, as far as that decides how much memory it takes and what is advised."""

    rows: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Rows of the training split."""

    validation_rows: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    batch_size: Annotated[int, Field(ge=1, le=10_000_000)] | Literal["full"] = 32
    optimizer: AnyOptimizer = Adam()
    dtype: Literal["float32", "float64"] = "float32"
    statistics: bool = True


class NetworkToCheck(Network):
    """A network of layers or of nodes, with the shapes of its inputs, and what a job would add to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    loss: AnyLoss | None = None
    """A job's `loss`, for a network that brings no `losses`."""

    targets: Annotated[dict[Name, Annotated[int, Field(ge=1, le=1_000_000_000)]], Field(max_length=100)] = {}
    """Outputs that each target wants (classes, or columns): the width of a last dense without `units`. The only target
    is called `y`."""

    training: TrainingToMeasure | None = None
    """Asks for the memory of a run, and for advice on its rate and rows; needs a loss."""


class CheckedNetwork(NetworkSummary):
    """A network without mistakes."""

    network: dict[str, Any]
    """The same in node form with every default written out, as it may be posted."""

    advice: list[Advice]
    """What could be better, warnings first. Nothing of it keeps a network from being trained."""

    memory: RunMemory | None = None
    """What a run as described by `training` takes; null where that was not given."""
