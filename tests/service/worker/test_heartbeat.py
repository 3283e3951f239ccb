import time
from collections.abc import Callable

import pytest

from service.jobs import repository, use_cases
from service.jobs.leases import Lease
from service.jobs.states import JobState
from service.kit.clock import now
from service.kit.database import Database, open_database
from service.worker.heartbeat import GIVEN_BACK, Heartbeat
from service.worker.local import Ending, LocalEngine

ALease = Callable[..., Lease]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("ask", "heard"), [(use_cases.pause, JobState.PAUSING), (use_cases.cancel, JobState.CANCELLING)]
)
def test_a_runner_hears_what_is_asked_of_its_job(
    database: Database, a_lease: ALease, ask: Callable[..., object], heard: JobState
) -> None:
    lease = a_lease()
    with Heartbeat(database, lease, lease_seconds=60, interval_seconds=0.02) as heartbeat:
        assert heartbeat.state == JobState.RUNNING
        with database.writing() as session:
            ask(session, lease.job_id, now())
        until(lambda: heartbeat.state == heard)


def test_a_lease_is_longer_after_every_beat(database: Database, a_lease: ALease) -> None:
    lease = a_lease()

    def expires_at() -> float:
        with database.reading() as session:
            expires = repository.find(session, lease.job_id).lease_expires_at
            assert expires is not None
            return expires.timestamp()

    with Heartbeat(database, lease, lease_seconds=600, interval_seconds=0.02):
        first = expires_at()
        until(lambda: expires_at() > first)


def test_nothing_is_renewed_after_the_last_beat(database: Database, a_lease: ALease) -> None:
    lease = a_lease()
    heartbeat = Heartbeat(database, lease, lease_seconds=60, interval_seconds=0.001)
    with heartbeat:
        heartbeat.stop()
        with database.writing() as session:
            use_cases.pause(session, lease.job_id, now())
    assert heartbeat.state == JobState.RUNNING


@pytest.mark.parametrize(("ask", "state"), [(use_cases.pause, JobState.PAUSED), (use_cases.cancel, JobState.CANCELLED)])
def test_a_runner_that_does_not_listen_is_ended_and_its_job_is_where_it_was_asked_to_be(
    database: Database, database_url: str, a_lease: ALease, ask: Callable[..., object], state: JobState
) -> None:
    lease = a_lease()

    def block(lease: Lease) -> int:
        own = open_database(database_url)
        with Heartbeat(own, lease, lease_seconds=60, interval_seconds=0.02, patience_seconds=0.05):
            time.sleep(60)
        return 1

    engine = LocalEngine(block)
    database.close()
    engine.start(lease)
    with database.writing() as session:
        ask(session, lease.job_id, now())
    endings: list[Ending] = []

    def has_ended() -> bool:
        endings.extend(engine.ended())
        return bool(endings)

    until(has_ended)
    assert [ending.exit_code for ending in endings] == [GIVEN_BACK]
    with database.reading() as session:
        job = repository.find(session, lease.job_id)
        assert (job.state, job.nonce) == (state, None)
