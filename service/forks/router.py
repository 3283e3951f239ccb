"""`/v1/jobs/{id}/fork`."""

from fastapi import Request, Response

from service.forks import use_cases
from service.forks.errors import ForkNotFound
from service.forks.schemas import ForkedJob, ForkReport, ForkRequest
from service.jobs.errors import JobDoesNotTrain, JobNotFound
from service.jobs.ids import JobIdPath
from service.jobs.orders import Bounds
from service.jobs.views import view
from service.kit.database import database_now
from service.kit.http.idempotency import Idempotent
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession, WriteSession
from service.settings import Settings

router = feature_router("forks", "Jobs that go on from a checkpoint of another one, with declared changes.")


@router.post(
    "/v1/jobs/{job_id}/fork",
    status_code=201,
    dependencies=[Idempotent],
    summary="Go on from a checkpoint, with changes",
    responses=problems(JobNotFound, JobDoesNotTrain),
)
def fork_job(
    request: Request,
    response: Response,
    job_id: JobIdPath,
    *,
    snapshot: ReadSession,
    session: WriteSession,
    body: ForkRequest,
) -> ForkedJob:
    """A new job that begins with the weights of the checkpoint. Its parent may be in any state, and may be deleted.

    `fork` says of each part of the run's state whether it was kept or reset, and why. Without changes every later
    epoch has the bits of the parent's. A network with changes takes the weights only if all its tensors keep their
    names and shapes.
    """
    settings: Settings = request.app.state.settings
    bounds = Bounds(settings.max_parameters, settings.job_seconds, settings.job_memory_mb)
    job, report = use_cases.create(session, use_cases.plan(snapshot, job_id, body, bounds), database_now(session))
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return ForkedJob(**dict(view(session, job)), fork=report)


@router.get(
    "/v1/jobs/{job_id}/fork", summary="Where a forked job has begun", responses=problems(JobNotFound, ForkNotFound)
)
def read_fork(session: ReadSession, job_id: JobIdPath) -> ForkReport:
    """What was changed, what was kept and what was reset."""
    return use_cases.read(session, job_id)
