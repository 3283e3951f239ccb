"""What readiness is."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service.health.schemas import Ready
from service.kit.database import database_time
from service.kit.migrations import is_current
from service.worker.tables import WorkerRow


def readiness(session: Session, lease_seconds: float) -> Ready:
    """The state of everything that a job needs; the caller has just reached the database."""
    migrations = is_current(session.connection())
    alive = exists().where(WorkerRow.seen_at >= database_time(-lease_seconds))
    worker = migrations and session.scalar(select(alive)) is True
    return Ready(ready=worker, database=True, migrations=migrations, worker=worker, stopping=False)
