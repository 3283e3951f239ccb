"""`POST /v1/inspect/per-example`: the reference numbers, and examples of a trained model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.arrays import Array
from tests.trained import Train

Json = dict[str, Any]

REFERENCE: Json = json.loads((Path(__file__).parents[2] / "reference" / "inspection.json").read_text())
EXPECTED: Json = REFERENCE["per_sample"]
RATE = 0.1


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


def ask(client: TestClient, body: Json) -> Json:
    answer = client.post("/v1/inspect/per-example", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def the_network(labels: list[int]) -> Json:
    """The network of the reference, whose flat order is that of its layers."""
    net = REFERENCE["network"]
    layers = [
        {"op": "dense", "id": "first", "params": {"W": net["W1"], "b": net["b1"]}},
        {"op": "tanh"},
        {"op": "dense", "id": "second", "params": {"W": net["W2"], "b": net["b2"]}},
    ]
    network = {"layers": layers, "losses": [{"kind": "cross_entropy"}]}
    return {"subject": {"network": network}, "inputs": {"x": net["x"]}, "targets": {"y": labels}, "learning_rate": RATE}


def flat(part: dict[str, dict[str, Any]], examples: int | None = None) -> Array:
    """All tensors of a part behind one another, as the flat vector has them."""
    shape = (-1,) if examples is None else (examples, -1)
    tensors = [np.reshape(tensor, shape) for node in part.values() for tensor in node.values()]
    return np.concatenate(tensors, axis=-1)


def test_every_number_of_the_reference_comes_out(client: TestClient) -> None:
    answer = ask(client, the_network(REFERENCE["network"]["y"]))
    tests, cockpit = answer["tests"], EXPECTED["cockpit"]
    by_tensor = {
        name: answer["norms_by_tensor"][node][param]
        for name, node, param in [
            ("W1", "first", "W"),
            ("b1", "first", "b"),
            ("W2", "second", "W"),
            ("b2", "second", "b"),
        ]
    }
    pairs = [
        (answer["losses"], EXPECTED["losses"]),
        (flat(answer["params"]["gradients"], 8), EXPECTED["gradients"]),
        (answer["norms"], EXPECTED["norms"]),
        *((by_tensor[name], norms) for name, norms in EXPECTED["norms_by_tensor"].items()),
        (flat(answer["params"]["mean"]), EXPECTED["mean_gradient"]),
        (answer["mean_gradient_norm"], EXPECTED["mean_gradient_norm"]),
        (flat(answer["params"]["variance"]), EXPECTED["variance_unbiased_by_parameter"]),
        (answer["trace_covariance"], EXPECTED["trace_covariance"]),
        (answer["noise_scale"]["simple"], EXPECTED["noise_scale_simple"]),
        (answer["noise_scale"]["squared_gradient"], EXPECTED["noise_scale_unbiased"]["g2"]),
        (answer["noise_scale"]["unbiased"], EXPECTED["noise_scale_unbiased"]["value"]),
        (tests["norm"], cockpit["norm_test_theta_max"]),
        (tests["inner_product"], cockpit["inner_product_test_theta_max"]),
        (tests["orthogonality"], cockpit["orthogonality_test_nu_max"]),
        (tests["mean_signal_to_noise"], cockpit["mean_gsnr"]),
        (tests["early_stopping"], cockpit["eb_stopping"]),
        (tests["batch_size"], cockpit["cabs_at_lr_0.1"]),
        (answer["cosine_similarity"], EXPECTED["cosine_similarity"]),
        (answer["conflicts"]["minimum_cosine"], EXPECTED["gradient_confusion_min_cosine"]),
        (flat(answer["params"]["sign_agreement"]), EXPECTED["fraction_of_sign_agreement_by_parameter"]),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


def test_a_noise_scale_that_the_batch_cannot_resolve_is_null(client: TestClient) -> None:
    expected = REFERENCE["per_sample_other_labels"]
    answer = ask(client, the_network(expected["y2"]))
    for found, wanted in [
        (answer["mean_gradient_norm"], expected["mean_gradient_norm"]),
        (answer["trace_covariance"], expected["trace_covariance"]),
        (answer["noise_scale"]["simple"], expected["noise_scale_simple"]),
        (answer["noise_scale"]["squared_gradient"], expected["noise_scale_unbiased"]["g2"]),
    ]:
        assert found == pytest.approx(wanted, rel=1e-9)
    assert answer["noise_scale"]["unbiased"] is None


def test_examples_of_a_model_are_named_by_their_rows_in_the_split(client: TestClient, iris: Json) -> None:
    body: Json = {"subject": {"model": f"{iris['id']}@6"}, "batch": {"split": "training", "rows": [10, 40]}}
    answer = ask(client, body)
    assert answer["first_row"] == 10
    assert len(answer["losses"]) == 30
    assert all(10 <= row < 40 for pair in answer["conflicts"]["most"] for row in pair["rows"])
    whole = client.post("/v1/inspect/gradients", json=body).json()
    assert np.mean(answer["losses"]) == pytest.approx(whole["loss"])
    np.testing.assert_allclose(flat(answer["params"]["mean"]), flat(whole["gradients"]["params"]), atol=1e-15)


def test_the_rate_of_the_epoch_is_the_rate_in_use(
    client: TestClient, a_dataset: Callable[[Json], str], train: Train
) -> None:
    job = train(
        name="slower",
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        network={"layers": [{"op": "dense"}]},
        optimizer={"kind": "sgd", "learning_rate": 0.1},
        schedule={"kind": "exponential", "gamma": 0.5},
        epochs=3,
    )

    def rate_of(reference: str, **rest: Any) -> float:
        batch = {"split": "training", "rows": [0, 8]}
        found: float = ask(client, {"subject": {"model": reference}, "batch": batch} | rest)["learning_rate"]
        return found

    rates = client.get(f"/v1/jobs/{job['id']}/epochs").json()["learning_rate"]
    assert rates == pytest.approx([0.1, 0.05, 0.025])
    assert [rate_of(f"{job['id']}@{epoch}") for epoch in (1, 2, 3)] == rates
    assert rate_of(f"{job['id']}@0") == rates[0]
    assert rate_of("slower") == rates[2]
    assert rate_of("slower", learning_rate=0.5) == 0.5


def test_without_its_data_set_a_model_has_no_rate_but_still_gradients(client: TestClient, iris: Json) -> None:
    rows = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=5").json()["data"]
    assert client.delete(f"/v1/jobs/{iris['id']}").status_code == 204
    assert client.delete(f"/v1/datasets/{iris['dataset']}").status_code == 204
    answer = ask(client, {"subject": {"model": "iris"}, "rows": rows})
    assert answer["learning_rate"] is None
    assert answer["tests"]["batch_size"] is None
    assert len(answer["norms"]) == 5
