"""The database, SQLite or Postgres, through one door.

    database = open_database("sqlite:///data/backprop.sqlite3")
    with database.writing() as session:      # BEGIN IMMEDIATE; commits at the end, rolls back on any error
        session.add(JobRow(...))
    with database.reading() as session:      # one snapshot; cannot write
        session.scalars(select(JobRow)).all()

Tables derive from `Base` in a feature's `tables.py`:

    class JobRow(Base):
        __tablename__ = "jobs"
        id: Mapped[JobId] = mapped_column(Id, primary_key=True)
        spec: Mapped[Json] = mapped_column(JsonText)
        created_at: Mapped[datetime] = mapped_column(UtcTime)
        lease_until: Mapped[datetime | None] = mapped_column(UtcTime)

Times that decide (leases, heartbeats) come from the database's own clock, also inside statements:

    session.execute(update(JobRow).where(JobRow.lease_until < database_time()).values(lease_until=database_time(10)))
"""

from service.kit.database.columns import Id, JsonText, NotStorable, UtcTime
from service.kit.database.engine import Database, open_database
from service.kit.database.statements import insert_if_absent, rows_changed
from service.kit.database.tables import Base
from service.kit.database.time import database_now, database_time

__all__ = [
    "Base",
    "Database",
    "Id",
    "JsonText",
    "NotStorable",
    "UtcTime",
    "database_now",
    "database_time",
    "insert_if_absent",
    "open_database",
    "rows_changed",
]
