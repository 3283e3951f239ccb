"""Models that remember more than their parameters, and models of whole numbers, from the job to the prediction."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load
from starlette.testclient import TestClient

Json = dict[str, Any]
Train = Callable[..., Json]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Weights are bytes on either database."""
    return sqlite_url


@pytest.fixture
def normalized(client: TestClient, a_dataset: Callable[[Json], str], train: Train) -> Json:
    """A job with batch norm that stops at its best epoch, some epochs before its last."""
    layers = [
        {"op": "dense", "units": 6},
        {"op": "batch_norm", "id": "bn"},
        {"op": "tanh"},
        {"op": "dense", "id": "o"},
    ]
    job = train(
        name="normalized",
        dataset=a_dataset({"sample": "moons", "rows": 80}),
        target="class",
        network={"layers": layers},
        optimizer={"kind": "sgd", "learning_rate": 0.8},
        batch_size=9,
        epochs=200,
        early_stopping={"patience": 3, "restore_best": True},
        checkpoints={"every_epochs": 1, "keep": 10},
    )
    assert job["state"] == "succeeded" and job["progress"]["best_epoch"] < job["progress"]["epoch"]
    return job


ROWS = [{"x1": 0.3, "x2": -0.2}, {"x1": 1.5, "x2": 0.4}, {"x1": -1.0, "x2": 1.0}]


def predicted(client: TestClient, model: str, rows: list[Json] | None = None) -> Any:
    answer = client.post(f"/v1/models/{model}/predict", json={"rows": rows or ROWS})
    assert answer.status_code == 200, answer.text
    return answer.json()["probabilities"]


def exported(client: TestClient, model: str) -> dict[str, Any]:
    content = client.get(f"/v1/models/{model}/export?format=safetensors").content
    return dict(load(content))


def test_every_format_carries_what_a_node_remembers(client: TestClient, normalized: Json) -> None:
    tensors = exported(client, "normalized")
    assert {"bn.running_mean", "bn.running_var", "bn.gamma", "bn.beta"} < tensors.keys()
    assert not np.allclose(tensors["bn.running_mean"], 0) and not np.allclose(tensors["bn.running_var"], 1)
    with np.load(io.BytesIO(client.get("/v1/models/normalized/export?format=npz").content)) as npz:
        assert npz.keys() == tensors.keys()
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(npz[name], tensor)
    nodes = client.get("/v1/models/normalized/export?format=json").json()["nodes"]
    (state,) = [node["state"] for node in nodes if "state" in node]
    for name, value in state.items():
        np.testing.assert_array_equal(np.asarray(value, np.float32), tensors[f"bn.{name}"])


def test_a_model_with_statistics_predicts_what_its_exported_network_computes(
    client: TestClient, normalized: Json
) -> None:
    """And what it predicts for a row does not depend on the rows beside it, as it would by their own mean."""
    network = client.get("/v1/models/normalized/export?format=json").json()
    assert client.post("/v1/networks/validate", json=network).status_code == 200
    inputs = {"inputs": {"x": [[0.3, -0.4], [2.0, 1.0]]}, "targets": {"y": [1, 0]}, "mode": "evaluation"}
    answers = [
        client.post("/v1/inspect/gradients", json={"subject": subject, **inputs}).json()
        for subject in ({"network": network}, {"model": "normalized"})
    ]
    assert answers[0] == answers[1] and answers[0]["loss"] > 0
    together = predicted(client, "normalized")
    for row, expected in zip(ROWS, together, strict=True):
        np.testing.assert_allclose(predicted(client, "normalized", [row]), [expected], rtol=1e-5)


def test_the_number_of_parameters_counts_nothing_that_is_remembered(client: TestClient, normalized: Json) -> None:
    assert client.get("/v1/models/normalized").json()["parameter_count"] == (2 * 6 + 6) + 2 * 6 + (6 * 2 + 2)


