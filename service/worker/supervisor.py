"""`python -m service worker`: claims jobs as long as it has room, and looks after their runners.

It decides nothing about training. What it knows of a job is its lease, and every decision is a short transaction; it
may be killed at any moment, and whatever it held is taken back by another one after the lease.
"""

import logging
import os
import select
import signal
import socket
import time
from functools import partial

import numpy as np
from sqlalchemy import delete, update
from sqlalchemy.exc import SQLAlchemyError

from core import fused
from service.checkpoints import use_cases as checkpoints
from service.jobs import leases, queue
from service.jobs.leases import Replaced, held
from service.kit import blobs
from service.kit.database import Database, database_now, database_time, open_database, rows_changed
from service.kit.features import load_tables
from service.kit.ids import IdKind
from service.kit.provenance import provenance
from service.kit.threads import use_one_blas_thread
from service.settings import Settings
from service.worker import runner
from service.worker.local import Ending, LocalEngine
from service.worker.tables import WorkerRow

POLL_SECONDS = 0.1
"""How long a new job waits at most before a free worker sees it."""

RETRY_SECONDS = 1.0
"""How long to leave a database alone that does not answer."""

STOP_SECONDS = 3.0
"""How long runners may take to give their jobs back; after that they are killed, which loses a partial epoch."""

COLLECT_SECONDS = 600.0
"""Time between two searches for bytes that nothing refers to."""

FORGET_SECONDS = 3600.0
"""After this time without a sign a worker is no longer remembered."""

_LIMITS = {"time_limit": "limit of running time", "memory_limit": "limit of memory"}

_WORKER_IDS = IdKind("wrk", str)

_log = logging.getLogger("backprop.worker")


def main(settings: Settings) -> int:
    """Supervise until SIGTERM; the exit status."""
    use_one_blas_thread()
    if settings.fused:
        fused.enable()
    # The collector of blobs has to know every table that refers to one.
    load_tables()
    _warm_up()
    database = open_database(settings.database_url)
    supervisor = Supervisor(settings, database, LocalEngine(partial(runner.run, settings)))
    try:
        supervisor.run()
    finally:
        database.close()
    return 0


