"""The queue as dispatchers see it: the next job, and those that were left behind."""

import secrets
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.orm import Session

from service.jobs import journal
from service.jobs.ids import JobId
from service.jobs.leases import Lease, lose
from service.jobs.states import HELD, JobState
from service.jobs.tables import JobRow
from service.kit.database import database_time

_LOCK = 0x6261636B71756575


class Outlook(NamedTuple):
    """Whether there is anything to do."""

    is_waiting: bool
    """A job is there to be claimed."""

    is_left_behind: bool
    """A job is there to be taken back."""


def look(session: Session) -> Outlook:
    """What there is to do; cheap enough to be asked all the time, since it only reads."""
    waiting, left_behind = exists().where(JobRow.state == JobState.QUEUED), exists().where(_has_expired())
    return Outlook(*map(bool, session.execute(select(waiting, left_behind)).one()))


def claim(session: Session, worker_id: str, lease_seconds: float, now: datetime) -> Lease | None:
    """Take the first job of the queue: the highest priority, then the oldest. None when nobody waits.

    Claims come one after another (on SQLite every writing transaction does), so that no limit is overrun.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    first = select(JobRow).where(JobRow.state == JobState.QUEUED).order_by(JobRow.priority.desc(), JobRow.id).limit(1)
    # A job that is being cancelled or paused at this moment is left to whoever does so.
    job = session.scalars(first.with_for_update(skip_locked=True)).first()
    if job is None:
        return None
    job.attempt += 1
    job.nonce = nonce = secrets.token_hex(16)
    job.worker_id = worker_id
    job.started_at = job.started_at or now
    journal.enter(session, job, JobState.RUNNING, now=now)
    session.flush()
    statement = update(JobRow).where(JobRow.id == job.id).values(lease_expires_at=database_time(lease_seconds))
    session.execute(statement, execution_options={"synchronize_session": False})
    return Lease(job.id, job.attempt, nonce, max(0.0, job.limit_seconds - job.used_seconds), job.limit_memory_mb)


def reap(session: Session, max_losses: int, now: datetime) -> list[JobId]:
    """Take back every job whose holder has let its lease run out."""
    expired = select(JobRow).where(_has_expired()).with_for_update(skip_locked=True)
    jobs = list(session.scalars(expired))
    for job in jobs:
        lose(session, job, max_losses, "it was not heard of within the lease", now=now)
    return [job.id for job in jobs]


def _has_expired() -> ColumnElement[bool]:
    return and_(JobRow.state.in_(HELD), JobRow.lease_expires_at < database_time())
