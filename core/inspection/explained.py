"""One output as a function of what it is explained by: inputs of the network, or the value of a node within it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from core.arrays import Array, Shape, size_of
from core.errors import Invalid, Problem
from core.graph.graph import Graph
from core.graph.interpreter import Pass
from core.inspection.batch import Posed
from core.inspection.output_gradient import Output, without_loss

VALUES_AT_ONCE = 100_000

Points = Mapping[str, Array]
"""One array (n, …) for each place that the output is explained by."""


@dataclass(frozen=True)
class Explained:
    """f: an output of n examples as a function of the values at some places, everything else being what it is."""

    posed: Posed
    """Without a loss, in evaluation mode, where no example depends on another."""

    output: Output

    at: str | None
    """The node it is explained by; None for all inputs of numbers."""

    @cached_property
    def point(self) -> dict[str, Array]:
        """x: the values of the examples themselves."""
        return point_of(self.posed, self.at)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of one example at each place."""
        return {name: array.shape[1:] for name, array in self.point.items()}

    @property
    def rows(self) -> int:
        return self.posed.examples.rows

    @cached_property
    def value_at_point(self) -> Array:
        """f(x), (n,)."""
        return self.value(self.point)

    def repeated(self, copies: int) -> "Explained":
        """The same function of so many copies of the examples at once, one copy behind the other."""
        inputs = {
            name: np.tile(array, (copies, *[1] * (array.ndim - 1)))
            for name, array in self.posed.examples.inputs.items()
        }
        index = np.tile(self.output.index, (copies, 1))
        return replace(self, posed=without_loss(self.posed, inputs), output=replace(self.output, index=index))

    @property
    def copies_at_once(self) -> int:
        """How many copies keep a pass small: calling a node takes as long as computing some hundred thousand values."""
        each = sum(size_of(node.shape) for node in self.posed.graph.nodes)
        return max(1, VALUES_AT_ONCE // max(1, each * self.rows))

    def forward(self, point: Points) -> Pass:
        """The pass through these values."""
        if self.at is not None:
            return self.posed.run(given=point, backward=False)
        return self.posed.run(inputs={**self.posed.examples.inputs, **point}, backward=False)

    def value(self, point: Points) -> Array:
        """f of these values, (n,)."""
        return self.output.values(self.forward(point))

    def gradient(self, point: Points) -> dict[str, Array]:
        """∇f at these values, as large as they are; each example's output depends on that example alone."""
        return self.gradient_of(self.forward(point))[0]

    def gradient_of(self, done: Pass) -> tuple[dict[str, Array], Array]:
        """∇f and f of a pass that has run forward."""
        self.output.differentiate(self.posed.graph, done)
        return self.read(done), self.output.values(done)

    def read(self, done: Pass) -> dict[str, Array]:
        """What a backward pass has found at the places; zeros where the output does not depend on them."""
        return {name: done.gradients.get(name, np.zeros_like(array)) for name, array in self.point.items()}

    def spread(self, one: Mapping[str, Array]) -> dict[str, Array]:
        """Values of one example, or of each, as values of all n."""
        return {name: np.broadcast_to(one[name], array.shape) for name, array in self.point.items()}


def point_of(posed: Posed, at: str | None) -> dict[str, Array]:
    """The values of a question's examples where an output is explained by them."""
    if at is not None:
        return {at: posed.run(backward=False).values[at]}
    specs = posed.graph.inputs.items()
    return {name: posed.examples.inputs[name] for name, spec in specs if spec.dtype == "float"}


def check_place(posed: Posed, at: str | None, output: str) -> None:
    """Raise Invalid at `/at` where nothing can be moved a little, or nothing that the output depends on."""
    graph = posed.graph
    if at is not None and at not in graph.node:
        raise Invalid([Problem("/at", "the network has no node of this name", allowed=list(graph.node)[:20], got=at)])
    if at is not None and at not in sources(graph, output):
        raise Invalid([Problem("/at", f"{output!r} does not depend on this node", got=at)])
    if at is None and all(spec.dtype == "int" for spec in graph.inputs.values()):
        readers = [node.id for node in graph.nodes if node.op.takes_integers]
        detail = (
            "the inputs are whole numbers, such as token ids, which have no neighbors and no gradient; "
            "name the node whose output is to be explained by, such as the embedding"
        )
        raise Invalid([Problem("/at", detail, allowed=readers[:20])])


def sources(graph: Graph, node: str) -> set[str]:
    """All that a node's value is computed from, the node itself included."""
    found = {node}
    for one in reversed(graph.nodes):
        if one.id in found:
            found.update(one.inputs)
    return found


def combined(points: Points, other: Points, of: np.ufunc) -> dict[str, Array]:
    """Two sets of values combined place by place."""
    with np.errstate(all="ignore"):
        return {name: of(array, other[name]) for name, array in points.items()}


def total(points: Points) -> Array:
    """The sum over all places and entries of each example, (n,)."""
    with np.errstate(all="ignore"):
        sums = [array.reshape(len(array), -1).sum(axis=1) for array in points.values()]
        return np.asarray(sum(sums[1:], start=sums[0]))
