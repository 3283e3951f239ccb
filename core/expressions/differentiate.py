"""Exact derivatives of a formula: backwards in one sweep, forwards in one per input, and twice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.expressions.graph import Graph, Node, Undefined, finite
from core.expressions.operations import OPERATIONS, Operands

LocalDerivatives = list[tuple[float, ...]]
"""For every vertex d vertex / d operand, 0 for operands that do not vary; empty for variables and constants."""


@dataclass(frozen=True)
class Sweeps:
    """What the chain rule cost: each edge that varies takes one multiplication and one addition a pass."""

    passes: int
    multiplications: int
    additions: int


def cost(graph: Graph, passes: int) -> Sweeps:
    """The cost of so many passes over all edges: one pass backwards, one for each input forwards."""
    edges = sum(sum(vertex.varies) for vertex in graph.vertices if isinstance(vertex, Node))
    return Sweeps(passes, passes * edges, passes * edges)


def local_derivatives(graph: Graph, values: Sequence[float]) -> LocalDerivatives:
    """d vertex / d operand for every vertex, at the values of `evaluate`.

    Raises Undefined where a slope is infinite.
    """
    return [_locals(vertex, values) if isinstance(vertex, Node) else () for vertex in graph.vertices]


def reverse(graph: Graph, local: LocalDerivatives) -> list[float]:
    """d output / d vertex for every vertex, in one sweep from the output back.

    Raises Undefined where a product overflows.
    """
    gradients = [0.0] * len(graph.vertices)
    gradients[graph.output] = 1.0
    for index in range(len(graph.vertices) - 1, -1, -1):
        vertex = graph.vertices[index]
        if isinstance(vertex, Node):
            _spread(vertex, gradients, gradients[index], local[index])
    return gradients


def forward(graph: Graph, local: LocalDerivatives, variable: str) -> list[float]:
    """d vertex / d variable for every vertex, in one sweep from the variable on."""
    tangents = [0.0] * len(graph.vertices)
    tangents[graph.variables[variable]] = 1.0
    for index, vertex in enumerate(graph.vertices):
        if isinstance(vertex, Node):
            products = [slope * tangents[operand] for operand, slope in zip(vertex.operands, local[index], strict=True)]
            tangents[index] = _within_range(vertex, sum(products))
    return tangents


def hessian(graph: Graph, values: Sequence[float], variables: Sequence[str]) -> list[list[float]]:
    """d² output / d u d v for all pairs of `variables`: the reverse sweep, differentiated along each of them.

    Raises Undefined where a second derivative is infinite.
    """
    local = local_derivatives(graph, values)
    gradients = reverse(graph, local)
    bends = _bends(graph, values)
    rows = []
    for variable in variables:
        tangents = forward(graph, local, variable)
        slopes = _gradients_along(tangents, graph=graph, local=local, gradients=gradients, bends=bends)
        rows.append([slopes[graph.variables[other]] for other in variables])
    return rows


Bend = tuple[int, int, float]
"""Two operands of a node by their places, and the second derivative to both."""


def _gradients_along(
    tangents: Sequence[float],
    *,
    graph: Graph,
    local: LocalDerivatives,
    gradients: Sequence[float],
    bends: Sequence[Sequence[Bend]],
) -> list[float]:
    """How fast the gradient of every vertex changes while the point moves so that vertices move by `tangents`."""
    changes = [0.0] * len(graph.vertices)
    for index in range(len(graph.vertices) - 1, -1, -1):
        vertex = graph.vertices[index]
        if not isinstance(vertex, Node):
            continue
        _spread(vertex, changes, changes[index], local[index])
        for i, j, bend in bends[index]:
            change = gradients[index] * bend * tangents[vertex.operands[j]]
            changes[vertex.operands[i]] = _within_range(vertex, changes[vertex.operands[i]] + change)
    return changes


def _bends(graph: Graph, values: Sequence[float]) -> list[list[Bend]]:
    """The second derivatives of every vertex that are not 0."""
    bends: list[list[Bend]] = []
    for vertex in graph.vertices:
        found: list[Bend] = []
        if isinstance(vertex, Node):
            operands = tuple(values[operand] for operand in vertex.operands)
            varying = [i for i, varies in enumerate(vertex.varies) if varies]
            for i in varying:
                for j in varying:
                    bend = _second(vertex, operands, min(i, j), max(i, j))
                    if bend:
                        found.append((i, j, bend))
        bends.append(found)
    return bends


def _locals(node: Node, values: Sequence[float]) -> tuple[float, ...]:
    operands = tuple(values[operand] for operand in node.operands)
    return tuple(_first(node, operands, i) if varies else 0.0 for i, varies in enumerate(node.varies))


def _first(node: Node, operands: Operands, i: int) -> float:
    return finite(node, operands, "its slope", lambda: OPERATIONS[node.op].first(operands, i))


def _second(node: Node, operands: Operands, i: int, j: int) -> float:
    return finite(node, operands, "its second derivative", lambda: OPERATIONS[node.op].second(operands, i, j))


def _spread(node: Node, gradients: list[float], incoming: float, slopes: Sequence[float]) -> None:
    """Add incoming gradient times local derivative to every operand."""
    for operand, slope, varies in zip(node.operands, slopes, node.varies, strict=True):
        if varies:
            gradients[operand] = _within_range(node, gradients[operand] + incoming * slope)


def _within_range(node: Node, number: float) -> float:
    if not math.isfinite(number):
        raise Undefined(node, "a product of the chain rule there is too large for a float64")
    return number
