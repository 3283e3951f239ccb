"""`POST /v1/inspect/boundary` and `initialization` of trained models."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.trained import Train

Json = dict[str, Any]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


@pytest.fixture
def penguins(a_dataset: Callable[[Json], str], train: Train) -> Json:
    """A job on columns of numbers with gaps and columns of categories."""
    return train(name="penguins", dataset=a_dataset({"sample": "penguins"}), target="species", epochs=3)


def ask(client: TestClient, question: str, **body: Any) -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def mistakes(client: TestClient, question: str, **body: Any) -> dict[str, str]:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def rows_of_plane(answer: Json) -> list[Json]:
    """Every point of an answer as a row of the data set."""
    first, second = answer["axes"]
    return [
        {first["feature"]: a, second["feature"]: b, **answer["held"]} for a in first["values"] for b in second["values"]
    ]


def agrees_with_predictions(client: TestClient, answer: Json, model: str) -> None:
    """The same rows, sent to be predicted, get the same classes and probabilities."""
    predicted = client.post(f"/v1/models/{model}/predict", json={"rows": rows_of_plane(answer)}).json()
    indices = np.array(answer["class_index"]).reshape(-1)
    assert [answer["classes"][index] for index in indices] == predicted["predictions"]
    shares = np.array(answer["probabilities"]).reshape(len(indices), -1)
    np.testing.assert_allclose(shares, predicted["probabilities"], atol=1e-5)


def test_every_point_is_what_the_model_predicts_there(client: TestClient, penguins: Json) -> None:
    answer = ask(client, "boundary", subject={"model": "penguins"}, resolution=8)
    assert [axis["feature"] for axis in answer["axes"]] == ["bill_length_mm", "bill_depth_mm"]
    assert answer["classes"] == ["Adelie", "Chinstrap", "Gentoo"]
    assert answer["held"].keys() >= {"island", "sex", "flipper_length_mm", "body_mass_g"}
    # Of all 344 penguins 168 live on Biscoe, more than on any other island, and the median flipper is 197 mm.
    assert answer["held"]["island"] == "Biscoe"
    assert answer["held"]["flipper_length_mm"] == pytest.approx(197, abs=2)
    # The shortest and the longest bill of all are 32.1 and 59.6 mm; most rows are in the training split.
    lengths = answer["axes"][0]["values"]
    assert len(lengths) == 8
    assert 32.1 <= lengths[0] < 35
    assert 55 < lengths[-1] <= 59.6
    agrees_with_predictions(client, answer, "penguins")


def test_a_category_varies_over_its_categories(client: TestClient, penguins: Json) -> None:
    features = ["island", "flipper_length_mm"]
    ranges = {"flipper_length_mm": [180, 220]}
    answer = ask(client, "boundary", subject={"model": "penguins"}, features=features, ranges=ranges, resolution=5)
    assert answer["axes"][0] == {"feature": "island", "kind": "category", "values": ["Biscoe", "Dream", "Torgersen"]}
    assert answer["axes"][1]["values"] == [180, 190, 200, 210, 220]
    agrees_with_predictions(client, answer, "penguins")


def test_any_epoch_can_be_asked_about_and_its_boundary_moves(client: TestClient, iris: Json) -> None:
    features = ["petal length (cm)", "petal width (cm)"]
    answers = [
        ask(client, "boundary", subject={"model": f"{iris['id']}@{epoch}"}, features=features, resolution=20)
        for epoch in (0, 12)
    ]
    assert [answer["epoch"] for answer in answers] == [0, 12]
    assert answers[0]["axes"] == answers[1]["axes"]
    assert len(np.unique(answers[1]["class_index"])) == 3
    assert answers[0]["class_index"] != answers[1]["class_index"]
    agrees_with_predictions(client, answers[0], f"{iris['id']}@0")


def test_numbers_are_predicted_in_the_units_of_the_target(
    client: TestClient, a_dataset: Callable[[Json], str], train: Train
) -> None:
    train(name="cars", dataset=a_dataset({"sample": "cars"}), target="mpg", preparation="auto", epochs=2)
    answer = ask(client, "boundary", subject={"model": "cars"}, features=["Weight_in_lbs", "Horsepower"], resolution=4)
    predicted = client.post("/v1/models/cars/predict", json={"rows": rows_of_plane(answer)}).json()
    np.testing.assert_allclose(np.array(answer["values"]).reshape(-1), predicted["predictions"], rtol=1e-4)
    assert answer["target"] == "mpg"
    assert answer["class_index"] is answer["classes"] is None


def test_without_preparation_the_others_are_at_the_median_of_the_training_rows(
    client: TestClient, a_dataset: Callable[[Json], str], train: Train
) -> None:
    columns = ["a", "b", "c", "t"]
    data = [[i, 2 * i, 0.1 if i < 7 else 50.0, i % 2] for i in range(9)]
    dataset = a_dataset({"name": "few", "columns": columns, "data": data})
    train(
        name="few", dataset=dataset, target="t", preparation="none", split={"validation": 0}, epochs=1, dtype="float32"
    )
    answer = ask(client, "boundary", subject={"model": "few"}, resolution=2)
    assert answer["held"] == {"c": 0.1}
    assert [axis["values"] for axis in answer["axes"]] == [[0, 8], [0, 16]]


def test_mistakes_are_named_by_their_place(client: TestClient, penguins: Json) -> None:
    subject = {"model": "penguins"}
    assert "/features/1" in mistakes(client, "boundary", subject=subject, features=["bill_length_mm", "wings"])
    assert "/features" in mistakes(client, "boundary", subject=subject, features=["bill_length_mm"] * 2)
    assert "/ranges/year" in mistakes(client, "boundary", subject=subject, ranges={"year": [0, 1]})
    with_category = {"subject": subject, "features": ["island", "bill_length_mm"], "ranges": {"island": [0, 1]}}
    assert "/ranges/island" in mistakes(client, "boundary", **with_category)
    assert "/target" in mistakes(client, "boundary", subject=subject, target="sex")
    assert "/resolution" in mistakes(client, "boundary", subject=subject, resolution=201)
    assert "/subject/model" in mistakes(client, "boundary", subject={"model": "nobody"})


def test_an_image_has_no_plane_to_look_at(client: TestClient, a_dataset: Callable[[Json], str], train: Train) -> None:
    data = [[float(i + j) for j in range(4)] + [i % 2] for i in range(12)]
    dataset = a_dataset({"name": "images", "columns": ["p0", "p1", "p2", "p3", "t"], "data": data})
    network = {
        "inputs": {"x": {"shape": [1, 2, 2]}},
        "layers": [{"op": "conv2d", "filters": 2, "kernel": 2}, {"op": "flatten"}, {"op": "dense"}],
    }
    loss = {"kind": "cross_entropy"}
    train(name="images", dataset=dataset, target="t", network=network, loss=loss, epochs=1)
    assert "images or sequences" in mistakes(client, "boundary", subject={"model": "images"})["/subject/model"]


def test_a_model_is_drawn_anew_and_not_asked_about_what_it_has_learned(client: TestClient, iris: Json) -> None:
    answer = ask(client, "initialization", subject={"model": "iris"})
    assert answer["rows"] == 90
    assert "training split" in answer["examples"]
    # 30 flowers of each of three kinds.
    assert answer["chance"] == pytest.approx(np.log(3), rel=1e-6)
    (start,) = answer["starts"]
    assert start["loss"]["median"] > 0.5 * np.log(3)
    untrained = {"subject": {"model": f"{iris['id']}@0"}, "batch": {"rows": [0, 90]}, "summary": True}
    with_seed_of_job = ask(client, "initialization", subject={"model": "iris"}, seed=iris["seed"], seeds=1)
    loss = with_seed_of_job["starts"][0]["loss"]["median"]
    assert loss == pytest.approx(ask(client, "gradients", **untrained)["loss"], rel=1e-6)
    rows = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=20").json()["data"]
    assert ask(client, "initialization", subject={"model": "iris"}, rows=rows)["examples"] == "`rows` of the request"
    drawn = ask(client, "initialization", subject={"model": "iris"}, random_rows=50, initializers=["zeros"])
    assert drawn["rows"] == 50
