"""Questions that a job answers: exactly what they would have been answered with at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from core.inspect import QUESTIONS
from service.inspections.tables import AnswerRow
from service.kit import blobs
from service.kit.database import Database
from service.kit.features import load_tables
from service.kit.migrations import downgrade, upgrade
from service.settings import Settings
from tests.reference_networks import case, request_of

Json = dict[str, Any]
RunNext = Callable[[], None]

LATER = {"Prefer": "respond-async, wait=1"}
A_BODY: Json = request_of(case("mlp_sigmoid_half_sse"))
BODIES: list[tuple[str, Json]] = [
    ("gradients", A_BODY),
    ("gradients", request_of(case("dropout_given_mask"))),
    ("gradient-check", request_of(case("mlp_tanh_mse_sum_l2"))),
    ("expression", {"expression": "exp(2)*sin(x)", "at": {"x": 0}, "step": {"learning_rate": 0.1}}),
]


def ask_later(client: TestClient, question: str, body: Json, **headers: str) -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body, headers={**LATER, **headers})
    assert answer.status_code == 201, answer.text
    job: Json = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    return job


def test_a_job_gives_exactly_the_answer_that_the_question_gives_at_once(
    client: TestClient, run_next: RunNext, database: Database
) -> None:
    for question, body in BODIES:
        at_once = client.post(f"/v1/inspect/{question}", json=body)
        job = ask_later(client, question, body)
        assert (job["kind"], job["state"], job["dataset"], job["result"]) == ("inspect", "queued", None, None)
        # The spec is the question with its defaults: posted again it is answered the same.
        assert client.post(f"/v1/inspect/{question}", json=job["spec"]).content == at_once.content
        assert client.get(f"/v1/jobs/{job['id']}/answer").status_code == 404
        run_next()
        over = client.get(f"/v1/jobs/{job['id']}").json()
        assert (over["state"], over["stop_reason"], over["progress"]["fraction"]) == ("succeeded", "answered", 1.0)
        path = f"/v1/jobs/{job['id']}/answer"
        assert over["result"] == {"question": question, "answer": path, "bytes": len(at_once.content)}
        answer = client.get(path)
        assert answer.content == at_once.content
        assert answer.headers["content-type"] == "application/json"


def test_an_answer_goes_with_its_job(client: TestClient, run_next: RunNext, database: Database) -> None:
    load_tables()
    job = ask_later(client, "gradients", A_BODY)["id"]
    run_next()
    with database.writing() as session:
        digest = session.scalars(select(AnswerRow.content)).one()
        assert blobs.collect_unreferenced(session) == 0
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/jobs/{job}/answer").json()["code"] == "job_not_found"
    with database.writing() as session:
        blobs.collect_unreferenced(session)
        assert not blobs.holds(session, digest)


def test_a_question_beyond_the_setting_is_answered_by_a_job_and_a_small_one_at_once(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = QUESTIONS["gradients"]
    for operations, status in ((settings.inspect_operations, 200), (settings.inspect_operations * 1.01, 201)):
        monkeypatch.setattr(kind, "work", lambda self, library, most=operations: most)
        answer = client.post("/v1/inspect/gradients", json=A_BODY)
        assert answer.status_code == status
        assert ("Location" in answer.headers) == (status == 201)
        assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize("prefer", ["wait=10", "respond-asynchronously", "", "return=minimal; respond-async"])
def test_other_preferences_ask_for_no_job(client: TestClient, prefer: str) -> None:
    assert client.post("/v1/inspect/gradients", json=A_BODY, headers={"Prefer": prefer}).status_code == 200


def test_a_retried_question_makes_one_job(client: TestClient) -> None:
    first = ask_later(client, "gradients", A_BODY, **{"Idempotency-Key": "once"})
    second = client.post("/v1/inspect/gradients", json=A_BODY, headers={**LATER, "Idempotency-Key": "once"})
    assert (second.status_code, second.json()) == (201, first)
    assert second.headers["Location"] == f"/v1/jobs/{first['id']}"
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(client.get("/v1/jobs?kind=inspect").json()["data"]) == 1
    other = client.post(
        "/v1/inspect/gradients", json=A_BODY | {"seed": 1}, headers={**LATER, "Idempotency-Key": "once"}
    )
    assert other.json()["code"] == "key_used_for_another"


def test_a_key_on_a_question_that_is_answered_at_once_is_free_again(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = client.post("/v1/inspect/gradients", json=A_BODY, headers=headers)
    assert (first.status_code, first.content) == (
        200,
        client.post("/v1/inspect/gradients", json=A_BODY, headers=headers).content,
    )
    assert ask_later(client, "gradients", A_BODY, **headers)["state"] == "queued"


def test_mistakes_that_come_to_light_in_the_job_are_its_error(client: TestClient, run_next: RunNext) -> None:
    wrong = A_BODY | {"inputs": {"z": [[1, 2]]}}
    expected = client.post("/v1/inspect/gradients", json=wrong).json()["errors"]
    job = ask_later(client, "gradients", wrong)["id"]
    run_next()
    over = client.get(f"/v1/jobs/{job}").json()
    assert (over["state"], over["stop_reason"], over["result"]) == ("failed", "error", None)
    named = [{name: value for name, value in error.items() if value is not None} for error in over["error"]["errors"]]
    assert named == expected
    assert len(named) > 1
    assert client.get(f"/v1/jobs/{job}/answer").json()["state"] == "failed"


def test_a_model_that_there_is_not_is_refused_before_anything_is_queued(client: TestClient) -> None:
    answer = client.post(
        "/v1/inspect/gradients", json={"subject": {"model": "no"}, "inputs": {"x": [[1]]}}, headers=LATER
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/subject/model"
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_question_about_a_model_keeps_its_data_set_and_means_the_model_of_that_moment(
    client: TestClient, iris: Json, run_next: RunNext
) -> None:
    body = {"subject": {"model": "iris"}, "batch": {"split": "training", "rows": [0, 8]}, "summary": True}
    at_once = client.post("/v1/inspect/gradients", json=body)
    job = ask_later(client, "gradients", body)
    assert job["dataset"] == iris["dataset"]
    assert job["spec"]["subject"] == {"network": None, "model": iris["model"]}
    refused = client.delete(f"/v1/datasets/{iris['dataset']}")
    assert (refused.status_code, refused.json()["needed_by"]) == (409, job["id"])
    run_next()
    assert client.get(f"/v1/jobs/{job['id']}/answer").content == at_once.content
    assert client.delete(f"/v1/datasets/{iris['dataset']}").status_code == 204


def test_a_question_is_cancelled_in_the_queue_and_has_no_curves_and_no_checkpoints(client: TestClient) -> None:
    job = ask_later(client, "gradients", A_BODY)["id"]
    assert client.get(f"/v1/jobs/{job}/epochs").json()["epoch"] == []
    assert client.get(f"/v1/jobs/{job}/checkpoints").json()["data"] == []
    assert client.get(f"/v1/models/{job}@last").status_code == 404
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert client.get(f"/v1/jobs/{job}/answer").json()["state"] == "cancelled"


def test_both_answers_are_documented(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for name, kind in QUESTIONS.items():
        operation = document["paths"][f"/v1/inspect/{name}"]["post"]
        schemas = [operation["responses"][status]["content"]["application/json"]["schema"] for status in ("200", "201")]
        assert [kind.answer_type().__name__ in str(schemas[0]), "JobView" in str(schemas[1])] == [True, True]
        assert "Location" in operation["responses"]["201"]["headers"]
        assert {"prefer", "Idempotency-Key"} <= {parameter["name"] for parameter in operation["parameters"]}


def test_a_job_cannot_be_asked_for_a_kind_that_is_no_experiment(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json={"kind": "inspect", "dataset": "ds_x", "target": "y"})
    assert "/kind" in {error["pointer"] for error in answer.json()["errors"]}


def test_before_there_were_questions_there_are_no_jobs_of_theirs(
    client: TestClient, run_next: RunNext, iris: Json, database: Database, database_url: str
) -> None:
    job = ask_later(client, "gradients", A_BODY)["id"]
    run_next()
    database.close()
    downgrade(database_url, "0009")
    upgrade(database_url)
    assert client.get(f"/v1/jobs/{job}").status_code == 404
    kept = client.get(f"/v1/jobs/{iris['id']}").json()
    assert json.dumps(kept) == json.dumps(iris)
