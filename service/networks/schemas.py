"""A network to check, and what it amounts to."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, JsonValue

from core.graph.summary import NetworkSummary
from core.losses import AnyLoss
from core.network import Network
from core.op import Name

EXAMPLE: JsonValue = {
    "inputs": {"x": {"shape": [4]}},
    "layers": [{"op": "dense", "units": 32}, {"op": "relu"}, {"op": "dense", "units": 3}],
}


class NetworkToCheck(Network):
    """A network of layers or of nodes, with the shapes of its inputs, and what a job would add to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    loss: AnyLoss | None = None
    """A job's `loss`, for a network that brings no `losses`."""

    targets: Annotated[dict[Name, Annotated[int, Field(ge=1, le=1_000_000_000)]], Field(max_length=100)] = {}
    """Outputs that each target wants (classes, or columns): the width of a last dense without `units`. The only target
    is called `y`."""


class CheckedNetwork(NetworkSummary):
    """A network without mistakes."""

    network: dict[str, Any]
    """The same in node form with every default written out, as it may be posted."""
