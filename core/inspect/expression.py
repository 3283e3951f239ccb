"""What is the gradient of this formula, and how does the chain rule find it?"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from core.arrays import Model
from core.errors import Invalid, Problem, pointer
from core.expressions.derive import derive
from core.expressions.differentiate import LocalDerivatives, cost, forward, hessian, local_derivatives, reverse
from core.expressions.grammar import parse
from core.expressions.graph import Graph, Node, Undefined, build, evaluate
from core.expressions.numeric import central_difference, kinks, relative_error
from core.inspection.question import Library, Question

MOST_HESSIAN_INPUTS = 50
# Each measured variable costs 4 to 24 evaluations: all 660 that fit into 2,000 characters took 2.5 s.
MOST_MEASURED_INPUTS = 50
TOLERANCE = 1e-6


class Step(Model):
    """One step of gradient descent."""

    learning_rate: Annotated[float, Field(ge=0)]


class Edge(Model):
    """One operand of a node and what the chain rule sends along it: product = gradient of the node * local."""

    input: str
    local: float
    product: float


class NodeAnswer(Model):
    """One operation, in the order of evaluation."""

    id: str
    """Ids count variables and operations together, in order of first appearance."""

    op: str
    inputs: list[str | float]
    """Variables by name, operations by id, constants as numbers."""

    value: float
    local: dict[str, float]
    """Derivative of the node to each input that varies; an input that stands twice has the sum."""

    gradient: float
    """Derivative of the formula's value to this node."""

    edges: list[Edge]
    name: str | None
    """What the value was assigned to."""

    position: int
    """Where its sign or name stands in the expression, from 0."""


class Mode(Model):
    """Gradients found by one mode of differentiation and the work it took."""

    gradients: dict[str, float]
    passes: int
    multiplications: int
    additions: int


class Numeric(Model):
    """The same gradients by central differences, and the largest relative difference from the exact ones."""

    gradients: dict[str, float | None]
    """null where the formula is not defined on both sides of the point, and from the 51st variable on."""

    steps: dict[str, float | None]
    """Half the distance of the outer two of the four points measured."""

    relative_errors: dict[str, float | None]
    max_relative_error: float | None
    tolerance: float
    passed: bool
    """Whether every variable that could be measured without crossing a kink is within the tolerance."""

    kinks: list[str]
    """Ids of nodes that are not smooth within the measured range: there the two may rightly differ."""


class StepAnswer(Model):
    """Where the step leads, and the decrease that the gradient promised beside the one that came."""

    learning_rate: float
    at: dict[str, float]
    value: float
    predicted_decrease: float
    """learning_rate * |gradient|²"""

    decrease: float


class DerivationAnswer(Model):
    """The calculation written out; `f` is the value of the formula."""

    text: list[str]
    latex: str


class ExpressionAnswer(Model):
    """Value, gradient and every number on the way."""

    value: float
    gradients: dict[str, float]
    nodes: list[NodeAnswer]
    kinks: list[str]
    """Ids of nodes exactly on a kink: relu and abs count slope 0 there, ties in min and max share the slope equally."""

    reverse_mode: Mode
    forward_mode: Mode
    numeric: Numeric
    hessian_order: list[str] | None
    hessian: list[list[float]] | None
    step: StepAnswer | None
    derivation: DerivationAnswer


class Expression(Question):
    """A formula and the point at which to differentiate it."""

    question: Literal["expression"] = "expression"

    sentence: ClassVar[str] = "What is the gradient of this formula at this point, and how does the chain rule find it?"

    example: ClassVar[Mapping[str, Any]] = {
        "expression": "x*y + z",
        "at": {"x": 3, "y": -4, "z": 2},
        "step": {"learning_rate": 0.1},
    }

    expression: Annotated[str, Field(min_length=1, max_length=2000, examples=["x*y + z"])]
    """`+ - * / **`, brackets, numbers, names, and the functions exp log sqrt sin cos tan tanh sigmoid relu abs min max;
    also several statements, as in `u = x*y; u += 1; u**2`, of which the last is the value."""

    at: Annotated[dict[str, float], Field(max_length=1000, examples=[{"x": 3, "y": -4, "z": 2}])] = {}
    """The value of every variable."""

    step: Step | None = None
    """A step of gradient descent to try out from this point."""

    hessian: bool = False
    """Whether to give all second derivatives, for at most 50 variables."""

    def answer(self, library: Library) -> ExpressionAnswer:
        """Differentiate the formula at the point in every way there is.

        Raises Invalid where the text is no formula, the point does not fit it, or a number is undefined there.
        """
        return differentiate(self)


