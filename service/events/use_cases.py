"""Events of a job, read in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.jobs import repository
from service.jobs.ids import JobId
from service.jobs.states import TERMINAL
from service.jobs.tables import EventRow


@dataclass(frozen=True)
class Heard:
    """Some events of a job, oldest first."""

    events: Sequence[EventRow]
    has_more: bool
    is_all: bool
    """The job is over, and nothing follows these events."""


def read_events(session: Session, job_id: JobId, after: int, limit: int) -> Heard:
    """The events that follow the id `after`. Raises JobNotFound."""
    job = repository.find(session, job_id)
    query = select(EventRow).where(EventRow.job_id == job_id, EventRow.id > after).order_by(EventRow.id).limit(limit)
    events = session.scalars(query).all()
    newest = events[-1].id if events else after
    return Heard(events, newest < job.last_event, job.state in TERMINAL and newest >= job.last_event)
