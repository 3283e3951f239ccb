"""GET /v1/jobs/{id}/layers, and what the event stream tells of layers."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.training.events import EpochEnded
from core.training.run import Run
from core.training.statistics import EpochStatistics
from service.jobs import repository
from service.jobs.creation import resolve_for
from service.jobs.ids import JobId
from service.jobs.schemas import JobSpec
from service.jobs.tables import JobPlanRow
from service.kit.database import Database
from service.layers.tables import LayersRow
from service.layers.use_cases import graph_of, statistics_of
from tests.trained import Train

Json = dict[str, Any]


@pytest.fixture
def job(train: Train, a_dataset: Callable[[Json], str]) -> Json:
    """60 epochs of 2 updates; those from 0 to 9 and 20, 40, 60, 80, 100 are looked at."""
    return train(
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        network={"layers": [{"op": "dense", "units": 6}, {"op": "relu"}, {"op": "dense"}]},
        split={"validation": 0.2},
        epochs=60,
        batch_size=64,
    )


def run_of(database: Database, job: Json) -> Run:
    with database.reading() as session:
        spec = JobSpec.model_validate_json(json.dumps(session.get_one(JobPlanRow, job["id"]).spec))
        return resolve_for(session, spec, 10**6).run()


def layers(client: TestClient, job: Json, query: str = "") -> Json:
    answer = client.get(f"/v1/jobs/{job['id']}/layers{query}")
    assert answer.status_code == 200, answer.text
    read: Json = answer.json()
    return read


def test_what_a_run_notices_is_read_as_columns(client: TestClient, database: Database, job: Json) -> None:
    read, run = layers(client, job), run_of(database, job)
    first = run.first_look()
    noticed = [event.statistics for event in run.events() if isinstance(event, EpochEnded)]
    assert first is not None and first.probe is not None
    assert read["epoch"] == list(range(1, 61))
    assert [step for step in read["step"] if step is not None] == [1, 3, 5, 7, 9, 20, 40, 60, 80, 100]
    last = noticed[50]
    assert last is not None
    (step,) = last.steps
    assert read["tensors"].keys() == {"dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b"}
    weights = read["tensors"]["dense_2.W"]
    assert weights["gradient_norm"][50] == pytest.approx(step.gradient_norms[2], rel=1e-6)
    assert weights["weight_norm"][50] == pytest.approx(step.weight_norms[2], rel=1e-6)
    assert weights["update_to_weight"][50] == pytest.approx(step.update_norms[2] / step.weight_norms[2], rel=1e-6)
    assert weights["update_norm"][51] is None
    assert read["layers"]["dense_1"]["slope_rms"][50] == pytest.approx(step.slope_rms[0], rel=1e-6)
    probes = read["probes"]
    assert probes["epoch"] == [0, 1, 2, 3, 5, 7, 10, 14, 19, 26, 36, 49, 60]
    for index, statistics in ((0, first), (-1, noticed[-1])):
        assert statistics is not None and statistics.probe is not None
        assert probes["loss"][index] == statistics.probe.loss
        for look in statistics.probe.nodes:
            columns = probes["nodes"][look.node]
            assert columns["op"] == look.op
            for name in ("mean", "std", "slope_rms", "dead", "saturated", "identical", "non_finite"):
                expected = getattr(look, name)
                assert columns[name][index] == (None if expected is None else pytest.approx(expected, rel=1e-6))
            assert columns["quantiles"]["0.5"][index] == pytest.approx(look.quantiles[2], rel=1e-6, abs=1e-12)


def test_a_part_of_it_is_read_by_epochs_and_by_node(client: TestClient, job: Json) -> None:
    read = layers(client, job, "?from=5&to=10&node=dense_1")
    assert read["epoch"] == [5, 6, 7, 8, 9, 10]
    assert read["probes"]["epoch"] == [5, 7, 10]
    assert read["tensors"].keys() == {"dense_1.W", "dense_1.b"}
    assert read["layers"].keys() == read["probes"]["nodes"].keys() == {"dense_1"}
    answer = client.get(f"/v1/jobs/{job['id']}/layers?node=dense_9")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["allowed"] == ["dense_1", "relu_1", "dense_2"]


def test_a_program_for_tables_gets_a_line_for_each_epoch(client: TestClient, job: Json) -> None:
    answer = client.get(f"/v1/jobs/{job['id']}/layers", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    read = layers(client, job)
    assert [line["epoch"] for line in lines] == [str(epoch) for epoch in range(61)]
    assert (lines[0]["step"], lines[6]["step"], lines[7]["step"]) == ("", "", "") and lines[5]["step"] == "9"
    assert float(lines[5]["tensors.dense_1.W.update_norm"]) == read["tensors"]["dense_1.W"]["update_norm"][4]
    assert float(lines[60]["probes.relu_1.dead"]) == read["probes"]["nodes"]["relu_1"]["dead"][-1]
    assert lines[59]["probes.relu_1.dead"] == "" == lines[60]["probes.dense_1.dead"]


def test_the_event_stream_tells_of_layers_where_they_were_probed(client: TestClient, job: Json) -> None:
    page = client.get(f"/v1/jobs/{job['id']}/events?limit=1000", headers={"Accept": "application/json"}).json()
    told = [event["data"] for event in page["data"] if event["event"] == "layers"]
    read = layers(client, job)
    assert [one["epoch"] for one in told] == read["probes"]["epoch"]
    assert told[0]["layers"]["dense_1"]["update_to_weight"] is None
    weights = read["tensors"]["dense_1.W"]
    assert told[1]["layers"]["dense_1"]["update_to_weight"] == pytest.approx(weights["update_to_weight"][0], rel=1e-5)
    looks = read["probes"]["nodes"]
    assert told[3]["layers"]["dense_2"]["slope_rms"] == pytest.approx(looks["dense_2"]["slope_rms"][3], rel=1e-6)
    assert told[-1]["dead"] == {"relu_1": pytest.approx(looks["relu_1"]["dead"][-1], rel=1e-6)}
    assert (told[-1]["saturated"], told[-1]["left_out"]) == ({}, 0)


def test_a_job_that_shall_not_look_has_nothing_to_tell(
    client: TestClient, train: Train, a_dataset: Callable[[Json], str]
) -> None:
    job = train(dataset=a_dataset({"sample": "iris"}), target="species", epochs=3, statistics=False)
    assert job["spec"]["statistics"] is False
    read = layers(client, job)
    assert (read["epoch"], read["probes"]["epoch"]) == ([], [])
    page = client.get(f"/v1/jobs/{job['id']}/events", headers={"Accept": "application/json"}).json()
    assert "layers" not in {event["event"] for event in page["data"]}


def test_a_range_test_looks_at_nothing_and_cannot_be_asked_to(
    client: TestClient, train: Train, a_dataset: Callable[[Json], str]
) -> None:
    asked = {"dataset": a_dataset({"sample": "iris"}), "target": "species", "kind": "learning_rate_range"}
    job = train(**asked, learning_rate_range={"steps": 30})
    assert "statistics" not in job["spec"]
    assert layers(client, job)["epoch"] == []
    answer = client.post("/v1/jobs", json=asked | {"statistics": True})
    assert answer.json()["errors"][0]["pointer"] == "/statistics"


def test_what_was_noticed_goes_with_its_job(client: TestClient, database: Database, job: Json) -> None:
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    with database.reading() as session:
        assert session.query(LayersRow).count() == 0
    assert client.get(f"/v1/jobs/{job['id']}/layers").status_code == 404


def test_what_is_stored_is_what_was_noticed(database: Database, job: Json) -> None:
    """To the 7 digits of float32, with the steps, the rates and what a node does not have."""
    run = run_of(database, job)
    noticed: list[EpochStatistics | None] = [run.first_look()]
    noticed += [event.statistics for event in run.events() if isinstance(event, EpochEnded)]
    with database.reading() as session:
        row = repository.find(session, JobId(job["id"]))
        stored = statistics_of(session, row, graph_of(session, row))
    assert len(stored) == 61
    for theirs, ours in zip(noticed, stored, strict=True):
        assert theirs is not None and ours.epoch == theirs.epoch
        assert [(step.step, step.learning_rate) for step in ours.steps] == [
            (step.step, step.learning_rate) for step in theirs.steps
        ]
        assert (ours.probe is None) == (theirs.probe is None)
        if ours.probe is not None and theirs.probe is not None:
            assert [(node.node, node.op, node.dead is None, node.identical is None) for node in ours.probe.nodes] == [
                (node.node, node.op, node.dead is None, node.identical is None) for node in theirs.probe.nodes
            ]
