from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.jobs import journal, leases, queue, use_cases
from service.jobs.ids import JOB_IDS, JobId
from service.jobs.leases import Lease
from service.jobs.states import JobState
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.clock import now
from service.kit.database import Database, database_now

AJob = Callable[..., JobId]


def claim(session: Session, lease_seconds: float = 60) -> Lease:
    lease = queue.claim(session, "wrk_test", lease_seconds, database_now(session))
    assert lease is not None
    return lease


def _queued(session: Session, priority: int, age_seconds: float) -> JobRow:
    job = JobRow(
        id=JOB_IDS.new(),
        name="a job",
        dataset_id="ds_01jd0x9q0v5a3n8k5d9gq2h7rm",
        labels={},
        priority=priority,
        state=JobState.QUEUED,
        created_at=now() - timedelta(seconds=age_seconds),
        limit_seconds=60.0,
        limit_memory_mb=512,
        epochs=10,
        attempt=0,
        last_event=0,
    )
    session.add(job)
    session.flush()
    session.add(JobPlanRow(job_id=job.id, spec={"seed": 0}, notes=[], network={}, preparation={}))
    journal.record_state(session, job, now=job.created_at)
    session.flush()
    return job


@pytest.fixture
def a_job(database: Database) -> AJob:
    """A builder of jobs in any state, reached by the ways that there really are; it wants the queue to be empty."""

    def build(state: JobState = JobState.QUEUED, *, priority: int = 0, age_seconds: float = 0) -> JobId:
        with database.writing() as session:
            job = _queued(session, priority, age_seconds)
            _lead_to(session, job, state)
            assert job.state == state
            return job.id

    return build


def _lead_to(session: Session, job: JobRow, state: JobState) -> None:
    at = now()
    if state in (JobState.QUEUED, JobState.PAUSED, JobState.CANCELLED):
        for ask in {JobState.PAUSED: [use_cases.pause], JobState.CANCELLED: [use_cases.cancel]}.get(state, []):
            ask(session, job.id, at)
        return
    lease = claim(session)
    assert lease.job_id == job.id
    match state:
        case JobState.PAUSING:
            use_cases.pause(session, job.id, at)
        case JobState.CANCELLING:
            use_cases.cancel(session, job.id, at)
        case JobState.SUCCEEDED:
            leases.succeed(session, job, "max_epochs", "mdl_01jd0x9q0v5a3n8k5d9gq2h7rm", now=at)
        case JobState.FAILED:
            leases.fail(session, job, "error", {"detail": "It failed."}, now=at)


@pytest.fixture
def state_of(database: Database) -> Callable[[JobId], JobState]:
    """The state of a job as others see it."""

    def look(job_id: JobId) -> JobState:
        with database.reading() as session:
            return session.execute(select(JobRow.state).where(JobRow.id == job_id)).scalar_one()

    return look
