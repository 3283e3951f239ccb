import threading
from typing import Any

import pytest
from sqlalchemy import select, text, update
from starlette.testclient import TestClient

from service.kit.database import Database, database_time
from service.kit.http.idempotency import IdempotencyRow


def create(things: TestClient, name: str, key: str | None = "k", **more: Any) -> Any:
    return things.post(
        "/v1/things", json={"name": name, **more}, headers={} if key is None else {"Idempotency-Key": key}
    )


def count(things: TestClient) -> int:
    return len(things.get("/v1/things").json()["data"])


def test_a_retry_gets_the_first_answer_again(things: TestClient) -> None:
    first, second = create(things, "a"), create(things, "a")
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"] == "/v1/things/a"
    assert first.headers["content-type"] == second.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert count(things) == 1


def test_without_a_key_nothing_is_kept(things: TestClient, database: Database) -> None:
    create(things, "a", key=None)
    create(things, "b", key=None)
    assert count(things) == 2
    with database.reading() as session:
        assert session.scalars(select(IdempotencyRow)).all() == []


def test_a_key_with_another_body_is_refused(things: TestClient) -> None:
    create(things, "a")
    answer = create(things, "b")
    assert answer.status_code == 422
    assert answer.json()["code"] == "key_used_for_another"
    assert count(things) == 1


@pytest.mark.parametrize("name", ["busy", "crash", "invalid", "later"])
def test_a_failure_frees_the_key(things: TestClient, name: str) -> None:
    assert create(things, name).status_code >= 400
    assert create(things, "a").status_code == 201


def test_a_body_with_mistakes_does_not_use_up_the_key(things: TestClient) -> None:
    assert create(things, "a", mode="wrong").status_code == 422
    assert create(things, "a").status_code == 201


def test_a_commit_that_fails_frees_the_key(things: TestClient, database: Database) -> None:
    create(things, "a", key=None)
    assert create(things, "a").status_code == 409
    assert create(things, "b").status_code == 201


def in_flight(database: Database, seconds: float) -> None:
    """As a server leaves it that was killed before it answered."""
    with database.writing() as session:
        session.execute(
            update(IdempotencyRow).values(status=None, body=None, headers=None, claimed_until=database_time(seconds))
        )
        session.execute(text("DELETE FROM workers"))


def test_a_request_in_flight_is_not_done_twice(things: TestClient, database: Database) -> None:
    create(things, "a")
    in_flight(database, seconds=60)
    answer = create(things, "a")
    assert answer.status_code == 409
    assert answer.json()["code"] == "still_in_flight"
    assert int(answer.headers["retry-after"]) > 0
    assert count(things) == 0


def test_a_claim_whose_server_died_runs_out(things: TestClient, database: Database) -> None:
    create(things, "a")
    in_flight(database, seconds=-1)
    assert create(things, "b").status_code == 422
    assert create(things, "a").status_code == 201
    assert create(things, "a").headers["idempotency-replayed"] == "true"
    assert count(things) == 1


@pytest.mark.parametrize("key", ["", " ", "ä", "a" * 256, "a b", "\t"])
def test_a_key_that_is_none_is_refused(things: TestClient, key: str) -> None:
    answer = things.post("/v1/things", json={"name": "a"}, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert count(things) == 0


def test_many_at_once_create_one(things: TestClient) -> None:
    answers: list[Any] = []

    def post() -> None:
        answers.append(create(things, "a"))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [answer.headers.get("idempotency-replayed") for answer in answers if answer.status_code == 201].count(
        None
    ) == 1
    assert {answer.json().get("code") for answer in answers if answer.status_code == 409} <= {"still_in_flight"}
    assert count(things) == 1


def upload(things: TestClient, content: bytes, label: str = "x") -> Any:
    headers = {"Idempotency-Key": "k"}
    return things.post("/v1/things/files", files={"file": ("a.txt", content)}, data={"label": label}, headers=headers)


def test_a_file_sent_again_is_the_same_though_its_boundary_is_drawn_anew(things: TestClient) -> None:
    first, second = upload(things, b"a\n"), upload(things, b"a\n")
    assert first.request.headers["content-type"] != second.request.headers["content-type"]
    assert second.headers["idempotency-replayed"] == "true"
    assert first.content == second.content
    assert upload(things, b"b\n").json()["code"] == "key_used_for_another"
    assert upload(things, b"a\n", label="y").json()["code"] == "key_used_for_another"


def test_a_form_with_mistakes_is_refused_and_frees_the_key(things: TestClient) -> None:
    answer = things.post("/v1/things/files", data={"label": "x"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/file"]
    assert upload(things, b"a\n").status_code == 201


def test_an_old_answer_is_forgotten(things: TestClient, database: Database) -> None:
    create(things, "a")
    with database.writing() as session:
        session.execute(update(IdempotencyRow).values(created_at=database_time(-49 * 3600)))
    create(things, "b", key="other")
    with database.reading() as session:
        assert session.scalars(select(IdempotencyRow.key)).all() == ["other"]
