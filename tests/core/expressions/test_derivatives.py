import cmath
import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import Invalid
from core.expressions.differentiate import forward, hessian, local_derivatives, reverse
from core.expressions.grammar import parse
from core.expressions.graph import Undefined, build, evaluate
from core.expressions.numeric import central_difference, relative_error
from core.expressions.operations import FUNCTIONS, OPERATIONS

COMPLEX_FUNCTIONS: dict[str, Callable[..., complex]] = {
    **{name: getattr(cmath, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh")},
    "sigmoid": lambda z: 1 / (1 + cmath.exp(-z)),
    "relu": lambda z: z if z.real > 0 else 0j,
    "abs": lambda z: z if z.real > 0 else -z,
    "min": lambda *z: min(z, key=lambda part: part.real),
    "max": lambda *z: max(z, key=lambda part: part.real),
}


def sums(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    calls = st.builds("{}({})".format, st.sampled_from([name for name in FUNCTIONS if OPERATIONS[name].most]), parts)
    pairs = st.builds("({} {} {})".format, parts, st.sampled_from(["+", "-", "*", "/"]), parts)
    powers = st.builds("({})**{}".format, parts, st.sampled_from(["2", "3", "-1", "0.5"]))
    extremes = st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), parts, parts)
    return calls | pairs | powers | extremes | st.builds("(-{})".format, parts)


EXPRESSIONS = st.recursive(st.sampled_from(["x", "y", "0.5", "2", "1.25"]), sums, max_leaves=8)
NUMBERS = st.floats(0.1, 2.5).map(lambda x: round(x, 3))


@given(EXPRESSIONS, NUMBERS, NUMBERS)
def test_reverse_mode_forward_mode_and_the_complex_step_agree(text: str, x: float, y: float) -> None:
    graph = build(parse(text))
    at = {"x": x, "y": y}
    try:
        values = evaluate(graph, at)
        local = local_derivatives(graph, values)
        gradients = reverse(graph, local)
        for name in graph.variables:
            assume(max(map(abs, forward(graph, local, name))) < 1e6)
    except Undefined:
        assume(False)
    assume(max(map(abs, values)) < 1e6)
    for name, index in graph.variables.items():
        exact = gradients[index]
        assert forward(graph, local, name)[graph.output] == pytest.approx(exact, rel=1e-9, abs=1e-9)
        estimate = central_difference(graph, at, name)
        if estimate is None or estimate.kinks:
            continue
        shifted = {other: complex(number, 1e-200 if other == name else 0) for other, number in at.items()}
        value = eval(text, {"__builtins__": {}}, {**COMPLEX_FUNCTIONS, **shifted})  # noqa: S307  # our own text
        assert complex(value).imag / 1e-200 == pytest.approx(exact, rel=1e-9, abs=1e-9)


@given(st.sampled_from(sorted(OPERATIONS)), NUMBERS, NUMBERS)
def test_second_derivatives_are_the_slopes_of_first_ones(op: str, x: float, y: float) -> None:
    operation = OPERATIONS[op]
    operands = (x,) if operation.most == 1 else (x, y)
    assume(len(set(operands)) == len(operands))
    for i in range(len(operands)):
        for j in range(i, len(operands)):
            h = 1e-6
            above, below = ([*operands], [*operands])
            above[j] += h
            below[j] -= h
            measured = (operation.first(tuple(above), i) - operation.first(tuple(below), i)) / (2 * h)
            assert operation.second(operands, i, j) == pytest.approx(measured, rel=1e-4, abs=1e-4)


def gradient(text: str, **at: float) -> dict[str, float]:
    graph = build(parse(text))
    found = reverse(graph, local_derivatives(graph, evaluate(graph, at)))
    return {name: found[index] for name, index in graph.variables.items()}


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("x*x", {"x": 3.0}, {"x": 6.0}),
        ("x - x", {"x": 3.0}, {"x": 0.0}),
        ("x**x", {"x": 2.0}, {"x": 4 * (1 + math.log(2))}),
        ("relu(x)", {"x": 0.0}, {"x": 0.0}),
        ("abs(x)", {"x": 0.0}, {"x": 0.0}),
        ("max(x, y)", {"x": 1.0, "y": 1.0}, {"x": 0.5, "y": 0.5}),
        ("min(x, y, 1)", {"x": 1.0, "y": 2.0}, {"x": 0.5, "y": 0.0}),
        ("max(x, x)", {"x": 1.0}, {"x": 1.0}),
        ("(-8)**(x*0)", {"x": 1.0}, None),
        ("x**0", {"x": 0.0}, {"x": 0.0}),
        ("x**1", {"x": 0.0}, {"x": 1.0}),
        ("x**3", {"x": -2.0}, {"x": 12.0}),
        ("0**x", {"x": 2.0}, {"x": 0.0}),
        ("sigmoid(x)", {"x": 1000.0}, {"x": 0.0}),
        ("sigmoid(x)", {"x": -1000.0}, {"x": 0.0}),
        ("tanh(x)", {"x": 40.0}, {"x": 4 * math.exp(-80.0)}),
        ("x", {"x": 7.0}, {"x": 1.0}),
        ("a = log(y); x*2", {"x": 1.0, "y": 2.0}, {"y": 0.0, "x": 2.0}),
        ("x = x*3; x*x", {"x": 1.0}, {"x": 18.0}),
        ("3", {}, {}),
    ],
)
def test_special_points_have_the_stated_slopes(
    text: str, at: dict[str, float], expected: dict[str, float] | None
) -> None:
    if expected is None:
        with pytest.raises(Undefined, match="pow"):
            gradient(text, **at)
    else:
        assert gradient(text, **at) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "at", "told"),
    [
        ("1 + log(x)", {"x": -1.0}, "at character 5, in log (node n2): its value is undefined for -1.0"),
        ("log(x)", {"x": 0.0}, "it needs an operand above 0"),
        ("sqrt(x)", {"x": -1.0}, "its value is undefined"),
        ("sqrt(x)", {"x": 0.0}, "its slope is undefined"),
        ("1/x", {"x": 0.0}, "in div (node n2): its value is undefined for 1.0, 0.0"),
        ("x**-1", {"x": 0.0}, "in pow"),
        ("x**0.5", {"x": -4.0}, "in pow"),
        ("x**y", {"x": -2.0, "y": 2.0}, "its slope is undefined for -2.0, 2.0"),
        ("exp(x)", {"x": 1000.0}, "too large for a float64"),
        ("x*x", {"x": 1e200}, "its value is undefined for 1e+200, 1e+200"),
        ("x + x", {"x": 1e308}, "too large for a float64"),
        ("1/x", {"x": 1e-200}, "its slope is undefined"),
        ("1e-200*exp(x*1e200)*1e-200*1e200/1e-200", {"x": 1e-200}, "too large for a float64"),
    ],
)
def test_where_there_is_no_number_the_node_and_its_operands_are_named(
    text: str, at: dict[str, float], told: str
) -> None:
    with pytest.raises(Invalid) as caught:
        gradient(text, **at)
    assert told in caught.value.problems[0].detail


