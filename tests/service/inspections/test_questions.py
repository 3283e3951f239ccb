"""`/v1/inspect`: the questions over REST, of networks and of models."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from core.inspect import QUESTIONS
from service.kit.database import Base, Database
from tests.reference_networks import agrees, case, cases, request_of

Json = dict[str, Any]

A_BODY: Json = request_of(case("mlp_sigmoid_half_sse"))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


def ask(client: TestClient, question: str, body: Json) -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def test_every_question_is_listed_with_the_schema_of_its_requests(client: TestClient) -> None:
    listed = {one["question"]: one for one in client.get("/v1/inspect").json()["data"]}
    assert listed.keys() == QUESTIONS.keys() >= {"expression", "gradients", "gradient-check"}
    body = A_BODY
    Draft202012Validator(listed["gradients"]["request"]).validate(body)
    answer = ask(client, "gradients", body)
    Draft202012Validator(listed["gradients"]["answer"]).validate(answer)


def test_every_number_of_the_reference_networks_comes_out_of_the_service(client: TestClient) -> None:
    """In one test, since a server for each case would take longer than its numbers."""
    wrong = [one["name"] for one in cases() if not agrees(ask(client, "gradients", request_of(one)), one)]
    assert wrong == []


@pytest.mark.parametrize("name", ["mlp_sigmoid_half_sse", "mlp_tanh_mse_sum_l2", "dropout_given_mask"])
def test_the_check_passes_over_rest(client: TestClient, name: str) -> None:
    answer = ask(client, "gradient-check", request_of(case(name)))
    assert answer["passed"] is True
    assert answer["tolerance"] == 1e-6
    assert answer["max_relative_error"] <= 1e-6


def test_a_formula_is_differentiated(client: TestClient) -> None:
    answer = ask(client, "expression", {"expression": "x*y + z", "at": {"x": 3, "y": -4, "z": 2}})
    assert answer["value"] == -10
    assert answer["gradients"] == {"x": -4, "y": 3, "z": 1}


def test_a_model_is_asked_with_rows_of_its_data_set(client: TestClient, iris: Json) -> None:
    rows = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=5").json()["data"]
    answer = ask(client, "gradients", {"subject": {"model": "iris"}, "rows": rows})
    assert len(answer["values"]["dense_2"]) == 5
    assert answer["gradients"]["params"].keys() == {"dense_1", "dense_2"}
    assert answer["loss"] == pytest.approx(answer["loss_terms"][0])
    assert ask(client, "gradient-check", {"subject": {"model": "iris"}, "rows": rows})["passed"]


def test_rows_without_targets_have_values_but_no_gradients(client: TestClient, iris: Json) -> None:
    rows = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=2").json()["data"]
    rows = [{name: cell for name, cell in row.items() if name != "species"} for row in rows]
    body: Json = {"subject": {"model": "iris"}, "rows": rows}
    assert ask(client, "gradients", body)["loss"] is None
    answer = client.post("/v1/inspect/gradients", json=body | {"include": ["params"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/rows"


def test_gradients_at_any_epoch_can_be_compared(client: TestClient, iris: Json) -> None:
    rows = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=150").json()["data"]
    losses = [
        ask(client, "gradients", {"subject": {"model": f"{iris['id']}@{epoch}"}, "rows": rows, "summary": True})["loss"]
        for epoch in (0, 6, 12)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_a_model_takes_prepared_inputs_as_well(client: TestClient, iris: Json) -> None:
    body = {"subject": {"model": "iris"}, "inputs": {"x": [[0.0, 0.0, 0.0, 0.0]]}, "targets": {"y": [1]}}
    assert ask(client, "gradients", body)["loss"] > 0


def test_a_model_is_traced_and_stepped_from_any_epoch(client: TestClient, iris: Json) -> None:
    batch = {"split": "training", "rows": [0, 3]}
    listed = {one["question"]: one for one in client.get("/v1/inspect").json()["data"]}
    for epoch in (0, 12):
        body: Json = {"subject": {"model": f"{iris['id']}@{epoch}"}, "batch": batch}
        traced = ask(client, "trace", body | {"param": "dense_1.W[0][7]"})
        Draft202012Validator(listed["trace"]["answer"]).validate(traced)
        assert traced["chain"]["agrees"] is True
        assert {term["example"] for term in traced["chain"]["terms"]} == {0, 1, 2}
        body |= {"optimizer": {"kind": "adam"}, "learning_rates": [1e-4, 1e-3], "sweep": {"points": 5}}
        Draft202012Validator(listed["step"]["request"]).validate(body)
        stepped = ask(client, "step", body)
        Draft202012Validator(listed["step"]["answer"]).validate(stepped)
        assert stepped["loss"] == traced["loss"]
        assert all(step["decrease"] > 0 for step in stepped["steps"])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"learning_rates": []}, "/learning_rates"),
        ({"learning_rates": [0.1, 0]}, "/learning_rates/1"),
        ({"learning_rates": True}, "/learning_rates"),
        ({"learning_rates": [0.1] * 21}, "/learning_rates"),
        ({"optimizer": {"kind": "sgd", "beta": 1}}, "/optimizer/beta"),
        ({"optimizer": {"kind": "descent"}}, "/optimizer/kind"),
        ({"sweep": {"from": 1, "to": 0.1}}, "/sweep"),
        ({"sweep": {"points": 201}}, "/sweep/points"),
        ({"sweep": {"points": 1}}, "/sweep/points"),
        ({"include": ["values"]}, "/include"),
    ],
)
def test_mistakes_in_a_step_are_named_by_their_place(client: TestClient, change: Json, pointer: str) -> None:
    answer = client.post("/v1/inspect/step", json=A_BODY | change)
    assert answer.status_code == 422, answer.text
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


def test_a_parameter_that_is_not_there_is_answered_by_those_that_are(client: TestClient) -> None:
    answer = client.post("/v1/inspect/trace", json=A_BODY | {"param": "nobody.W[0][0]"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/param"
    assert error["allowed"]


def test_a_model_that_there_is_not_is_a_mistake_in_the_request(client: TestClient) -> None:
    answer = client.post("/v1/inspect/gradients", json={"subject": {"model": "nobody"}, "inputs": {"x": [[1]]}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/subject/model"


def test_a_question_that_there_is_not_is_answered_by_those_there_are(client: TestClient) -> None:
    answer = client.post("/v1/inspect/meaning", json={})
    assert answer.status_code == 404
    assert "gradients" in answer.json()["allowed"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"subject": {}}, "/subject"),
        ({"subject": {"model": "iris", "network": {"layers": [{"op": "relu"}]}}}, "/subject"),
        ({"mode": "train"}, "/mode"),
        ({"include": ["everything"]}, "/include/0"),
        ({"inputs": {"x": [[1, 2], [3]]}}, "/inputs/x"),
        ({"inputs": {"x": [["1", 2]]}}, "/inputs/x"),
        ({"inputs": {"x": [[True, 2]]}}, "/inputs/x"),
        ({"inputs": {"x": []}}, "/inputs/x"),
        ({"inputs": {"x": 1}}, "/inputs/x"),
        ({"inputs": {"z": [[1, 2]]}}, "/inputs/x"),
        ({"targets": {"t": [[1]]}}, "/targets/t"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**64}, "/seed"),
        ({"nonsense": 1}, "/nonsense"),
    ],
)
def test_mistakes_are_named_by_their_place(client: TestClient, change: Json, pointer: str) -> None:
    body = A_BODY | change
    answer = client.post("/v1/inspect/gradients", json=body)
    assert answer.status_code == 422, answer.text
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: TestClient, number: str) -> None:
    body = json.dumps(A_BODY | {"inputs": {"x": [[12345.5, 0]]}}).replace("12345.5", number)
    answer = client.post("/v1/inspect/gradients", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


def test_asking_changes_no_stored_byte(client: TestClient, iris: Json, database: Database) -> None:
    rows = client.get(f"/v1/datasets/{iris['dataset']}/rows?limit=5").json()["data"]
    before = everything(database)
    for question in ("gradients", "gradient-check", "trace", "step"):
        ask(client, question, {"subject": {"model": "iris"}, "rows": rows[:4], "mode": "training"})
    assert everything(database) == before


def everything(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables."""
    with database.reading() as session:
        return {table.name: sorted(map(repr, session.execute(table.select()))) for table in Base.metadata.sorted_tables}


