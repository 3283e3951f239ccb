"""A formula as a graph: vertices in topological order, each made only of vertices before it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import Invalid, Problem
from core.expressions.grammar import Apply, Name, Number, Statement, Step
from core.expressions.operations import OPERATIONS, Operands


@dataclass(frozen=True)
class Variable:
    """An input of the formula."""

    id: str
    name: str


@dataclass(frozen=True)
class Constant:
    """A written number."""

    value: float


@dataclass(frozen=True)
class Node:
    """One operation on earlier vertices."""

    id: str
    op: str
    operands: tuple[int, ...]
    """Indices of vertices; the same one may stand twice."""

    varies: tuple[bool, ...]
    """Whether each operand depends on a variable; there is no derivative to one that does not."""

    position: int
    """Where the operator stands in the text, from 0."""

    name: str | None = None
    """What the value was assigned to last."""


Vertex = Variable | Constant | Node


@dataclass(frozen=True)
class Graph:
    vertices: tuple[Vertex, ...]
    variables: dict[str, int]
    """Index of the vertex of each variable, in order of first appearance."""

    output: int

    def label(self, index: int) -> str | float:
        """A variable by its name, a constant by its value, a node by its id."""
        vertex = self.vertices[index]
        match vertex:
            case Variable():
                return vertex.name
            case Constant():
                return vertex.value
            case Node():
                return vertex.id


class Undefined(Invalid):
    """A node has no finite value or derivative at this point."""

    def __init__(self, node: Node, why: str) -> None:
        self.node = node
        detail = f"at character {node.position + 1}, in {node.op} (node {node.id}): {why}"
        super().__init__([Problem("/expression", detail)])


def build(statements: Sequence[Statement]) -> Graph:
    """The graph of a program; a name means its latest assignment, or else an input.

    Ids count variables and nodes together, in order of first appearance: in x*y + z, x is n1, y n2 and x*y n3.
    """
    names = {step.name for statement in statements for step in statement.steps if isinstance(step, Name)}
    builder = _Builder(_free_prefix(names))
    output = 0
    for statement in statements:
        output = builder.run(statement.steps)
        if statement.name is not None:
            builder.assign(statement.name, output)
    return Graph(tuple(builder.vertices), builder.variables, output)


class _Builder:
    """The vertices so far and what each name stands for."""

    def __init__(self, prefix: str) -> None:
        self.vertices: list[Vertex] = []
        self.variables: dict[str, int] = {}
        self._meanings: dict[str, int] = {}
        self._varies: list[bool] = []
        self._prefix = prefix
        self._count = 0

    def run(self, steps: Sequence[Step]) -> int:
        """Add what the steps need; the index of their value."""
        stack: list[int] = []
        for step in steps:
            match step:
                case Number():
                    stack.append(self._add(Constant(step.value), varies=False))
                case Name():
                    stack.append(self._meaning(step.name))
                case Apply():
                    operands = tuple(stack[-step.count :])
                    del stack[-step.count :]
                    varies = tuple(self._varies[operand] for operand in operands)
                    node = Node(self._next_id(), step.op, operands, varies, step.position)
                    stack.append(self._add(node, varies=any(varies)))
        return stack.pop()

    def assign(self, name: str, index: int) -> None:
        """Let the name mean this vertex from here on."""
        self._meanings[name] = index
        vertex = self.vertices[index]
        if isinstance(vertex, Node):
            self.vertices[index] = replace(vertex, name=name)

    def _meaning(self, name: str) -> int:
        if name not in self._meanings:
            self.variables[name] = self._meanings[name] = self._add(Variable(self._next_id(), name), varies=True)
        return self._meanings[name]

    def _add(self, vertex: Vertex, *, varies: bool) -> int:
        self.vertices.append(vertex)
        self._varies.append(varies)
        return len(self.vertices) - 1

    def _next_id(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"


def evaluate(graph: Graph, at: Mapping[str, float]) -> list[float]:
    """The value of every vertex at a point that gives every variable.

    Raises Undefined, naming the first node that has no finite value.
    """
    values: list[float] = []
    for vertex in graph.vertices:
        match vertex:
            case Variable():
                values.append(at[vertex.name])
            case Constant():
                values.append(vertex.value)
            case Node():
                values.append(_value(vertex, tuple(values[operand] for operand in vertex.operands)))
    return values


def _value(node: Node, operands: Operands) -> float:
    return finite(node, operands, "its value", lambda: OPERATIONS[node.op].value(operands))


def finite(node: Node, operands: Operands, what: str, compute: Callable[[], float]) -> float:
    """The number that an operation's rule gives for these operands.

    Raises Undefined if there is none, or none that a float64 can hold.
    """
    try:
        number = compute()
    except (ArithmeticError, ValueError) as error:
        raise _undefined(node, operands, what) from error
    if not math.isfinite(number):
        raise _undefined(node, operands, what)
    return number


def _undefined(node: Node, operands: Operands, what: str) -> Undefined:
    # A maximum of hundreds of numbers would fill the answer.
    shown = ", ".join(map(repr, operands[:4])) + (", ..." if len(operands) > 4 else "")
    return Undefined(node, f"{what} is undefined for {shown}: {OPERATIONS[node.op].demand}")


def _free_prefix(names: set[str]) -> str:
    """`n`, with as many underscores as it takes for no variable to look like an id."""
    prefix = "n"
    while any(re.fullmatch(rf"{prefix}\d+", name) for name in names):
        prefix += "_"
    return prefix