def test_sixty_doublings_are_walked_once_each() -> None:
    text = "a = x;" + "a = a + a;" * 60
    assert gradient(text, x=1.0) == {"x": 2.0**60}


def test_a_long_chain_is_differentiated_without_recursion() -> None:
    assert gradient("sin(" * 5000 + "x" + ")" * 5000, x=0.0) == {"x": 1.0}


def test_the_hessian_is_symmetric_and_right_for_repeated_operands() -> None:
    graph = build(parse("x*x*y + y*y*y"))
    assert hessian(graph, evaluate(graph, {"x": 2.0, "y": 3.0}), ["x", "y"]) == [[6.0, 4.0], [4.0, 18.0]]


def test_a_second_derivative_that_is_infinite_is_named() -> None:
    graph = build(parse("x**1.5"))
    with pytest.raises(Undefined, match="second derivative"):
        hessian(graph, evaluate(graph, {"x": 0.0}), ["x"])


def test_a_wrong_gradient_does_not_pass_for_a_measured_one() -> None:
    graph = build(parse("sin(x)*exp(y)"))
    estimate = central_difference(graph, {"x": 0.4, "y": 1.1}, "x")
    assert estimate is not None
    exact = math.cos(0.4) * math.exp(1.1)
    assert relative_error(exact, estimate) < 1e-9
    assert relative_error(1.001 * exact, estimate) > 1e-4
