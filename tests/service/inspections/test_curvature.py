"""`POST /v1/inspect/curvature`: the reference numbers, and a trained model beside its own rate."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.arrays import Array

Json = dict[str, Any]

REFERENCE: Json = json.loads((Path(__file__).parents[2] / "reference" / "inspection.json").read_text())
EXPECTED: Json = REFERENCE["curvature"]
SHAPES = {("first", "W"): (3, 4), ("first", "b"): (4,), ("second", "W"): (4, 3), ("second", "b"): (3,)}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


def ask(client: TestClient, body: Json) -> Json:
    answer = client.post("/v1/inspect/curvature", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def the_network() -> Json:
    net = REFERENCE["network"]
    layers = [
        {"op": "dense", "id": "first", "params": {"W": net["W1"], "b": net["b1"]}},
        {"op": "tanh"},
        {"op": "dense", "id": "second", "params": {"W": net["W2"], "b": net["b2"]}},
    ]
    network = {"layers": layers, "losses": [{"kind": "cross_entropy"}]}
    return {"subject": {"network": network}, "inputs": {"x": net["x"]}, "targets": {"y": net["y"]}}


def by_tensor(flat: list[float]) -> Json:
    """A flat vector of the reference by node and parameter."""
    parts: Json = {"first": {}, "second": {}}
    for (node, name), shape in SHAPES.items():
        size = int(np.prod(shape))
        part, flat = flat[:size], flat[size:]
        parts[node][name] = np.reshape(part, shape).tolist()
    return parts


def flat(part: Json) -> Array:
    return np.concatenate([np.ravel(part[node][name]) for node, name in SHAPES])


def test_every_number_of_the_reference_comes_out(client: TestClient) -> None:
    product = EXPECTED["hessian_vector_product"]
    answer = ask(client, the_network() | {"direction": by_tensor(product["v"]), "eigenvalues": 5})
    along, exact, ends = answer["along_direction"], answer["exact"], answer["eigenvalues"]
    newton, expected = answer["gauss_newton"], EXPECTED["gauss_newton"]
    ascending = EXPECTED["eigenvalues_ascending"]
    pairs = [
        (flat(along["product"]), product["Hv"]),
        (along["curvature"], product["vHv"]),
        (exact["eigenvalues"], ascending),
        ([one["value"] for one in ends["smallest"]], ascending[:5]),
        ([one["value"] for one in ends["largest"]], ascending[:-6:-1]),
        (ends["largest"][0]["value"], EXPECTED["top"]),
        (exact["trace"], EXPECTED["trace"]),
        (flat(exact["diagonal"]), EXPECTED["diagonal"]),
        (answer["stability"]["bound"], EXPECTED["stable_learning_rate_bound_2_over_top"]),
        (answer["along_gradient"]["curvature"], EXPECTED["curvature_along_gradient"]),
        (answer["along_gradient"]["best_step"], EXPECTED["best_quadratic_step_along_gradient"]),
        (newton["eigenvalues"], expected["eigenvalues_ascending"]),
        (newton["trace"], expected["trace"]),
        (flat(newton["diagonal"]), expected["diagonal"]),
        (flat(answer["fisher_diagonal"]), EXPECTED["empirical_fisher_diagonal"]),
    ]
    for found, wanted in pairs:
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-14)
    assert ends["converged"]


def test_the_estimate_of_the_trace_is_unbiased_and_as_varied_as_the_reference_says(client: TestClient) -> None:
    probes = 600
    answers = [ask(client, the_network() | {"probes": probes, "include": [], "seed": seed}) for seed in (1, 2)]
    for trace in (answer["trace"] for answer in answers):
        assert abs(trace["estimate"] - EXPECTED["trace"]) < 4 * trace["standard_error"]
        variance = trace["standard_error"] ** 2 * probes
        assert variance == pytest.approx(EXPECTED["hutchinson_rademacher_variance"], rel=0.3)
    assert answers[0]["trace"] != answers[1]["trace"]


def test_a_model_is_held_beside_the_rate_it_learns_with(client: TestClient, iris: Json) -> None:
    body: Json = {"subject": {"model": f"{iris['id']}@6"}, "batch": {"split": "training", "rows": [0, 32]}}
    stability = ask(client, body)["stability"]
    assert stability["learning_rate"] == 0.1
    assert stability["exceeded"] == (stability["bound"] < 0.1)
