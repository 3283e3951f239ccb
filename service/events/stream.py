"""Events as server-sent events: each exactly once, from the database, until the job is over."""

import json
import logging
from collections.abc import AsyncIterator, Iterable

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.events.use_cases import Heard, read_events
from service.jobs.bell import Bell
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobId
from service.jobs.tables import EventRow
from service.kit.database import Database
from service.kit.shutdown import Shutdown

KEEP_ALIVE_SECONDS = 15.0
"""Proxies close a connection on which nothing moves for a minute."""

RETRY_MILLISECONDS = 1000
_AT_ONCE = 500

_log = logging.getLogger("backprop.events")


class EventStream:
    """The events of one job after the id `after`, as bytes on their way to one client."""

    def __init__(self, database: Database, bell: Bell, shutdown: Shutdown) -> None:
        self._database = database
        self._bell = bell
        self._shutdown = shutdown

    async def bytes(self, job_id: JobId, after: int) -> AsyncIterator[bytes]:
        """Ends after the job's last event, when the job is deleted, and when the server stops or loses the database."""
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        while not self._shutdown.is_set():
            heard = await self._read(job_id, after)
            if heard is None:
                return
            if heard.events:
                yield encode(heard.events)
                after = heard.events[-1].id
            if heard.is_all:
                return
            if not heard.has_more and not await self._bell.wait(job_id, after, KEEP_ALIVE_SECONDS):
                yield KEEPALIVE_COMMENT

    async def _read(self, job_id: JobId, after: int) -> Heard | None:
        try:
            return await run_in_threadpool(self._read_now, job_id, after)
        except JobNotFound:
            return None
        except SQLAlchemyError:
            # The client comes back with the last id it has seen, and then it misses nothing.
            _log.warning("An event stream was closed because the database could not be read.", exc_info=True)
            return None

    def _read_now(self, job_id: JobId, after: int) -> Heard:
        with self._database.reading() as session:
            return read_events(session, job_id, after, _AT_ONCE)


def encode(events: Iterable[EventRow]) -> bytes:
    """The events as they go over the wire."""
    return b"".join(
        format_sse_event(
            id=str(event.id),
            event=event.kind,
            data_str=json.dumps(event.data, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
        )
        for event in events
    )
