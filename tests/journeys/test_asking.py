"""A job is cancelled, paused and resumed while it trains."""

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import Service, until


def test_a_cancelled_job_keeps_the_weights_of_its_last_whole_epoch(service: Service) -> None:
    job = a_job(service, a_dataset(service), epochs=100_000)
    service.reached(job, 3)
    service.post(f"/v1/jobs/{job}/cancel")
    over = service.finished(job)
    assert (over["state"], over["stop_reason"], over["model"]) == ("cancelled", "cancelled_by_user", None)
    last = over["progress"]["epoch"]
    assert service.get(f"/v1/jobs/{job}/epochs")["epoch"] == list(range(1, last + 1))
    assert last in service.weights(job)
    assert service.http.post(f"/v1/jobs/{job}/cancel").status_code == 409


def test_a_paused_job_frees_its_worker_and_ends_with_the_bits_of_an_undisturbed_run(service: Service) -> None:
    dataset = a_dataset(service)
    undisturbed = a_job(service, dataset, epochs=80)
    service.finished(undisturbed)

    job = a_job(service, dataset, epochs=80)
    for epoch in (5, 25):
        service.reached(job, epoch)
        service.post(f"/v1/jobs/{job}/pause")
        service.in_state(job, "paused")
        until(lambda: not service.runners, "the runner of the paused job is gone")
        service.post(f"/v1/jobs/{job}/resume")
    over = service.finished(job)

    assert (over["state"], over["attempt"]) == ("succeeded", 3)
    assert service.weights(job) == service.weights(undisturbed)
    assert service.get(f"/v1/jobs/{job}/epochs")["epoch"] == list(range(1, 81))


def test_a_job_that_is_cancelled_in_the_queue_never_starts(service: Service) -> None:
    dataset = a_dataset(service)
    busy = a_job(service, dataset, epochs=100_000)
    service.reached(busy, 1)
    waiting = a_job(service, dataset, epochs=5)
    assert service.job(waiting)["queue"] == {"position": 1}
    assert service.post(f"/v1/jobs/{waiting}/cancel")["state"] == "cancelled"
    service.post(f"/v1/jobs/{busy}/cancel")
    service.finished(busy)
    assert service.job(waiting)["started_at"] is None
