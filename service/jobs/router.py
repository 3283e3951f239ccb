"""`/v1/jobs`."""

import asyncio
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.jobs import repository, use_cases
from service.jobs.bell import bell_of
from service.jobs.creation import create, plan
from service.jobs.errors import JobIsCancelling, JobIsNotOver, JobIsOver, JobIsPausing, JobNotFound
from service.jobs.ids import JobId, JobIdPath
from service.jobs.orders import Bounds
from service.jobs.schemas import JobSpec, JobView
from service.jobs.states import JobKind, JobState
from service.jobs.tables import JobRow
from service.jobs.views import view, views
from service.kit.database import Database, database_now
from service.kit.http.idempotency import Idempotent
from service.kit.http.paging import Page, Paging, fetch_page
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession, WriteSession, database_of
from service.kit.shutdown import shutdown_of
from service.settings import Settings

router = feature_router(
    "jobs", "Training runs and other long work: what is asked, where each stands, and what can be asked of it."
)

States = Annotated[list[JobState] | None, Query(description="Only jobs in this state; may be given several times.")]
Kinds = Annotated[list[JobKind] | None, Query(description="Only jobs of this kind; may be given several times.")]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the end of the job before answering.")]


@router.post(
    "/v1/jobs", status_code=201, dependencies=[Idempotent], summary="Train a network, or find its learning rate"
)
def create_job(
    request: Request, response: Response, *, snapshot: ReadSession, session: WriteSession, body: JobSpec
) -> JobView:
    """The job waits in the queue when this answers; a worker takes it as soon as one is free.

    Everything but `dataset` and `target` has a default, and `spec` in the answer shows those that were taken. With
    `"kind": "learning_rate_range"` no model is made: the job measures which learning rate suits what is described.
    """
    settings: Settings = request.app.state.settings
    bounds = Bounds(settings.max_parameters, settings.job_seconds, settings.job_memory_mb)
    # Planned on a snapshot of its own: the write lock of SQLite is not held while data are read and shapes worked out.
    job = create(session, plan(snapshot, body, bounds), database_now(session))
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return view(session, job)


@router.get("/v1/jobs", summary="The jobs")
def list_jobs(session: ReadSession, paging: Paging, state: States = None, kind: Kinds = None) -> Page[JobView]:
    """All jobs, the newest first."""
    rows = fetch_page(session, repository.matching(state, kind), JobRow.id, paging)
    shown = {job.id: shown for job, shown in zip(rows.rows, views(session, rows.rows), strict=True)}
    return rows.page(lambda job: shown[job.id], lambda job: job.id)


@router.get("/v1/jobs/{job_id}", summary="One job", responses=problems(JobNotFound))
async def read_job(request: Request, job_id: JobIdPath, wait: Wait = 0) -> JobView:
    """Where the job stands; with `wait`, as soon as it is over or that many seconds have passed."""
    database, bell, shutdown = database_of(request), bell_of(request), shutdown_of(request)
    clock = asyncio.get_running_loop()
    deadline = clock.time() + wait
    while True:
        shown, seen = await run_in_threadpool(_look, database, job_id)
        left = deadline - clock.time()
        if shown.terminal or left <= 0 or shutdown.is_set():
            return shown
        await bell.wait(job_id, seen, left)


@router.post(
    "/v1/jobs/{job_id}/cancel", summary="End a job before its time", responses=problems(JobNotFound, JobIsOver)
)
def cancel_job(session: WriteSession, job_id: JobIdPath) -> JobView:
    """The job keeps the weights of its last whole epoch. It may still be `cancelling` when this answers."""
    return view(session, use_cases.cancel(session, job_id, database_now(session)))


@router.post(
    "/v1/jobs/{job_id}/pause",
    summary="Hold a job",
    responses=problems(JobNotFound, JobIsOver, JobIsCancelling),
)
def pause_job(session: WriteSession, job_id: JobIdPath) -> JobView:
    """The job stops after its last whole epoch and frees its worker. It may still be `pausing` when this answers."""
    return view(session, use_cases.pause(session, job_id, database_now(session)))


@router.post(
    "/v1/jobs/{job_id}/resume",
    summary="Let a paused job go on",
    responses=problems(JobNotFound, JobIsOver, JobIsCancelling, JobIsPausing),
)
def resume_job(session: WriteSession, job_id: JobIdPath) -> JobView:
    """The job waits in the queue again, and goes on after its last epoch with the bits of an undisturbed run."""
    return view(session, use_cases.resume(session, job_id, database_now(session)))


@router.delete(
    "/v1/jobs/{job_id}",
    status_code=204,
    summary="Forget a job that is over",
    responses=problems(JobNotFound, JobIsNotOver),
)
def delete_job(session: WriteSession, job_id: JobIdPath) -> None:
    """Its curves, events, checkpoints and answer go with it; the model it has made stays."""
    use_cases.forget(session, job_id)


def _look(database: Database, job_id: JobId) -> tuple[JobView, int]:
    with database.reading() as session:
        job = repository.find(session, job_id)
        return view(session, job), job.last_event
