"""`/v1/jobs/{id}/replay`: a run computed once more has the bits that were stored, or says where it has not."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from core.weights import read_tensors, write_tensors
from service.checkpoints.tables import CheckpointRow
from service.epochs.tables import EpochRow
from service.jobs import queue
from service.jobs.states import ExperimentKind, JobKind
from service.jobs.tables import JobPlanRow, JobRow
from service.kit import blobs
from service.kit.database import Database, database_now
from service.kit.provenance import provenance
from service.settings import Settings
from service.worker.kinds import KINDS

MEASURES = [column.name for column in EpochRow.__table__.columns]

Json = dict[str, Any]
RunNext = Callable[[], None]


@pytest.fixture
def job(a_dataset: Callable[[Json], str], train: Callable[..., Json]) -> Json:
    """A run of 12 epochs with dropout; the checkpoints of epochs 0, 3, 6, 9 and 12 are kept, and the best."""
    return train(
        name="once",
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        network={"layers": [{"op": "dense", "units": 8}, {"op": "tanh"}, {"op": "dropout", "p": 0.2}, {"op": "dense"}]},
        optimizer={"kind": "adam", "learning_rate": 0.02},
        epochs=12,
        batch_size=16,
        checkpoints={"every_epochs": 3, "keep": 10},
    )


def replay(client: TestClient, job: Json, epochs: list[int] | None = None) -> Json:
    answer = client.post(f"/v1/jobs/{job['id']}/replay", json=None if epochs is None else {"epochs": epochs})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{made['id']}"
    return made


def result(client: TestClient, run_next: RunNext, job: Json, epochs: list[int] | None = None) -> Json:
    made = replay(client, job, epochs)
    run_next()
    over = client.get(f"/v1/jobs/{made['id']}").json()
    assert (over["state"], over["stop_reason"], over["model"]) == ("succeeded", "replayed", None), over
    found: Json = over["result"]
    return found


def kept(client: TestClient, job: Json) -> list[int]:
    return [row["epoch"] for row in client.get(f"/v1/jobs/{job['id']}/checkpoints").json()["data"]]


def test_a_run_computed_once_more_is_the_same_bit_for_bit(client: TestClient, job: Json, run_next: RunNext) -> None:
    made = replay(client, job)
    assert (made["kind"], made["dataset"], made["seed"]) == ("replay", job["dataset"], None)
    assert made["spec"] == {"job": job["id"], "epochs": [1, 12], "started_from": 0}
    assert client.delete(f"/v1/datasets/{job['dataset']}").json()["needed_by"] == made["id"]
    assert client.get(f"/v1/models/{made['id']}@last").status_code == 404
    run_next()
    over = client.get(f"/v1/jobs/{made['id']}").json()
    found = over["result"]
    compared = [epoch for epoch in kept(client, job) if epoch]
    assert (found["equal"], found["epochs"], found["difference"]) == (True, [1, 12], None)
    assert found["compared"] == [
        {"what": "curves", "epochs": [1, 12], "count": 12},
        {"what": "checkpoints", "epochs": [compared[0], 12], "count": len(compared)},
    ]
    here = provenance().model_dump(mode="json")
    assert found["provenance"] == {"stored": [here], "replayed": [here], "differs": []}
    assert kept(client, made) == []
    assert len(client.get("/v1/models").json()["data"]) == 1
    stored, again = (client.get(f"/v1/jobs/{one['id']}/epochs").json() for one in (job, made))
    assert {**again, "seconds": None} == {**stored, "seconds": None}


def test_a_part_is_replayed_from_the_last_checkpoint_before_it(
    client: TestClient, job: Json, run_next: RunNext
) -> None:
    (note,) = replay(client, job, [7, 8])["notes"]
    assert note == f"Computes the epochs 7 to 8 of {job['id']} once more and compares them."
    run_next()
    made = replay(client, job, [6, 10])
    begun = max(epoch for epoch in kept(client, job) if epoch < 6)
    assert made["spec"]["started_from"] == begun
    assert ("nothing later is kept" in made["notes"][0]) == (begun != 5)
    assert (made["progress"]["epoch"], made["progress"]["epochs"]) == (begun, 10)
    run_next()
    found = client.get(f"/v1/jobs/{made['id']}").json()["result"]
    assert (found["equal"], found["epochs"], found["started_from"]) == (True, [6, 10], begun)
    assert found["compared"][0] == {"what": "curves", "epochs": [6, 10], "count": 5}


def test_a_weight_that_is_one_ulp_off_is_found(
    client: TestClient, job: Json, run_next: RunNext, database: Database
) -> None:
    with database.writing() as session:
        row = session.get_one(CheckpointRow, (job["id"], 6))
        tensors = {name: tensor.copy() for name, tensor in read_tensors(blobs.get(session, row.weights)).items()}
        tensors["dense_2.W"][3, 1] = np.nextafter(tensors["dense_2.W"][3, 1], np.float32(9))
        row.weights = blobs.put(session, write_tensors(tensors))
    found = result(client, run_next, job)
    assert found["equal"] is False
    assert found["difference"] == {
        "epoch": 6, "measure": None, "stored": None, "replayed": None,
        "checkpoint": 6, "part": "weights", "node": "dense_2", "tensor": "W", "ulps": 1, "differing": 1, "entries": 24,
    }  # fmt: skip
    assert found["compared"][0] == {"what": "curves", "epochs": [1, 6], "count": 6}
    assert "though the same libraries" in found["explanation"]
    assert result(client, run_next, job, [10, 12])["equal"] is True


def test_a_measure_that_differs_in_its_last_digit_is_found_with_what_computed_then_and_now(
    client: TestClient, job: Json, run_next: RunNext, database: Database
) -> None:
    other = provenance().model_dump(mode="json")
    other["blas"]["kernel"], other["cpu"] = "Elsewhere", "Another"
    with database.writing() as session:
        measures = session.get_one(EpochRow, (job["id"], 5)).validation
        was = measures["loss"]
        assert was is not None
        stored = float(np.nextafter(was, 9))
        changed = {**measures, "loss": stored}
        session.execute(
            update(EpochRow).where(EpochRow.job_id == job["id"], EpochRow.epoch == 5).values(validation=changed)
        )
        session.get_one(JobPlanRow, job["id"]).provenance = [other]
    found = result(client, run_next, job)
    difference = found["difference"]
    assert (difference["epoch"], difference["measure"]) == (5, "validation.loss")
    assert (difference["stored"], difference["replayed"], difference["tensor"]) == (stored, was, None)
    assert found["provenance"]["differs"] == ["blas.kernel", "cpu"]
    assert "blas.kernel and cpu" in found["explanation"]


def test_a_replay_that_lost_its_worker_before_it_could_conclude_finds_the_difference_all_the_same(
    client: TestClient, job: Json, run_next: RunNext, database: Database, settings: Settings
) -> None:
    """The epoch that differs is written, and its conclusion is not."""
    with database.writing() as session:
        row = session.get_one(CheckpointRow, (job["id"], 9))
        row.memory = session.get_one(CheckpointRow, (job["id"], 6)).memory
    made = replay(client, job)
    run_next()
    found = client.get(f"/v1/jobs/{made['id']}").json()["result"]
    assert (found["difference"]["epoch"], found["difference"]["part"]) == (9, "memory")
    second = replay(client, job)
    with database.writing() as session:
        # As a first attempt leaves it that is killed right after it has written epoch 9.
        done = session.query(EpochRow).where(EpochRow.job_id == made["id"]).all()
        for epoch in done:
            session.add(
                EpochRow(
                    job_id=second["id"],
                    **{name: getattr(epoch, name) for name in MEASURES if name != "job_id"},
                )
            )
        theirs = session.get_one(CheckpointRow, (job["id"], 9))
        ours = session.get_one(CheckpointRow, (second["id"], 0))
        true_memory = session.get_one(CheckpointRow, (job["id"], 12)).memory
        ours.epoch, ours.step, ours.weights, ours.memory = 9, theirs.step, theirs.weights, true_memory
        job_row = session.get_one(JobRow, second["id"])
        job_row.epoch, job_row.step = 9, theirs.step
    run_next()
    again = client.get(f"/v1/jobs/{second['id']}").json()["result"]
    assert (again["equal"], again["difference"]["epoch"]) == (False, 9)
    assert again["compared"][1]["count"] == found["compared"][1]["count"]


def test_a_fork_is_replayed_from_where_it_was_forked(client: TestClient, job: Json, run_next: RunNext) -> None:
    fork = client.post(f"/v1/jobs/{job['id']}/fork", json={"epoch": 6, "changes": {"seed": 4}}).json()
    answer = client.post(f"/v1/jobs/{fork['id']}/replay")
    assert (answer.status_code, answer.json()["state"]) == (409, "queued")
    run_next()
    found = result(client, run_next, fork)
    assert (found["equal"], found["epochs"], found["started_from"]) == (True, [7, 12], 6)
    wrong = client.post(f"/v1/jobs/{fork['id']}/replay", json={"epochs": [3, 13]}).json()["errors"]
    assert {error["pointer"] for error in wrong} == {"/epochs/0", "/epochs/1"}


def test_what_cannot_be_replayed_says_why(client: TestClient, job: Json, run_next: RunNext, database: Database) -> None:
    asked = {"dataset": job["dataset"], "target": "species", "epochs": 3}
    path = f"/v1/jobs/{client.post('/v1/jobs', json=asked).json()['id']}"
    waiting = client.post(f"{path}/replay")
    assert (waiting.status_code, waiting.json()["code"], waiting.json()["state"]) == (
        409, "job_is_still_running", "queued",
    )  # fmt: skip
    with database.writing() as session:
        assert queue.claim(session, "wrk_test", 60, database_now(session)) is not None
    assert client.post(f"{path}/replay").json()["state"] == "running"
    client.post(f"{path}/cancel")
    assert client.post(f"{path}/replay").json()["state"] == "cancelling"
    other = f"/v1/jobs/{client.post('/v1/jobs', json=asked).json()['id']}"
    client.post(f"{other}/pause")
    assert client.post(f"{other}/replay").json()["code"] == "nothing_to_replay"
    assert client.post(f"{other}/cancel").json()["state"] == "cancelled"
    made = replay(client, job, [12, 12])
    assert client.post(f"/v1/jobs/{made['id']}/replay").json()["kind"] == "replay"
    for epochs, pointer in (([0, 3], "/epochs/0"), ([3, 2], "/epochs"), ([1], "/epochs"), ([1, 2, 3], "/epochs")):
        answer = client.post(f"/v1/jobs/{job['id']}/replay", json={"epochs": epochs})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    run_next()
    over = client.get(f"/v1/jobs/{made['id']}").json()
    assert over["state"] == "failed"
    assert "deleted" in over["error"]["detail"]


def test_a_data_set_that_is_gone_is_said_to_be_gone(client: TestClient, job: Json) -> None:
    assert client.delete(f"/v1/datasets/{job['dataset']}").status_code == 204
    answer = client.post(f"/v1/jobs/{job['id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "data_set_gone")


def test_every_kind_of_job_is_known_to_the_workers() -> None:
    assert set(get_args(JobKind)) == KINDS.keys() > set(get_args(ExperimentKind))
