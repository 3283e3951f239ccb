"""Writes whose outcome is part of their meaning."""

from typing import Any

from sqlalchemy import CursorResult, Result, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.kit.database.tables import Base


def rows_changed(result: Result[Any]) -> int:
    """How many rows an update or delete has changed: the answer to every conditional write."""
    assert isinstance(result, CursorResult)
    assert result.rowcount >= 0, "Only updates and deletes are counted."
    return result.rowcount


def insert_if_absent(session: Session, row: type[Base], **values: object) -> bool:
    """Whether the row was new; when one with its key is there already, or is just being committed, nothing happens."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    key = inspect(row).primary_key[0]
    # Postgres does not count an insert that did nothing; it returns nothing instead.
    return session.execute(insert(row).values(values).on_conflict_do_nothing().returning(key)).first() is not None
