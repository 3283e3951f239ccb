"""The runner's sign of life: renews its lease, and hears whether to pause or to cancel."""

import logging
import math
import os
import threading
import time
from typing import NoReturn, Self

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.leases import Lease, Replaced, give_back, held, renew
from service.jobs.states import JobState
from service.kit.database import Database, database_now
from service.worker.limits import unlimited_growth

GIVEN_BACK, REPLACED = 0, 3
"""Exit statuses of a runner that is ended here: its job was given back as asked, or was taken from it."""

_log = logging.getLogger("backprop.worker")


class Heartbeat:
    """A thread that renews the lease, from the start of the `with` block to its end.

    When the job has been taken away, or when the lease may have run out because the database did not answer, it ends
    the whole process at once: whatever the runner is busy with, another one may have taken over.

    It also ends the process, after giving back the job, when a pause or cancellation was asked for `patience_seconds`
    ago and the runner is still busy: so neither depends on what the runner is busy with.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        lease_seconds: float,
        interval_seconds: float,
        patience_seconds: float = math.inf,
    ) -> None:
        self._database = database
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._interval_seconds = interval_seconds
        self._patience_seconds = patience_seconds
        self._asked_at: float | None = None
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
            self._insist()

    def _insist(self) -> None:
        """Do for the runner what is asked of it, if it has had its time."""
        if self.state == JobState.RUNNING:
            return
        now = time.monotonic()
        self._asked_at = self._asked_at or now
        if now - self._asked_at < self._patience_seconds:
            return
        try:
            # The limit of memory is the runner's, and nothing of it is left after this.
            with unlimited_growth(), self._database.writing() as session:
                give_back(session, held(session, self._lease), "its runner was busy", now=database_now(session))
        except Replaced:
            self._leave("the job was taken from this runner, which stops")
        except SQLAlchemyError as error:
            _log.warning("the job could not be given back yet: %s", error, extra={"job": self._lease.job_id})
            return
        self._leave("the runner was busy when its job was to end, and is ended", GIVEN_BACK)

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

    def _leave(self, reason: str, status: int = REPLACED) -> NoReturn:
        _log.warning("%s", reason, extra={"job": self._lease.job_id, "attempt": self._lease.attempt})
        os._exit(status)
