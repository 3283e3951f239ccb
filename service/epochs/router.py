"""`/v1/jobs/{id}/epochs`."""

from fastapi import Request, Response

from service.epochs.schemas import Curves
from service.epochs.use_cases import as_csv, curves
from service.jobs import repository
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobIdPath
from service.kit.http.accept import preferred
from service.kit.http.problems import NotAcceptable, problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession

router = feature_router("epochs", "Learning curves: what was measured in each epoch.")


@router.get(
    "/v1/jobs/{job_id}/epochs",
    summary="The learning curves of a job",
    response_model=Curves,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problems(JobNotFound, NotAcceptable),
    },
)
def read_epochs(request: Request, session: ReadSession, job_id: JobIdPath) -> Curves | Response:
    """All epochs so far as columns, or as CSV with one line for each if the Accept header asks for `text/csv`."""
    media_type = preferred(request, "application/json", "text/csv")
    read = curves(session, repository.find(session, job_id))
    if media_type == "text/csv":
        return Response(as_csv(read), media_type="text/csv; charset=utf-8", headers={"Vary": "Accept"})
    return Response(read.model_dump_json(), media_type="application/json", headers={"Vary": "Accept"})
