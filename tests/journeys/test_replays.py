"""A run is computed once more by other processes, one of which is killed, and has the same bits."""

import os
import signal

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import Service, until

EPOCHS = 16


def test_a_replay_that_is_killed_finds_every_bit_as_it_was(service: Service) -> None:
    job = a_job(service, a_dataset(service), epochs=EPOCHS, checkpoints={"every_epochs": 2, "keep": EPOCHS})
    service.finished(job)
    kept = [epoch for epoch in service.weights(job) if epoch]
    replay = service.post(f"/v1/jobs/{job}/replay")["id"]
    service.reached(replay, 5)
    (runner,) = until(lambda: service.runners, "somebody replays")
    os.kill(runner, signal.SIGKILL)
    over = service.finished(replay)
    assert (over["state"], over["attempt"], over["stop_reason"]) == ("succeeded", 2, "replayed")
    result = over["result"]
    assert (result["equal"], result["epochs"], result["difference"]) == (True, [1, EPOCHS], None)
    assert [one["count"] for one in result["compared"]] == [EPOCHS, len(kept)]
    assert result["provenance"]["differs"] == []
