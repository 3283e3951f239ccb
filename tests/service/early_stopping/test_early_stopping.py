"""`/v1/jobs/{id}/early-stopping`: what any patience would have chosen, from the curve that is stored."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from starlette.testclient import TestClient

from service.epochs.tables import EpochRow
from service.jobs.ids import JOB_IDS
from service.jobs.tables import JobRow
from service.kit.database import Database

Json = dict[str, Any]

CASES = json.loads((Path(__file__).parents[2] / "reference" / "early_stopping_and_init.json").read_text())[
    "early_stopping"
]["cases"]


@pytest.fixture
def job(a_dataset: Callable[[Json], str], train: Callable[..., Json]) -> Json:
    return train(dataset=a_dataset({"sample": "iris"}), target="species", epochs=12, batch_size=16)


def choice(client: TestClient, job: Json, **query: Any) -> Json:
    answer = client.get(f"/v1/jobs/{job['id']}/early-stopping", params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert found["table"] is None
    chosen: Json = found["choice"]
    return chosen


def draw(database: Database, job: Json, split: str, measure: str, values: list[float], epochs: int) -> None:
    """Give the job this curve in place of its own."""
    with database.writing() as session:
        session.execute(delete(EpochRow).where(EpochRow.job_id == job["id"]))
        session.get_one(JobRow, job["id"]).epochs = epochs
        for index, value in enumerate(values):
            measures = {measure: value if math.isfinite(value) else None}
            empty: Json = {"training": {}, "validation": {}} | {split: measures}
            session.add(
                EpochRow(
                    job_id=JOB_IDS.type(job["id"]), epoch=index + 1, step=index, learning_rate=0.1, seconds=0.1, **empty
                )
            )


def test_the_reference_sequences_come_out_with_epochs_counted_from_1(
    client: TestClient, job: Json, database: Database
) -> None:
    assert len(CASES) == 11
    for case in CASES:
        values = list(map(float, case["monitored"]))
        measure = "accuracy" if case["mode"] == "max" else "loss"
        draw(database, job, "validation", measure, values, len(values))
        rule = {name: case[name] for name in ("patience", "min_delta", "start_from_epoch")}
        found = choice(client, job, monitor=f"validation.{measure}", **rule)
        expected = case["expected"]
        stopped = expected["stopped_epoch"]
        assert found == {
            "patience": case["patience"],
            "stop_epoch": len(values) if stopped is None else stopped + 1,
            "best_epoch": expected["best_epoch"] + 1,
            "best_value": expected["best_value"],
            "reason": expected["reason"],
            "is_known": True,
        }, case["name"]


def test_a_curve_that_is_too_short_to_know_says_so(client: TestClient, job: Json, database: Database) -> None:
    draw(database, job, "validation", "loss", [3.0, 2.0, 2.5, 2.6], epochs=10)
    unknown = {"stop_epoch": None, "best_epoch": 2, "best_value": 2.0, "reason": None, "is_known": False}
    known = {"stop_epoch": 4, "best_epoch": 2, "best_value": 2.0, "reason": "patience", "is_known": True}
    assert choice(client, job, patience=3) == {"patience": 3, **unknown}
    assert choice(client, job, patience=1_000_000) == {"patience": 1_000_000, **unknown}
    table = client.get(f"/v1/jobs/{job['id']}/early-stopping").json()
    assert (table["epochs"], table["choice"], table["monitor"]) == (4, None, "validation.loss")
    assert [one["stop_epoch"] for one in table["table"]] == [3, 4, None, None]
    assert table["table"][1] == {"patience": 2, **known}


def test_a_patience_chooses_what_a_job_with_it_chose(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    asked = {
        "dataset": a_dataset({"sample": "iris"}),
        "target": "species",
        "optimizer": {"kind": "sgd", "learning_rate": 0.5},
        "batch_size": 8,
    }
    long, short = (
        train(**asked, epochs=60, early_stopping={"patience": patience, "monitor": "validation.loss"})
        for patience in (50, 2)
    )
    found = choice(client, long, patience=2)
    assert (found["stop_epoch"], found["best_epoch"]) == (short["progress"]["epoch"], short["progress"]["best_epoch"])
    assert short["stop_reason"] == found["reason"].replace("patience", "early_stopping")


def test_what_is_asked_wrongly_is_named(client: TestClient, job: Json) -> None:
    path = f"/v1/jobs/{job['id']}/early-stopping"
    for query in (
        "patience=0",
        "patience=x",
        "min_delta=-1",
        "min_delta=nan",
        "monitor=loss",
        "start_from_epoch=-1",
        "a=1",
    ):
        answer = client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"?{query.split('=')[0]}")
    answer = client.get(f"{path}?monitor=validation.rmse")
    assert answer.status_code == 422
    assert "validation.accuracy" in answer.json()["errors"][0]["allowed"]
    test = client.post(
        "/v1/jobs", json={"dataset": job["dataset"], "target": "species", "kind": "learning_rate_range"}
    ).json()
    assert client.get(f"/v1/jobs/{test['id']}/early-stopping").status_code == 409
    assert client.get(f"/v1/jobs/{JOB_IDS.new()}/early-stopping").status_code == 404
