import pytest

from core.errors import Invalid
from core.expressions.grammar import parse
from core.expressions.graph import build, evaluate


def value(text: str, **at: float) -> float:
    graph = build(parse(text))
    return evaluate(graph, at)[graph.output]


def complaint(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert problem.pointer == "/expression"
    return problem.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("(1 + 2)*3", 9),
        ("10 - 4 - 3", 3),
        ("16/4/2", 2),
        ("2**3**2", 512),
        ("-2**2", -4),
        ("(-2)**2", 4),
        ("2**-1", 0.5),
        ("2**-2**2", 2**-4),
        ("2**-1*4", 2),
        ("--3", 3),
        ("+3 - -3", 6),
        ("-+-3", 3),
        ("3*-2", -6),
        (".5 + 5. + 1e2 + 1.5E-1", 105.65),
        ("min(3, max(1, 2), 4)", 2),
        ("max(1, 2 + 3)*2", 10),
        ("exp (0)", 1),
        ("  1\n+\t1\r\n", 2),
        ("a = 2; a += 3; a *= 4; a -= 2; a /= 9; a **= 3", 8),
        ("a = 1; a + 1;", 2),
        ("a = b = 1", None),
    ],
)
def test_operators_bind_as_in_mathematics(text: str, expected: float | None) -> None:
    if expected is None:
        assert "expected an operator" in complaint(text)
    else:
        assert value(text) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "at character 1: expected a number, a name, a function or '(', got the end"),
        ("   ", "got the end"),
        ("x +", "at character 4: expected a number, a name, a function or '(', got the end"),
        ("x + * y", "at character 5: expected a number, a name, a function or '(', got '*'"),
        ("(x + y", "at character 1: this '(' is never closed"),
        ("x + y)", "at character 6: there is no open '(' for this ')'"),
        ("()", "at character 2: expected a number"),
        ("2x", "at character 2: expected an operator, ';' or the end, got 'x'"),
        ("(2 x)", "at character 4: expected an operator or ')', got 'x'"),
        ("1.2.3", "at character 4: expected an operator"),
        ("1_000", "at character 2: expected an operator"),
        ("x ^ 2", "at character 3: '^' is not part of a formula; a power is written **"),
        ("x\u00b2", "at character 2: '\\xb2' is not part of a formula"),
        ("\u0661 + 1", "at character 1: '\\u0661' is not part of a formula"),
        ("\ud800", "at character 1: '\\ud800' is not part of a formula"),
        ("x\x00", "at character 2: '\\x00' is not part of a formula"),
        ("1e999", "at character 1: this number is too large for a float64, got '1e999'"),
        ("foo(x)", "at character 1: there is no function foo"),
        ("sin x", "at character 1: expected '(' after the function sin"),
        ("sin", "at character 1: expected '(' after the function sin"),
        ("sin()", "at character 5: expected a number"),
        ("sin(x, y)", "at character 1: sin takes 1 argument, got 2"),
        ("max(x)", "at character 1: max takes 2 arguments or more, got 1"),
        ("max(x,)", "at character 7: expected a number"),
        ("x, y", "at character 2: there is no open '(' for this ','"),
        ("(x, y)", "at character 3: a ',' may only stand between the arguments of a function"),
        ("x; y", "at character 2: this value is never used: give it a name"),
        ("a = 1;; b = 2", "at character 7: expected a number"),
        ("3 = x", "at character 1: only a name can be assigned to, got '3'"),
        ("exp = 3", "at character 1: exp is a function and cannot be assigned to"),
        ("a == 1", "at character 4: expected a number"),
        ("__import__(os)", "at character 1: there is no function __import__"),
        ("x.real", "at character 2: '.' is not part of a formula"),
        ("x[0]", "at character 2: '[' is not part of a formula"),
        ("x if y else z", "at character 3: expected an operator"),
    ],
)
def test_what_is_no_formula_is_refused_at_its_character(text: str, told: str) -> None:
    assert told in complaint(text).replace('"', "'")


def test_an_unknown_function_is_answered_with_those_there_are() -> None:
    with pytest.raises(Invalid) as caught:
        parse("expp(x)")
    allowed = caught.value.problems[0].allowed
    assert allowed is not None
    assert "exp" in allowed


@pytest.mark.parametrize("depth", [10_000])
def test_ten_thousand_brackets_signs_powers_and_calls_overflow_no_stack(depth: int) -> None:
    assert value("(" * depth + "x" + ")" * depth, x=2.0) == 2.0
    assert value("-" * depth + "x", x=2.0) == 2.0
    assert value("x" + "**1" * depth, x=2.0) == 2.0
    assert value("abs(" * depth + "x" + ")" * depth, x=-2.0) == 2.0
    assert value("+".join("x" * depth), x=2.0) == 2.0 * depth
    assert "never closed" in complaint("(" * depth + "x")
