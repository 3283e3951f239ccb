"""GET /v1/jobs/{id}/events, without anybody training: a job that waits and is cancelled says enough."""

import threading

import pytest
from starlette.testclient import TestClient

from service.jobs.tables import JobRow
from service.kit.database import Database

JSON = {"Accept": "application/json"}


@pytest.fixture
def job(client: TestClient) -> str:
    dataset = client.post("/v1/datasets", json={"sample": "iris"}).json()["id"]
    return str(client.post("/v1/jobs", json={"dataset": dataset, "target": "species"}).json()["id"])


@pytest.fixture
def over(client: TestClient, job: str) -> str:
    client.post(f"/v1/jobs/{job}/cancel")
    return job


def ids(stream: str) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in stream.splitlines() if line.startswith("id: ")]


def test_the_stream_tells_everything_and_ends_with_the_job(client: TestClient, over: str) -> None:
    answer = client.get(f"/v1/jobs/{over}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert ids(answer.text) == [1, 2, 3, 4]
    assert "event: end\ndata: {" in answer.text
    assert answer.text.startswith("retry: ")


@pytest.mark.parametrize("by", ["header", "query"])
def test_a_stream_goes_on_after_the_last_id_seen(client: TestClient, over: str, by: str) -> None:
    path = f"/v1/jobs/{over}/events"
    if by == "header":
        # A browser repeats its first URL; the header is newer.
        answer = client.get(path, params={"after": 1}, headers={"Last-Event-ID": "2"})
    else:
        answer = client.get(path, params={"after": 2})
    assert ids(answer.text) == [3, 4]


@pytest.mark.parametrize("last", ["4", "5", "2147483647"])
def test_a_reconnect_after_the_end_is_told_not_to_come_back(client: TestClient, over: str, last: str) -> None:
    answer = client.get(f"/v1/jobs/{over}/events", headers={"Last-Event-ID": last})
    assert (answer.status_code, answer.content) == (204, b"")


def test_pages_have_the_ids_of_the_stream(client: TestClient, over: str) -> None:
    first = client.get(f"/v1/jobs/{over}/events?limit=3", headers=JSON).json()
    assert [event["id"] for event in first["data"]] == [1, 2, 3]
    assert (first["first_id"], first["last_id"], first["has_more"]) == (1, 3, True)
    rest = client.get(f"/v1/jobs/{over}/events", params={"after": first["last_id"]}, headers=JSON).json()
    assert [event["event"] for event in rest["data"]] == ["end"]
    assert rest["data"][0]["data"]["stop_reason"] == "cancelled_by_user"
    assert rest["has_more"] is False
    assert client.get(f"/v1/jobs/{over}/events?after=4", headers=JSON).json()["data"] == []


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "٣", "9" * 11, "9" * 5000])
def test_an_id_that_is_none_is_refused(client: TestClient, job: str, last: str) -> None:
    answer = client.get(f"/v1/jobs/{job}/events", headers={b"Last-Event-ID": last.encode()})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=99999999999999999999", "limit=0", "limit=1001", "since=3"]
)
def test_a_parameter_that_makes_no_sense_is_refused(client: TestClient, job: str, query: str) -> None:
    assert client.get(f"/v1/jobs/{job}/events?{query}").status_code == 422


def test_other_forms_are_not_acceptable(client: TestClient, over: str) -> None:
    assert client.get(f"/v1/jobs/{over}/events", headers={"Accept": "image/png"}).status_code == 406


def test_a_waiting_stream_hears_what_happens(client: TestClient, job: str) -> None:
    heard: list[str] = []
    listener = threading.Thread(target=lambda: heard.append(client.get(f"/v1/jobs/{job}/events").text))
    listener.start()
    client.post(f"/v1/jobs/{job}/pause")
    client.post(f"/v1/jobs/{job}/resume")
    client.post(f"/v1/jobs/{job}/cancel")
    listener.join(30)
    assert ids(heard[0]) == list(range(1, 8))


def test_a_waiting_stream_ends_when_its_job_is_deleted(client: TestClient, database: Database, job: str) -> None:
    heard: list[str] = []
    listener = threading.Thread(target=lambda: heard.append(client.get(f"/v1/jobs/{job}/events").text))
    listener.start()
    with database.writing() as session:
        session.delete(session.get_one(JobRow, job))
    listener.join(30)
    assert ids(heard[0]) in ([1], [])
