"""Rows of jobs, found and counted."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from service.datasets.needs import tells_need
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobId
from service.jobs.states import TERMINAL, JobKind, JobState
from service.jobs.tables import JobPlanRow, JobRow, JobStateRow


def find(session: Session, job_id: JobId) -> JobRow:
    """The job. Raises JobNotFound."""
    job = session.get(JobRow, job_id)
    if job is None:
        raise JobNotFound(job=job_id)
    return job


def hold(session: Session, job_id: JobId) -> JobRow:
    """The job, which nobody else can change until the transaction ends. Raises JobNotFound."""
    job = session.get(JobRow, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise JobNotFound(job=job_id)
    return job


def matching(states: Sequence[JobState] | None, kinds: Sequence[JobKind] | None) -> Select[JobRow]:
    """The jobs in one of these states and of one of these kinds; without any, all."""
    query = select(JobRow)
    query = query.where(JobRow.state.in_(states)) if states else query
    return query.where(JobRow.kind.in_(kinds)) if kinds else query


def plans(session: Session, job_ids: Iterable[JobId]) -> Mapping[JobId, JobPlanRow]:
    """What these jobs were asked."""
    query = select(JobPlanRow).where(JobPlanRow.job_id.in_(list(job_ids)))
    return {plan.job_id: plan for plan in session.scalars(query)}


def histories(session: Session, job_ids: Iterable[JobId]) -> Mapping[JobId, Sequence[JobStateRow]]:
    """The changes of state of these jobs, oldest first."""
    query = select(JobStateRow).where(JobStateRow.job_id.in_(list(job_ids))).order_by(JobStateRow.event)
    found: dict[JobId, list[JobStateRow]] = {}
    for change in session.scalars(query):
        found.setdefault(change.job_id, []).append(change)
    return found


def queue_positions(session: Session, job_ids: Iterable[JobId]) -> Mapping[JobId, int]:
    """How many jobs start before each of these, itself counted; only those that are queued."""
    wanted = list(job_ids)
    if not wanted:
        return {}
    number = func.row_number().over(order_by=(JobRow.priority.desc(), JobRow.id))
    queue = select(JobRow.id, number.label("position")).where(JobRow.state == JobState.QUEUED).subquery()
    rows = session.execute(select(queue.c.id, queue.c.position).where(queue.c.id.in_(wanted)))
    return dict(rows.all())


@tells_need
def needs_dataset(session: Session, dataset_id: str) -> JobId | None:
    """A job that is not over and trains or validates on this data set."""
    query = select(JobRow.id).where(
        (JobRow.dataset_id == dataset_id) | (JobRow.validation_dataset_id == dataset_id),
        JobRow.state.not_in(TERMINAL),
    )
    return session.scalars(query.order_by(JobRow.id).limit(1)).first()
