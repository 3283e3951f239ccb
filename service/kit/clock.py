"""Times: aware, in UTC, to the microsecond; RFC 3339 with a `Z` in JSON.

class JobView(StrictModel):
    created_at: Time
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """The time on this machine's clock. Leases use the database's instead: `service.kit.database.database_now`."""
    return datetime.now(UTC)


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970, exactly: no float is involved."""
    return (time - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware time that many microseconds after the start of 1970."""
    return EPOCH + microseconds * MICROSECOND


def rfc3339(time: datetime) -> str:
    """Always six digits and a Z, so that times sort as text: `2026-01-31T12:00:00.000000Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time in an answer."""
