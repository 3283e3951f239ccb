"""Alembic's entry: runs the migrations on the connection it is given, or compares the tables with them.

Started by `python -m service migrate` it gets a connection that is already locked. Started by the `alembic` command,
for `alembic revision --autogenerate`, it opens the database of BACKPROP_DATABASE_URL itself.
"""

from alembic import context
from sqlalchemy import Connection, NullPool

from service.kit.database import Base
from service.kit.database.engine import make_engine
from service.kit.features import load_tables
from service.settings import Settings

load_tables()


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite cannot alter a column: Alembic copies the table instead.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with make_engine(Settings().database_url, foreign_keys=False, poolclass=NullPool).begin() as opened:
        _run(opened)
