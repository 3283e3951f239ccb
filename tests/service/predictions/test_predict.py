"""`POST /v1/models/{model}/predict`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

Json = dict[str, Any]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Which database it is does not matter to a prediction."""
    return sqlite_url


def rows_of(client: TestClient, job: Json, without: str) -> list[Json]:
    """The first rows of a job's data set, without the target."""
    rows = client.get(f"/v1/datasets/{job['dataset']}/rows?limit=120").json()["data"]
    return [{name: cell for name, cell in row.items() if name != without} for row in rows]


def predict(client: TestClient, model: str, **body: Any) -> Json:
    answer = client.post(f"/v1/models/{model}/predict", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def test_classes_are_predicted_with_their_probabilities(client: TestClient, iris: Json) -> None:
    rows = rows_of(client, iris, "species")
    answer = predict(client, iris["model"], rows=rows)
    assert answer["model"] == iris["model"]
    assert answer["target"] == ["species"]
    assert answer["classes"] == ["setosa", "versicolor", "virginica"]
    probabilities = np.array(answer["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert answer["predictions"] == [answer["classes"][index] for index in probabilities.argmax(axis=1)]
    rows_with_target = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=120").json()["data"]
    right = [row["species"] == found for row, found in zip(rows_with_target, answer["predictions"], strict=True)]
    assert sum(right) > 0.8 * len(rows)


def test_cells_in_the_order_of_the_features_do_as_well_as_rows(client: TestClient, iris: Json) -> None:
    rows = rows_of(client, iris, "species")[:3]
    inputs = [list(row.values()) for row in rows]
    assert predict(client, iris["model"], inputs=inputs) == predict(client, iris["model"], rows=rows)


def test_the_order_of_the_members_of_a_row_does_not_matter(client: TestClient, iris: Json) -> None:
    row = rows_of(client, iris, "species")[0]
    turned = dict(reversed(row.items()))
    assert predict(client, iris["model"], rows=[turned]) == predict(client, iris["model"], rows=[row])


def test_an_answer_does_not_depend_on_the_other_rows(client: TestClient, iris: Json) -> None:
    rows = rows_of(client, iris, "species")
    together = predict(client, iris["model"], rows=rows)["probabilities"]
    apart = [predict(client, iris["model"], rows=[row])["probabilities"][0] for row in rows[::10]]
    np.testing.assert_allclose(together[::10], apart, rtol=1e-5)


def test_predictions_at_the_same_time_do_not_disturb_each_other(client: TestClient, iris: Json) -> None:
    rows = rows_of(client, iris, "species")[::5]
    one_by_one = [predict(client, iris["model"], rows=[row])["probabilities"] for row in rows]
    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(lambda row: predict(client, iris["model"], rows=[row])["probabilities"], rows))
    assert at_once == one_by_one


def test_any_checkpoint_predicts_and_says_which_it_is(client: TestClient, iris: Json) -> None:
    row = rows_of(client, iris, "species")[0]
    job = iris["id"]
    at_start = predict(client, f"{job}@0", rows=[row])
    at_end = predict(client, f"{job}@12", rows=[row])
    assert (at_start["model"], at_end["model"]) == (f"{job}@0", f"{job}@12")
    assert at_start["probabilities"] != at_end["probabilities"]
    assert predict(client, f"{job}@last", rows=[row]) == at_end
    assert predict(client, f"{job}@best", rows=[row])["model"] == f"{job}@{iris['progress']['best_epoch']}"
    assert predict(client, "iris@1", rows=[row])["probabilities"] == at_end["probabilities"]


def test_numbers_are_predicted_in_the_units_of_the_target(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    rows = [{"x": x, "y": 1000 + 50 * x} for x in range(40)]
    job = train(
        name="line",
        dataset=a_dataset({"name": "line", "rows": rows}),
        target="y",
        network={"layers": [{"op": "dense"}]},
        optimizer={"kind": "adam", "learning_rate": 0.1},
        batch_size="full",
        epochs=300,
        dtype="float64",
    )
    answer = predict(client, "line", rows=[{"x": 10}, {"x": 20.5}])
    assert answer["predictions"] == pytest.approx([1500, 2025], rel=1e-3)
    assert (answer["probabilities"], answer["classes"], answer["deviations"]) == (None, None, None)
    assert job["state"] == "succeeded"


def test_a_model_that_learns_its_uncertainty_says_it(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    rows = [{"x": x, "y": 1000 + 50 * x + (-1) ** x * 20} for x in range(40)]
    train(
        name="unsure",
        dataset=a_dataset({"name": "unsure", "rows": rows}),
        target="y",
        loss={"kind": "gaussian_nll"},
        network={"layers": [{"op": "dense"}]},
        optimizer={"kind": "adam", "learning_rate": 0.03},
        batch_size="full",
        epochs=800,
    )
    answer = predict(client, "unsure", rows=[{"x": 20}])
    assert answer["predictions"] == pytest.approx([2000], abs=15)
    assert answer["deviations"] == pytest.approx([20], rel=0.3)


def test_several_target_columns_give_several_numbers_a_row(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    rows = [{"x": x, "double": 2 * x, "negative": -x} for x in range(30)]
    train(
        name="two",
        dataset=a_dataset({"name": "two", "rows": rows}),
        target=["double", "negative"],
        network={"layers": [{"op": "dense"}]},
        optimizer={"kind": "adam", "learning_rate": 0.1},
        batch_size="full",
        epochs=300,
    )
    answer = predict(client, "two", rows=[{"x": 7}])
    assert answer["target"] == ["double", "negative"]
    assert answer["predictions"] == [pytest.approx([14, -7], abs=0.1)]


def test_yes_and_no_by_a_single_logit_has_two_probabilities(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    train(
        name="moons",
        dataset=a_dataset({"sample": "moons", "rows": 60, "seed": 1}),
        target="class",
        network={"layers": [{"op": "dense"}]},
        loss={"kind": "bce_with_logits"},
        epochs=3,
    )
    answer = predict(client, "moons", rows=[{"x1": 3.0, "x2": -2.0}, {"x1": -2.0, "x2": 3.0}])
    probabilities = np.array(answer["probabilities"])
    assert probabilities.shape == (2, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert answer["predictions"] == [answer["classes"][index] for index in probabilities.argmax(axis=1)]


def test_classes_that_were_numbers_are_numbers_again(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    rows = [{"x": x % 3 + 0.01 * x, "kind": x % 3} for x in range(60)]
    train(name="digits", dataset=a_dataset({"name": "d", "rows": rows}), target="kind", epochs=2)
    answer = predict(client, "digits", rows=[{"x": 1.0}])
    assert answer["classes"] == [0, 1, 2]
    assert answer["predictions"][0] in (0, 1, 2)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"rows": [{"petal": 1}]}, {"/rows/0/petal", "/rows/0/petal length (cm)"}),
        ({"rows": [{}]}, {"/rows/0/petal length (cm)", "/rows/0/sepal width (cm)"}),
        ({"inputs": [[1, 2, 3]]}, {"/inputs/0"}),
        ({"inputs": [[1, 2, "3", True]]}, {"/inputs/0/2", "/inputs/0/3"}),
        ({"rows": []}, {"/rows"}),
        ({"rows": [[1]]}, {"/rows/0"}),
        ({}, {""}),
        ({"rows": [{}], "inputs": [[]]}, {""}),
        ({"rows": None, "inputs": None}, {""}),
        ({"instances": [[1]]}, {"/instances"}),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_their_place(
    client: TestClient, iris: Json, body: Json, pointers: set[str]
) -> None:
    answer = client.post(f"/v1/models/{iris['model']}/predict", json=body)
    assert answer.status_code == 422
    assert pointers <= {error["pointer"] for error in answer.json()["errors"]}


def test_a_row_too_far_away_for_the_network_is_named(client: TestClient, iris: Json) -> None:
    row = dict.fromkeys(rows_of(client, iris, "species")[0], 1e200)
    normal = rows_of(client, iris, "species")[0]
    answer = client.post(f"/v1/models/{iris['model']}/predict", json={"rows": [normal, row]})
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["pointer"].startswith("/rows/1")


def test_a_model_that_there_is_not_is_not_found(client: TestClient) -> None:
    assert client.post("/v1/models/nobody/predict", json={"rows": [{}]}).status_code == 404
