"""`/v1/jobs/{id}/checkpoints`."""

from service.checkpoints import use_cases
from service.checkpoints.schemas import Checkpoints, CheckpointView
from service.checkpoints.tables import CheckpointRow
from service.jobs import repository
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobIdPath
from service.jobs.tables import JobRow
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession

router = feature_router("checkpoints", "States of a run between epochs; each can be used as a model.")


@router.get("/v1/jobs/{job_id}/checkpoints", summary="The checkpoints of a job", responses=problems(JobNotFound))
def list_checkpoints(session: ReadSession, job_id: JobIdPath) -> Checkpoints:
    """All that are kept: the start, the best epoch, the last one, and those the job's `checkpoints` ask for."""
    job = repository.find(session, job_id)
    return Checkpoints(data=[_view(job, row) for row in use_cases.stored(session, job)])


def _view(job: JobRow, row: CheckpointRow) -> CheckpointView:
    return CheckpointView(
        reference=f"{job.id}@{row.epoch}",
        epoch=row.epoch,
        step=row.step,
        is_best=row.epoch == job.best_epoch,
        is_last=row.epoch == job.epoch,
        weights_sha256=row.weights,
        weights_bytes=row.weights_bytes,
        memory_sha256=row.memory,
        memory_bytes=row.memory_bytes,
        created_at=row.created_at,
    )
