from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from core.errors import Problem
from service.app import create_app
from service.kit.database import Database
from service.kit.http.documents import problem_bytes
from service.kit.http.problems import Conflict, InvalidRequest, NotFound
from service.settings import Settings


def names(things: TestClient) -> list[str]:
    return [thing["id"] for thing in things.get("/v1/things").json()["data"]]


def create(things: TestClient, name: str) -> Any:
    return things.post("/v1/things", json={"name": name})


def test_a_problem_says_its_kind_its_message_and_its_facts(things: TestClient) -> None:
    answer = create(things, "busy")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:backprop:problem:thing_is_busy",
        "title": "The thing is busy, so it cannot be changed.",
        "status": 409,
        "detail": "The thing is busy, so it cannot be changed. Wait for it. (state: running)",
        "instance": f"urn:backprop:request:{answer.headers['x-request-id']}",
        "code": "thing_is_busy",
        "state": "running",
    }


@pytest.mark.parametrize("name", ["busy", "crash", "invalid", "later"])
def test_what_a_failed_request_wrote_is_gone(things: TestClient, name: str) -> None:
    assert create(things, name).status_code >= 400
    assert names(things) == []


def test_mistakes_found_by_the_core_are_mistakes_of_the_request(things: TestClient) -> None:
    answer = create(things, "invalid")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/layers/0", "detail": "This does not fit.", "allowed": ["a"], "got": 3}
    ]


def test_a_crash_tells_nothing_of_its_cause_but_is_logged_with_the_id(
    things: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = create(things, "crash")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "a secret of the server" in caplog.text


def test_what_is_unavailable_says_when_to_come_back(things: TestClient) -> None:
    answer = create(things, "later")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"


def test_the_same_thing_made_at_the_same_time_is_a_conflict(things: TestClient) -> None:
    assert create(things, "a").status_code == 201
    assert create(things, "a").json()["code"] == "changed_meanwhile"


def test_a_commit_that_fails_is_not_answered_as_if_it_had_not(things: TestClient) -> None:
    name = "noticed at the commit"
    assert create(things, name).status_code == 201
    assert create(things, name).status_code == 409
    assert names(things) == [name]


def test_a_database_that_is_busy_for_too_long_is_503_with_a_time_to_retry(
    things: TestClient, database: Database
) -> None:
    with database.writing() as session:
        session.execute(text("DELETE FROM workers"))
        if database.engine.dialect.name == "postgresql":
            session.execute(text("LOCK TABLE workers"))
        answer = create(things, "a")
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_unavailable"
    assert int(answer.headers["retry-after"]) > 0


def test_a_database_that_cannot_be_reached_is_503_with_a_time_to_retry(things_router: APIRouter) -> None:
    app = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    app.include_router(things_router)
    with TestClient(app) as things:
        answer = create(things, "a")
        assert answer.status_code == 503
        assert answer.json()["code"] == "database_unavailable"
        assert things.get("/health/live").status_code == 200
        assert things.get("/health/ready").json()["database"] is False


@pytest.mark.parametrize("path", ["/", "/v1/nothing", "/v1/things/", "/v3", "//", "/v1/things/1/2", "/%2e%2e"])
def test_what_does_not_exist_is_not_found_and_never_redirected(things: TestClient, path: str) -> None:
    answer = things.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.json()["code"] == "no_such_route"


def test_a_wrong_method_is_told_all_the_right_ones(things: TestClient) -> None:
    answer = things.delete("/v1/things")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["code"] == "method_not_allowed"
    assert things.get("/v1/things/1").headers["allow"] == "PUT"
    assert things.request("BREW", "/v1").headers["allow"] == "GET"


def test_a_route_of_the_inference_protocol_also_says_error(things_app: FastAPI) -> None:
    answer = TestClient(things_app).get("/v2/nothing").json()
    assert answer["error"] == answer["detail"]


def test_a_route_that_writes_in_a_reading_session_fails(things: TestClient) -> None:
    assert things.put("/v1/things/1").status_code in {500, 503}
    assert names(things) == []


def test_a_document_is_small_whatever_it_is_about() -> None:
    errors = [
        Problem("/" + "p" * 10_000, "d" * 10_000, allowed=["a" * 1000] * 1000, got="g" * 10_000) for _ in range(1000)
    ]
    body = problem_bytes(InvalidRequest("x" * 100_000, errors=errors), path="/v1", request_id="r")
    assert len(body) < 80_000


@pytest.mark.parametrize(
    "got", ["\ud800", "a\x00b", float("nan"), 10**400, [1] * 10, {"a": 1}, object(), None, b"\xff"]
)
def test_a_document_can_always_be_sent(got: object) -> None:
    problem = InvalidRequest("half \udfff", errors=[Problem("/\ud800", "\udfff", allowed=[got], got=got)])
    assert problem_bytes(problem, path="/\ud800", request_id="r").decode()


def test_a_fact_may_not_hide_a_member_of_the_document() -> None:
    with pytest.raises(TypeError, match="status"):
        Conflict(status=1)


def test_the_code_is_the_name_in_snake_case() -> None:
    class NoSuchHTMLPage(NotFound):
        """There is no page."""

    assert InvalidRequest.code() == "invalid_request"
    assert NoSuchHTMLPage.code() == "no_such_html_page"
