"""The buffers of a graph for one batch size and type, and the site at which each op and loss computes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array, Call, Shape, at_least_double, call
from core.graph.graph import Graph, Node
from core.loss import Loss, LossSite
from core.op import Site

Place = str | tuple[str, str]
"""What a gradient is of: a value by its name, or a parameter as (owner, name)."""


@dataclass(frozen=True)
class Wanted:
    """What is to be computed."""

    losses: bool = True
    """Whether the loss terms are computed."""

    gradients: bool = True
    """Whether there is a backward pass at all; it begins at the losses."""

    input_gradients: bool = False
    """Whether it reaches the network's inputs, and with them every node (inspection) or only parameters (training)."""

    training: bool = False
    """Whether dropout drops and running statistics move."""


@dataclass
class Accumulator:
    """Where gradients arrive: the first contribution is written in place, every further one beside it and added.

    That is the chain rule over all uses of a value. Consumers come in reverse topological order, so the sum is
    complete when its own node is reached.
    """

    totals: Mapping[Place, Array]
    calls: list[Call] = field(default_factory=list)
    _begun: set[Place] = field(default_factory=set)
    _pending: list[tuple[Array, Array]] = field(default_factory=list)

    def place(self, place: Place) -> Array | None:
        """The array the next contribution to `place` goes to; None when nobody asks for it."""
        total = self.totals.get(place)
        if total is None:
            return None
        if place not in self._begun:
            self._begun.add(place)
            return total
        part = np.zeros_like(total)
        self._pending.append((total, part))
        return part

    def extend(self, calls: Iterable[Call]) -> None:
        """Take the calls that fill the places given out since the last time, and add the parts up behind them."""
        self.calls.extend(calls)
        self.calls.extend(call(np.add, total, part, total) for total, part in self._pending)
        self._pending.clear()

    def reached(self, name: str) -> bool:
        """Whether any loss depends on this value."""
        return name in self._begun


class Buffers:
    """Every array of a graph, batch first: inputs, targets, values of nodes, gradients, losses."""

    def __init__(self, graph: Graph, rows: int, dtype: DTypeLike, wanted: Wanted) -> None:
        self.rows, self.dtype = rows, np.dtype(dtype)
        self.inputs = {
            name: np.zeros((rows, *spec.axes), np.intp if spec.dtype == "int" else self.dtype)
            for name, spec in graph.inputs.items()
        }
        self.targets = {
            name: np.zeros((rows, *target.shape), np.intp if target.type == "class" else self.dtype)
            for name, target in graph.targets.items()
        }
        self.sample_weights = {
            index: np.ones(rows, self.dtype.type(0).real.dtype)
            for index, loss in enumerate(graph.losses)
            if loss.sample_weight is not None
        }
        self.values = self.inputs | {node.id: self._array(node.shape) for node in graph.nodes}
        self.losses = [np.zeros((), at_least_double(self.dtype)) for _ in graph.losses]
        self.gradients = {
            name: self._array(graph.shape_of(name)) for name in _with_gradient(graph, wanted) if wanted.gradients
        }

    def _array(self, shape: Shape) -> Array:
        return np.zeros((self.rows, *shape), self.dtype)


def _with_gradient(graph: Graph, wanted: Wanted) -> set[str]:
    """Values whose gradient leads somewhere: to a parameter, or to an input if those are asked for."""
    names = {name for name, spec in graph.inputs.items() if wanted.input_gradients and spec.dtype == "float"}
    for node in graph.nodes:
        if node.parameters or any(name in names for name in node.inputs):
            names.add(node.id)
    return names


def node_site(
    node: Node,
    buffers: Buffers,
    params: Mapping[str, Mapping[str, Array]],
    *,
    training: bool,
    generator: np.random.Generator | None,
) -> Site:
    """Where a node computes its forward pass; `with_places` completes it for the backward pass."""
    return Site(
        x=tuple(buffers.values[name] for name in node.inputs),
        y=buffers.values[node.id],
        dy=buffers.gradients.get(node.id),
        dx=(None,) * len(node.inputs),
        params=params.get(node.owner, {}),
        dparams={},
        training=training,
        generator=generator,
    )


def with_places(site: Site, node: Node, gradients: Accumulator) -> Site:
    """The same site with somewhere to put each gradient: backward shares its scratch with forward."""
    site.dx = tuple(gradients.place(name) for name in node.inputs)
    site.dparams = {name: gradients.place((node.owner, name)) for name in node.parameters}
    return site


def loss_site(index: int, loss: Loss, buffers: Buffers) -> LossSite:
    """Where a loss term computes; the accumulator gives out the place of its gradient later."""
    assert loss.input is not None and loss.target is not None
    return LossSite(
        y=buffers.values[loss.input],
        t=buffers.targets[loss.target],
        dy=None,
        value=buffers.losses[index],
        sample_weight=buffers.sample_weights.get(index),
    )
