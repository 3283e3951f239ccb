"""A model with several inputs, of which one has a shape, and several targets: predicted, measured and asked why."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

Json = dict[str, Any]
ROWS = 60


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Which database it is does not matter to a prediction."""
    return sqlite_url


def table() -> list[Json]:
    generator = np.random.default_rng(0)
    return [
        {
            "a": float(a),
            **{f"p{at}": float(pixel) for at, pixel in enumerate(pixels)},
            "color": "red" if a > 0 else "blue",
            "price": 1000 + 100 * float(pixels.sum()) + 5 * float(pixels[0]) ** 2,
            "size": 3 * float(a),
        }
        for a, pixels in zip(generator.normal(size=ROWS), generator.normal(size=(ROWS, 4)), strict=True)
    ]


FEATURES = {"picture": ["p0", "p1", "p2", "p3"], "x": ["a"]}
NETWORK: Json = {
    "inputs": {"x": {"shape": [1]}, "picture": {"shape": [1, 2, 2]}},
    "nodes": [
        {"id": "flat", "op": "flatten", "inputs": ["picture"]},
        {"id": "both", "op": "concat", "inputs": ["x", "flat"]},
        {"id": "c", "op": "dense", "inputs": ["both"]},
        {"id": "r", "op": "dense", "inputs": ["both"]},
    ],
    "losses": [
        {"kind": "cross_entropy", "input": "c", "target": "t"},
        {"kind": "mse", "input": "r", "target": "q"},
    ],
}


@pytest.fixture
def several(a_dataset: Callable[[Json], str], train: Callable[..., Json]) -> Json:
    return train(
        name="several",
        dataset=a_dataset({"name": "several", "rows": table()}),
        target={"t": "color", "q": ["price", "size"]},
        features=FEATURES,
        network=NETWORK,
        optimizer={"kind": "adam", "learning_rate": 0.1},
        batch_size="full",
        epochs=250,
        split={"validation": 0.2, "test": 0.2},
    )


def ask(client: TestClient, path: str, **body: Any) -> Json:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def without_targets(row: Json) -> Json:
    return {name: cell for name, cell in row.items() if name not in ("color", "price", "size")}


def nested(rows: list[Json]) -> Json:
    """The inputs of rows in the shapes of the network."""
    pictures = [[[[row["p0"], row["p1"]], [row["p2"], row["p3"]]]] for row in rows]
    return {"x": [[row["a"]] for row in rows], "picture": pictures}


def test_every_row_is_answered_by_an_object_of_all_targets(client: TestClient, several: Json) -> None:
    rows = table()[:8]
    answer = ask(client, "/v1/models/several/predict", rows=[without_targets(row) for row in rows])
    assert answer["target"] == {"t": ["color"], "q": ["price", "size"]}
    assert answer["classes"] == {"t": ["blue", "red"], "q": None}
    for row, predicted, shares in zip(rows, answer["predictions"], answer["probabilities"], strict=True):
        assert predicted["t"] == answer["classes"]["t"][int(np.argmax(shares["t"]))]
        assert predicted["q"] == pytest.approx([row["price"], row["size"]], rel=0.1, abs=1)
        assert shares["q"] is None and sum(shares["t"]) == pytest.approx(1)
    assert [predicted["t"] for predicted in answer["predictions"]] == [row["color"] for row in rows]


