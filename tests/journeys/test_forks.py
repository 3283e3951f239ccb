"""A run is left while it still runs, and what goes on from there survives it and the death of its worker."""

import os
import signal

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import Service, until

EPOCHS = 16


def test_a_fork_that_is_killed_ends_with_the_bits_of_its_parent(service: Service) -> None:
    dataset = a_dataset(service)
    parent = a_job(service, dataset, epochs=EPOCHS, checkpoints={"every_epochs": 1, "keep": EPOCHS})
    service.reached(parent, 4)
    asked = {"epoch": 4, "changes": {"name": "fork"}}
    fork = service.post(f"/v1/jobs/{parent}/fork", asked)
    assert (fork["fork"]["reset"], fork["progress"]["epoch"]) == ([], 4)
    service.finished(parent)
    expected = service.weights(parent)
    assert service.http.delete(f"/v1/jobs/{parent}").status_code == 204
    service.reached(fork["id"], 7)
    (runner,) = until(lambda: service.runners, "somebody runs the fork")
    os.kill(runner, signal.SIGKILL)
    over = service.finished(fork["id"])
    assert (over["state"], over["attempt"]) == ("succeeded", 2)
    later = {epoch: both for epoch, both in service.weights(fork["id"]).items() if epoch >= 4}
    assert later == {epoch: both for epoch, both in expected.items() if epoch >= 4}
    events = list(service.events(fork["id"]))
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events[:2]] == ["state", "checkpoint"]
    assert events[1].data["epoch"] == 4
    assert service.get("/v1/models/fork")["job"] == fork["id"]
