"""`/v1/jobs/{id}/replay`."""

from fastapi import Request, Response

from service.jobs.errors import JobDoesNotTrain, JobNotFound
from service.jobs.ids import JobIdPath
from service.jobs.orders import Bounds
from service.jobs.schemas import JobView
from service.jobs.views import view
from service.kit.database import database_now
from service.kit.http.idempotency import Idempotent
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import WriteSession
from service.replays import use_cases
from service.replays.errors import DataSetGone, JobIsStillRunning, NothingToReplay
from service.replays.schemas import ReplayRequest
from service.settings import Settings

router = feature_router("replays", "Runs computed once more and compared, bit for bit.")


@router.post(
    "/v1/jobs/{job_id}/replay",
    status_code=201,
    dependencies=[Idempotent],
    summary="Compute a job once more and compare",
    responses=problems(JobNotFound, JobDoesNotTrain, JobIsStillRunning, NothingToReplay, DataSetGone),
)
def replay_job(
    request: Request,
    response: Response,
    job_id: JobIdPath,
    *,
    session: WriteSession,
    body: ReplayRequest = ReplayRequest(),  # noqa: B008 -- frozen; and an empty body asks for everything
) -> JobView:
    """A job of the kind replay. Its `result` says whether every measure of every epoch, and every checkpoint that is
    kept, came out the same bit for bit; if not, where it first did not, and what has computed then and now."""
    settings: Settings = request.app.state.settings
    bounds = Bounds(settings.max_parameters, settings.job_seconds, settings.job_memory_mb)
    job = use_cases.order(session, job_id, body, bounds, now=database_now(session))
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return view(session, job)
