"""Jobs that end badly say why, and leave behind what they had."""

import pytest

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import Service

CHAIN = [{"op": "dense", "units": 8}, {"op": "square"}, {"op": "dense"}]


def test_a_job_whose_loss_overflows_names_the_node_and_keeps_its_last_finite_checkpoint(service: Service) -> None:
    job = a_job(
        service,
        a_dataset(service),
        epochs=100,
        network={"layers": CHAIN},
        optimizer={"kind": "sgd", "learning_rate": 5.0},
        schedule={"kind": "constant"},
    )
    over = service.finished(job)
    assert (over["state"], over["stop_reason"], over["error"]["code"]) == ("failed", "diverged", "diverged")
    assert over["error"]["node"]
    last = over["progress"]["epoch"]
    assert last in service.weights(job)
    assert over["error"]["epoch"] == last
    # One diverged job breaks no list.
    assert service.get("/v1/jobs")["data"][0]["id"] == job


@pytest.mark.parametrize(("limits", "reason"), [({"seconds": 1.5}, "time_limit"), ({"memory_mb": 16}, "memory_limit")])
def test_a_job_that_goes_beyond_a_limit_fails_and_says_which(
    service: Service, limits: dict[str, float], reason: str
) -> None:
    # 4 million weights with Adam's two slots and a gradient are 64 MB.
    wide = {"network": {"layers": [{"op": "dense", "units": 2000}, {"op": "dense", "units": 2000}, {"op": "dense"}]}}
    changes = wide if reason == "memory_limit" else {}
    job = a_job(service, a_dataset(service), epochs=100_000, limits=limits, **changes)
    over = service.finished(job)
    assert (over["state"], over["stop_reason"], over["error"]["code"]) == ("failed", reason, reason)
    # The worker is as good as new.
    assert service.finished(a_job(service, a_dataset(service), epochs=2))["state"] == "succeeded"
