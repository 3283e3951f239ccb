"""Products with the Hessian, against differences of gradients and against reference numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.arrays import Array, Shape
from core.inspect.gradients import Gradients
from core.inspection.batch import Posed
from core.inspection.hessian import hessian_product
from core.inspection.objective import flat_gradient
from core.inspection.question import Library
from core.op import Op
from tests.one_op import every_op, question_about
from tests.reference_networks import cases, request_of

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "inspection.json").read_text())


def pose(body: dict[str, Any], library: Library) -> Posed:
    return Gradients.model_validate_json(json.dumps(body)).pose(library)


def by_differences(posed: Posed, direction: Array, step: float) -> Array:
    """(g(θ + h v) − g(θ − h v)) / 2 h."""
    gradients = []
    for sign in (1, -1):
        parameters = posed.parameters.copy()
        parameters[: len(direction)] += sign * step * direction
        gradients.append(flat_gradient(posed.graph, parameters, posed.run(parameters)))
    difference: Array = (gradients[0] - gradients[1])[: len(direction)] / (2 * step)
    return difference


def require_agreement(posed: Posed) -> None:
    direction = np.random.default_rng(2).normal(size=posed.graph.parameter_count)
    for piece in posed.graph.layout:
        if piece.frozen is not None:
            direction[piece.start : piece.stop].reshape(piece.shape)[piece.frozen] = 0.0
    expected = by_differences(posed, direction, 1e-6)
    found = hessian_product(posed, direction)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * (1 + np.abs(expected).max(initial=0)))


@every_op
@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_the_product_is_the_change_of_the_gradient_for_every_op(
    op: Op, shapes: list[Shape], mode: str, library: Library
) -> None:
    posed = pose(question_about(op, shapes, rows=3, mode=mode), library)
    require_agreement(posed)


def test_the_product_is_the_change_of_the_gradient_in_every_reference_network(library: Library) -> None:
    for case in cases():
        require_agreement(pose(request_of(case), library))


def test_the_product_of_the_reference_network_is_exact(library: Library) -> None:
    net, curvature = REFERENCE["network"], REFERENCE["curvature"]
    body = {
        "subject": {
            "network": {
                "layers": [
                    {"op": "dense", "params": {"W": net["W1"], "b": net["b1"]}},
                    {"op": "tanh"},
                    {"op": "dense", "params": {"W": net["W2"], "b": net["b2"]}},
                ],
                "losses": [{"kind": "cross_entropy"}],
            }
        },
        "inputs": {"x": net["x"]},
        "targets": {"y": net["y"]},
    }
    product = curvature["hessian_vector_product"]
    found = hessian_product(pose(body, library), np.array(product["v"]))
    np.testing.assert_allclose(found, product["Hv"], rtol=1e-9, atol=1e-12)


def test_a_penalty_adds_its_strength_times_the_direction(library: Library) -> None:
    def product(*penalties: dict[str, Any]) -> Array:
        layers = [{"op": "dense", "params": {"W": [[1.0], [-2.0]], "b": [0.5]}}]
        network = {"layers": layers, "losses": [{"kind": "mse"}], "penalties": list(penalties)}
        body = {"subject": {"network": network}, "inputs": {"x": [[1, 2]]}, "targets": {"y": [[3]]}}
        return hessian_product(pose(body, library), np.array([1.0, 10.0, 100.0]))

    # H = 2 (x, 1) (x, 1)ᵀ, and (x, 1) · v = 121.
    np.testing.assert_allclose(product(), [242, 484, 242], rtol=1e-15)
    bent = product({"kind": "l2", "strength": 0.5}, {"kind": "l1", "strength": 7})
    np.testing.assert_allclose(bent, [242.5, 489, 242], rtol=1e-15)


def test_no_direction_has_no_product(library: Library) -> None:
    posed = pose(request_of(cases()[0]), library)
    zero = np.zeros(posed.graph.parameter_count)
    np.testing.assert_array_equal(hessian_product(posed, zero), zero)
