"""The buffers of a graph for one batch size and type, and the site at which each op and loss computes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array, Call, Shape, at_least_double, batch_last, call
from core.graph.graph import Graph, Node
from core.loss import Loss, LossSite
from core.network import InputSpec
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

    node_gradients: bool = False
    """Whether it reaches every node, those before all parameters too, whatever becomes of the inputs."""

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
    """Every array of a graph, the batch last: inputs, targets, values of nodes, gradients, losses.

    `fed` is what a batch is copied into: one contiguous array (n, …) for each input, target and sample weight, since
    rows of a data set are gathered fastest as rows. `inputs`, `targets` and `values` are views of it, the batch last.
    """

    def __init__(self, graph: Graph, rows: int, dtype: DTypeLike, wanted: Wanted) -> None:
        self.rows, self.dtype = rows, np.dtype(dtype)
        self.with_one: dict[str, Array] = {}
        self.fed_inputs = {name: self._fed(name, spec) for name, spec in graph.inputs.items()}
        self.inputs = {
            name: batch_last(fed)[: spec.shape[0]] if name in self.with_one else batch_last(fed)
            for (name, fed), spec in zip(self.fed_inputs.items(), graph.inputs.values(), strict=True)
        }
        self.fed_targets = {
            name: np.zeros((rows, *target.shape), np.intp if target.type == "class" else self.dtype)
            for name, target in graph.targets.items()
        }
        self.targets = {name: batch_last(fed) for name, fed in self.fed_targets.items()}
        self.sample_weights = {
            index: np.ones(rows, self.dtype.type(0).real.dtype)
            for index, loss in enumerate(graph.losses)
            if loss.sample_weight is not None
        }
        self.values = dict(self.inputs)
        for node in graph.nodes:
            self.values[node.id], raised = new_value(node.shape, rows, self.dtype)
            if raised is not None:
                self.with_one[node.id] = raised
        self.losses = [np.zeros((), at_least_double(self.dtype)) for _ in graph.losses]
        self.gradients = {
            name: np.zeros((*graph.shape_of(name), rows), self.dtype)
            for name in _with_gradient(graph, wanted)
            if wanted.gradients
        }

    def _fed(self, name: str, spec: InputSpec) -> Array:
        if spec.dtype == "int":
            return np.zeros((self.rows, *spec.axes), np.intp)
        if len(spec.axes) != 1:
            return np.zeros((self.rows, *spec.axes), self.dtype)
        raised = np.zeros((self.rows, spec.axes[0] + 1), self.dtype)
        raised[:, -1] = 1
        self.with_one[name] = raised.T
        return raised


def new_value(shape: Shape, rows: int, dtype: DTypeLike) -> tuple[Array, Array | None]:
    """A new array (…, n) for a value, and for a value (d,) the array (d + 1, n) that holds it above a row of ones.

    With it a bias is one more row of the weights: on the small cases of the benchmark adding it, and summing its
    gradient, took a fifth of a step.
    """
    if len(shape) != 1:
        return np.zeros((*shape, rows), dtype), None
    raised = np.zeros((shape[0] + 1, rows), dtype)
    raised[-1] = 1
    return raised[:-1], raised


def _with_gradient(graph: Graph, wanted: Wanted) -> set[str]:
    """Values whose gradient leads somewhere: to a parameter, or to an input if those are asked for."""
    names = {name for name, spec in graph.inputs.items() if wanted.input_gradients and spec.dtype == "float"}
    for node in graph.nodes:
        if wanted.node_gradients or node.parameters or any(name in names for name in node.inputs):
            names.add(node.id)
    return names


def node_site(
    node: Node,
    buffers: Buffers,
    params: Mapping[str, Mapping[str, Array]],
    states: Mapping[str, Mapping[str, Array]],
    *,
    training: bool,
    generator: np.random.Generator | None,
) -> Site:
    """Where a node computes its forward pass; `with_places` completes it for the backward pass."""
    return Site(
        x=tuple(buffers.values[name] for name in node.inputs),
        x_and_one=tuple(buffers.with_one.get(name) for name in node.inputs),
        y=buffers.values[node.id],
        dy=buffers.gradients.get(node.id),
        dx=(None,) * len(node.inputs),
        params=params.get(node.owner, {}),
        dparams={},
        state=states.get(node.id, {}),
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
