"""One attempt of a job in a process of its own: from what was written last to its end, or to where it is stopped."""

import logging
import signal
import time

from sqlalchemy.exc import SQLAlchemyError

from core.errors import CoreError, Invalid
from service.datasets.errors import DatasetNotFound
from service.jobs.leases import Lease, Replaced, held
from service.jobs.tables import JobRow
from service.kit.database import Database, database_now, open_database
from service.kit.http.documents import shown_errors
from service.kit.http.strict_json import Json
from service.settings import Settings
from service.worker.attempt import Attempt, Wishes
from service.worker.conclusions import Conclusion, failure
from service.worker.heartbeat import REPLACED, Heartbeat
from service.worker.kind import Kind
from service.worker.kinds import KINDS
from service.worker.limits import limited_growth

DONE, NO_DATABASE = 0, 4
"""Exit statuses, beside REPLACED: the attempt is concluded; or what has become of it could not be written."""

BLOCKED_SECONDS = 30.0
"""How long work that asks whether to stop may not have asked, until its process is ended without it."""

_log = logging.getLogger("backprop.worker")


def run(settings: Settings, lease: Lease) -> int:
    """Do the work of a job in this process, which is the job's own; its exit status."""
    deadline = time.monotonic() + lease.seconds_left
    database = open_database(settings.database_url)
    try:
        kind = _kind_of(database, lease)
        heartbeat = Heartbeat(
            database,
            lease,
            lease_seconds=settings.lease_seconds,
            interval_seconds=settings.heartbeat_seconds,
            patience_seconds=BLOCKED_SECONDS if kind.stops_by_itself else 0.0,
        )
        wishes = Wishes(deadline, heartbeat)
        if kind.stops_by_itself:
            signal.signal(signal.SIGTERM, lambda *_: setattr(wishes, "shut_down", True))
        with heartbeat:
            _run(kind, Attempt(settings, database, lease, wishes))
    except Replaced:
        return REPLACED
    except SQLAlchemyError:
        # What was committed is known to nobody but the database: the next attempt asks it.
        _log.warning("the database does not answer, so the runner stops", extra={"job": lease.job_id})
        return NO_DATABASE
    finally:
        database.close()
    return DONE


def what_happened(exit_code: int) -> str:
    """How a runner ended, for people."""
    if exit_code == NO_DATABASE:
        return "it could not reach the database"
    if exit_code >= 0:
        return f"it ended with status {exit_code}"
    name = next((one.name for one in signal.Signals if one == -exit_code), f"signal {-exit_code}")
    return f"it was ended by {name}"


def _kind_of(database: Database, lease: Lease) -> Kind:
    with database.reading() as session:
        return KINDS[session.get_one(JobRow, lease.job_id).kind]


def _run(kind: Kind, attempt: Attempt) -> None:
    """Work, and conclude the attempt by what came of it. Raises Replaced."""
    _conclude(attempt, _outcome(kind, attempt))


def _outcome(kind: Kind, attempt: Attempt) -> Conclusion:
    """Work until something ends it; when this returns, the memory of the work is free again."""
    lease = attempt.lease
    try:
        with limited_growth(lease.memory_mb):
            return kind.work(attempt)
    except MemoryError:
        return failure("memory_limit", {"detail": f"The job needs more than its {lease.memory_mb} MiB of memory."})
    except (Replaced, SQLAlchemyError):
        raise
    except (CoreError, DatasetNotFound) as error:
        facts: dict[str, Json] = {"detail": f"The job cannot be done: {error}"[:1000]}
        if isinstance(error, Invalid):
            facts["errors"] = [*shown_errors(error.problems)]
        return failure("error", facts)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the job has to end and to say so
        _log.exception("the work failed", extra={"job": lease.job_id, "attempt": lease.attempt})
        detail = f"The work stopped with an internal error ({type(error).__name__}); the worker's log has more."
        return failure("error", {"detail": detail})


def _conclude(attempt: Attempt, conclusion: Conclusion) -> None:
    """Write what still waits and how it ends, in one transaction; from then on the job is nobody's."""
    attempt.wishes.heartbeat.stop()
    recorder = attempt.recorder
    with attempt.database.writing() as session:
        job, now = held(session, attempt.lease), database_now(session)
        if recorder is not None:
            recorder.write(session, job, now)
        conclusion(session, job, now)
        if recorder is not None:
            recorder.leave(session, job)
    if recorder is not None:
        recorder.clear()
        recorder.collect()
