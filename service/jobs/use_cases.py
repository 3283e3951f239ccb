"""What can be asked of a job that exists: to pause, to go on, to be cancelled, to be forgotten."""

from datetime import datetime

from sqlalchemy.orm import Session

from service.jobs import journal, repository
from service.jobs.errors import JobIsCancelling, JobIsNotOver, JobIsOver, JobIsPausing
from service.jobs.ids import JobId
from service.jobs.states import TERMINAL, JobState
from service.jobs.tables import JobRow


def cancel(session: Session, job_id: JobId, now: datetime) -> JobRow:
    """Ask for the end of a job.

    Asking twice is the same as asking once. A job that somebody runs is not over when this returns: its runner keeps
    the weights of the last whole epoch and then marks it cancelled.

    Raises JobNotFound, JobIsOver.
    """
    job = _unfinished(session, job_id)
    if job.state == JobState.CANCELLING:
        return job
    is_held = job.state in (JobState.RUNNING, JobState.PAUSING)
    journal.enter(session, job, JobState.CANCELLING, now=now, reason="cancelled by the user")
    if not is_held:
        journal.end(session, job, JobState.CANCELLED, "cancelled_by_user", now=now)
    return job


def pause(session: Session, job_id: JobId, now: datetime) -> JobRow:
    """Ask a job to stop after its last whole epoch, or not to start, until it is resumed.

    Asking twice is the same as asking once.

    Raises JobNotFound, JobIsOver, JobIsCancelling.
    """
    job = _unfinished(session, job_id)
    if job.state == JobState.CANCELLING:
        raise JobIsCancelling(job=job_id, state=job.state)
    if job.state in (JobState.PAUSING, JobState.PAUSED):
        return job
    is_held = job.state == JobState.RUNNING
    journal.enter(session, job, JobState.PAUSING, now=now, reason="paused by the user")
    if not is_held:
        journal.enter(session, job, JobState.PAUSED, now=now)
    return job


def resume(session: Session, job_id: JobId, now: datetime) -> JobRow:
    """Put a paused job back into the queue, from which it goes on after its last epoch.

    Asking twice is the same as asking once: a job that waits or runs is left alone.

    Raises JobNotFound, JobIsOver, JobIsCancelling, JobIsPausing.
    """
    job = _unfinished(session, job_id)
    match job.state:
        case JobState.PAUSED:
            journal.enter(session, job, JobState.QUEUED, now=now, reason="resumed by the user")
        case JobState.PAUSING:
            raise JobIsPausing(job=job_id, state=job.state)
        case JobState.CANCELLING:
            raise JobIsCancelling(job=job_id, state=job.state)
    return job


def forget(session: Session, job_id: JobId) -> None:
    """Delete a job that is over, with its curves, events and checkpoints; its model stays.

    Raises JobNotFound, JobIsNotOver.
    """
    job = repository.hold(session, job_id)
    if job.state not in TERMINAL:
        raise JobIsNotOver(job=job_id, state=job.state)
    session.delete(job)
    session.flush()


def _unfinished(session: Session, job_id: JobId) -> JobRow:
    job = repository.hold(session, job_id)
    if job.state in TERMINAL:
        raise JobIsOver(job=job_id, state=job.state)
    return job
