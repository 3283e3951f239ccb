"""POST /v1/jobs: what is taken, what is decided, and what is refused."""

from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from service.jobs.tables import JobRow
from service.kit.database import Database

UNKNOWN = "ds_01jd0x9q0v5a3n8k5d9gq2h7rm"


@pytest.fixture
def iris(client: TestClient) -> str:
    return str(client.post("/v1/datasets", json={"sample": "iris"}).json()["id"])


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/jobs", json=body)


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(JobRow)) or 0


def test_data_set_and_target_are_enough(client: TestClient, iris: str) -> None:
    answer = post(client, dataset=iris, target="species")
    job = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["name"], job["state"], job["terminal"], job["attempt"]) == ("iris", "queued", False, 0)
    assert job["queue"] == {"position": 1}
    assert job["spec"]["loss"]["kind"] == "cross_entropy"
    assert job["spec"]["epochs"] == job["progress"]["epochs"] > 0
    assert job["spec"]["network"] is not None
    assert job["spec"]["checkpoints"] == {"every_epochs": 1, "keep": 10}
    assert job["spec"]["limits"]["memory_mb"] == 2048
    assert client.get(f"/v1/jobs/{job['id']}").json() == job


def test_the_spec_of_the_answer_can_be_posted_again_and_gives_itself(client: TestClient, iris: str) -> None:
    first = post(client, dataset=iris, target="species", labels={"team": "a"}, name="again", priority=3).json()
    second = post(client, **first["spec"])
    assert second.status_code == 201
    assert second.json()["spec"] == first["spec"]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"dataset": UNKNOWN}, "/dataset"),
        ({"dataset": "x"}, "/dataset"),
        ({"target": "genus"}, "/target"),
        ({"features": ["sepal length (cm)", "nothing"]}, "/features/1"),
        ({"features": {"x": "sepal length (cm)"}}, "/features/x"),
        ({"features": {"x": ["sepal length (cm)"], "z": ["sepal width (cm)", "nothing"]}}, "/features/z/1"),
        ({"target": {"t": 5}}, "/target/t"),
        ({"target": {"t": "species"}}, "/target/t"),
        ({"target": 5}, "/target"),
        ({"split": {"validation_dataset": UNKNOWN}}, "/split/validation_dataset"),
        ({"split": {"validation": 1.5}}, "/split/validation"),
        ({"network": {"layers": [{"op": "dense", "units": 10**9}]}}, "/network/layers/0"),
        ({"network": {"layers": [{"op": "tense"}]}}, "/network/layers/0/op"),
        ({"loss": {"kind": "mean"}}, "/loss/kind"),
        ({"optimizer": {"kind": "adam", "learning_rate": "0.1"}}, "/optimizer/learning_rate"),
        ({"checkpoints": {"keep": 0}}, "/checkpoints/keep"),
        ({"limits": {"seconds": 10**8}}, "/limits/seconds"),
        ({"limits": {"memory_mb": 10**6}}, "/limits/memory_mb"),
        ({"epochs": True}, "/epochs"),
        ({"priority": 1.5}, "/priority"),
        ({"name": "   "}, "/name"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"epoch": 5}, "/epoch"),
        ({"early_stopping": {"patience": -1}}, "/early_stopping/patience"),
    ],
    ids=str,
)
def test_a_mistake_is_named_by_its_place_and_nothing_is_stored(
    client: TestClient, database: Database, iris: str, wrong: dict[str, Any], pointer: str
) -> None:
    answer = post(client, **{"dataset": iris, "target": "species", **wrong})
    assert answer.status_code == 422, answer.text
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.text
    assert count(database) == 0


@pytest.mark.parametrize("ends", [{"from": 2.0, "to": 1.0}, {"from": 20.0}, {"to": 1e-7}, {"from": 1.0, "to": 1.0}])
def test_the_rates_of_a_range_test_have_to_grow(client: TestClient, iris: str, ends: dict[str, float]) -> None:
    answer = post(client, dataset=iris, target="species", kind="learning_rate_range", learning_rate_range=ends)
    (error,) = answer.json()["errors"]
    assert error["pointer"].startswith("/learning_rate_range")
    assert "larger than `from`" in error["detail"]


@pytest.mark.parametrize(
    ("wrong", "at"),
    [({"from": 0}, "/from"), ({"steps": 5}, "/steps"), ({"lowest": 0.1}, "/lowest"), ({"to": "1"}, "/to")],
)
def test_a_mistake_in_a_range_is_named_by_its_place(
    client: TestClient, iris: str, wrong: dict[str, Any], at: str
) -> None:
    answer = post(client, dataset=iris, target="species", kind="learning_rate_range", learning_rate_range=wrong)
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/learning_rate_range{at}"]