def rows_of(client: TestClient, split: str) -> int:
    """How many rows a split of the model `iris` has, as the refusal of too many says."""
    body = {"subject": {"model": "iris"}, "batch": {"split": split, "rows": [0, 10**6]}}
    (error,) = client.post("/v1/inspect/gradients", json=body).json()["errors"]
    assert error["pointer"] == "/batch/rows"
    return int(error["detail"].split()[-1])


def test_a_model_is_asked_with_rows_of_the_splits_it_was_trained_on(client: TestClient, iris: Json) -> None:
    scores = client.get("/v1/models/iris").json()["scores"]
    assert client.delete(f"/v1/jobs/{iris['id']}").status_code == 204
    for split in ("training", "validation", "test"):
        batch = {"split": split, "rows": [0, rows_of(client, split)]}
        answer = ask(client, "gradients", {"subject": {"model": "iris"}, "batch": batch, "summary": True})
        assert answer["loss"] == pytest.approx(scores[split]["loss"], rel=1e-5)
    some = {"subject": {"model": "iris"}, "batch": {"split": "validation", "rows": [2, 5]}}
    assert len(ask(client, "gradients", some)["values"]["dense_2"]) == 3


def test_rows_of_a_split_that_are_not_there_are_refused(client: TestClient, iris: Json) -> None:
    def mistakes(**body: Any) -> dict[str, str]:
        answer = client.post("/v1/inspect/gradients", json={"subject": {"model": "iris"}} | body)
        assert answer.status_code == 422, answer.text
        return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}

    assert mistakes(batch={"rows": [3, 3]}).keys() == {"/batch/rows"}
    assert mistakes(batch={"rows": [0, 1]}, targets={"y": [0]}).keys() == {"/targets"}
    network = {"layers": [{"op": "dense", "units": 1}]}
    assert "/batch" in mistakes(batch={"rows": [0, 1]}, subject={"network": network})
    assert client.delete(f"/v1/jobs/{iris['id']}").status_code == 204
    assert client.delete(f"/v1/datasets/{iris['dataset']}").status_code == 204
    assert "deleted" in mistakes(batch={"rows": [0, 1]})["/subject/model"]


def test_the_flow_of_a_model_is_told_over_its_epochs(client: TestClient, iris: Json) -> None:
    """Of the checkpoints that are kept, with the rate of the epoch that follows; nothing that is stored is changed."""
    body: Json = {"subject": {"model": "iris"}, "batch": {"split": "training", "rows": [0, 50]}}
    points = ask(client, "flow", body | {"epochs": [0, 12]})["points"]
    kept = [one["epoch"] for one in client.get(f"/v1/jobs/{iris['id']}/checkpoints").json()["data"]]
    assert [point["epoch"] for point in points] == kept
    assert {point["learning_rate"] for point in points} == {0.1}
    assert points[0]["loss"] > points[-1]["loss"]
    (alone,) = ask(client, "flow", body | {"subject": {"model": f"{iris['id']}@{kept[3]}"}})["points"]
    assert alone | {"epoch": kept[3]} == points[3]
    assert 0 < alone["tensors"]["dense_1.W"]["adam_first_update_to_weight"] < 1
    assert alone["layers"][0]["slope_rms"] > 0
    answer = client.post("/v1/inspect/flow", json=body | {"epochs": [13, 20]}).json()
    assert (answer["errors"][0]["pointer"], answer["errors"][0]["allowed"]) == ("/epochs", kept)
