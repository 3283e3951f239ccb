"""`GET /v1/jobs/{id}/diagnosis`, and the events that tell of it."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.trained import Json, Train

DEEP = [layer for _ in range(8) for layer in ({"op": "dense", "units": 16}, {"op": "sigmoid"})]
ADataset = Callable[[Json], str]


@pytest.fixture
def diagnosis_of(client: TestClient) -> Callable[[Json], Json]:
    """Reads the diagnosis of a job."""

    def read(job: Json) -> Json:
        answer = client.get(f"/v1/jobs/{job['id']}/diagnosis")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    return read


@pytest.fixture
def told_by(client: TestClient) -> Callable[[Json], list[Json]]:
    """The diagnosis events of a job."""

    def read(job: Json) -> list[Json]:
        page = client.get(f"/v1/jobs/{job['id']}/events?limit=1000", headers={"Accept": "application/json"}).json()
        return [event["data"] for event in page["data"] if event["event"] == "diagnosis"]

    return read


def asked(dataset: str, **changes: Any) -> Json:
    usual: Json = {
        "dataset": dataset,
        "target": "species",
        "epochs": 6,
        "seed": 1,
        "network": {"layers": [{"op": "dense", "units": 16}, {"op": "relu"}, {"op": "dense"}]},
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
    }
    return usual | changes


def without_counterfactuals(diagnosis: Json) -> list[tuple[str, str]]:
    return [(verdict["code"], verdict["severity"]) for verdict in diagnosis["verdicts"]]


def test_a_run_that_learns_is_healthy(a_dataset: ADataset, train: Train, diagnosis_of: Callable[[Json], Json]) -> None:
    job = train(**asked(a_dataset({"sample": "iris"})))
    answer = diagnosis_of(job)
    assert (answer["healthy"], answer["verdicts"], answer["epoch"]) == (True, [], 6)
    assert answer["chance"] == pytest.approx(1.0986, rel=1e-3), "three classes of equal shares"


def test_a_deep_sigmoid_network_vanishes_and_rectifiers_would_not(
    a_dataset: ADataset, train: Train, diagnosis_of: Callable[[Json], Json], told_by: Callable[[Json], list[Json]]
) -> None:
    network = {"layers": [*DEEP, {"op": "dense"}]}
    optimizer = {"kind": "sgd", "learning_rate": 0.1}
    job = train(**asked(a_dataset({"sample": "iris"}), network=network, optimizer=optimizer))
    answer = diagnosis_of(job)
    assert not answer["healthy"]
    verdict = next(one for one in answer["verdicts"] if one["code"] == "vanishing")
    assert (verdict["severity"], verdict["node"], verdict["epochs"]) == ("critical", "dense_1", [0, 6])
    low, high = verdict["evidence"]["healthy"]
    assert verdict["evidence"]["value"] < low == 1e-3 and high is None
    computed = verdict["counterfactual"]
    rectified = next(value for words, value in computed["after"].items() if words.startswith("relu"))
    assert computed["before"] < 1e-3 < rectified
    first, *_ = told_by(job)
    assert (first["epoch"], {"code": "vanishing", "was": None, "becomes": "critical"} in first["changes"]) == (0, True)


def test_a_job_that_overflowed_says_where_and_that_a_smaller_rate_would_not(
    a_dataset: ADataset, train: Train, diagnosis_of: Callable[[Json], Json], told_by: Callable[[Json], list[Json]]
) -> None:
    job = train(
        **asked(
            a_dataset({"sample": "cars"}),
            target="mpg",
            preparation="none",
            features=["Weight_in_lbs", "Displacement"],
            optimizer={"kind": "sgd", "learning_rate": 0.01},
        )
    )
    assert (job["state"], job["stop_reason"]) == ("failed", "diverged")
    answer = diagnosis_of(job)
    verdict = next(one for one in answer["verdicts"] if one["code"] == "non_finite")
    assert verdict["severity"] == "critical"
    *operands, itself = verdict["evidence"]["operands"]
    assert itself["finite"] < itself["entries"]
    assert all(one["finite"] == one["entries"] for one in operands)
    assert {"update_too_large", "input_scale"} <= {one["code"] for one in answer["verdicts"]}
    assert told_by(job)[-1]["verdicts"] == answer["verdicts"]


def test_what_was_told_last_is_what_is_read(
    a_dataset: ADataset, train: Train, diagnosis_of: Callable[[Json], Json], told_by: Callable[[Json], list[Json]]
) -> None:
    """Each event tells what has changed since the one before."""
    network = {"layers": [*DEEP, {"op": "dense"}]}
    job = train(**asked(a_dataset({"sample": "iris"}), network=network))
    before: dict[str, str] = {}
    for event in told_by(job):
        after = {one["code"]: one["severity"] for one in event["verdicts"]}
        assert {one["code"] for one in event["changes"]} == {
            code for code in before | after if before.get(code) != after.get(code)
        }
        before = after
    assert before == dict(without_counterfactuals(diagnosis_of(job)))


def test_a_range_test_has_nothing_to_diagnose(client: TestClient, a_dataset: ADataset, train: Train) -> None:
    job = train(kind="learning_rate_range", dataset=a_dataset({"sample": "iris"}), target="species")
    answer = client.get(f"/v1/jobs/{job['id']}/diagnosis")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_diagnose")


def test_a_job_that_has_not_begun_has_no_verdict_yet(client: TestClient, a_dataset: ADataset) -> None:
    job = client.post("/v1/jobs", json=asked(a_dataset({"sample": "iris"}))).json()
    answer = client.get(f"/v1/jobs/{job['id']}/diagnosis").json()
    assert answer == {"verdicts": [], "healthy": True, "epoch": 0, "chance": None}


def test_without_statistics_the_curves_are_judged_still(
    a_dataset: ADataset, train: Train, diagnosis_of: Callable[[Json], Json]
) -> None:
    job = train(
        **asked(
            a_dataset({"sample": "iris"}),
            statistics=False,
            network={"layers": [*DEEP, {"op": "dense"}]},
            optimizer={"kind": "sgd", "learning_rate": 1e-6},
        )
    )
    assert {one["code"] for one in diagnosis_of(job)["verdicts"]} == {"not_learning_yet"}