def differentiate(question: Expression) -> ExpressionAnswer:
    """The answer to a question that needs no library of models."""
    graph = build(parse(question.expression))
    _check_point(question, graph)
    values = evaluate(graph, question.at)
    local = local_derivatives(graph, values)
    gradients = reverse(graph, local)
    of_variables = {name: gradients[graph.variables[name]] for name in question.at}
    derivation = derive(graph, values, local, gradients)
    return ExpressionAnswer(
        value=values[graph.output],
        gradients=of_variables,
        nodes=_nodes(graph, values, local, gradients),
        kinks=kinks(graph, values),
        reverse_mode=Mode(gradients=of_variables, **asdict(cost(graph, passes=1))),
        forward_mode=_forward_mode(graph, local, list(question.at)),
        numeric=_numeric(graph, question.at, of_variables),
        hessian_order=list(question.at) if question.hessian else None,
        hessian=_hessian(graph, values, list(question.at)) if question.hessian else None,
        step=_step(graph, question, values[graph.output], of_variables) if question.step else None,
        derivation=DerivationAnswer(text=derivation.text, latex=derivation.latex),
    )


def _check_point(question: Expression, graph: Graph) -> None:
    missing = [name for name in graph.variables if name not in question.at]
    unknown = [name for name in question.at if name not in graph.variables]
    problems = [Problem(pointer("at", name), f"the variable {name} needs a value") for name in missing]
    problems += [
        Problem(pointer("at", name), "the expression has no such variable", list(graph.variables)) for name in unknown
    ]
    if question.hessian and len(question.at) > MOST_HESSIAN_INPUTS:
        detail = f"second derivatives are given for at most {MOST_HESSIAN_INPUTS} variables"
        problems.append(Problem("/hessian", detail, got=len(question.at)))
    if problems:
        raise Invalid(problems)


def _nodes(graph: Graph, values: list[float], local: LocalDerivatives, gradients: list[float]) -> list[NodeAnswer]:
    answers = []
    for index, vertex in enumerate(graph.vertices):
        if not isinstance(vertex, Node):
            continue
        edges = [
            Edge(input=str(graph.label(operand)), local=slope, product=gradients[index] * slope)
            for operand, slope, varies in zip(vertex.operands, local[index], vertex.varies, strict=True)
            if varies
        ]
        sums: dict[str, float] = {}
        for edge in edges:
            sums[edge.input] = sums.get(edge.input, 0.0) + edge.local
        answers.append(
            NodeAnswer(
                id=vertex.id,
                op=vertex.op,
                inputs=[graph.label(operand) for operand in vertex.operands],
                value=values[index],
                local=sums,
                gradient=gradients[index],
                edges=edges,
                name=vertex.name,
                position=vertex.position,
            )
        )
    return answers


def _forward_mode(graph: Graph, local: LocalDerivatives, variables: list[str]) -> Mode:
    gradients = {name: forward(graph, local, name)[graph.output] for name in variables}
    return Mode(gradients=gradients, **asdict(cost(graph, passes=len(variables))))


def _numeric(graph: Graph, at: dict[str, float], exact: dict[str, float]) -> Numeric:
    estimates = {name: central_difference(graph, at, name) for name in list(at)[:MOST_MEASURED_INPUTS]}
    measured = {name: estimate for name, estimate in estimates.items() if estimate is not None}
    errors = {name: relative_error(exact[name], estimate) for name, estimate in measured.items()}
    crossed = {node for estimate in measured.values() for node in estimate.kinks}
    nothing = dict.fromkeys(at)
    return Numeric(
        gradients=nothing | {name: estimate.derivative for name, estimate in measured.items()},
        steps=nothing | {name: estimate.step for name, estimate in measured.items()},
        relative_errors=nothing | errors,
        max_relative_error=max(errors.values(), default=None),
        tolerance=TOLERANCE,
        passed=all(errors[name] <= TOLERANCE for name, estimate in measured.items() if not estimate.kinks),
        kinks=[vertex.id for vertex in graph.vertices if isinstance(vertex, Node) and vertex.id in crossed],
    )


def _hessian(graph: Graph, values: list[float], variables: list[str]) -> list[list[float]]:
    try:
        return hessian(graph, values, variables)
    except Undefined as error:
        raise Invalid(Problem("/hessian", problem.detail) for problem in error.problems) from error


def _step(graph: Graph, question: Expression, value: float, gradients: dict[str, float]) -> StepAnswer:
    assert question.step is not None
    rate = question.step.learning_rate
    at = {name: x - rate * gradients[name] for name, x in question.at.items()}
    predicted = rate * sum(slope * slope for slope in gradients.values())
    try:
        reached = evaluate(graph, at)[graph.output]
    except Undefined as error:
        detail = "the step leads to a point where the expression is undefined: "
        raise Invalid(
            Problem("/step/learning_rate", detail + problem.detail, got=rate) for problem in error.problems
        ) from error
    if not all(map(math.isfinite, (*at.values(), predicted, value - reached))):
        raise Invalid([Problem("/step/learning_rate", "the step is too large for float64 numbers", got=rate)])
    return StepAnswer(learning_rate=rate, at=at, value=reached, predicted_decrease=predicted, decrease=value - reached)
