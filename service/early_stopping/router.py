"""`/v1/jobs/{id}/early-stopping`."""

from typing import Annotated

from fastapi import Query

from core.monitor import Monitor
from core.training.stopping import EarlyStopping
from service.early_stopping.schemas import EarlyStoppingAnswer
from service.early_stopping.use_cases import judge
from service.jobs.errors import JobDoesNotTrain, JobNotFound
from service.jobs.ids import JobIdPath
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession

router = feature_router("early stopping", "What early stopping would have chosen on the curve of a job.")

Patience = Annotated[int | None, Query(ge=1, le=1_000_000, description="Left out, a table of all.")]
MinDelta = Annotated[float, Query(ge=0, allow_inf_nan=False, description="What an improvement must exceed.")]
Watched = Annotated[Monitor, Query(description="The curve that is watched.")]
StartFrom = Annotated[int, Query(ge=0, le=1_000_000, description="Epochs at the start that do not count as waiting.")]


@router.get(
    "/v1/jobs/{job_id}/early-stopping",
    summary="What any patience would have chosen",
    responses=problems(JobNotFound, JobDoesNotTrain),
)
def read_early_stopping(
    session: ReadSession,
    job_id: JobIdPath,
    *,
    patience: Patience = None,
    min_delta: MinDelta = 0.0,
    monitor: Watched = "validation.loss",
    start_from_epoch: StartFrom = 0,
) -> EarlyStoppingAnswer:
    """Where the job would have stopped, and with which epoch, by the very rule of training; nothing is trained."""
    rule = EarlyStopping(monitor=monitor, min_delta=min_delta, start_from_epoch=start_from_epoch)
    return judge(session, job_id, rule, patience)
