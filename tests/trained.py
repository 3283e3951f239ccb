"""Jobs that are trained in the test's own process, by the very runner of the workers."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.jobs import queue
from service.kit.database import Database, database_now
from service.settings import Settings
from service.worker import runner

Json = dict[str, Any]
Train = Callable[..., Json]


@pytest.fixture
def a_dataset(client: TestClient) -> Callable[[Json], str]:
    """Posts a data set; its id."""

    def post(body: Json) -> str:
        answer = client.post("/v1/datasets", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return post


@pytest.fixture
def run_next(database: Database, settings: Settings) -> Iterator[Callable[[], None]]:
    """Runs the next job of the queue to its end."""
    before = signal.getsignal(signal.SIGTERM)

    def run() -> None:
        with database.writing() as session:
            lease = queue.claim(session, "wrk_test", 60, database_now(session))
        assert lease is not None
        assert runner.run(settings, lease) == runner.DONE

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def train(client: TestClient, run_next: Callable[[], None]) -> Train:
    """Posts a job and trains it to its end; the job as it is then."""

    def run(**spec: Any) -> Json:
        posted = client.post("/v1/jobs", json=spec)
        assert posted.status_code == 201, posted.text
        run_next()
        job: Json = client.get(f"/v1/jobs/{posted.json()['id']}").json()
        return job

    return run
