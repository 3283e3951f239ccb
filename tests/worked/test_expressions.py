"""Expressions against numbers that were worked out elsewhere, by two independent methods each."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.inspect.expression import Expression, ExpressionAnswer, differentiate

REFERENCE = Path(__file__).parents[1] / "reference"
ITEMS = json.loads((REFERENCE / "inspection.json").read_text())["expressions"]["items"]
WORKED = json.loads((REFERENCE / "worked_examples.json").read_text())


def ask(expression: str, at: dict[str, float], **rest: object) -> ExpressionAnswer:
    return differentiate(Expression.model_validate({"expression": expression, "at": at, **rest}))


@pytest.fixture(params=ITEMS, ids=lambda item: item["name"])
def item(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One reference expression; two spaces and a bracket begin a remark of its author."""
    return {**request.param, "expression": request.param["expression"].split("  (")[0]}


def test_every_reference_expression_has_its_value_gradients_and_second_derivatives(item: dict[str, Any]) -> None:
    found = ask(item["expression"], item["inputs"], hessian=True)
    assert found.value == pytest.approx(item["value"], rel=1e-9)
    assert found.gradients == pytest.approx(item["grad"], rel=1e-9, abs=1e-15)
    assert found.forward_mode.gradients == pytest.approx(item["grad"], rel=1e-9, abs=1e-15)
    assert found.hessian_order == item["hessian_order"]
    assert found.hessian is not None
    largest = max(abs(entry) for row in item["hessian"] for entry in row)
    for row, expected in zip(found.hessian, item["hessian"], strict=True):
        assert row == pytest.approx(expected, rel=1e-9, abs=1e-12 * largest)


def test_every_reference_gradient_is_confirmed_by_differences(item: dict[str, Any]) -> None:
    numeric = ask(item["expression"], item["inputs"]).numeric
    assert numeric.passed
    assert numeric.max_relative_error is not None
    assert numeric.max_relative_error < 1e-6


def test_every_intermediate_of_the_references_is_the_value_of_a_node(item: dict[str, Any]) -> None:
    values = [node.value for node in ask(item["expression"], item["inputs"]).nodes]
    for expected in item["intermediate"].values():
        assert any(value == pytest.approx(expected, rel=1e-12) for value in values)


def test_assigned_names_are_shown_at_their_nodes() -> None:
    found = ask("u=x*y; v=u+x; w=u*v; z=w/(1+u**2)", {"x": 1.2, "y": -0.5})
    assert {node.name: node.value for node in found.nodes if node.name in ("u", "w")} == pytest.approx(
        {"u": -0.6, "w": -0.36}
    )


def test_x_times_y_plus_z_is_the_documented_example_with_its_step() -> None:
    worked = WORKED["xy_plus_z"]
    found = ask("x*y + z", worked["inputs"], step={"learning_rate": worked["learning_rate"]})
    assert found.value == worked["forward"]["g"]
    assert found.gradients == {name: worked["grad"][name] for name in "xyz"}
    product, total = found.nodes
    assert product.id == "n3"
    assert product.inputs == ["x", "y"]
    assert product.value == worked["forward"]["f"]
    assert product.local == {"x": -4, "y": 3}
    assert product.gradient == worked["grad"]["f"]
    assert total.local == {"n3": 1, "z": 1}
    assert total.gradient == 1
    assert found.step is not None
    assert found.step.at == pytest.approx({name: worked["after_step"][name] for name in "xyz"}, rel=1e-12)
    assert found.step.value == pytest.approx(worked["after_step"]["g"], rel=1e-12)
    assert found.step.decrease == pytest.approx(worked["decrease"], rel=1e-12)
    assert found.step.predicted_decrease == pytest.approx(worked["first_order_prediction_lr_times_norm_sq"], rel=1e-12)


def test_e_squared_times_sine_has_its_slope_at_every_worked_point() -> None:
    worked = WORKED["e2_sin_x"]
    assert ask("exp(2)*sin(x)", {"x": 0.0}).gradients["x"] == pytest.approx(float(worked["grad"]["x"]), rel=1e-12)
    for point in worked["more_points"]:
        found = ask("exp(2)*sin(x)", {"x": float(point["x"])})
        assert found.value == pytest.approx(float(point["f"]), rel=1e-12)
        assert found.gradients["x"] == pytest.approx(float(point["df_dx"]), rel=1e-12)


def test_x_times_y_plus_x_squared_has_the_value_that_the_document_misprints() -> None:
    worked = WORKED["xy_plus_x2"]
    found = ask("x*y + x**2", worked["inputs"], hessian=True)
    assert found.value == worked["forward"]["z"]
    assert found.gradients == worked["grad"]
    assert found.hessian == worked["hessian"]
