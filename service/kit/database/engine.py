"""Engines and sessions: how each of the two databases is opened, and what a transaction means."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from service.kit.database.sqlite import sqlite

BUSY_SECONDS = 5.0
"""How long a statement waits for another writer, and a session for a free connection, before the answer is 503."""

_MODE = "backprop_mode"


class Database:
    """One database, and the two kinds of sessions that reach it.

    Sessions are cheap and short; connections are pooled. Whoever forks calls `close` first.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        reads: dict[str, object] = {_MODE: "read"}
        if engine.dialect.name == "postgresql":
            # One snapshot for all statements of a request, as SQLite gives by itself; a reader is never refused.
            reads |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._readers = sessionmaker(engine.execution_options(**reads), expire_on_commit=False, autoflush=False)
        self._writers = sessionmaker(engine.execution_options(**{_MODE: "write"}), expire_on_commit=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one snapshot and cannot change anything."""
        with self._readers() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that commits when the block ends, and leaves nothing behind when it fails.

        On SQLite it takes the write lock at its first statement, so that what it read is still so when it writes.
        """
        with self._writers() as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """The database at this URL; a SQLite file and its folder are made when they are missing."""
    return Database(make_engine(url))


def make_engine(url: str, *, foreign_keys: bool = True, poolclass: type[Pool] | None = None) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://…`, with its transactions begun explicitly."""
    parsed = normalized_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, foreign_keys=foreign_keys, poolclass=poolclass)
    return create_engine(
        parsed,
        poolclass=poolclass,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "backprop",
            "options": f"-c lock_timeout={round(BUSY_SECONDS * 1000)}",
        },
        **({} if poolclass else {"pool_size": 10, "max_overflow": 30, "pool_timeout": BUSY_SECONDS}),
    )


def normalized_url(url: str) -> URL:
    """The URL with the driver that this service uses.

    Raises ValueError for any other database, and for SQLite in memory, which no two processes could share.
    """
    try:
        parsed = make_url(url)
    except Exception as error:
        raise ValueError("A database URL is sqlite:///file or postgresql://user:password@host/name.") from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            raise ValueError("A database URL is sqlite:///file or postgresql://user:password@host/name.")


def _sqlite_engine(url: URL, *, foreign_keys: bool, poolclass: type[Pool] | None) -> Engine:
    assert url.database is not None  # normalized_url has seen to it
    Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=sqlite,
        poolclass=poolclass,
        # isolation_level None: the driver begins nothing by itself, so that `_begin` below decides.
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
        **({} if poolclass else {"pool_size": 10, "max_overflow": 30, "pool_timeout": BUSY_SECONDS}),
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: an acknowledged job survives a power cut. NORMAL would only spare one fsync of a short log per commit.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_MODE) == "read"
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reads else 'OFF'}")
    # IMMEDIATE: a transaction that reads and then writes would be refused at once, in spite of busy_timeout, when
    # another has written in between.
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