def test_a_range_test_refuses_what_only_training_has_and_all_other_mistakes_with_it(
    client: TestClient, database: Database, iris: str
) -> None:
    training = {
        "epochs": 5,
        "schedule": {"kind": "constant"},
        "early_stopping": {"patience": 3},
        "checkpoints": {"keep": 3},
    }
    answer = post(
        client, dataset=iris, target="species", kind="learning_rate_range", limits={"seconds": 10**8}, **training
    )
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/limits/seconds", *(f"/{n}" for n in training)}
    wrong = post(client, dataset=iris, target="species", learning_rate_range={})
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["/learning_rate_range"]
    assert count(database) == 0


def test_a_range_test_says_what_it_will_do_and_can_be_posted_again(client: TestClient, iris: str) -> None:
    first = post(client, dataset=iris, target="species", kind="learning_rate_range")
    job = first.json()
    assert first.status_code == 201
    assert (job["kind"], job["result"], job["progress"]["epochs"]) == ("learning_rate_range", None, 100)
    assert job["spec"]["learning_rate_range"] == {"from": 1e-7, "to": 10.0, "steps": 100}
    assert (job["spec"]["epochs"], job["spec"]["schedule"], job["spec"]["early_stopping"]) == (None, None, None)
    assert "The learning rate grows from 1e-07 to 10 in 100 updates" in job["notes"][-1]
    again = post(client, **job["spec"])
    assert again.status_code == 201
    assert again.json()["spec"] == job["spec"]


def test_mistakes_of_different_kinds_are_named_at_once(client: TestClient, iris: str) -> None:
    answer = post(client, dataset=iris, target="species", features=["nothing"], limits={"seconds": 10**8})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/features/0", "/limits/seconds"}


def test_a_retried_request_makes_one_job(client: TestClient, database: Database, iris: str) -> None:
    body, headers = {"dataset": iris, "target": "species"}, {"Idempotency-Key": "once"}
    first = client.post("/v1/jobs", json=body, headers=headers)
    second = client.post("/v1/jobs", json=body, headers=headers)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["Location"] == first.headers["Location"]
    assert count(database) == 1
    other = client.post("/v1/jobs", json={**body, "seed": 1}, headers=headers)
    assert other.status_code == 422


def test_a_data_set_is_kept_while_a_job_needs_it(client: TestClient, iris: str) -> None:
    other = client.post("/v1/datasets", json={"sample": "iris"}).json()["id"]
    job = post(client, dataset=iris, target="species", split={"validation_dataset": other}).json()["id"]
    for needed in (iris, other):
        answer = client.delete(f"/v1/datasets/{needed}")
        assert (answer.status_code, answer.json()["needed_by"]) == (409, job)
    client.post(f"/v1/jobs/{job}/cancel")
    assert client.delete(f"/v1/datasets/{iris}").status_code == 204
    assert client.get(f"/v1/jobs/{job}").json()["dataset"] == iris


def test_jobs_are_listed_newest_first_by_state_and_by_kind(client: TestClient, iris: str) -> None:
    jobs = [post(client, dataset=iris, target="species", seed=seed).json()["id"] for seed in range(3)]
    client.post(f"/v1/jobs/{jobs[1]}/cancel")
    everything = client.get("/v1/jobs").json()
    assert [job["id"] for job in everything["data"]] == jobs[::-1]
    assert everything["has_more"] is False
    assert [job["id"] for job in client.get("/v1/jobs?state=cancelled").json()["data"]] == [jobs[1]]
    both = client.get("/v1/jobs?state=cancelled&state=queued&limit=2").json()
    assert [job["id"] for job in both["data"]] == [jobs[2], jobs[1]]
    assert both["has_more"] is True
    measured = post(client, dataset=iris, target="species", kind="learning_rate_range").json()["id"]
    assert [job["id"] for job in client.get("/v1/jobs?kind=learning_rate_range").json()["data"]] == [measured]
    assert client.get("/v1/jobs?kind=training&state=cancelled").json()["data"][0]["kind"] == "training"
    assert client.get("/v1/jobs?kind=tuning").status_code == 422
    answer = client.get("/v1/jobs?state=resting")
    assert answer.status_code == 422
    assert "queued" in str(answer.json()["errors"][0])


def test_waiting_for_a_job_that_does_not_end_answers_with_where_it_stands(client: TestClient, iris: str) -> None:
    job = post(client, dataset=iris, target="species").json()["id"]
    assert client.get(f"/v1/jobs/{job}?wait=0.3").json()["state"] == "queued"
    assert client.get(f"/v1/jobs/{job}?wait=61").status_code == 422
    assert client.get(f"/v1/jobs/{job}?wait=nan").status_code == 422


def test_waiting_for_a_job_that_is_over_answers_at_once(client: TestClient, iris: str) -> None:
    job = post(client, dataset=iris, target="species").json()["id"]
    client.post(f"/v1/jobs/{job}/cancel")
    assert client.get(f"/v1/jobs/{job}?wait=60").json()["state"] == "cancelled"
