"""`POST /v1/models/{model}/evaluate`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

Json = dict[str, Any]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Which database it is does not matter to a measurement."""
    return sqlite_url


def evaluate(client: TestClient, model: str, **body: Any) -> Json:
    answer = client.post(f"/v1/models/{model}/evaluate", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def test_the_splits_are_those_of_the_job(client: TestClient, iris: Json) -> None:
    found = {split: evaluate(client, "iris", split=split) for split in ("training", "validation", "test")}
    assert {split: answer["rows"] for split, answer in found.items()} == {"training": 90, "validation": 30, "test": 30}
    scores = client.get("/v1/models/iris").json()["scores"]
    for split, answer in found.items():
        assert answer["loss"] == pytest.approx(scores[split]["loss"], rel=1e-6)
        assert answer["metrics"]["accuracy"] == scores[split]["accuracy"]


def test_the_confusion_matrix_counts_every_row_under_its_true_class(client: TestClient, iris: Json) -> None:
    answer = evaluate(client, "iris", dataset=iris["dataset"])
    (confusion,) = answer["confusion"]
    matrix = np.array(confusion["matrix"])
    assert confusion["classes"] == ["setosa", "versicolor", "virginica"]
    assert matrix.sum(axis=1).tolist() == [50, 50, 50]
    assert answer["metrics"]["accuracy"] == pytest.approx(np.trace(matrix) / 150)
    assert answer["metrics"]["log_loss"] == pytest.approx(answer["loss"], rel=1e-5)


def test_a_checkpoint_can_be_measured_like_the_model(client: TestClient, iris: Json) -> None:
    at_start = evaluate(client, f"{iris['id']}@0", split="training")
    at_end = evaluate(client, f"{iris['id']}@last", split="training")
    assert at_start["model"] == f"{iris['id']}@0"
    assert at_end["loss"] < at_start["loss"]


def test_numbers_are_measured_in_the_units_of_the_target(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    dataset = a_dataset({"name": "line", "rows": [{"x": x, "y": 1000 + 50 * x} for x in range(40)]})
    train(name="line", dataset=dataset, target="y", network={"layers": [{"op": "dense"}]}, epochs=5)
    answer = evaluate(client, "line", dataset=dataset)
    predicted = client.post("/v1/models/line/predict", json={"rows": [{"x": x} for x in range(40)]}).json()[
        "predictions"
    ]
    errors = np.array(predicted) - [1000 + 50 * x for x in range(40)]
    assert answer["metrics"]["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert answer["metrics"]["mae"] == pytest.approx(np.mean(np.abs(errors)))
    (residuals,) = answer["residuals"]
    assert residuals["column"] == "y"
    assert residuals["mean"] == pytest.approx(errors.mean())
    assert residuals["quantiles"]["0.5"] == pytest.approx(np.median(errors))


def test_a_split_without_rows_is_refused_by_those_that_have_some(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    dataset = a_dataset({"sample": "moons", "rows": 40})
    train(name="moons", dataset=dataset, target="class", split={"validation": 0.0}, epochs=1)
    answer = client.post("/v1/models/moons/evaluate", json={"split": "test"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["allowed"] == ["training"]


def test_another_validation_data_set_is_the_validation_split(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    dataset = a_dataset({"sample": "moons", "rows": 40, "seed": 1})
    other = a_dataset({"sample": "moons", "rows": 25, "seed": 2})
    train(name="moons", dataset=dataset, target="class", split={"validation_dataset": other}, epochs=1)
    answer = evaluate(client, "moons", split="validation")
    assert (answer["dataset"], answer["rows"]) == (other, 25)
    assert evaluate(client, "moons", split="training")["rows"] == 40


def test_a_data_set_without_the_columns_is_refused_by_what_it_lacks(
    client: TestClient, iris: Json, a_dataset: Callable[[Json], str]
) -> None:
    other = a_dataset({"sample": "moons", "rows": 20})
    answer = client.post("/v1/models/iris/evaluate", json={"dataset": other})
    assert answer.status_code == 422
    details = [error["detail"] for error in answer.json()["errors"]]
    assert any("'species'" in detail for detail in details)


def test_a_model_whose_data_set_is_gone_says_so(client: TestClient, iris: Json) -> None:
    assert client.delete(f"/v1/datasets/{iris['dataset']}").status_code == 204
    answer = client.post("/v1/models/iris/evaluate", json={"split": "test"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "dataset_gone"


@pytest.mark.parametrize(
    "body", [{}, {"split": "all"}, {"dataset": "ds_1"}, {"dataset": "x", "split": "test"}, {"split": 1}]
)
def test_requests_that_name_no_rows_are_refused(client: TestClient, iris: Json, body: Json) -> None:
    assert client.post("/v1/models/iris/evaluate", json=body).status_code == 422