def test_inputs_by_name_nested_or_flat_are_answered_like_rows(client: TestClient, several: Json) -> None:
    rows = table()[:3]
    wanted = ask(client, "/v1/models/several/predict", rows=[without_targets(row) for row in rows])
    assert ask(client, "/v1/models/several/predict", inputs=nested(rows)) == wanted
    flat = {"x": [[row["a"]] for row in rows], "picture": [[row[f"p{at}"] for at in range(4)] for row in rows]}
    assert ask(client, "/v1/models/several/predict", inputs=flat) == wanted


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"x": [[1.0]]}, {"/inputs/picture"}),
        ({"x": [[1.0], [2.0], ["a"]]}, {"/inputs/x/2/0"}),
        ({"x": [[1.0], [2.0], [{}]]}, {"/inputs/x/2/0"}),
        ({"x": [[1.0], [2.0, 3.0], [4.0]]}, {"/inputs/x/1"}),
        ({"x": [[1.0], 2.0, [4.0]]}, {"/inputs/x/1"}),
        ({"x": [[1.0], [1e300], [1.0]], "picture": [[1.0] * 4] * 3}, {"/inputs/x/1"}),
        (
            {"picture": [[[[1, 2], [3, 4]]], [[[1, 2], [3]]], [[[1, 2]]]]},
            {"/inputs/picture/1/0/1", "/inputs/picture/2/0"},
        ),
        ({"picture": [[[[1, 2], [3, "4"]]]] * 3}, {"/inputs/picture/0/0/1/1", "/inputs/picture/1/0/1/1"}),
        ({"z": [[1]] * 3}, {"/inputs/z"}),
        ({"picture": []}, {"/inputs/picture"}),
        ({"picture": "no"}, {"/inputs/picture"}),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_their_place(
    client: TestClient, several: Json, change: Json, pointers: set[str]
) -> None:
    body = {"inputs": nested(table()[:3]) | change}
    answer = client.post("/v1/models/several/predict", json=body)
    assert answer.status_code == 422, answer.text
    assert pointers <= {error["pointer"] for error in answer.json()["errors"]}


def test_a_model_of_several_inputs_cannot_tell_lists_of_cells_apart(client: TestClient, several: Json) -> None:
    answer = client.post("/v1/models/several/predict", json={"inputs": [[1, 2, 3, 4, 5]]})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], set(error["allowed"])) == ("/inputs", {"x", "picture"})
    missing = client.post("/v1/models/several/predict", json={"inputs": {"x": [[1]]}})
    assert {error["pointer"] for error in missing.json()["errors"]} == {"/inputs/picture"}


def test_scores_of_further_targets_stand_behind_their_names(client: TestClient, several: Json) -> None:
    scores = client.get("/v1/models/several").json()["scores"]
    assert scores.keys() == {"training", "validation", "test"}
    for split in scores:
        found = ask(client, "/v1/models/several/evaluate", split=split)
        assert found["metrics"]["accuracy"] == scores[split]["accuracy"] > 0.8
        assert found["metrics"]["q.rmse"] == pytest.approx(scores[split]["q.rmse"], rel=1e-4)
        assert found["loss"] == pytest.approx(scores[split]["loss"], rel=1e-5)
        assert [one["column"] for one in found["confusion"]] == ["color"]
        assert [one["column"] for one in found["residuals"]] == ["price", "size"]
    everything = ask(client, "/v1/models/several/evaluate", dataset=several["dataset"])
    assert everything["rows"] == ROWS


def test_curves_tell_the_scores_of_every_target(client: TestClient, several: Json) -> None:
    curves = client.get(f"/v1/jobs/{several['id']}/epochs").json()
    assert curves["training"].keys() == {"loss", "accuracy", "q.rmse"} == curves["validation"].keys()
    assert curves["validation"]["q.rmse"][-1] < curves["validation"]["q.rmse"][0]
    csv = client.get(f"/v1/jobs/{several['id']}/epochs", headers={"Accept": "text/csv"}).text
    assert "training.q.rmse" in csv.splitlines()[0].split(",")


def test_the_gradients_of_such_a_model_are_certified_and_can_be_asked_for(client: TestClient, several: Json) -> None:
    assert client.get("/v1/models/several").json()["certificate"]["passed"]
    rows = table()[:4]
    checked = ask(client, "/v1/inspect/gradient-check", subject={"model": "several"}, rows=rows)
    assert checked["passed"]
    found = ask(client, "/v1/inspect/gradients", subject={"model": "several"}, rows=rows)
    assert len(found["loss_terms"]) == 2
    assert np.array(found["gradients"]["inputs"]["picture"]).shape == (4, 1, 2, 2)