class Supervisor:
    """The dispatcher of one machine, and the owner of its engine."""

    def __init__(self, settings: Settings, database: Database, engine: LocalEngine) -> None:
        self.id = _WORKER_IDS.new()
        self._settings = settings
        self._database = database
        self._engine = engine
        self._endings: list[Ending] = []
        self._stopping = False
        self._beat_at = self._retry_at = 0.0
        self._collect_at = time.monotonic() + COLLECT_SECONDS
        self._bell, self._ringer = os.pipe()

    def run(self) -> None:
        """Claim and look after jobs until told to stop, then give back those that are held."""
        self._listen()
        _log.info("training up to %s jobs at once", self._settings.worker_count, extra={"worker": self.id})
        while not self._stopping:
            self._turn()
            self._sleep(POLL_SECONDS)
        self._wind_down()

    def _turn(self) -> None:
        """Everything that is due now. While the database does not answer, only what needs none is done."""
        self._engine.enforce_limits()
        self._endings += self._engine.ended()
        if time.monotonic() < self._retry_at:
            return
        try:
            self._settle()
            self._beat()
            self._look_for_work()
            self._collect()
        except SQLAlchemyError as error:
            _log.warning("the database does not answer: %s", _first_line(error), extra={"worker": self.id})
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def _settle(self) -> None:
        """Decide about the job of every runner that has ended."""
        while self._endings:
            self._settle_one(self._endings[0])
            del self._endings[0]

    def _settle_one(self, ending: Ending) -> None:
        detail = runner.what_happened(ending.exit_code)
        try:
            with self._database.writing() as session:
                job, now = held(session, ending.lease), database_now(session)
                match ending.cause:
                    case "time_limit" | "memory_limit":
                        message = f"The job went beyond its {_LIMITS[ending.cause]} and was killed."
                        leases.fail(session, job, ending.cause, {"detail": message}, now=now)
                    case "stopped":
                        leases.give_back(session, job, "its worker was shut down", now=now)
                    case "lost":
                        leases.lose(session, job, self._settings.max_losses_without_progress, detail, now=now)
        except Replaced:
            # The usual case: the runner has itself written how its attempt ended.
            return
        _log.warning("a runner is gone: %s", detail, extra={"job": ending.lease.job_id, "worker": self.id})

    def _beat(self) -> None:
        """Say that this worker is alive, often enough that nobody doubts it within a lease."""
        if time.monotonic() < self._beat_at:
            return
        with self._database.writing() as session:
            seen = update(WorkerRow).where(WorkerRow.id == self.id).values(seen_at=database_time())
            if rows_changed(session.execute(seen)) == 0:
                now = database_now(session)
                session.add(
                    WorkerRow(id=self.id, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now)
                )
            session.execute(delete(WorkerRow).where(WorkerRow.seen_at < database_time(-FORGET_SECONDS)))
        self._beat_at = time.monotonic() + self._settings.lease_seconds / 4

    def _look_for_work(self) -> None:
        with self._database.reading() as session:
            outlook = queue.look(session)
        if outlook.is_left_behind:
            self._reap()
        if outlook.is_waiting or outlook.is_left_behind:
            self._take_jobs()

    def _reap(self) -> None:
        """Take back what others have left behind."""
        with self._database.writing() as session:
            reaped = queue.reap(session, self._settings.max_losses_without_progress, database_now(session))
        for job_id in reaped:
            _log.warning("the lease of a job ran out", extra={"job": job_id, "worker": self.id})

    def _take_jobs(self) -> None:
        while len(self._engine) < self._settings.worker_count and not self._stopping:
            with self._database.writing() as session:
                lease = queue.claim(session, self.id, self._settings.lease_seconds, database_now(session))
            if lease is None:
                return
            _log.info("started", extra={"job": lease.job_id, "attempt": lease.attempt, "worker": self.id})
            # SQLite's connections must not cross a fork, not even to be closed on the other side.
            self._database.close()
            self._engine.start(lease)

    def _collect(self) -> None:
        """Free the bytes that nothing refers to any more: of deleted things, and of runners that were killed."""
        if time.monotonic() >= self._collect_at:
            with self._database.writing() as session:
                checkpoints.drop_unneeded(session)
                blobs.collect_unreferenced(session)
            self._collect_at = time.monotonic() + COLLECT_SECONDS

    def _wind_down(self) -> None:
        self._engine.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        while len(self._engine) and time.monotonic() < deadline:
            self._endings += self._engine.ended()
            self._sleep(POLL_SECONDS)
        self._engine.kill()
        while len(self._engine):
            self._endings += self._engine.ended()
            self._sleep(POLL_SECONDS)
        try:
            self._settle()
            with self._database.writing() as session:
                session.execute(delete(WorkerRow).where(WorkerRow.id == self.id))
        except SQLAlchemyError as error:
            _log.warning("the database does not answer at the end: %s", _first_line(error), extra={"worker": self.id})

    def _listen(self) -> None:
        """Signals end a sleep at once: the end of a child, and the wish to stop."""
        for end in (self._bell, self._ringer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._ringer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for wish in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wish, self._stop)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _sleep(self, seconds: float) -> None:
        if select.select([self._bell], [], [], seconds)[0]:
            os.read(self._bell, 4096)


def _first_line(error: SQLAlchemyError) -> str:
    """What went wrong, without the statement that it went wrong with."""
    return str(error).splitlines()[0]


def _warm_up() -> None:
    """Let the BLAS take its buffers and be looked at once here, so that no runner has to."""
    square = np.ones((64, 64))
    square.dot(square)
    provenance()
