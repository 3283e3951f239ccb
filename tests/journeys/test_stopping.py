"""Servers and workers come and go, and jobs do not mind."""

import signal

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import Service, children, command, end, serving, until


def test_a_server_that_is_told_to_stop_is_gone_in_time_and_its_job_goes_on_at_the_next_start(
    own_service: Service,
) -> None:
    service = own_service
    dataset = a_dataset(service)
    undisturbed = a_job(service, dataset, epochs=60)
    service.finished(undisturbed)
    job = a_job(service, dataset, epochs=60)
    stream = service.events(job)
    next(stream)
    service.reached(job, 5)
    processes = [*service.supervisors, *service.runners]

    assert service.stop() < 5

    assert not any(children(process) for process in processes)
    service.start()
    given_back = service.job(job)
    assert given_back["progress"]["epoch"] >= 5
    reasons = [change["reason"] for change in given_back["state_history"] if change["state"] == "queued"]
    assert reasons == [None, "its worker was shut down"]
    assert service.finished(job)["state"] == "succeeded"
    assert service.weights(job) == service.weights(undisturbed)


def test_two_supervisors_share_one_database_and_no_job(database_url: str) -> None:
    with serving(database_url, workers=0) as service:
        dataset = a_dataset(service)
        workers = [command(database_url, "worker", "--workers", "1") for _ in range(2)]
        try:
            jobs = [a_job(service, dataset, epochs=30) for _ in range(4)]
            until(lambda: all(children(worker.pid) for worker in workers), "both workers train at once")
            ends = [service.finished(job) for job in jobs]
        finally:
            for worker in workers:
                end(worker)
        assert [(job["state"], job["attempt"]) for job in ends] == [("succeeded", 1)] * 4
        assert len({tuple(sorted(service.weights(job).items())) for job in jobs}) == 1
        assert [worker.returncode for worker in workers] == [0, 0]
        assert service.http.get("/health/ready").status_code == 503


def test_a_worker_can_be_interrupted_like_any_program(sqlite_url: str) -> None:
    with serving(sqlite_url, workers=0) as service:
        job = a_job(service, a_dataset(service), epochs=100_000)
        worker = command(sqlite_url, "worker", "--workers", "1")
        service.reached(job, 2)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(10) == 0
        end(worker)
        assert service.job(job)["state"] == "queued"
