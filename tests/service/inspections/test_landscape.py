"""`/v1/inspect/landscape`: the reference grid over REST, lines between epochs, and the way of a real run."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.arrays import Array
from tests.inspection_network import REFERENCE, a_body, close
from tests.trained import Train

Json = dict[str, Any]

WANTED: Json = REFERENCE["loss_landscape"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


def ask(client: TestClient, body: Json, question: str = "landscape") -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def mistakes(client: TestClient, body: Json) -> dict[str, str]:
    answer = client.post("/v1/inspect/landscape", json=body)
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def named(direction: list[Any]) -> Json:
    W1, b1, W2, b2 = direction
    return {"first": {"W": W1, "b": b1}, "last": {"W": W2, "b": b2}}


def a_plane(**fields: Any) -> Json:
    directions = [named(direction) for direction in WANTED["raw_directions"]]
    side = WANTED["alpha"]
    return {"kind": "plane", "directions": directions, "alpha": side, "beta": side, "give_directions": True} | fields


def test_the_filter_normalized_grid_has_the_reference_numbers(client: TestClient) -> None:
    answer = ask(client, a_body(along=a_plane()))
    for found, wanted in zip(answer["directions"], WANTED["normalised_directions"], strict=True):
        for node, tensors in named(wanted).items():
            for name, tensor in tensors.items():
                assert close(found[node][name], tensor)
    assert close(answer["loss"], WANTED["loss"])
    lowest = np.unravel_index(np.argmin(WANTED["loss"]), (5, 5))
    assert answer["lowest"]["position"] == [WANTED["alpha"][lowest[0]], WANTED["alpha"][lowest[1]]]
    assert answer["state"] == "none"
    assert answer["trajectory"] is None


def test_directions_are_taken_as_they_are_where_that_is_asked_for(client: TestClient) -> None:
    answer = ask(client, a_body(along=a_plane(normalize=False)))
    assert answer["directions"] == [named(direction) for direction in WANTED["raw_directions"]]


def test_a_penalty_is_part_of_the_loss_and_not_of_the_data(client: TestClient) -> None:
    body = a_body(along=a_plane())
    body["subject"]["network"]["penalties"] = [{"kind": "l2", "strength": 0.5}]
    answer = ask(client, body)
    assert close(answer["data_loss"], WANTED["loss"])
    center = np.array(answer["loss"])[2, 2] - WANTED["loss"][2][2]
    weights = [np.array(REFERENCE["network"][name]) for name in ("W1", "W2")]
    assert center == pytest.approx(0.25 * sum(float(np.square(one).sum()) for one in weights), rel=1e-12)


def test_random_directions_are_those_of_the_seed(client: TestClient) -> None:
    along = {"kind": "plane", "alpha": [0.0, 1.0], "beta": [0.0, 1.0]}
    first, same, other = (ask(client, a_body(along=along, seed=seed))["loss"] for seed in (0, 0, 1))
    assert first == same
    assert first[0][0] == other[0][0]
    assert first[1][1] != other[1][1]


def flat(params: Json) -> Array:
    return np.concatenate([np.ravel(tensor) for node in params.values() for tensor in node.values()])


def test_along_the_gradient_the_loss_falls_as_fast_as_it_is_long(client: TestClient) -> None:
    gradient = flat(ask(client, a_body(include=["params"]), "gradients")["gradients"]["params"])
    norm = float(np.linalg.norm(gradient))
    answer = ask(client, a_body(along={"kind": "gradient", "rates": [-1e-6, 0.0, 1e-6, 0.1]}))
    assert answer["gradient_norm"] == pytest.approx(norm, rel=1e-12)
    assert answer["distances"] == pytest.approx([-1e-6 * norm, 0.0, 1e-6 * norm, 0.1 * norm], rel=1e-12)
    before, here, behind, further = answer["loss"]
    assert (behind - before) / 2e-6 == pytest.approx(-(norm**2), rel=1e-8)
    assert further < here
    far = ask(client, a_body(along={"kind": "gradient", "distances": [0.1 * norm]}))
    assert far["loss"][0] == pytest.approx(further, rel=1e-14)
    assert far["positions"][0] == pytest.approx(0.1)
    assert len(ask(client, a_body())["loss"]) == 27


def test_a_loss_that_overflows_is_null_and_counted(client: TestClient) -> None:
    layers = [{"op": "dense", "id": "d", "params": {"W": [[1e200]]}}]
    network = {"layers": layers, "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[1e-200]]}, "targets": {"y": [[0.0]]}}
    answer = ask(client, body | {"along": {"kind": "line", "to_parameters": {"d": {"W": [[1e308]]}}}})
    assert answer["loss"][0] == pytest.approx(1.0)
    assert answer["loss"][-1] is not None
    far = {"kind": "line", "to_parameters": {"d": {"W": [[1e308]]}}, "positions": [0.0, 1e9]}
    answer = ask(client, body | {"along": far})
    assert answer["loss"][1] is None
    assert answer["non_finite"][0] == {"pointer": "/loss", "count": 1}
    assert answer["lowest"]["position"] == [0.0]
    plane = ask(client, body | {"along": {"kind": "plane", "alpha": [0.0], "beta": [0.0]}})
    assert plane["loss"][0][0] == pytest.approx(1.0)


def with_a_norm(train: Train, dataset: str) -> Json:
    return train(
        name="normed",
        dataset=dataset,
        target="species",
        network={"layers": [{"op": "dense", "units": 4}, {"op": "batch_norm"}, {"op": "relu"}, {"op": "dense"}]},
        optimizer={"kind": "sgd", "learning_rate": 0.1},
        epochs=6,
        batch_size=16,
    )


def test_the_ends_of_a_line_are_the_models_with_their_own_state(client: TestClient, iris: Json, train: Train) -> None:
    job = with_a_norm(train, iris["dataset"])["id"]
    batch = {"split": "training", "rows": [0, 40]}
    body: Json = {"subject": {"model": f"{job}@1"}, "batch": batch}
    along = {"kind": "line", "to": f"{job}@6", "positions": [0.0, 0.5, 1.0]}
    line = ask(client, body | {"along": along})
    losses = [
        ask(client, {"subject": {"model": f"{job}@{epoch}"}, "batch": batch, "summary": True}, "gradients")["loss"]
        for epoch in (1, 6)
    ]
    assert [line["loss"][0], line["loss"][2]] == pytest.approx(losses, rel=1e-12)
    middle = line["loss"][1] - sum(losses) / 2
    assert line["barrier"] == pytest.approx(max(0.0, middle), rel=1e-9, abs=1e-15)
    first = ask(client, body | {"along": along | {"state": "first"}})
    assert first["loss"][0] == line["loss"][0]
    assert first["loss"][2] != pytest.approx(losses[1], rel=1e-6)
    assert (line["state"], first["state"]) == (
        "between those of the ends like the parameters",
        "that of the first end",
    )
    other = client.post("/v1/inspect/landscape", json=body | {"along": {"kind": "line", "to": "iris"}})
    assert other.json()["errors"][0]["pointer"] == "/along/to"
    missing = client.post("/v1/inspect/landscape", json=body | {"along": {"kind": "line", "to": "nobody"}})
    assert missing.json()["errors"][0]["pointer"] == "/along/to"


def parameters_at(client: TestClient, model: str) -> Array:
    document = client.get(f"/v1/models/{model}/export?format=json").json()
    return flat({node["id"]: node.get("params") or {} for node in document["nodes"]})


def test_the_way_of_a_run_is_seen_on_the_plane_of_its_principal_components(client: TestClient, iris: Json) -> None:
    body: Json = {"subject": {"model": "iris"}, "batch": {"split": "training", "rows": [0, 50]}}
    plane = {"kind": "plane", "directions": "trajectory", "give_directions": True}
    answer = ask(client, body | {"along": plane})
    first, second = (flat(direction) for direction in answer["directions"])
    assert np.array([first @ first, second @ second, first @ second]) == pytest.approx([1, 1, 0], abs=1e-12)
    share = answer["explained_variance"]
    assert 0.8 < sum(share) <= 1 + 1e-12
    assert share[0] > share[1]
    way = {one["epoch"]: one for one in answer["trajectory"]}
    assert set(way) >= {0, 6, 12}
    last = way[12]
    assert (last["alpha"], last["beta"], last["beside"]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert min(answer["positions"]) <= way[0]["alpha"] <= max(answer["positions"])
    loss = ask(client, body | {"subject": {"model": f"{iris['id']}@6"}, "summary": True}, "gradients")["loss"]
    assert way[6]["loss"] == pytest.approx(loss, rel=1e-12)


def test_every_checkpoint_is_where_its_parameters_are(client: TestClient, iris: Json) -> None:
    body: Json = {"subject": {"model": "iris"}, "batch": {"split": "training", "rows": [0, 5]}}
    along = {"kind": "plane", "alpha": [0.0], "beta": [0.0], "give_directions": True}
    answer = ask(client, body | {"along": along})
    first, second = (flat(direction) for direction in answer["directions"])
    start = next(one for one in answer["trajectory"] if one["epoch"] == 0)
    way = parameters_at(client, f"{iris['id']}@0") - parameters_at(client, "iris")
    rest = way - start["alpha"] * first - start["beta"] * second
    assert np.array([rest @ first, rest @ second]) == pytest.approx([0, 0], abs=1e-9)
    assert start["beside"] == pytest.approx(np.linalg.norm(rest), rel=1e-9)


MISTAKES: list[tuple[Json, str]] = [
    ({"include": ["values"]}, "/include"),
    ({"targets": None}, "/targets"),
    ({"along": {"kind": "circle"}}, "/along/kind"),
    ({"along": {"kind": "gradient", "rates": [0.1], "distances": [0.1]}}, "/along/distances"),
    ({"along": {"kind": "gradient", "alpha": [0.1]}}, "/along/alpha"),
    ({"along": {"kind": "line"}}, "/along/to"),
    ({"along": {"kind": "line", "to_parameters": {"first": {}}}}, "/along/to_parameters/first/W"),
    ({"along": {"kind": "plane", "directions": "trajectory"}}, "/along/directions"),
    ({"along": {"kind": "plane", "directions": "straight"}}, "/along/directions"),
    ({"along": {"kind": "plane", "directions": [{}, {}]}}, "/along/directions/0/first/W"),
    ({"along": {"kind": "plane", "alpha": [0.0] * 200}}, "/along/alpha"),
]


def test_mistakes_are_named_by_their_place(client: TestClient) -> None:
    """In one test, since a server for each mistake would take longer than its answer."""
    unnamed = [
        (change, found) for change, pointer in MISTAKES if pointer not in (found := mistakes(client, a_body() | change))
    ]
    assert unnamed == []


def test_more_positions_than_anybody_would_wait_for_are_refused(client: TestClient) -> None:
    network = {"layers": [{"op": "dense", "units": 2000}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    side = np.linspace(-1, 1, 101).tolist()
    body = {
        "subject": {"network": network},
        "inputs": {"x": np.ones((100, 100)).tolist()},
        "targets": {"y": np.ones((100, 1)).tolist()},
        "along": {"kind": "plane", "alpha": side, "beta": side},
    }
    assert "fewer examples or positions" in mistakes(client, body)["/inputs"]
