"""Jobs as the routes show them."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.jobs import repository
from service.jobs.results import job_result
from service.jobs.schemas import JobView, Progress, QueuePlace, StateChange, job_error
from service.jobs.states import TERMINAL, JobState
from service.jobs.tables import JobPlanRow, JobRow, JobStateRow


def view(session: Session, job: JobRow) -> JobView:
    """One job."""
    return views(session, [job])[0]


def views(session: Session, jobs: Sequence[JobRow]) -> list[JobView]:
    """Several jobs, by as many queries as one."""
    ids = [job.id for job in jobs]
    plans = repository.plans(session, ids)
    histories = repository.histories(session, ids)
    positions = repository.queue_positions(session, [job.id for job in jobs if job.state == JobState.QUEUED])
    return [_view(job, plans[job.id], histories.get(job.id, ()), positions.get(job.id)) for job in jobs]


def _view(job: JobRow, plan: JobPlanRow, history: Sequence[JobStateRow], position: int | None) -> JobView:
    return JobView(
        id=job.id,
        kind=job.kind,
        name=job.name,
        state=job.state,
        terminal=job.state in TERMINAL,
        stop_reason=job.stop_reason,
        progress=_progress(job),
        queue=None if position is None else QueuePlace(position=position),
        attempt=job.attempt,
        state_history=[StateChange(state=row.state, at=row.at, reason=row.reason) for row in history],
        error=job_error(job.error),
        model=job.model_id,
        result=job_result(job.result),
        dataset=job.dataset_id,
        seed=plan.spec.get("seed"),
        spec=plan.spec,
        notes=plan.notes,
        labels=job.labels,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _progress(job: JobRow) -> Progress:
    left = job.epochs - job.epoch
    is_over = job.state in TERMINAL
    return Progress(
        epoch=job.epoch,
        epochs=job.epochs,
        step=job.step,
        fraction=1.0 if job.state == JobState.SUCCEEDED else job.epoch / job.epochs,
        eta_seconds=None if is_over or job.epoch_seconds is None else left * job.epoch_seconds,
        examples_per_second=job.examples_per_second,
        patience_left=job.patience_left,
        best_epoch=job.best_epoch,
    )