def test_a_checkpoint_has_the_statistics_of_its_own_epoch(client: TestClient, normalized: Json) -> None:
    """The best epoch has those of the model, and the last one others."""
    job, best = normalized["id"], normalized["progress"]["best_epoch"]
    model, at_best, at_last = (exported(client, f"{job}@{which}") for which in (best, "best", "last"))
    np.testing.assert_array_equal(model["bn.running_var"], at_best["bn.running_var"])
    np.testing.assert_array_equal(model["bn.running_var"], exported(client, normalized["model"])["bn.running_var"])
    assert not np.array_equal(at_best["bn.running_var"], at_last["bn.running_var"])
    assert predicted(client, f"{job}@best") == predicted(client, normalized["model"])
    assert predicted(client, f"{job}@last") != predicted(client, normalized["model"])


def test_asking_in_training_mode_moves_no_statistics(client: TestClient, normalized: Json) -> None:
    """Not even those of the model that is kept in memory."""
    before = predicted(client, "normalized"), exported(client, "normalized")["bn.running_mean"].tobytes()
    asked = {"subject": {"model": "normalized"}, "rows": [row | {"class": "upper"} for row in ROWS], "mode": "training"}
    for question in ("gradients", "gradient-check"):
        answer = client.post(f"/v1/inspect/{question}", json=asked)
        assert answer.status_code == 200, answer.text
    assert before == (predicted(client, "normalized"), exported(client, "normalized")["bn.running_mean"].tobytes())


@pytest.fixture
def words(client: TestClient, a_dataset: Callable[[Json], str], train: Train) -> Json:
    """A job that looks up two word numbers below 4 and says whether they are alike."""
    rows = [{"a": a, "b": b, "alike": "yes" if a == b else "no"} for a in range(4) for b in range(4)] * 4
    layers = [{"op": "embedding", "vocabulary": 4, "dim": 8}, {"op": "flatten"}, {"op": "dense", "units": 16}]
    return train(
        name="words",
        dataset=a_dataset({"name": "words", "rows": rows}),
        target="alike",
        preparation="none",
        network={"layers": [*layers, {"op": "tanh"}, {"op": "dense"}]},
        optimizer={"kind": "adam", "learning_rate": 0.02},
        epochs=150,
    )


def test_a_model_of_whole_numbers_learns_and_predicts(client: TestClient, words: Json) -> None:
    assert words["state"] == "succeeded"
    answer = client.post("/v1/models/words/predict", json={"rows": [{"a": 2, "b": 2}, {"a": 2, "b": 3}]})
    assert answer.json()["predictions"] == ["yes", "no"]
    certificate = client.get("/v1/models/words").json()["certificate"]
    assert certificate["passed"] and certificate["inputs"] == []


def test_numbers_that_a_model_does_not_know_are_refused_by_their_row(
    client: TestClient, words: Json, a_dataset: Callable[[Json], str]
) -> None:
    said = "holds 4, and 'x' takes whole numbers from 0 to 3"
    strange = [{"a": 2, "b": 2}, {"a": 2, "b": 4}]
    refused = client.post("/v1/models/words/predict", json={"rows": strange})
    assert refused.status_code == 422
    assert [(e["pointer"], e["detail"]) for e in refused.json()["errors"]] == [("/rows/1", said)]
    refused = client.post("/v1/models/words/predict", json={"inputs": [[4, 0]]})
    assert [(e["pointer"], e["detail"]) for e in refused.json()["errors"]] == [("/inputs/0", said)]
    with_targets = [row | {"alike": "no"} for row in strange]
    refused = client.post("/v1/inspect/gradients", json={"subject": {"model": "words"}, "rows": with_targets})
    assert [(e["pointer"], e["detail"]) for e in refused.json()["errors"]] == [("/rows/1", said)]
    other = a_dataset({"name": "other", "rows": with_targets})
    refused = client.post("/v1/models/words/evaluate", json={"dataset": other})
    assert [(e["pointer"], e["detail"]) for e in refused.json()["errors"]] == [("/dataset", f"/rows/1: {said}")]
