"""`/v1/jobs/{id}/layers`."""

import csv
import io
from typing import Annotated

from fastapi import Query, Request, Response

from service.jobs import repository
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobIdPath
from service.kit.http.accept import preferred
from service.kit.http.problems import InvalidRequest, NotAcceptable, problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession
from service.layers.schemas import Layers
from service.layers.use_cases import as_lines, layers

router = feature_router("layers", "What happens to each layer while a network learns.")

_LATEST = 2**31 - 1

From = Annotated[int, Query(alias="from", ge=0, le=_LATEST, description="The first epoch; 0 is before training.")]
To = Annotated[int | None, Query(alias="to", ge=0, le=_LATEST, description="The last epoch.")]
NodeName = Annotated[str | None, Query(max_length=64, description="Only this node and its parameters.")]


@router.get(
    "/v1/jobs/{job_id}/layers",
    summary="What a job has noticed of its layers",
    response_model=Layers,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problems(JobNotFound, InvalidRequest, NotAcceptable),
    },
)
def read_layers(
    request: Request,
    session: ReadSession,
    job_id: JobIdPath,
    *,
    first: From = 0,
    last: To = None,
    node: NodeName = None,
) -> Layers | Response:
    """Norms of gradients, weights and updates, the signal that reaches each layer, and what activates, dies and
    saturates, as columns, or as CSV with one line for each epoch if the Accept header asks for `text/csv`.

    Nothing stands in them for a job with `"statistics": false`, nor for a range test.
    """
    media_type = preferred(request, "application/json", "text/csv")
    read = layers(session, repository.find(session, job_id), first=first, last=last, node=node)
    if media_type == "text/csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerows(as_lines(read))
        return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers={"Vary": "Accept"})
    return Response(read.model_dump_json(), media_type="application/json", headers={"Vary": "Accept"})
