"""`python -m service doctor`: looks at everything that a job needs, and says what to do about what is missing."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.kit.clock import now
from service.kit.database import database_now, database_time, open_database
from service.kit.database.engine import normalized_url
from service.kit.database.sqlite import sqlite
from service.kit.migrations import is_current
from service.kit.provenance import provenance
from service.kit.threads import is_limited_to_one_blas_thread
from service.settings import Settings
from service.worker.tables import WorkerRow

_LEAST_FREE_BYTES = 1024**3
_LARGEST_CLOCK_DIFFERENCE = timedelta(seconds=5)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; advice means that it is not as it should be."""

    subject: str
    seen: str
    advice: str | None = None


def main(settings: Settings) -> int:
    """Print what was found; the exit status is 1 if something needs attention."""
    findings = list(examine(settings))
    for finding in findings:
        print(f"{'ok  ' if finding.advice is None else 'BAD '} {finding.subject:<11} {finding.seen}")
        if finding.advice is not None:
            print(f"     {'':<11} {finding.advice}")
    return 1 if any(finding.advice for finding in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that a job needs, looked at in turn."""
    yield _threads()
    yield Finding("numbers", str(provenance()))
    url = normalized_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        yield _sqlite()
        if not Path(str(url.database)).exists():
            yield Finding("database", f"{url.database} does not exist", "Run: python -m service migrate")
            return
        yield _disk(Path(str(url.database)))
    database = open_database(settings.database_url)
    try:
        with database.reading() as session:
            yield Finding("database", f"{url.render_as_string(hide_password=True)} answers")
            yield _migrations(session)
            yield _clock(session)
            if is_current(session.connection()):
                yield _workers(session, settings)
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        yield Finding("database", reason, "Check BACKPROP_DATABASE_URL, and that the database runs.")
    finally:
        database.close()


def _finding(subject: str, seen: str, advice: str, *, good: bool) -> Finding:
    return Finding(subject, seen, None if good else advice)


def _threads() -> Finding:
    return _finding(
        "threads",
        f"one BLAS thread a process, {os.cpu_count()} CPUs",
        "Start the service by `python -m service`, which limits them.",
        good=is_limited_to_one_blas_thread(),
    )


def _sqlite() -> Finding:
    version: tuple[int, ...] = sqlite.sqlite_version_info
    return _finding(
        "sqlite",
        f"SQLite {sqlite.sqlite_version}",
        "Before 3.51.3 it could corrupt a database when its log was reset; install a newer pysqlite3.",
        good=version >= (3, 51, 3),
    )


def _disk(file: Path) -> Finding:
    free_bytes = shutil.disk_usage(file.parent).free
    return _finding(
        "disk",
        f"{free_bytes / 1024**3:.1f} GiB free beside the database",
        "Free some space: checkpoints and data sets need it.",
        good=free_bytes >= _LEAST_FREE_BYTES,
    )


def _migrations(session: Session) -> Finding:
    current = is_current(session.connection())
    seen = "current" if current else "not those of this version"
    return _finding("migrations", seen, "Run: python -m service migrate", good=current)


def _clock(session: Session) -> Finding:
    difference = abs(database_now(session) - now())
    return _finding(
        "clock",
        f"{difference.total_seconds():.1f} s from the database's",
        "Set the clocks of this machine and of the database by NTP; leases use the database's.",
        good=difference <= _LARGEST_CLOCK_DIFFERENCE,
    )


def _workers(session: Session, settings: Settings) -> Finding:
    query = select(func.count()).where(WorkerRow.seen_at >= database_time(-settings.lease_seconds))
    alive = session.scalar(query) or 0
    return _finding(
        "workers",
        f"{alive} alive",
        "No job will start. Run: python -m service serve, or python -m service worker",
        good=alive > 0,
    )
