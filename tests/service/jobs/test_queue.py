"""Claims, leases and losses."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from service.jobs import leases, queue, use_cases
from service.jobs.ids import JobId
from service.jobs.leases import Lease, Replaced
from service.jobs.states import HELD, JobState
from service.jobs.tables import JobRow
from service.kit.clock import now
from service.kit.database import Database, database_now, database_time

AJob = Callable[..., JobId]
StateOf = Callable[[JobId], JobState]


def claim(database: Database, lease_seconds: float = 60) -> Lease | None:
    with database.writing() as session:
        return queue.claim(session, "wrk_test", lease_seconds, database_now(session))


def expire(database: Database, job: JobId) -> None:
    with database.writing() as session:
        session.execute(update(JobRow).where(JobRow.id == job).values(lease_expires_at=database_time(-1)))


def reap(database: Database, max_losses: int = 3) -> list[JobId]:
    with database.writing() as session:
        return queue.reap(session, max_losses, database_now(session))


def held_lease(database: Database) -> Lease:
    lease = claim(database)
    assert lease is not None
    return lease


def test_the_highest_priority_goes_first_and_then_the_oldest(database: Database, a_job: AJob) -> None:
    old, young, urgent, later = a_job(), a_job(), a_job(priority=5), a_job(priority=-5)
    claimed = [held_lease(database).job_id for _ in range(4)]
    assert claimed == [urgent, old, young, later]
    assert claim(database) is None


def test_looking_tells_what_there_is_to_do_and_changes_nothing(database: Database, a_job: AJob) -> None:
    def look() -> tuple[bool, bool]:
        with database.reading() as session:
            return queue.look(session)

    assert look() == (False, False)
    job = a_job()
    assert look() == (True, False)
    held_lease(database)
    assert look() == (False, False)
    expire(database, job)
    assert look() == (False, True)


def test_many_workers_that_claim_at_once_get_every_job_once(database: Database, a_job: AJob) -> None:
    jobs = [a_job() for _ in range(12)]
    claimed: list[JobId] = []

    def work() -> None:
        while (lease := claim(database)) is not None:
            claimed.append(lease.job_id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed) == sorted(jobs)


def test_a_claim_counts_the_attempt_and_changes_the_token(database: Database, a_job: AJob) -> None:
    job = a_job()
    first = held_lease(database)
    expire(database, job)
    reap(database)
    second = held_lease(database)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.nonce != second.nonce


def test_a_replaced_runner_can_no_longer_write(database: Database, a_job: AJob, state_of: StateOf) -> None:
    job = a_job()
    replaced = held_lease(database)
    expire(database, job)
    reap(database)
    held_lease(database)
    with pytest.raises(Replaced), database.writing() as session:
        leases.held(session, replaced)
    with pytest.raises(Replaced), database.writing() as session:
        leases.renew(session, replaced, 60)
    assert state_of(job) == JobState.RUNNING


@pytest.mark.parametrize("wrong", ["attempt", "nonce"])
def test_a_token_must_match_in_every_part(database: Database, a_job: AJob, wrong: str) -> None:
    a_job()
    right = held_lease(database)
    changed = {"attempt": right.attempt + 1} if wrong == "attempt" else {"nonce": "0" * 32}
    forged = Lease(**{**vars(right), **changed})
    with pytest.raises(Replaced), database.writing() as session:
        leases.held(session, forged)


@pytest.mark.parametrize("state", sorted(set(JobState) - HELD))
def test_nobody_writes_for_a_job_that_waits_or_is_over(database: Database, a_job: AJob, state: JobState) -> None:
    job = a_job()
    lease = held_lease(database)
    with database.writing() as session:
        session.execute(update(JobRow).where(JobRow.id == job).values(state=state))
    with pytest.raises(Replaced), database.writing() as session:
        leases.held(session, lease)


@pytest.mark.parametrize("asked", [JobState.PAUSING, JobState.CANCELLING])
def test_renewing_the_lease_tells_what_was_asked(database: Database, a_job: AJob, asked: JobState) -> None:
    job = a_job()
    lease = held_lease(database)
    with database.writing() as session:
        ask = use_cases.pause if asked == JobState.PAUSING else use_cases.cancel
        ask(session, job, now())
    with database.writing() as session:
        assert leases.renew(session, lease, 60) == asked


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (JobState.RUNNING, JobState.QUEUED),
        (JobState.PAUSING, JobState.PAUSED),
        (JobState.CANCELLING, JobState.CANCELLED),
    ],
)
def test_a_job_whose_lease_ran_out_goes_where_it_was_meant_to(
    database: Database, a_job: AJob, state_of: StateOf, state: JobState, after: JobState
) -> None:
    job = a_job(state)
    assert reap(database) == []
    expire(database, job)
    assert reap(database) == [job]
    assert state_of(job) == after


def test_a_job_that_keeps_losing_its_worker_without_progress_fails(
    database: Database, a_job: AJob, state_of: StateOf
) -> None:
    job = a_job()
    for _ in range(2):
        held_lease(database)
        expire(database, job)
        reap(database, max_losses=3)
        assert state_of(job) == JobState.QUEUED
    held_lease(database)
    expire(database, job)
    reap(database, max_losses=3)
    with database.reading() as session:
        row = session.get_one(JobRow, job)
        assert (row.state, row.stop_reason) == (JobState.FAILED, "worker_lost")
        assert row.error is not None
        assert row.error["code"] == "worker_lost"


def test_the_clock_of_leases_is_the_database_s(database: Database, a_job: AJob) -> None:
    job = a_job()
    claim(database, lease_seconds=60)
    with database.reading() as session:
        expires_at = session.get_one(JobRow, job).lease_expires_at
        assert expires_at is not None
        assert 50 < (expires_at - database_now(session)).total_seconds() <= 60


def test_the_position_in_the_queue_counts_those_that_start_before(
    database: Database, a_job: AJob, client: TestClient
) -> None:
    first, urgent, last = a_job(), a_job(priority=1), a_job()
    positions = {job["id"]: job["queue"]["position"] for job in client.get("/v1/jobs").json()["data"]}
    assert positions == {urgent: 1, first: 2, last: 3}
    held_lease(database)
    assert client.get(f"/v1/jobs/{urgent}").json()["queue"] is None
    assert client.get(f"/v1/jobs/{last}").json()["queue"] == {"position": 2}
