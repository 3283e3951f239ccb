"""A learning rate is looked for, and the network is trained with it."""

import os
import signal

import pytest

from tests.journeys.jobs import a_dataset
from tests.journeys.running import IMPATIENT, Service, serving, until


def test_the_rate_that_a_range_test_suggests_teaches_the_network(service: Service) -> None:
    dataset = service.post("/v1/datasets", {"sample": "penguins"})["id"]
    network = {"layers": [{"op": "dense", "units": 16}, {"op": "tanh"}, {"op": "dense"}]}
    asked = {"dataset": dataset, "target": "species", "network": network}
    optimizer = {"kind": "sgd", "momentum": 0.9}
    job = service.post("/v1/jobs", {**asked, "kind": "learning_rate_range", "optimizer": optimizer})["id"]

    heard = list(service.events(job))
    points = [event.data for event in heard if event.kind == "epoch"]
    over = service.job(job)
    result = over["result"]
    assert (over["state"], over["model"], over["error"]) == ("succeeded", None, None)
    assert over["stop_reason"] == result["stopped_because"]
    assert (heard[-1].kind, heard[-1].data["result"]) == ("end", result)
    curves = service.get(f"/v1/jobs/{job}/epochs")
    assert curves["epoch"] == list(range(1, len(points) + 1))
    assert curves["training"]["smoothed_loss"] == [point["training"]["smoothed_loss"] for point in points]
    assert result["suggested_learning_rate"] == curves["learning_rate"][result["steepest"]["point"] - 1]
    table = service.http.get(f"/v1/jobs/{job}/epochs", headers={"Accept": "text/csv"}).text.splitlines()
    assert {"learning_rate", "training.loss", "training.smoothed_loss"} <= set(table[0].split(","))
    assert len(table) == len(points) + 1
    assert service.weights(job) == {}

    chosen = {**optimizer, "learning_rate": result["suggested_learning_rate"]}
    trained = service.finished(service.post("/v1/jobs", {**asked, "optimizer": chosen, "epochs": 20})["id"])
    assert trained["result"] is None
    assert service.get(f"/v1/models/{trained['model']}")["scores"]["validation"]["accuracy"] > 0.95


def a_range_job(service: Service, dataset: str) -> str:
    """Some seconds of points that cannot explode."""
    asked = {
        "kind": "learning_rate_range",
        "learning_rate_range": {"from": 1e-6, "to": 1e-2, "steps": 1200},
        "dataset": dataset,
        "target": "class",
        "network": {
            "layers": [{"op": "dense", "units": 400}, {"op": "relu"}, {"op": "dropout", "p": 0.2}, {"op": "dense"}]
        },
        "batch_size": 1024,
        "seed": 7,
    }
    return str(service.post("/v1/jobs", asked)["id"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_range_test_that_is_killed_and_paused_ends_with_the_curve_of_an_undisturbed_one(database_url: str) -> None:
    """On one database: what kills do to jobs of any kind on the other is tested of those that train."""
    with serving(database_url, variables=IMPATIENT) as service:
        dataset = a_dataset(service)
        undisturbed = a_range_job(service, dataset)
        expected = service.finished(undisturbed)
        job = a_range_job(service, dataset)
        for point in (50, 150, 300):
            service.reached(job, point)
            until(lambda: service.runners, "somebody runs the job")
            for runner in service.runners:
                os.kill(runner, signal.SIGKILL)
            until(lambda: not service.runners, "the runner is gone")
        service.reached(job, 450)
        service.post(f"/v1/jobs/{job}/pause")
        service.in_state(job, "paused")
        assert len(service.weights(job)) == 1
        service.post(f"/v1/jobs/{job}/resume")
        over = service.finished(job)
        assert over["state"] == "succeeded"
        assert over["attempt"] >= 4
        assert over["result"] == expected["result"]
        ours, theirs = (service.get(f"/v1/jobs/{one}/epochs") for one in (job, undisturbed))
        assert {**ours, "seconds": None} == {**theirs, "seconds": None}
        assert ours["epoch"] == list(range(1, 1201))
        assert service.weights(job) == {}


def test_a_range_test_can_be_cancelled(service: Service) -> None:
    job = a_range_job(service, a_dataset(service))
    service.reached(job, 50)
    service.post(f"/v1/jobs/{job}/cancel")
    over = service.finished(job)
    assert (over["state"], over["model"], over["result"]) == ("cancelled", None, None)
    assert service.get(f"/v1/jobs/{job}/epochs")["epoch"] == list(range(1, over["progress"]["epoch"] + 1))
    assert service.weights(job) == {}
