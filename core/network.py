"""The network language: nodes of any acyclic graph, or its one sugar, a list of layers."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.arrays import Model, Shape
from core.initializers import AnyInitializer
from core.losses import AnyLoss
from core.op import Name
from core.ops import AnyOp
from core.penalties import Penalty

ONLY_INPUT = "x"
"""Name of the input of a network in layer form."""

ONLY_TARGET = "y"
"""Name of the target of a loss that names none."""


class InputSpec(Model):
    """One input of a network: the shape of an example, without the batch axis."""

    shape: Annotated[list[Annotated[int, Field(ge=1, le=2**31)]], Field(max_length=8)]
    dtype: Literal["float", "int"] = "float"
    """`int` for indices such as token ids."""

    @property
    def axes(self) -> Shape:
        return tuple(self.shape)


class Network(Model):
    """A network as people write it; `core.graph.build` turns it into a graph and says what is wrong with it."""

    inputs: Annotated[dict[Name, InputSpec], Field(min_length=1, max_length=1000)] | None = None
    """Inputs by name; left out, a job or a question takes them from the data it is given."""

    nodes: Annotated[list[AnyOp], Field(min_length=1, max_length=100_000)] | None = None
    """Nodes in any order, each with `id` and `inputs`."""

    layers: Annotated[list[AnyOp], Field(min_length=1, max_length=100_000)] | None = None
    """The same objects in a chain, each fed by the one before."""

    losses: Annotated[list[AnyLoss], Field(min_length=1, max_length=100)] | None = None
    """Terms of the objective; left out, a job's own `loss` is applied to the output."""

    penalties: Annotated[list[Penalty], Field(max_length=1000)] = []
    """L1 and L2 terms, reported apart from the losses."""

    init: AnyInitializer | None = None
    """How weights start where the node says nothing; left out, He before rectifiers and Glorot elsewhere."""

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if (self.nodes is None) == (self.layers is None):
            raise ValueError("give either `nodes` or `layers`")
        return self


def in_node_form(network: Network, inputs: Mapping[str, InputSpec]) -> Network:
    """The same network as nodes with ids, inputs and every default written out.

    Layers are named by their op and its running number: dense_1, relu_1, dense_2.
    """
    if network.layers is None:
        return network.model_copy(update={"inputs": dict(inputs)})
    counts: dict[str, int] = {}
    taken = {layer.id for layer in network.layers} | set(inputs)
    previous = next(iter(inputs), ONLY_INPUT)
    nodes = []
    for layer in network.layers:
        name = layer.id
        while name is None or (layer.id is None and name in taken):
            counts[layer.op] = counts.get(layer.op, 0) + 1
            name = f"{layer.op}_{counts[layer.op]}"
        nodes.append(layer.model_copy(update={"id": name, "inputs": [previous]}))
        previous = name
    return network.model_copy(update={"inputs": dict(inputs), "nodes": nodes, "layers": None})
