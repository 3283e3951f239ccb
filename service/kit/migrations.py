"""The schema's history, applied: one process at a time, all of it or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text

from service.kit.database.engine import make_engine

_FOLDER = Path(__file__).parents[2] / "migrations"
_LOCK = 0x6261636B70726F70


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the database to this revision; it waits while another process does the same."""
    with _migrating(database_url) as config:
        command.upgrade(config, revision)


def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to an earlier revision, or to `base`: nothing at all."""
    with _migrating(database_url) as config:
        command.downgrade(config, revision)


def is_current(connection: Connection) -> bool:
    """Whether every migration of this checkout has been applied, and none that it does not know."""
    return set(MigrationContext.configure(connection).get_current_heads()) == set(latest())


@cache
def latest() -> tuple[str, ...]:
    """The newest revisions of this checkout: one, as long as the history is linear."""
    return tuple(ScriptDirectory.from_config(_config()).get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _migrating(database_url: str) -> Iterator[Config]:
    """Alembic on one connection, in one transaction, with every other migrating process kept out."""
    # SQLite rewrites a table to alter it; with foreign keys on, dropping the old one would delete what refers to it.
    engine = make_engine(database_url, foreign_keys=False, poolclass=NullPool)
    try:
        # On SQLite this begins with BEGIN IMMEDIATE, which is the lock.
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config = _config()
            config.attributes["connection"] = connection
            yield config
            _check_foreign_keys(connection)
    finally:
        engine.dispose()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
        raise RuntimeError("A migration left rows that refer to nothing; nothing was changed.")
