"""The derivation of a gradient, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.expressions.differentiate import LocalDerivatives
from core.expressions.graph import Graph, Node
from core.expressions.notation import LATEX, TEXT, Notation


@dataclass(frozen=True)
class Derivation:
    """The forward pass, then for every vertex, from the output f back, the sum of what flows into it."""

    text: list[str]
    latex: str
    """One `aligned` environment."""


@dataclass(frozen=True)
class _Pass:
    """The numbers that a derivation writes out."""

    graph: Graph
    values: Sequence[float]
    local: LocalDerivatives
    gradients: Sequence[float]


@dataclass(frozen=True)
class _Use:
    """One place where a vertex is an operand of a node."""

    index: int
    node: Node
    place: int


def derive(graph: Graph, values: Sequence[float], local: LocalDerivatives, gradients: Sequence[float]) -> Derivation:
    """The derivation of every number of the forward pass and of the reverse sweep."""
    numbers = _Pass(graph, values, local, gradients)
    body = " \\\\\n".join(_lines(LATEX, numbers))
    return Derivation(_lines(TEXT, numbers), f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")


def _lines(notation: Notation, numbers: _Pass) -> list[str]:
    graph = numbers.graph
    forwards = [
        f"{notation.label(graph, index)}{notation.equals}{notation.value(graph, vertex)}"
        f" = {notation.number(numbers.values[index])}"
        for index, vertex in enumerate(graph.vertices)
        if isinstance(vertex, Node)
    ]
    uses = _uses(graph)
    backwards = [
        _gradient_line(notation, numbers, index, uses[index])
        for index in range(len(graph.vertices) - 1, -1, -1)
        if index == graph.output or uses[index]
    ]
    return forwards + backwards


def _uses(graph: Graph) -> list[list[_Use]]:
    """Where each vertex that depends on a variable is used."""
    uses: list[list[_Use]] = [[] for _ in graph.vertices]
    for index, vertex in enumerate(graph.vertices):
        if isinstance(vertex, Node):
            for place, operand in enumerate(vertex.operands):
                if vertex.varies[place]:
                    uses[operand].append(_Use(index, vertex, place))
    return uses


def _gradient_line(notation: Notation, numbers: _Pass, index: int, uses: Sequence[_Use]) -> str:
    """df/dy = df/dn3 * x = 1.0 * 3.0 = 3.0: one product for each use, all of them added."""
    graph, gradients = numbers.graph, numbers.gradients
    # The output is f itself, also where it is used on the way to nothing.
    rules = ["1"] if index == graph.output else []
    products = [notation.number(1.0)] if index == graph.output else []
    for use in uses:
        rule = notation.bracket.format(notation.rule(graph, use.node, use.place))
        rules.append(notation.derivative(graph, use.index) + notation.times + rule)
        slope = notation.factor(numbers.local[use.index][use.place])
        products.append(notation.factor(gradients[use.index]) + notation.times + slope)
    line = notation.derivative(graph, index) + notation.equals + " + ".join(rules)
    if not uses:
        return line
    return f"{line} = {' + '.join(products)} = {notation.number(gradients[index])}"
