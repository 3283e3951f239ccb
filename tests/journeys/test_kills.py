"""Whatever dies, at whatever moment, the job ends with the bits of an undisturbed run."""

import os
import random
import signal
import time

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import IMPATIENT, Service, is_alive, serving, until

EPOCHS = 150
VICTIMS = ["runner"] * 16 + ["supervisor"] * 2 + ["server"] * 2


def test_twenty_kills_change_no_bit(database_url: str) -> None:
    chance = random.Random(20)
    victims = chance.sample(VICTIMS, len(VICTIMS))
    with serving(database_url, variables=IMPATIENT) as service:
        dataset = a_dataset(service)
        undisturbed = a_job(service, dataset, epochs=EPOCHS)
        service.finished(undisturbed)
        job = a_job(service, dataset, epochs=EPOCHS)
        for victim in victims:
            until(lambda: service.runners, "somebody runs the job")
            # Before its first step, between two epochs, in a commit: wherever it is by then.
            time.sleep(chance.uniform(0, 0.35))
            kill(service, victim)
        over = service.finished(job)
        assert over["state"] == "succeeded"
        assert over["attempt"] > len(VICTIMS)
        assert service.weights(job) == service.weights(undisturbed)
        assert service.get(f"/v1/jobs/{job}/epochs")["epoch"] == list(range(1, EPOCHS + 1))
        assert service.get(f"/v1/jobs/{job}/layers") == service.get(f"/v1/jobs/{undisturbed}/layers")
        events = [event.id for event in service.events(job)]
        assert events == list(range(1, len(events) + 1))


def kill(service: Service, victim: str) -> None:
    """kill -9, after which nobody trains for a moment; a server is started again."""
    runners = service.runners
    if victim == "server":
        service.kill()
        service.start()
    else:
        for pid in runners if victim == "runner" else service.supervisors:
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(is_alive, runners)), "the runner is gone")


def test_a_runner_that_was_frozen_beyond_its_lease_writes_nothing_when_it_wakes(database_url: str) -> None:
    with serving(database_url, workers=2, variables=IMPATIENT) as service:
        dataset = a_dataset(service)
        undisturbed = a_job(service, dataset, epochs=60)
        service.finished(undisturbed)
        until(lambda: not service.runners, "the runner of the first job is gone")
        job = a_job(service, dataset, epochs=60)
        service.reached(job, 5)
        (frozen,) = service.runners
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: service.job(job)["attempt"] > 1, "another attempt")
        os.kill(frozen, signal.SIGCONT)
        until(lambda: frozen not in service.runners, "the replaced runner stops by itself")
        assert service.finished(job)["state"] == "succeeded"
        assert service.weights(job) == service.weights(undisturbed)
        assert service.get(f"/v1/jobs/{job}/epochs")["epoch"] == list(range(1, 61))
