"""GET /v1/jobs/{id}/epochs."""

import csv
import io
import math
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from core.training.events import EpochEnded
from service.epochs.use_cases import record
from service.jobs import repository
from service.jobs.ids import JobId
from service.kit.database import Database


@pytest.fixture
def job(client: TestClient, database: Database) -> JobId:
    dataset = client.post("/v1/datasets", json={"sample": "iris"}).json()["id"]
    made = JobId(client.post("/v1/jobs", json={"dataset": dataset, "target": "species"}).json()["id"])
    with database.writing() as session:
        row = repository.find(session, made)
        for epoch in (1, 2):
            record(session, row, an_epoch(epoch, gradient_norm=math.inf if epoch == 2 else 0.5))
    return made


def an_epoch(epoch: int, gradient_norm: float) -> EpochEnded:
    return EpochEnded(
        epoch=epoch,
        step=4 * epoch,
        learning_rate=0.1,
        training={"loss": 1 / epoch, "accuracy": 0.5},
        validation={"loss": 0.1 + 0.2},
        gradient_norm=gradient_norm,
        seconds=0.01,
        examples_per_second=100.0,
        best_epoch=epoch,
        is_best=True,
        patience_left=None,
    )


def test_curves_are_columns_with_every_digit(client: TestClient, job: JobId) -> None:
    assert client.get(f"/v1/jobs/{job}/epochs").json() == {
        "epoch": [1, 2],
        "step": [4, 8],
        "training": {"loss": [1.0, 0.5], "accuracy": [0.5, 0.5]},
        "validation": {"loss": [0.30000000000000004, 0.30000000000000004]},
        "learning_rate": [0.1, 0.1],
        "gradient_norm": [0.5, None],
        "seconds": [0.01, 0.01],
    }


def test_a_program_for_tables_gets_the_same_as_csv(client: TestClient, job: JobId) -> None:
    answer = client.get(f"/v1/jobs/{job}/epochs", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["training.loss"]) for row in rows] == [1.0, 0.5]
    assert [row["gradient_norm"] for row in rows] == ["0.5", ""]


def test_a_browser_gets_json(client: TestClient, job: JobId) -> None:
    answer = client.get(f"/v1/jobs/{job}/epochs", headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})
    assert answer.headers["content-type"] == "application/json"


def test_a_job_that_has_not_started_has_empty_curves(client: TestClient, job: JobId) -> None:
    spec = client.get(f"/v1/jobs/{job}").json()["spec"]
    fresh = client.post("/v1/jobs", json=spec).json()["id"]
    curves = client.get(f"/v1/jobs/{fresh}/epochs").json()
    assert (curves["epoch"], curves["training"], curves["validation"]) == ([], {}, {})


def test_an_epoch_is_recorded_only_once(database: Database, job: JobId) -> None:
    with pytest.raises(IntegrityError), database.writing() as session:
        record(session, repository.find(session, job), an_epoch(2, gradient_norm=1.0))


def test_times_in_answers_are_in_utc(client: TestClient, job: JobId) -> None:
    created = datetime.fromisoformat(client.get(f"/v1/jobs/{job}").json()["created_at"])
    assert created.tzinfo == UTC
