"""The database's own clock: the one clock that all processes and hosts share."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, literal, select, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from service.kit.database.columns import UtcTime


class _Microseconds(FunctionElement[int]):
    """Microseconds since 1970 when the statement runs."""

    type = BigInteger()
    inherit_cache = True
    name = "database_microseconds"


@compiles(_Microseconds, "sqlite")
def _sqlite(element: _Microseconds, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite's clock ticks in milliseconds; rounding first keeps the product exact. unixepoch('subsec') says the same
    # from 3.42 on, and NULL before.
    return "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000"


@compiles(_Microseconds, "postgresql")
def _postgresql(element: _Microseconds, compiler: SQLCompiler, **options: Any) -> str:
    # now() would be the time at which the transaction began.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


def database_time(later_seconds: float = 0) -> ColumnElement[datetime]:
    """The database's time, or that many seconds after it, as part of a statement."""
    microseconds = _Microseconds() + literal(round(later_seconds * 1_000_000), BigInteger)
    return type_coerce(microseconds if later_seconds else _Microseconds(), UtcTime())


def database_now(session: Session) -> datetime:
    """The time on the database's clock, to the millisecond at least."""
    return session.execute(select(database_time())).scalar_one()
