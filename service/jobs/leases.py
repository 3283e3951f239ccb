"""What the holder of a job may do: keep it, write for it, give it back, or end it.

Whoever takes a job gets a `Lease`. Its nonce is the fencing token: every write for the job begins with `held`, which
finds no row once the job has been taken from this holder, and then nothing at all is written.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, update
from sqlalchemy.orm import Session

from service.jobs import journal
from service.jobs.ids import JobId
from service.jobs.states import HELD, JobState, StopReason
from service.jobs.tables import JobRow
from service.kit.database import database_time, rows_changed
from service.kit.http.strict_json import Json


@dataclass(frozen=True)
class Lease:
    """The right to run one attempt of a job, within bounds, until it is given back or taken away."""

    job_id: JobId
    attempt: int
    nonce: str
    seconds_left: float
    """Running time that the job's limit leaves to this attempt."""

    memory_mb: int


class Replaced(Exception):
    """The job is no longer held under this lease, so its runner must stop without writing anything."""


def renew(session: Session, lease: Lease, lease_seconds: float) -> JobState:
    """Hold the job for some more seconds of the database's clock; the state tells whether to pause or cancel.

    Raises Replaced.
    """
    statement = update(JobRow).where(_is_holder(lease)).values(lease_expires_at=database_time(lease_seconds))
    answer = session.execute(statement.returning(JobRow.state), execution_options={"synchronize_session": False})
    state = answer.scalar_one_or_none()
    if state is None:
        raise Replaced
    return state


def held(session: Session, lease: Lease) -> JobRow:
    """The job, for its holder to write to until the transaction ends. Every write of a runner begins here.

    Raises Replaced.
    """
    statement = update(JobRow).where(_is_holder(lease)).values(attempt=lease.attempt)
    touched = session.execute(statement, execution_options={"synchronize_session": False})
    if rows_changed(touched) == 0:
        raise Replaced
    return session.get_one(JobRow, lease.job_id, populate_existing=True)


def give_back(session: Session, job: JobRow, reason: str, *, now: datetime) -> None:
    """Stop before the end, as asked or because the worker is shut down: this is no loss."""
    journal.release(job)
    match job.state:
        case JobState.CANCELLING:
            journal.end(session, job, JobState.CANCELLED, "cancelled_by_user", now=now)
        case JobState.PAUSING:
            journal.enter(session, job, JobState.PAUSED, now=now)
        case _:
            journal.enter(session, job, JobState.QUEUED, now=now, reason=reason)


def succeed(session: Session, job: JobRow, stop_reason: StopReason, model_id: str, *, now: datetime) -> None:
    """The run came to its end, and this model came of it; also if a pause was asked for too late."""
    job.model_id = model_id
    journal.end(session, job, JobState.SUCCEEDED, stop_reason, now=now)


def report(session: Session, job: JobRow, stop_reason: StopReason, result: dict[str, Json], *, now: datetime) -> None:
    """The run came to its end, and this was found by it; it makes no model."""
    job.result = result
    journal.end(session, job, JobState.SUCCEEDED, stop_reason, now=now)


def fail(session: Session, job: JobRow, stop_reason: StopReason, error: dict[str, Json], *, now: datetime) -> None:
    """The run cannot go on; a cancellation that was asked for before is done all the same."""
    if job.state == JobState.CANCELLING:
        journal.end(session, job, JobState.CANCELLED, "cancelled_by_user", now=now)
        return
    job.error = {"code": stop_reason, "step": job.step, "epoch": job.epoch, **error}
    journal.end(session, job, JobState.FAILED, stop_reason, now=now)


def lose(session: Session, job: JobRow, max_losses: int, detail: str, *, now: datetime) -> None:
    """The holder is gone without a word: another worker goes on from the last checkpoint, unless it is hopeless."""
    job.losses_without_progress += 1
    if job.state == JobState.RUNNING and job.losses_without_progress >= max_losses:
        times = f"{job.losses_without_progress} times in a row without progress"
        message = f"The job lost its worker {times}; the last time {detail}."
        fail(session, job, "worker_lost", {"detail": message}, now=now)
    else:
        give_back(session, job, f"worker lost: {detail}", now=now)


def _is_holder(lease: Lease) -> ColumnElement[bool]:
    return and_(
        JobRow.id == lease.job_id,
        JobRow.attempt == lease.attempt,
        JobRow.nonce == lease.nonce,
        JobRow.state.in_(HELD),
    )