def test_the_job_of_such_a_model_can_be_posted_again(client: TestClient, several: Json) -> None:
    assert several["spec"]["features"] == FEATURES
    assert several["spec"]["target"] == {"t": "color", "q": ["price", "size"]}
    again = client.post("/v1/jobs", json=several["spec"])
    assert again.status_code == 201, again.text
    assert again.json()["spec"] == several["spec"]
    exported = client.get("/v1/models/several/export", params={"format": "json"})
    assert json.loads(exported.content)["inputs"]["picture"] == {"shape": [1, 2, 2], "dtype": "float"}


def test_an_image_may_be_sent_in_its_shape_to_a_model_of_one_input(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    job = train(
        name="digits",
        dataset=a_dataset({"sample": "digits"}),
        target="digit",
        features=["image"],
        network={"layers": [{"op": "flatten"}, {"op": "dense"}]},
        epochs=2,
    )
    row = client.get(f"/v1/datasets/{job['dataset']}/rows?limit=1").json()["data"][0]
    digit = row.pop("digit")
    image = np.array(list(row.values())).reshape(1, 8, 8)
    wanted = ask(client, "/v1/models/digits/predict", rows=[row])
    assert wanted["predictions"] == [digit]
    assert ask(client, "/v1/models/digits/predict", inputs=[image.tolist()]) == wanted
    assert ask(client, "/v1/models/digits/predict", inputs=[image.reshape(-1).tolist()]) == wanted
    assert ask(client, "/v1/models/digits/predict", inputs={"x": [image.tolist()]}) == wanted
    gap, mean = image.tolist(), image.tolist()
    gap[0][3][4] = None
    (channel,) = client.get("/v1/models/digits").json()["preparation"]["inputs"]["x"]["channels"]
    mean[0][3][4] = channel["mean"]
    both = ask(client, "/v1/models/digits/predict", inputs=[gap, mean])["probabilities"]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-5)


def test_a_gap_that_nothing_fills_is_named_where_it_stands_in_the_inputs(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    train(
        name="raw",
        dataset=a_dataset({"sample": "digits"}),
        target="digit",
        features={"x": ["image"]},
        network={"layers": [{"op": "flatten"}, {"op": "dense"}]},
        preparation="none",
        epochs=1,
    )
    flat: list[Any] = [0] * 64
    nested_image: Any = np.zeros((1, 8, 8), int).tolist()
    flat[9], nested_image[0][1][1] = None, None
    answer = client.post("/v1/models/raw/predict", json={"inputs": [[0] * 64, flat, nested_image]})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/inputs/1/9", "/inputs/2/0/1/1"]
    named = client.post("/v1/models/raw/predict", json={"inputs": {"x": [flat]}})
    assert [error["pointer"] for error in named.json()["errors"]] == ["/inputs/x/0/9"]


def test_a_sentence_of_classes_comes_back_as_lists(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    generator = np.random.default_rng(1)
    rows = [
        {f"w{at}": float(x) for at, x in enumerate(xs)}
        | {f"k{at}": "up" if x > 0 else "down" for at, x in enumerate(xs)}
        for xs in generator.normal(size=(ROWS, 3))
    ]
    train(
        name="sentence",
        dataset=a_dataset({"name": "sentence", "rows": rows}),
        target=["k0", "k1", "k2"],
        network={"inputs": {"x": {"shape": [3, 1]}}, "layers": [{"op": "dense"}]},
        loss={"kind": "cross_entropy"},
        optimizer={"kind": "adam", "learning_rate": 0.1},
        epochs=50,
    )
    answer = ask(client, "/v1/models/sentence/predict", inputs=[[[2.0], [-2.0], [2.0]], [-2.0, 2.0, -2.0]])
    assert answer["predictions"] == [["up", "down", "up"], ["down", "up", "down"]]
    assert answer["classes"] == ["down", "up"]
    assert np.array(answer["probabilities"]).shape == (2, 3, 2)
    measured = ask(client, "/v1/models/sentence/evaluate", split="validation")
    (confusion,) = measured["confusion"]
    assert confusion["column"] == "k0 … k2"
    assert np.sum(confusion["matrix"]) == 3 * measured["rows"]
    assert measured["metrics"]["accuracy"] > 0.9
