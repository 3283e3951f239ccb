"""Reference numbers of questions, through the service: formulas with second derivatives, and a gradient check."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.arrays import Array
from tests import reference_flow

Json = dict[str, Any]

REFERENCE: Json = json.loads((Path(__file__).parents[1] / "reference" / "inspection.json").read_text())
NETWORK, CHECK = REFERENCE["network"], REFERENCE["gradient_check"]

SHAPES = {("h", "W"): "W1", ("h", "b"): "b1", ("o", "W"): "W2", ("o", "b"): "b2"}
"""By node and parameter, in the order of the flat vectors of the reference: the name that it has there."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The numbers are the same whatever the database."""
    return sqlite_url


def ask(client: TestClient, question: str, body: Json) -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


@pytest.mark.parametrize("item", REFERENCE["expressions"]["items"], ids=lambda item: str(item["name"]))
def test_every_reference_formula_is_differentiated_twice(client: TestClient, item: Json) -> None:
    # Two spaces and a bracket begin a remark of its author.
    body = {"expression": item["expression"].split("  (")[0], "at": item["inputs"], "hessian": True}
    found = ask(client, "expression", body)
    assert found["value"] == pytest.approx(item["value"], rel=1e-9)
    assert found["gradients"] == pytest.approx(item["grad"], rel=1e-9, abs=1e-15)
    assert found["hessian_order"] == item["hessian_order"]
    np.testing.assert_allclose(found["hessian"], item["hessian"], rtol=1e-9, atol=1e-12 * np.abs(item["hessian"]).max())
    assert found["numeric"]["passed"] and found["numeric"]["max_relative_error"] < 1e-6


def flat_parameters() -> Array:
    return np.concatenate([np.ravel(NETWORK[name]) for name in SHAPES.values()])


def the_network(parameters: Array, **fields: Any) -> Json:
    """The reference network at a point, as a question about all its examples."""
    tensors: Json = {"h": {}, "o": {}}
    start = 0
    for (node, param), name in SHAPES.items():
        shape = np.shape(NETWORK[name])
        tensors[node][param] = parameters[start : start + np.prod(shape)].reshape(shape).tolist()
        start += int(np.prod(shape))
    layers = [
        {"op": "dense", "id": "h", "params": tensors["h"]},
        {"op": "tanh", "id": "a"},
        {"op": "dense", "id": "o", "params": tensors["o"]},
    ]
    network = {"layers": layers, "losses": [{"kind": "cross_entropy"}]}
    return {"subject": {"network": network}, "inputs": {"x": NETWORK["x"]}, "targets": {"y": NETWORK["y"]}} | fields


def flat_gradient(client: TestClient) -> Array:
    params = ask(client, "gradients", the_network(flat_parameters()))["gradients"]["params"]
    return np.concatenate([np.ravel(params[node][param]) for node, param in SHAPES])


def test_the_gradient_of_the_reference_check_comes_out(client: TestClient) -> None:
    gradient = flat_gradient(client)
    np.testing.assert_allclose(gradient, CHECK["analytic"], rtol=1e-9)
    np.testing.assert_allclose(gradient, REFERENCE["per_sample"]["mean_gradient"], rtol=1e-9)
    assert gradient @ CHECK["directional"]["v"] == pytest.approx(CHECK["directional"]["analytic_dot"], rel=1e-9)


def test_differences_of_the_loss_are_those_of_the_reference(client: TestClient) -> None:
    """Central differences with its own step, from nothing but losses that the service has answered."""
    at, h = flat_parameters(), CHECK["h"]

    def loss(change: Array) -> float:
        return float(ask(client, "gradients", the_network(at + change, include=[]))["loss"])

    steps = h * np.eye(len(at))
    numeric = [(loss(step) - loss(-step)) / (2 * h) for step in steps]
    np.testing.assert_allclose(numeric, CHECK["numeric_central"], rtol=0, atol=1e-10)
    errors = np.abs(np.array(numeric) - CHECK["analytic"]) / np.abs(CHECK["analytic"])
    assert errors.max() <= CHECK["max_relative_error_upper_bound"]


def test_the_check_of_the_reference_network_is_within_its_bound(client: TestClient) -> None:
    found = ask(client, "gradient-check", the_network(flat_parameters()))
    assert found["passed"] and found["kinks"] == []
    assert found["tolerance"] == CHECK["max_relative_error_upper_bound"]
    assert found["max_relative_error"] <= CHECK["measured_max_relative_error_informative"]
    assert [(tensor["node"], tensor["param"]) for tensor in found["tensors"]] == list(SHAPES)
    assert all(direction["uncertainty"] < 1e-6 for direction in found["directions"])


def test_the_flow_of_the_reference_network_comes_out(client: TestClient) -> None:
    (point,) = ask(client, "flow", reference_flow.the_reference())["points"]
    reference_flow.agrees_with_the_reference(point)


BLOCKS = {
    "expressions": "tests/worked/test_inspection_over_rest.py",
    "gradient_check": "tests/worked/test_inspection_over_rest.py",
    "flow": "tests/reference_flow.py",
    "per_sample": "tests/service/inspections/test_per_example.py",
    "per_sample_other_labels": "tests/service/inspections/test_per_example.py",
    "curvature": "tests/service/inspections/test_curvature.py",
    "attribution": "tests/service/inspections/test_attribution.py",
    "deeplift_rescale": "tests/service/inspections/test_attribution.py",
    "influence": "tests/service/inspections/test_influence.py",
    "loss_landscape": "tests/service/inspections/test_landscape.py",
}
"""Where the numbers of each block of the reference are asked for through the service."""


@pytest.mark.parametrize("block", sorted(REFERENCE.keys() - {"about", "network"}))
def test_every_block_of_the_reference_is_asked_for_somewhere(block: str) -> None:
    assert f'["{block}"]' in (Path(__file__).parents[2] / BLOCKS[block]).read_text()
