import json
import string

import pytest
from pydantic import ValidationError

from core.errors import Invalid
from core.inspect.expression import Expression, ExpressionAnswer, differentiate


def ask(expression: str, **rest: object) -> ExpressionAnswer:
    return differentiate(Expression.model_validate({"expression": expression, **rest}))


def problems(expression: str, **rest: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(expression, **rest)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def test_missing_and_unknown_variables_are_all_named_at_once() -> None:
    found = problems("x*y + sin(z)", at={"x": 1.0, "q": 2.0, "a/b": 3.0})
    assert set(found) == {"/at/y", "/at/z", "/at/q", "/at/a~1b"}


@pytest.mark.parametrize(
    "request_body",
    [
        {"expression": "x", "at": {"x": "1.5"}},
        {"expression": "x", "at": {"x": True}},
        {"expression": "x", "at": {"x": float("nan")}},
        {"expression": "x", "at": {"x": float("inf")}},
        {"expression": "x", "at": {"x": None}},
        {"expression": "x", "at": [1]},
        {"expression": "x" * 2001, "at": {"x": 1.0}},
        {"expression": "", "at": {}},
        {"expression": 3, "at": {}},
        {"expression": "x", "at": {"x": 1.0}, "step": {}},
        {"expression": "x", "at": {"x": 1.0}, "step": {"learning_rate": -1.0}},
        {"expression": "x", "at": {"x": 1.0}, "step": {"learning_rate": 1.0, "momentum": 0.9}},
        {"expression": "x", "at": {"x": 1.0}, "hessian": 1},
        {"expression": "x", "at": {"x": 1.0}, "hesian": True},
    ],
)
def test_what_does_not_fit_the_request_is_refused(request_body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Expression.model_validate(request_body)


def test_an_operand_that_stands_twice_has_two_edges_and_the_sum_as_local_derivative() -> None:
    (square,) = ask("x*x", at={"x": 3}).nodes
    assert square.local == {"x": 6}
    assert [(edge.input, edge.local, edge.product) for edge in square.edges] == [("x", 3, 3), ("x", 3, 3)]


def test_constants_stand_as_numbers_and_have_no_derivative() -> None:
    (power,) = ask("x**2", at={"x": 3}).nodes
    assert power.inputs == ["x", 2.0]
    assert power.local == {"x": 6}


def test_a_variable_that_looks_like_an_id_is_not_taken_for_one() -> None:
    first, second = ask("n3*n1 + 1", at={"n3": 2, "n1": 5}).nodes
    assert first.inputs == ["n3", "n1"]
    assert second.inputs == [first.id, 1.0]
    assert first.id not in ("n1", "n3")


def test_reverse_mode_takes_one_pass_where_forward_mode_takes_one_for_each_input() -> None:
    found = ask("a*b*c*d", at={"a": 1, "b": 2, "c": 3, "d": 4})
    assert found.reverse_mode.gradients == found.forward_mode.gradients == {"a": 24, "b": 12, "c": 8, "d": 6}
    assert (found.reverse_mode.passes, found.reverse_mode.multiplications) == (1, 6)
    assert (found.forward_mode.passes, found.forward_mode.multiplications) == (4, 24)


def test_a_kink_is_named_and_does_not_fail_the_numeric_check() -> None:
    found = ask("relu(x) + y", at={"x": 0, "y": 1})
    assert found.kinks == ["n2"]
    assert found.numeric.kinks == ["n2"]
    assert found.numeric.passed


def test_at_the_border_of_the_domain_the_measurement_is_left_out() -> None:
    found = ask("x**1.5", at={"x": 0})
    assert found.gradients == {"x": 0}
    assert found.numeric.gradients == {"x": None}
    assert found.numeric.max_relative_error is None


@pytest.mark.parametrize(
    ("expression", "at"),
    [
        ("exp(1000*x)", {"x": 0.0}),
        ("log(x)", {"x": 1e-6}),
        ("1/x", {"x": 1e-5}),
        ("sin(x)", {"x": 1e5}),
        ("1e-12*x**2", {"x": 1.0}),
        ("1e12 + cos(x)", {"x": 0.0}),
        ("0*x", {"x": 0.0}),
        ("x", {"x": 1.7e308}),
        ("tanh(50*x)", {"x": 0.01}),
    ],
)
def test_the_measurement_finds_a_good_step_at_every_scale(expression: str, at: dict[str, float]) -> None:
    assert ask(expression, at=at).numeric.passed


def test_a_step_out_of_the_domain_is_refused_with_its_node() -> None:
    found = problems("log(x)", at={"x": 0.1}, step={"learning_rate": 1.0})
    assert "in log (node n2)" in found["/step/learning_rate"]


def test_a_step_too_large_for_numbers_is_refused() -> None:
    assert "/step/learning_rate" in problems("1e200*x", at={"x": 1.0}, step={"learning_rate": 1.0})


def test_more_than_fifty_variables_have_no_hessian() -> None:
    names = [a + b for a in "abc" for b in string.ascii_lowercase][:51]
    at = dict.fromkeys(names, 1.0)
    assert "/hessian" in problems("+".join(names), at=at, hessian=True)
    assert ask("+".join(names[:50]), at=dict.fromkeys(names[:50], 1.0), hessian=True).hessian == [[0.0] * 50] * 50


def test_the_derivation_ends_with_the_gradient_of_every_variable() -> None:
    derivation = ask("x*y + z", at={"x": 3, "y": -4, "z": 2}).derivation
    assert derivation.text[0] == "n3 = x * y = -12.0"
    assert derivation.text[-1] == "df/dx = df/dn3 * (y) = 1.0 * (-4.0) = -4.0"
    assert (
        r"\frac{\partial f}{\partial x} &= \frac{\partial f}{\partial n_{3}} \cdot \left(y\right)" in derivation.latex
    )
    assert derivation.latex.count("{") == derivation.latex.count("}")


def test_every_operation_can_be_written_out() -> None:
    text = "exp(x)+log(x)*sqrt(x)-sin(x)/cos(x)+tan(x)**tanh(x)+sigmoid(-x)+relu(x)+abs(x)+min(x,1)+max(x,2,-1e-9)"
    derivation = ask(text, at={"x": 0.5}).derivation
    assert derivation.latex.count("{") == derivation.latex.count("}")
    assert derivation.latex.count(r"\left") == derivation.latex.count(r"\right")
    assert not any("{" in line for line in derivation.text)


def test_the_largest_expressions_are_answered() -> None:
    at = {a + b: 1.0 for a in string.ascii_letters for b in string.ascii_letters}
    names = list(at)[:660]
    found = ask("+".join(names), at=dict.fromkeys(names, 1.0))
    assert found.gradients == dict.fromkeys(names, 1.0)
    assert len(json.dumps(ask("max(" + ",".join("x" * 990) + ")", at={"x": 1.0}, hessian=True).model_dump())) > 0


def test_an_answer_holds_only_finite_numbers_and_survives_json() -> None:
    found = ask("x*y + relu(z)", at={"x": 1e150, "y": 1e150, "z": 0.0}, hessian=True)
    assert json.loads(json.dumps(found.model_dump(), allow_nan=False)) == json.loads(found.model_dump_json())
