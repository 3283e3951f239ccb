"""The runner's sign of life: renews its lease, and hears whether to pause or to cancel."""

import logging
import os
import threading
import time
from typing import NoReturn, Self

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.leases import Lease, Replaced, renew
from service.jobs.states import JobState
from service.kit.database import Database

REPLACED = 3
"""Exit status of a runner whose job was taken from it."""

_log = logging.getLogger("backprop.worker")


class Heartbeat:
    """A thread that renews the lease, from the start of the `with` block to its end.

    When the job has been taken away, or when the lease may have run out because the database did not answer, it ends
    the whole process at once: whatever the runner is busy with, another one may have taken over.
    """

    def __init__(self, database: Database, lease: Lease, *, lease_seconds: float, interval_seconds: float) -> None:
        self._database = database
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._interval_seconds = interval_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.state = JobState.RUNNING
        """The job's state when it was last asked for."""

    def __enter__(self) -> Self:
        self._held_until = time.monotonic() + self._lease_seconds
        self._renew()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """No renewal is under way any more when this returns; stopping twice is stopping once."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._interval_seconds):
            self._renew()

    def _renew(self) -> None:
        asked = time.monotonic()
        try:
            with self._database.writing() as session:
                self.state = renew(session, self._lease, self._lease_seconds)
            self._held_until = asked + self._lease_seconds
        except Replaced:
            self._leave("the job was taken from this runner, which stops")
        except SQLAlchemyError as error:
            if time.monotonic() >= self._held_until:
                self._leave(f"the lease could not be renewed in time, so the runner stops: {error}")
            _log.warning("the lease could not be renewed yet: %s", error, extra={"job": self._lease.job_id})

    def _leave(self, reason: str) -> NoReturn:
        _log.warning("%s", reason, extra={"job": self._lease.job_id, "attempt": self._lease.attempt})
        os._exit(REPLACED)
