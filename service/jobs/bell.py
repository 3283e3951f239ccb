"""Rings when something happens to a job: one poll of the database for all event streams and long polls of a process."""

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.jobs.ids import JobId
from service.jobs.tables import JobRow
from service.kit.database import Database
from service.kit.http.session import database_of
from service.kit.shutdown import Shutdown, shutdown_of

POLL_SECONDS = 0.1
_AT_ONCE = 500

_log = logging.getLogger("backprop.jobs")


class Bell:
    """Whoever waits holds neither a thread nor a connection; with nobody waiting the database is left alone."""

    def __init__(self, database: Database, shutdown: Shutdown) -> None:
        self._database = database
        self._shutdown = shutdown
        self._waiting: dict[asyncio.Future[None], tuple[JobId, int]] = {}
        self._poll: asyncio.Task[None] | None = None

    async def wait(self, job_id: JobId, seen: int, seconds: float) -> bool:
        """Wait until the job has an event newer than `seen`, is deleted, or the server stops; False after `seconds`."""
        rung = asyncio.get_running_loop().create_future()
        self._waiting[rung] = (job_id, seen)
        if self._poll is None or self._poll.done():
            self._poll = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(seconds):
                await rung
        except TimeoutError:
            return False
        finally:
            del self._waiting[rung]
        return True

    async def _listen(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_SECONDS)
            newest = await self._newest(sorted({job_id for job_id, _ in self._waiting.values()}))
            for rung, (job_id, seen) in self._waiting.items():
                is_news = newest is not None and newest.get(job_id, seen + 1) > seen
                if (is_news or self._shutdown.is_set()) and not rung.done():
                    rung.set_result(None)

    async def _newest(self, job_ids: Sequence[JobId]) -> dict[JobId, int] | None:
        """The newest event of each of these jobs that exists; None while the database cannot say."""
        try:
            return await run_in_threadpool(self._read_newest, job_ids)
        except SQLAlchemyError:
            _log.warning("The database could not be asked for news of jobs.", exc_info=True)
            return None

    def _read_newest(self, job_ids: Sequence[JobId]) -> dict[JobId, int]:
        newest: dict[JobId, int] = {}
        with self._database.reading() as session:
            for start in range(0, len(job_ids), _AT_ONCE):
                some = job_ids[start : start + _AT_ONCE]
                rows = session.execute(select(JobRow.id, JobRow.last_event).where(JobRow.id.in_(some)))
                newest.update(rows.all())
        return newest


def bell_of(request: Request) -> Bell:
    """The bell of the application that got this request."""
    state = request.app.state
    if not hasattr(state, "bell"):
        state.bell = Bell(database_of(request), shutdown_of(request))
    bell = state.bell
    assert isinstance(bell, Bell)
    return bell
