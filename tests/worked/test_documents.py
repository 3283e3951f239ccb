"""What the documents work out beside the 2-2-2 network, through the service."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

Json = dict[str, Any]

WORKED: Json = json.loads((Path(__file__).parents[1] / "reference" / "worked_examples.json").read_text())


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The numbers are the same whatever the database."""
    return sqlite_url


def close(number: float | str) -> Any:
    return pytest.approx(float(number), rel=1e-12)


def ask(client: TestClient, question: str, **body: Any) -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_x_times_y_plus_z_and_its_step(client: TestClient) -> None:
    worked = WORKED["xy_plus_z"]
    body = {"at": worked["inputs"], "step": {"learning_rate": worked["learning_rate"]}}
    found = ask(client, "expression", expression="x*y + z", **body)
    assert found["value"] == worked["forward"]["g"]
    assert found["gradients"] == {name: worked["grad"][name] for name in "xyz"}
    assert math.hypot(*found["gradients"].values()) == close(worked["grad_norm"])
    product, total = found["nodes"]
    local = worked["local_gradients"]
    assert (product["value"], product["gradient"]) == (worked["forward"]["f"], worked["grad"]["f"])
    assert product["local"] == {"x": local["df/dx"], "y": local["df/dy"]}
    assert total["local"] == {product["id"]: local["dg/df"], "z": local["dg/dz"]}
    step, after = found["step"], worked["after_step"]
    assert step["at"] == {name: close(after[name]) for name in "xyz"}
    assert step["value"] == close(after["g"])
    assert step["decrease"] == close(worked["decrease"])
    assert step["predicted_decrease"] == close(worked["first_order_prediction_lr_times_norm_sq"])
    remainder = worked["second_order_remainder"]["dx*dy"]
    assert step["decrease"] - step["predicted_decrease"] == pytest.approx(-remainder, rel=1e-12)


def test_e_squared_times_sine_everywhere(client: TestClient) -> None:
    worked = WORKED["e2_sin_x"]
    found = ask(client, "expression", expression="exp(2)*sin(x)", at=worked["inputs"])
    assert found["value"] == worked["forward"]["f"]
    assert found["gradients"]["x"] == close(worked["grad"]["x"])
    for point in worked["more_points"]:
        found = ask(client, "expression", expression="exp(2)*sin(x)", at={"x": float(point["x"])})
        assert (found["value"], found["gradients"]["x"]) == (close(point["f"]), close(point["df_dx"]))
    move = worked["small_move"]
    moved = ask(client, "expression", expression="exp(2)*sin(x)", at={"x": float(move["dx"])})["value"]
    assert moved == close(move["df"])
    assert moved / float(move["dx"]) == close(move["ratio"])


def test_x_times_y_plus_x_squared_with_its_curvature(client: TestClient) -> None:
    worked = WORKED["xy_plus_x2"]
    found = ask(client, "expression", expression="x*y + x**2", at=worked["inputs"], hessian=True)
    assert found["value"] == worked["forward"]["z"]
    assert found["gradients"] == worked["grad"]
    norm = math.hypot(*found["gradients"].values())
    assert norm == close(worked["grad_norm"])
    steepest = [close(share) for share in worked["unit_direction_of_steepest_increase"]]
    assert [slope / norm for slope in found["gradients"].values()] == steepest
    assert found["hessian"] == worked["hessian"]
    assert list(np.linalg.eigvalsh(found["hessian"])) == [close(value) for value in worked["hessian_eigenvalues"]]


def test_a_step_goes_as_far_as_rate_times_gradient(client: TestClient) -> None:
    worked = WORKED["step_size"]
    # d/dw (w − t)² = −2 t at w = 0.
    network = {"layers": [{"op": "dense", "bias": False, "params": {"W": [[0.0]]}}], "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[1]]}, "targets": {"y": [[1.25]]}}
    found = ask(client, "step", **body, learning_rates=worked["learning_rate"])
    assert found["gradient_norm"] == close(worked["gradient_magnitude"])
    assert found["steps"][0]["update_norm"] == close(worked["distance"])


def test_priors_on_weights_are_penalties(client: TestClient) -> None:
    """Gaussian of deviation s: Σ w² / (2 s²), so that strength is 1 / s²; Laplace of scale b: Σ |w| / b."""
    worked, example = WORKED["map_objective"]["example"], WORKED["network_2_2_2"]
    w = worked["weights"]
    network = {
        "layers": [
            {"op": "dense", "id": "h", "params": {"W": [[w[0], w[2]], [w[1], w[3]]], "b": [0.05, 0.05]}},
            {"op": "sigmoid"},
            {"op": "dense", "id": "o", "params": {"W": [[w[4], w[6]], [w[5], w[7]]], "b": [0.42, 0.42]}},
            {"op": "sigmoid"},
        ],
        "losses": [{"kind": "half_sse"}],
        "penalties": [{"kind": "l2", "strength": 1 / 0.5**2}, {"kind": "l1", "strength": 1 / 0.5}],
    }
    body = {"subject": {"network": network}, "inputs": {"x": [example["input"]]}, "targets": {"y": [example["target"]]}}
    found = ask(client, "trace", **body, param="o.W[0][0]")
    wanted = [worked["gaussian_prior_s=0.5_penalty"], worked["laplace_prior_b=0.5_penalty"]]
    assert found["penalties"] == [close(penalty) for penalty in wanted]
    assert found["loss"] == close(sum(map(float, wanted)) + float(example["forward"]["E"]))
    data, gaussian, laplace = (term["product"] for term in found["chain"]["terms"])
    assert data == close(example["grad"]["w5"])
    assert gaussian == close(worked["w5_gradient_of_gaussian_penalty"])
    assert laplace == 2.0
    assert found["gradients"]["params"]["o"]["W"][0][0] == close(data + gaussian + laplace)


def test_slopes_at_zero(client: TestClient) -> None:
    rules = WORKED["elementary_rules"]
    for name in ("tanh", "sigmoid"):
        found = ask(client, "expression", expression=f"{name}(x)", at={"x": 0})
        assert found["gradients"]["x"] == rules[f"{name}'(0)"]


def test_sigmoids_in_a_row_pass_a_quarter_each_at_most(client: TestClient) -> None:
    for count, wanted in WORKED["elementary_rules"]["max_product_of_n_sigmoid_slopes"].items():
        # Each is at its steepest, at 0: what the one before gives is shifted by its ½.
        layers = []
        for number in range(int(count)):
            shift = {"W": [[1.0]], "b": [-0.5 if number else 0.0]}
            layers += [{"op": "dense", "id": f"z{number}", "params": shift}, {"op": "sigmoid", "id": f"a{number}"}]
        network = {"layers": layers, "losses": [{"kind": "half_sse"}]}
        body = {"subject": {"network": network}, "inputs": {"x": [[0]]}, "targets": {"y": [[0]]}}
        (term,) = ask(client, "trace", **body, param="z0.b[0]")["chain"]["terms"]
        slopes = [factor["value"] for factor in term["factors"] if factor["of"].startswith("da")]
        assert slopes == [0.25] * int(count)
        assert term["product"] / term["factors"][0]["value"] == close(wanted)
