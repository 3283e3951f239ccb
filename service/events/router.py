"""`/v1/jobs/{id}/events`."""

from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from core.errors import Problem
from service.events.schemas import EventPage, EventView
from service.events.stream import EventStream
from service.events.use_cases import Heard, read_events
from service.jobs.bell import bell_of
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobId, JobIdPath
from service.kit.database import Database
from service.kit.http.accept import preferred
from service.kit.http.problems import InvalidRequest, NotAcceptable, problems
from service.kit.http.routes import feature_router
from service.kit.http.session import database_of
from service.kit.shutdown import shutdown_of

router = feature_router("events", "What a job says while it runs, live and afterwards.")

_NEWEST = 2**31 - 1
_EVENT_STREAM = "text/event-stream"

After = Annotated[int | None, Query(ge=0, le=_NEWEST, description="Only events that follow this id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many events at most; for JSON pages only.")]
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The same as `after`; browsers send it when they reconnect.")
]


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="The events of a job, live",
    response_model=EventPage,
    responses={
        200: {"content": {_EVENT_STREAM: {"schema": {"type": "string"}}}},
        204: {"description": "The job is over and this was its last event: do not reconnect."},
        **problems(JobNotFound, InvalidRequest, NotAcceptable),
    },
)
async def read(
    request: Request,
    job_id: JobIdPath,
    *,
    after: After = None,
    limit: Limit = 200,
    last_event_id: LastEventId = None,
) -> Response:
    """Server-sent events from the first, or after the id given, until the job is over.

    Reconnecting with the id of the last event seen misses nothing and repeats nothing, on any server process. With
    `Accept: application/json` it is a page of the events there are, with the same ids.
    """
    wants_pages = preferred(request, _EVENT_STREAM, "application/json") == "application/json"
    start = _start(after, last_event_id)
    database = database_of(request)
    heard = await run_in_threadpool(_read, database, job_id, start, limit)
    if wants_pages:
        return Response(_page(heard).model_dump_json(), media_type="application/json", headers={"Vary": "Accept"})
    if heard.is_all and not heard.events:
        return Response(status_code=204)
    stream = EventStream(database, bell_of(request), shutdown_of(request))
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Vary": "Accept"}
    return StreamingResponse(stream.bytes(job_id, start), media_type=_EVENT_STREAM, headers=headers)


def _start(after: int | None, last_event_id: str | None) -> int:
    """The header is newer than the query: a browser repeats its first URL with each reconnect."""
    if not last_event_id:
        return after or 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 10):
        raise InvalidRequest(errors=[Problem("Last-Event-ID", "An id of an event is a whole number from 0.")])
    return min(int(last_event_id), _NEWEST)


def _read(database: Database, job_id: JobId, after: int, limit: int) -> Heard:
    with database.reading() as session:
        return read_events(session, job_id, after, limit)


def _page(heard: Heard) -> EventPage:
    views = [EventView(id=event.id, event=event.kind, at=event.at, data=event.data) for event in heard.events]
    return EventPage(
        data=views,
        first_id=views[0].id if views else None,
        last_id=views[-1].id if views else None,
        has_more=heard.has_more,
    )
