"""Cancel, pause, resume and delete, from every state that a job can be in."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from service.jobs.ids import JobId
from service.jobs.states import TERMINAL, JobState

AJob = Callable[..., JobId]
S = JobState

AFTER_CANCEL = {
    S.QUEUED: "cancelled",
    S.RUNNING: "cancelling",
    S.PAUSING: "cancelling",
    S.PAUSED: "cancelled",
    S.CANCELLING: "cancelling",
}
AFTER_PAUSE = {S.QUEUED: "paused", S.RUNNING: "pausing", S.PAUSING: "pausing", S.PAUSED: "paused"}
AFTER_RESUME = {S.QUEUED: "queued", S.RUNNING: "running", S.PAUSED: "queued"}
OUTCOMES = {"cancel": AFTER_CANCEL, "pause": AFTER_PAUSE, "resume": AFTER_RESUME}


@pytest.mark.parametrize("state", list(JobState), ids=str)
@pytest.mark.parametrize("asked", ["cancel", "pause", "resume"])
def test_asking_leads_where_it_should_or_names_the_state(
    client: TestClient, a_job: AJob, asked: str, state: JobState
) -> None:
    job = a_job(state)
    answer = client.post(f"/v1/jobs/{job}/{asked}")
    expected = OUTCOMES[asked].get(state)
    if expected is None:
        assert answer.status_code == 409
        assert answer.json()["state"] == state
        assert client.get(f"/v1/jobs/{job}").json()["state"] == state
    else:
        assert answer.status_code == 200
        assert answer.json()["state"] == expected


@pytest.mark.parametrize(
    ("state", "asked"), [(S.RUNNING, "cancel"), (S.RUNNING, "pause"), (S.QUEUED, "pause"), (S.PAUSED, "resume")]
)
def test_asking_twice_is_asking_once(client: TestClient, a_job: AJob, state: JobState, asked: str) -> None:
    job = a_job(state)
    first = client.post(f"/v1/jobs/{job}/{asked}").json()
    second = client.post(f"/v1/jobs/{job}/{asked}").json()
    assert second == first


@pytest.mark.parametrize("state", list(JobState), ids=str)
def test_a_job_can_be_deleted_only_when_it_is_over(client: TestClient, a_job: AJob, state: JobState) -> None:
    job = a_job(state)
    answer = client.delete(f"/v1/jobs/{job}")
    if state in TERMINAL:
        assert answer.status_code == 204
        assert client.get(f"/v1/jobs/{job}").status_code == 404
        assert client.get(f"/v1/jobs/{job}/epochs").status_code == 404
    else:
        assert answer.status_code == 409
        assert answer.json()["state"] == state


@pytest.mark.parametrize("route", ["", "/epochs", "/events", "/checkpoints"])
@pytest.mark.parametrize("job", ["job_01jd0x9q0v5a3n8k5d9gq2h7rm", "job_1", "+1", "job_" + "a" * 300])
def test_a_job_that_does_not_exist_is_not_found(client: TestClient, job: str, route: str) -> None:
    assert client.get(f"/v1/jobs/{job}{route}").status_code == 404


def test_the_history_tells_every_state_and_why(client: TestClient, a_job: AJob) -> None:
    job = a_job(S.QUEUED)
    client.post(f"/v1/jobs/{job}/pause")
    client.post(f"/v1/jobs/{job}/resume")
    client.post(f"/v1/jobs/{job}/cancel")
    history = client.get(f"/v1/jobs/{job}").json()["state_history"]
    assert [change["state"] for change in history] == [
        "queued", "pausing", "paused", "queued", "cancelling", "cancelled",
    ]  # fmt: skip
    assert history[1]["reason"] == "paused by the user"
    assert history[-1]["reason"] == "cancelled_by_user"
    assert [change["at"] for change in history] == sorted(change["at"] for change in history)
