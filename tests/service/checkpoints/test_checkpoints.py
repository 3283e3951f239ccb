"""GET /v1/jobs/{id}/checkpoints."""

import pytest
from starlette.testclient import TestClient

from core.training.checkpoint import Checkpoint
from service.checkpoints import use_cases
from service.checkpoints.errors import CheckpointNotFound
from service.jobs import repository
from service.jobs.ids import JobId
from service.kit import blobs
from service.kit.clock import now
from service.kit.database import Database


@pytest.fixture
def job(client: TestClient, database: Database) -> JobId:
    dataset = client.post("/v1/datasets", json={"sample": "iris"}).json()["id"]
    made = JobId(client.post("/v1/jobs", json={"dataset": dataset, "target": "species"}).json()["id"])
    with database.writing() as session:
        row = repository.find(session, made)
        for epoch in range(4):
            use_cases.keep(session, row, Checkpoint(epoch, 10 * epoch, b"weights %d" % epoch, b"memory"), now())
        row.epoch, row.best_epoch = 3, 2
    return made


def test_checkpoints_are_listed_with_their_references_and_digests(client: TestClient, job: JobId) -> None:
    listed = client.get(f"/v1/jobs/{job}/checkpoints").json()["data"]
    assert [row["reference"] for row in listed] == [f"{job}@{epoch}" for epoch in range(4)]
    assert [row["is_best"] for row in listed] == [False, False, True, False]
    assert [row["is_last"] for row in listed] == [False, False, False, True]
    assert listed[1]["weights_bytes"] == len(b"weights 1")
    assert len({row["memory_sha256"] for row in listed}) == 1


def test_a_checkpoint_is_found_by_its_epoch_or_as_best_or_last(database: Database, job: JobId) -> None:
    with database.reading() as session:
        row = repository.find(session, job)
        assert [use_cases.find(session, row, which).epoch for which in (0, 1, "best", "last")] == [0, 1, 2, 3]
        assert use_cases.load(session, use_cases.find(session, row, "last")).weights == b"weights 3"
        with pytest.raises(CheckpointNotFound):
            use_cases.find(session, row, 17)


def test_the_bytes_of_dropped_checkpoints_go_and_shared_ones_stay(database: Database, job: JobId) -> None:
    with database.writing() as session:
        dropped = use_cases.drop_others(session, repository.find(session, job), {0, 3})
        assert sum(dropped.values()) == 2 * len(b"weights 1") + len(b"memory")
        assert blobs.collect_unreferenced(session, among=dropped) == 2
    with database.reading() as session:
        rows = use_cases.stored(session, repository.find(session, job))
        assert [use_cases.load(session, row).memory for row in rows] == [b"memory", b"memory"]


def test_checkpoints_go_with_their_job(client: TestClient, database: Database, job: JobId) -> None:
    client.post(f"/v1/jobs/{job}/cancel")
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    with database.writing() as session:
        # The cells of the data set stay.
        assert blobs.collect_unreferenced(session) == 5
