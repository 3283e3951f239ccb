"""Column types that mean the same in SQLite and in Postgres."""

import json
import re
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from service.kit.clock import from_microseconds, to_microseconds

Id = String(40).with_variant(String(40, collation="C"), "postgresql")
"""A prefixed id of `service.kit.ids`, compared byte by byte: lists are ordered by it."""

# An escaped NUL, and not an escaped backslash followed by the letters u0000.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotStorable(ValueError):
    """The value has no faithful form in both databases: a number that is not finite, a NUL, half a surrogate pair."""


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, kept as whole microseconds since 1970.

    Neither database changes such a number: SQLite has no times, and Postgres would hand them back in its own zone.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value)


class JsonText(TypeDecorator[Any]):
    """JSON as text, its keys in the order they came in and its numbers with all their digits.

    A value read from the column is the row's own: replace it, never change it in place. Raises NotStorable for what
    one of the databases would lose or refuse (SQLite keeps NaN as NULL, Postgres' own JSON refuses it and NUL).
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def json_text(value: Any) -> str:
    """Compact JSON that any reader takes.

    Raises NotStorable for NaN, an infinity, a NUL or half a surrogate pair, wherever it stands.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except ValueError as error:
        raise NotStorable(f"{NotStorable.__doc__} ({error})") from error
    if _NUL.search(text):
        raise NotStorable(NotStorable.__doc__)
    return text
